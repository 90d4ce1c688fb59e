package ptx

import (
	"fmt"
	"math"
	"math/bits"
)

type warpState uint8

const (
	warpReady warpState = iota
	warpWaiting
	warpDone
)

// A warp's lanes run together as far as possible. When they diverge, the warp becomes a
// list of splits, each a set of lanes at one instruction. The split that is deepest in
// calls, and among these the one at the lowest instruction, runs first, so that splits merge
// where control flow joins in the text. Results must not depend on that order: a split that
// spins yields to the others.

// split is a set of lanes at one instruction.
type split struct {
	pc   int32
	mask uint32
	wait waitKind
	f    *frame
	last int64 // step at which it last ran
}

type waitKind uint8

const (
	waitNo      waitKind = iota
	waitSync             // waiting for other lanes of a warp-wide instruction
	waitBarrier          // waiting at a barrier of the block
)

// warp is 32 threads.
type warp struct {
	block  *block
	id     int
	state  warpState
	splits []split
	all    uint32 // lanes that exist
	live   uint32 // lanes that have not exited
	steps  int64  // instructions executed
	lanes  int64  // by threads
	end    int64  // steps at which its turn ends

	// State of the instruction being executed.
	in    *instr
	mask  uint32
	frame *frame
	regs  []vec
	preds []uint32

	tids    [lanes]Dim
	local   localMemory
	async   asyncCopies
	sh      warpShadow
	cache   [4]*allocation
	overlap bool // lanes of one instruction wrote to the same address
}

// frame is an activation of a function by some lanes of a warp.
type frame struct {
	fn     *function
	regs   []vec
	preds  []uint32
	parent *frame
	back   int32 // instruction at which the parent continues
	call   *callInfo
	depth  int
	inside uint32 // lanes that have not returned
	params []byte // of each lane: formal and call parameters
	pset   bitmap
	base   int64   // of local variables
	stack  []int64 // of each lane: bytes allocated by alloca; nil if none

	written  []uint32 // of each slot: lanes that wrote it
	writtenP []uint32
}

const maxDepth = 512 // of calls

func newWarp(b *block, id int) *warp {
	w := &warp{block: b, id: id}
	d := b.run.l.Block
	for l := range lanes {
		t := id*lanes + l
		if int64(t) >= d.count() {
			break
		}
		w.all |= 1 << l
		w.tids[l] = Dim{t % d.X, t / d.X % d.Y, t / d.X / d.Y}
	}
	return w
}

func (w *warp) thread(lane int) Dim { return w.tids[lane] }

// start moves the warp to the kernel's first instruction.
func (w *warp) start() {
	w.live, w.state, w.steps, w.lanes = w.all, warpReady, 0, 0
	w.local.reset()
	w.async.reset()
	w.sh.reset(w)
	w.cache = [4]*allocation{}
	f := w.enter(w.block.run.k.fn, nil, w.all)
	w.splits = append(w.splits[:0], split{mask: w.all, f: f})
}

// enter makes a frame.
func (w *warp) enter(fn *function, parent *frame, mask uint32) *frame {
	wk := w.block.wk
	var f *frame
	if pool := wk.frames[fn]; len(pool) > 0 {
		f = pool[len(pool)-1]
		wk.frames[fn] = pool[:len(pool)-1]
	} else {
		f = &frame{fn: fn, regs: make([]vec, fn.code.slots), preds: make([]uint32, fn.code.preds)}
		for i, v := range wk.r.k.consts[fn] {
			r := &f.regs[fn.code.consts[i].slot]
			for l := range r {
				r[l] = v
			}
		}
		if !fn.entry && fn.paramFrame > 0 || fn.entry && fn.paramFrame > fn.paramBytes {
			f.params = make([]byte, fn.paramFrame*lanes)
			f.pset = newBitmap(fn.paramFrame * lanes)
		}
		if fn.code.tracked {
			f.written = make([]uint32, fn.code.slots)
			f.writtenP = make([]uint32, fn.code.preds)
		}
	}
	clear(f.pset)
	clear(f.written)
	clear(f.writtenP)
	f.parent, f.inside, f.depth, f.call = parent, mask, 0, nil
	f.base = 0
	if parent != nil {
		f.depth = parent.depth + 1
		f.base = parent.base + parent.fn.localBytes + parent.deepest(mask)
	}
	f.stack = nil
	for _, s := range fn.code.specials {
		r := &f.regs[s.slot]
		for l := range r {
			r[l] = w.value(s.kind, l)
		}
	}
	for _, s := range fn.code.locals {
		r := &f.regs[s.slot]
		for l := range r {
			r[l] = uint64(f.base + s.offset)
		}
	}
	if fn.localBytes > 0 {
		w.local.grow(w, f.base, fn.localBytes, mask)
	}
	return f
}

