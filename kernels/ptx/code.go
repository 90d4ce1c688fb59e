package ptx

// lanes is the number of threads of a warp.
const lanes = 32

const fullMask = 0xffffffff

// vec is a register of a warp: a value for each lane, zero-extended.
type vec [lanes]uint64

// opKind distinguishes the instructions that the warp's loop handles itself.
type opKind uint8

const (
	opPlain  opKind = iota // run does it all
	opBranch               // to target
	opTable                // to targets[a]
	opCall
	opReturn
	opExit
	opSync // runs once the required lanes have converged; see sync.go
	opBarrier
)

// instr is a decoded instruction.
type instr struct {
	run      func(*warp, *instr)
	id       int32 // of its module: from 1
	kind     opKind
	guardNot bool
	uniform  bool
	guard    int32 // predicate, or -1
	target   int32
	d        int32 // destination: a slot, or a predicate
	d2       int32 // second destination, or -1
	a, b, c  int32 // sources: slots, or predicates
	e        int32
	imm      int64
	f1       func(a uint64) uint64
	f2       func(a, b uint64) uint64
	f3       func(a, b, c uint64) uint64
	check    bool // maybe or sets is not empty
	x        any  // particulars
	src      *inst
	reads    []watched // registers that may be unwritten, as far as is known before running
	writes   []watched // registers whose writing is watched
	copies   bool      // its result is as undefined as its sources
}

// constant is a slot that holds the same value in every lane.
type constant struct {
	slot   int32
	bits   uint64
	sym    *variable // plus its address
	fn     *function // or the address of a function
	narrow bool      // 32 bits
}

// code is a function in executable form.
type code struct {
	ins      []instr
	slots    int
	preds    int
	consts   []constant
	specials []specialSlot
	locals   []localSlot // addresses in the frame's local memory
	unit     int         // smallest access to shared memory, in bytes
	tracked  bool        // the writing of some registers is tracked at run time
	calls    []*function
	indirect bool
	ordered  bool                // blocks may communicate through memory
	fences   bool                // and may order their accesses
	formals  map[*variable]int32 // slots of parameters in registers
}

type specialSlot struct {
	slot int32
	kind special
}

type localSlot struct {
	slot   int32
	offset int64
}
