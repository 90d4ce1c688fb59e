package ptx

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// access is a load, store or atomic.
type access struct {
	space    space
	typ      typ
	size     int // bytes of an element
	n        int // elements
	bytes    int // in all, which is also the alignment
	slots    []int32
	ext      []int // of a signed load: bits to extend to, or 0
	narrow   bool  // 32-bit address register
	strong   bool  // volatile, relaxed, acquire, release
	readOnly bool  // ld.const, ld.nc
	direct   bool  // [variable]: checked to be in bounds when parsed
}

// addressOf fills in base, offset and space of an address operand.
func (l *lowerer) addressOf(o *operand, sp space, in *instr, x *access) {
	x.space = sp
	in.imm = o.offset
	switch {
	case o.reg != nil:
		t := o.reg.typ
		if t.isFloat() || t == tPred || t.bits() < 32 {
			l.fail(o.pos, "register %s of type .%v cannot hold an address", o.reg.name, t)
		}
		if t.bits() == 32 && (sp == spaceGlobal || sp == spaceGeneric) {
			l.fail(o.pos, "register %s of 32 bits cannot hold a .%v address", o.reg.name, sp)
		}
		x.narrow = t.bits() == 32
		in.a = l.register(o.reg)
	case o.sym != nil:
		v := o.sym
		if sp == spaceGeneric {
			// The assembler knows the space of a name.
			sp = v.space
			x.space = sp
		} else if v.space != sp {
			l.fail(o.pos, "%s is in .%v space, not .%v", v.name, v.space, sp)
		}
		in.a = l.symbol(v, 0, false)
		x.direct = true
	default:
		in.a = l.bits(0)
	}
	if sp == spaceShared || sp == spaceGeneric {
		l.c.unit = min(l.c.unit, x.bytes)
	}
}

// checkVector rejects vectors of more than 128 bits, or 256 for the kinds of vector that
// only sm_100 has.
func (l *lowerer) checkVector(m *match, x *access) {
	limit := 16
	if x.n == 8 || x.n == 4 && x.size == 8 {
		limit = 32
	}
	if x.bytes > limit {
		l.fail(m.in.pos, "%s.v%d.%v is wider than %d bits", m.op, x.n, x.typ, limit*8)
	}
}

// hinted returns the operands without a cache policy, which has no effect here.
func (l *lowerer) hinted(m *match) []operand {
	args := m.in.args
	if !m.has("hint") {
		return args
	}
	if sp := spaceOf(m.get("space")); sp != spaceGlobal && sp != spaceGeneric && m.op != "cp" {
		l.fail(m.in.pos, "%s with a cache hint in .%v space, which only .global has", m.op, sp)
	}
	l.source(&args[len(args)-1], tB64)
	return args[:len(args)-1]
}

func vecLen(m *match) int {
	if !m.has("vec") {
		return 1
	}
	n, _ := strconv.Atoi(m.get("vec")[1:])
	return n
}

func lowerLd(l *lowerer, m *match) {
	t := m.typ("type")
	x := &access{typ: t, size: t.bytes(), n: vecLen(m)}
	x.bytes = x.size * x.n
	in := instr{run: load, x: x, d: l.sink}
	args := l.hinted(m)
	sp := spaceOf(m.get("space"))
	x.strong = l.strong(m)
	x.readOnly = m.has("nc") || m.op == "ldu"
	l.addressOf(&args[1], sp, &in, x)
	l.checkVector(m, x)
	x.slots = l.vector(&args[0], t, true)
	dsts := args[0].elems
	if args[0].kind != argVector {
		dsts = args[:1]
	}
	for i := range dsts {
		w := regBits(&dsts[i], t)
		if !t.isSigned() || w == t.bits() {
			w = 0
		}
		x.ext = append(x.ext, w)
	}
	if len(x.slots) == 1 {
		in.d = x.slots[0]
	}
	l.ordered(sp, x.strong)
	l.c.fences = l.c.fences || m.get("order") == "acquire"
	switch o := &args[1]; {
	case x.space == spaceShared && !x.strong:
		in.run = loadShared
	case x.space == spaceParam && o.sym != nil && l.f.entry && l.formal(o.sym) && o.offset >= 0 && o.offset+int64(x.bytes) <= o.sym.size:
		in.run = loadFormal
	}
	l.emit(in)
}