// top returns the end of a lane's local memory.
func (f *frame) top(lane int) int64 {
	t := f.base + f.fn.localBytes
	if f.stack != nil {
		t += f.stack[lane]
	}
	return t
}

// deepest returns the largest number of bytes that a lane allocated with alloca.
func (f *frame) deepest(mask uint32) int64 {
	var most int64
	for l, n := range f.stack {
		if mask>>l&1 != 0 {
			most = max(most, align(n, 16))
		}
	}
	return most
}

func (w *warp) leave(f *frame) {
	w.block.wk.frames[f.fn] = append(w.block.wk.frames[f.fn], f)
}

// fault ends the launch. lane is -1 if the fault concerns the whole warp.
func (w *warp) fault(kind FaultKind, lane int, format string, args ...any) {
	panic(w.newFault(kind, lane, fmt.Sprintf(format, args...)))
}

func (w *warp) newFault(kind FaultKind, lane int, msg string) *Fault {
	k := w.block.run.k
	f := &Fault{Kind: kind, Module: k.img.module.Name, Kernel: k.Name, Block: w.block.id, Lane: lane, Warp: w.id, Msg: msg}
	if lane >= 0 {
		f.Thread = w.tids[lane]
	}
	if w.in != nil {
		f.Pos = w.in.src.pos
		f.Source = k.img.module.src.line(f.Line)
	}
	if w.frame != nil {
		f.Function = w.frame.fn.name
	}
	return f
}

// memFault is a fault at an address.
func (w *warp) memFault(kind FaultKind, lane int, sp space, addr uint64, format string, args ...any) {
	f := w.newFault(kind, lane, fmt.Sprintf(format, args...))
	f.Space, f.Addr = sp.String(), addr
	panic(f)
}

// run executes until the warp waits or ends, or for about quantum instructions.
func (w *warp) run(quantum int64) {
	w.end = w.steps + quantum
	for w.state == warpReady && w.steps < w.end {
		i := w.pick()
		if i < 0 {
			w.settle()
			continue
		}
		w.execute(i)
	}
}

// pick merges splits that have met and returns the one to run, or -1.
func (w *warp) pick() int {
	if len(w.splits) == 1 {
		if w.splits[0].wait == waitNo {
			return 0
		}
		return -1
	}
	best := -1
	for i := 0; i < len(w.splits); i++ {
		s := &w.splits[i]
		if s.wait == waitBarrier {
			continue
		}
		for j := i + 1; j < len(w.splits); j++ {
			t := &w.splits[j]
			if t.pc == s.pc && t.f == s.f && t.wait != waitBarrier {
				s.mask |= t.mask
				s.wait = waitNo
				s.last = max(s.last, t.last)
				w.splits = append(w.splits[:j], w.splits[j+1:]...)
				j--
			}
		}
		if s.wait != waitNo {
			continue
		}
		if best < 0 || before(s, &w.splits[best]) {
			best = i
		}
	}
	return best
}

// starved is the number of steps after which a waiting split takes precedence.
const starved = 20000

func before(s, t *split) bool {
	if d := s.last - t.last; d > starved || d < -starved {
		return d < 0
	}
	if s.f.depth != t.f.depth {
		return s.f.depth > t.f.depth
	}
	return s.pc < t.pc
}

// execute runs split i until it diverges, meets another, waits or ends.
func (w *warp) execute(i int) {
	s := &w.splits[i]
	f := s.f
	w.frame, w.regs, w.preds = f, f.regs, f.preds
	code := f.fn.code.ins
	pc := s.pc
	single := len(w.splits) == 1
	limit := int32(math.MaxInt32)
	if !single {
		for j := range w.splits {
			if t := &w.splits[j]; t.f == f && t.pc > pc && t.pc < limit {
				limit = t.pc
			}
		}
	}
	for {
		if pc == limit {
			s.pc, s.last = pc, w.steps
			return
		}
		in := &code[pc]
		w.steps++
		mask := s.mask
		if in.guard >= 0 {
			p := w.preds[in.guard]
			if in.guardNot {
				p = ^p
			}
			mask &= p
		}
		w.in, w.mask = in, mask
		if in.check {
			w.checkWritten(in, s.mask)
		}
		w.lanes += int64(bits.OnesCount32(mask))
		switch in.kind {
		case opPlain:
			if mask != 0 {
				in.run(w, in)
			}
			pc++
			continue
		case opBranch:
			if mask == 0 {
				pc++
				continue
			}
			if rest := s.mask &^ mask; rest != 0 {
				s.pc, s.mask, s.last = pc+1, rest, w.steps
				w.splits = append(w.splits, split{pc: in.target, mask: mask, f: f, last: w.steps})
				return
			}
			if in.target <= pc && w.steps >= w.end || !single {
				s.pc, s.last = in.target, w.steps
				w.budget()
				return
			}
			pc = in.target
		case opTable:
			if mask == 0 {
				pc++
				continue
			}
			s.pc, s.last = pc, w.steps
			w.branchTable(i)
			return
		case opSync:
			if mask == 0 {
				pc++
				continue
			}
			s.pc = pc
			if !w.converge(i) {
				return
			}
			pc++
		case opBarrier:
			if mask == 0 {
				pc++
				continue
			}
			s.pc, s.last = pc, w.steps
			w.park(i, mask, waitBarrier)
			return
		case opCall:
			if mask == 0 {
				pc++
				continue
			}
			s.pc, s.last = pc, w.steps
			w.budget()
			w.call(i)
			return
		case opReturn:
			if mask == 0 {
				pc++
				continue
			}
			s.pc, s.last = pc, w.steps
			w.budget()
			w.back(i)
			return
		case opExit:
			if mask == 0 {
				pc++
				continue
			}
			s.pc = pc
			w.exit(i, mask)
			return
		}
	}
}

// budget ends a kernel that exceeds its budget of instructions.
func (w *warp) budget() {
	if w.steps > w.block.run.cfg.Budget {
		w.fault(OverBudget, -1, "%d instructions executed by the warp", w.steps)
	}
}

// park leaves the lanes of mask in split i waiting at its instruction and lets the others
// continue after it.
func (w *warp) park(i int, mask uint32, k waitKind) {
	s := &w.splits[i]
	if rest := s.mask &^ mask; rest != 0 {
		w.splits = append(w.splits, split{pc: s.pc + 1, mask: rest, f: s.f, last: w.steps})
		s = &w.splits[i]
		s.mask = mask
	}
	s.wait = k
}

// drop removes lanes from split i.
func (w *warp) drop(i int, mask uint32) {
	if w.splits[i].mask &^= mask; w.splits[i].mask == 0 {
		w.splits = append(w.splits[:i], w.splits[i+1:]...)
	}
}

// exit ends lanes of split i; the others continue.
func (w *warp) exit(i int, mask uint32) {
	w.async.exit(w, mask)
	w.live &^= mask
	for f := w.splits[i].f; f != nil; f = f.parent {
		if f.inside &^= mask; f.inside == 0 {
			w.leave(f)
		}
	}
	w.splits[i].pc++
	w.drop(i, mask)
	if w.live == 0 {
		w.state = warpDone
		w.block.wk.steps += w.steps
		w.block.wk.lanes += w.lanes
		w.block.exited()
	}
}

// branchTable executes brx.idx: lanes of split i branch to their targets.
func (w *warp) branchTable(i int) {
	s := &w.splits[i]
	targets := w.in.x.([]int32)
	index := &w.regs[w.in.a]
	f, mask := s.f, w.mask
	s.mask &^= mask
	s.pc++
	if s.mask == 0 {
		w.splits = append(w.splits[:i], w.splits[i+1:]...)
	}
	for m := mask; m != 0; {
		lane := bits.TrailingZeros32(m)
		v := index[lane]
		if v >= uint64(len(targets)) {
			w.fault(BadOperand, lane, "branch index %d, the table has %d targets", v, len(targets))
		}
		var same uint32
		for k := m; k != 0; k &= k - 1 {
			if l := bits.TrailingZeros32(k); index[l] == v {
				same |= 1 << l
			}
		}
		m &^= same
		w.splits = append(w.splits, split{pc: targets[v], mask: same, f: f, last: w.steps})
	}
}