// strong reports whether a load or store must not be split, moved or omitted.
func (l *lowerer) strong(m *match) bool {
	if m.has("volatile") && m.get("space") == "local" && l.module.version() < 901 {
		l.fail(m.in.pos, "%s.volatile.local needs PTX 9.1, this is %s", m.op, l.module.Version)
	}
	return m.has("volatile") || m.has("order")
}

// formal reports whether v is a parameter of the function.
func (l *lowerer) formal(v *variable) bool {
	return v.index < len(l.f.params) && l.f.params[v.index] == v
}

func lowerSt(l *lowerer, m *match) {
	t := m.typ("type")
	x := &access{typ: t, size: t.bytes(), n: vecLen(m)}
	x.bytes = x.size * x.n
	in := instr{run: store, x: x, d: l.sink}
	args := l.hinted(m)
	sp := spaceOf(m.get("space"))
	x.strong = l.strong(m)
	l.addressOf(&args[0], sp, &in, x)
	l.checkVector(m, x)
	if sp == spaceParam && args[0].sym != nil && l.f.entry && l.formal(args[0].sym) {
		l.fail(args[0].pos, "parameters of an entry are read-only")
	}
	x.slots = l.vector(&args[1], t, false)
	l.ordered(sp, x.strong)
	l.emit(in)
}

// ordered records that blocks of the kernel may communicate through memory.
func (l *lowerer) ordered(sp space, strong bool) {
	if strong && (sp == spaceGlobal || sp == spaceGeneric) {
		l.c.ordered = true
	}
}

// addr returns the address of a lane.
func (x *access) addr(w *warp, in *instr, lane int) uint64 {
	a := w.regs[in.a][lane] + uint64(in.imm)
	if x.narrow {
		a &= 0xffffffff
	}
	return a
}

// globalAccess caches, in a loop over lanes that access global memory, the allocation and
// the log page of the previous lane.
type globalAccess struct {
	a    *allocation
	p    *page
	base int64 // of p
}

// view is a fast path of warp.view for plain accesses. It returns nil for others.
func (g *globalAccess) view(w *warp, x *access, addr uint64, write bool) []byte {
	a := g.a
	if a == nil {
		if a = w.cache[0]; a == nil {
			return nil
		}
		g.a = a
	}
	off, n := addr-a.base, uint64(x.bytes)
	if off >= uint64(len(a.data)) || uint64(len(a.data))-off < n || addr&(n-1) != 0 || a.ro || x.strong {
		g.a, g.p = nil, nil
		return nil
	}
	if g.p == nil || int64(off)&^(pageBytes-1) != g.base {
		g.p, g.base = w.block.log.at(a, int64(off)), int64(off)&^(pageBytes-1)
	}
	p := g.p
	i := off & (pageBytes - 1) >> 6
	mask := ones(int64(n)) << (off & 63)
	if write {
		p.wrote[i] |= mask
		p.pcs[i] = w.in.id
		if w.block.run.k.serial && !a.full {
			a.init[off>>6] |= mask
		}
	} else {
		if !a.full && (a.init[off>>6]|p.wrote[i])&mask != mask {
			return nil
		}
		p.read[i] |= mask
		if p.pcs[i] == 0 {
			p.pcs[i] = w.in.id
		}
	}
	return a.data[off : off+n : off+n]
}

// global reports whether an access may be to global memory.
func (x *access) global() bool { return x.space == spaceGlobal || x.space == spaceGeneric }

// load reads memory into registers.
func load(w *warp, in *instr) {
	x := in.x.(*access)
	var g globalAccess
	global := x.global()
	word := x.size == 4 && x.n == 1 && x.ext[0] == 0
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		addr := x.addr(w, in, l)
		var b []byte
		if global {
			b = g.view(w, x, addr, false)
		}
		if b == nil {
			b = w.view(x, l, addr, x.bytes, accessRead)
		}
		switch {
		case word:
			w.regs[in.d][l] = uint64(binary.LittleEndian.Uint32(b))
		case x.size == 4:
			for i, s := range x.slots {
				v := uint64(binary.LittleEndian.Uint32(b[4*i:]))
				if e := x.ext[i]; e != 0 {
					v = uint64(sx(v, 32)) & widthMask(e)
				}
				w.regs[s][l] = v
			}
		case x.size == 8:
			for i, s := range x.slots {
				w.regs[s][l] = binary.LittleEndian.Uint64(b[8*i:])
			}
		default:
			x.put(w, l, b)
		}
	}
}

// loadShared is load for mostly shared addresses. A lane with the same address as an
// earlier lane takes its values: all checks except that of the lane's own writes are the
// same.
func loadShared(w *warp, in *instr) {
	x := in.x.(*access)
	plain := x.size == 4 && x.ext[0] == 0
	var addrs [lanes]uint64
	var once uint32 // lanes whose address no other has shared yet
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		addr := x.addr(w, in, l)
		addrs[l] = addr
		if same := sameAddress(&addrs, w.mask, l); same >= 0 {
			if once>>same&1 != 0 {
				w.view(x, l, addr, x.bytes, accessRead)
				once &^= 1 << same
			}
			for _, r := range x.slots {
				w.regs[r][l] = w.regs[r][same]
			}
			continue
		}
		once |= 1 << l
		b := w.readShared(x, l, addr)
		if !plain {
			x.put(w, l, b)
			continue
		}
		for i, r := range x.slots {
			w.regs[r][l] = uint64(binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
}

// readShared is view for a plain read of shared memory. Granules that several lanes of the
// warp have read since it last waited need not be recorded again.
func (w *warp) readShared(x *access, lane int, addr uint64) []byte {
	s, mem, n := &w.block.shadow, w.block.shared, uint64(x.bytes)
	if addr&(n-1) != 0 || addr+n > uint64(len(mem)) || addr >= windowSize {
		return w.view(x, lane, addr, x.bytes, accessRead) // faults
	}
	self, clock := uint32(1)<<w.id, w.sh.clock
	gs := s.g[addr>>s.shift:][:max(int(n)>>s.shift, 1)]
	for i := range gs {
		if g := &gs[i]; g.rwarps&self == 0 || g.rclock != clock || g.rlane != manyLanes {
			s.access(w, x, lane, int64(addr), x.bytes, accessRead)
			break
		}
	}
	return mem[addr : addr+n]
}

// sameAddress returns a lane before l with the same address, or -1. It looks at the lanes
// that have it in typical tiles: the previous lane and the eighth before l.
func sameAddress(addrs *[lanes]uint64, mask uint32, l int) int {
	if i := l - 1; i >= 0 && addrs[i] == addrs[l] && mask>>i&1 != 0 {
		return i
	}
	if i := l - 8; i >= 0 && addrs[i] == addrs[l] && mask>>i&1 != 0 {
		return i
	}
	return -1
}

// loadFormal is load for a kernel parameter, which is the same in all lanes.
func loadFormal(w *warp, in *instr) {
	x := in.x.(*access)
	first := bits.TrailingZeros32(w.mask) & 31
	x.put(w, first, w.view(x, first, x.addr(w, in, first), x.bytes, accessRead))
	for _, r := range x.slots {
		d := &w.regs[r]
		v := d[first]
		for m := w.mask; m != 0; m &= m - 1 {
			d[bits.TrailingZeros32(m)&31] = v
		}
	}
}

// put extends the value read and stores it in a lane's registers.
func (x *access) put(w *warp, l int, b []byte) {
	for i, s := range x.slots {
		v := get(b[i*x.size : (i+1)*x.size])
		if e := x.ext[i]; e != 0 {
			v = uint64(sx(v, x.size*8)) & widthMask(e)
		}
		w.regs[s][l] = v
	}
}

// store writes registers to memory.
func store(w *warp, in *instr) {
	x := in.x.(*access)
	var g globalAccess
	global := x.global()
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		addr := x.addr(w, in, l)
		var b []byte
		if global {
			b = g.view(w, x, addr, true)
		}
		if b == nil {
			w.overlap = false
			b = w.view(x, l, addr, x.bytes, accessWrite)
			if w.overlap {
				w.agree(x, l, b)
			}
		}
		for i, s := range x.slots {
			v := w.regs[s][l]
			switch x.size {
			case 4:
				binary.LittleEndian.PutUint32(b[4*i:], uint32(v))
			case 8:
				binary.LittleEndian.PutUint64(b[8*i:], v)
			case 2:
				binary.LittleEndian.PutUint16(b[2*i:], uint16(v))
			default:
				b[i] = byte(v)
			}
		}
	}
}

// agree checks that a lane stores the same value as another lane of the same instruction at
// the same address.
func (w *warp) agree(x *access, lane int, b []byte) {
	for i, s := range x.slots {
		for k := range x.size {
			if b[i*x.size+k] != byte(w.regs[s][lane]>>(8*k)) && w.checks(SharedRace) {
				w.fault(Race, lane, "another lane stores a different value in the same place")
			}
		}
	}
}

type accessKind uint8

const (
	accessRead accessKind = iota
	accessWrite
	accessAtomic
)

func (k accessKind) String() string { return [...]string{"read", "write", "read-modify-write"}[k] }

// view checks an access of a lane and returns the memory.
func (w *warp) view(x *access, lane int, addr uint64, n int, k accessKind) []byte {
	sp := x.space
	if sp == spaceGeneric {
		if addr >= sharedBase && addr < windowEnd {
			switch {
			case addr < sharedBase+windowSize:
				sp, addr = spaceShared, addr-sharedBase
			case addr < localBase:
			case addr < localBase+windowSize:
				sp, addr = spaceLocal, addr-localBase
			case addr >= paramBase && addr < paramBase+windowSize:
				sp, addr = spaceParam, addr-paramBase
			}
		}
	}
	if addr&uint64(n-1) != 0 {
		w.memFault(Misaligned, lane, sp, addr, "a %v of %d bytes", k, n)
	}
	switch sp {
	case spaceShared:
		return w.sharedView(x, lane, addr, n, k)
	case spaceLocal:
		return w.localView(lane, addr, n, k)
	case spaceParam:
		return w.paramView(lane, addr, n, k)
	}
	return w.globalView(x, lane, addr, n, k)
}

func (w *warp) globalView(x *access, lane int, addr uint64, n int, k accessKind) []byte {
	a := w.cache[0]
	if a == nil || addr-a.base >= uint64(len(a.data)) {
		a = w.lookup(addr)
		if a == nil {
			w.memFault(OutOfBounds, lane, x.space, addr, "a %v of %d bytes, %s", k, n, w.block.run.dev.mem.near(addr))
		}
	}
	off := addr - a.base
	if off+uint64(n) > uint64(len(a.data)) {
		w.memFault(OutOfBounds, lane, x.space, addr, "a %v of %d bytes across the end of %v", k, n, a)
	}
	if a.ro != (x.space == spaceConst) {
		if k != accessRead {
			w.memFault(ReadOnly, lane, x.space, addr, "%v is constant", a)
		}
		if x.space == spaceConst {
			w.memFault(OutOfBounds, lane, x.space, addr, "%v is not constant", a)
		}
	}
	if !a.ro {
		w.block.logGlobal(w, x, lane, a, off, n, k)
	}
	return a.data[off : off+uint64(n)]
}

// lookup finds an allocation and moves it to the front of the warp's cache.
func (w *warp) lookup(addr uint64) *allocation {
	for i, a := range w.cache {
		if a != nil && addr-a.base < uint64(len(a.data)) {
			copy(w.cache[1:i+1], w.cache[:i])
			w.cache[0] = a
			return a
		}
	}
	a := w.block.run.dev.mem.find(addr)
	if a != nil {
		copy(w.cache[1:], w.cache[:])
		w.cache[0] = a
	}
	return a
}

func (w *warp) sharedView(x *access, lane int, addr uint64, n int, k accessKind) []byte {
	b := w.block
	if addr+uint64(n) > uint64(len(b.shared)) || addr >= windowSize {
		w.memFault(OutOfBounds, lane, spaceShared, addr, "a %v of %d bytes, the block has %d (%d static, %d dynamic)", k, n, len(b.shared), b.run.k.StaticBytes, b.run.l.Shared)
	}
	b.shadow.access(w, x, lane, int64(addr), n, k)
	return b.shared[addr : addr+uint64(n)]
}

// localMemory is the stack of each lane of a warp.
type localMemory struct {
	data []byte // lanes stacks of size bytes
	set  bitmap
	size int64
}

const maxLocal = 512 << 10 // bytes of a thread

func (m *localMemory) reset() { clear(m.set) }

// grow makes room for a frame's variables, with undefined contents.
func (m *localMemory) grow(w *warp, base, n int64, mask uint32) {
	need := base + n
	if need > maxLocal {
		w.fault(StackOverflow, bits.TrailingZeros32(mask), "%d bytes of local memory, a thread has %d", need, int64(maxLocal))
	}
	if need > m.size {
		size := max(align(need, 64), 2*m.size)
		data, set := make([]byte, size*lanes), newBitmap(size*lanes)
		for l := range int64(lanes) {
			copy(data[l*size:], m.data[l*m.size:(l+1)*m.size])
			copy(set[l*size/64:], m.set[l*m.size/64:(l+1)*m.size/64])
		}
		m.data, m.set, m.size = data, set, size
	}
	for k := mask; k != 0; k &= k - 1 {
		m.set.clear(int64(bits.TrailingZeros32(k))*m.size+base, n)
	}
}

func (w *warp) localView(lane int, addr uint64, n int, k accessKind) []byte {
	m := &w.local
	top := uint64(0)
	if w.frame != nil {
		top = uint64(w.frame.top(lane))
	}
	if addr+uint64(n) > top || addr >= windowSize {
		w.memFault(OutOfBounds, lane, spaceLocal, addr, "a %v of %d bytes, the thread has %d", k, n, top)
	}
	at := int64(lane)*m.size + int64(addr)
	if k == accessWrite {
		m.set.set(at, int64(n))
	} else if !m.set.all(at, int64(n)) && w.checks(UninitializedMemory) {
		w.memFault(Uninitialized, lane, spaceLocal, addr, "a %v of %d bytes", k, n)
	}
	return m.data[at : at+int64(n)]
}

func (w *warp) paramView(lane int, addr uint64, n int, k accessKind) []byte {
	f := w.frame
	if f.fn.entry && addr < uint64(f.fn.paramBytes) {
		if k != accessRead {
			w.memFault(ReadOnly, lane, spaceParam, addr, "parameters of a kernel")
		}
		p := w.block.run.params
		if addr+uint64(n) > uint64(len(p)) {
			w.memFault(OutOfBounds, lane, spaceParam, addr, "a %v of %d bytes, the kernel has %d of parameters", k, n, len(p))
		}
		return p[addr : addr+uint64(n)]
	}
	if addr+uint64(n) > uint64(f.fn.paramFrame) || addr >= windowSize {
		w.memFault(OutOfBounds, lane, spaceParam, addr, "a %v of %d bytes, the function has %d of parameters", k, n, f.fn.paramFrame)
	}
	at := int64(lane)*f.fn.paramFrame + int64(addr)
	if k == accessWrite {
		f.pset.set(at, int64(n))
	} else if !f.pset.all(at, int64(n)) && w.checks(UninitializedMemory) {
		w.memFault(Uninitialized, lane, spaceParam, addr, "a %v of %d bytes", k, n)
	}
	return f.params[at : at+int64(n)]
}

// checks reports whether a check is on.
func (w *warp) checks(c Check) bool { return w.block.run.cfg.Off&c == 0 }

func lowerNothing(l *lowerer, m *match) {
	l.emit(instr{run: func(*warp, *instr) {}, d: l.sink})
}
