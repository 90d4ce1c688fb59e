package ptx

import "math/bits"

// Before a function is lowered, two data-flow analyses determine how its registers are
// stored. Liveness lets registers that are never needed at the same time share a slot, so
// that a warp's registers fit in a cache. Definite assignment finds reads of registers that
// may not have been written; only these are watched at run time, lane by lane.

// step is a statement as the analyses see it.
type step struct {
	m       *match
	uses    []*register
	defs    []*register
	partial bool      // defs are under a guard
	copy    bool      // a move: its result is as undefined as its source
	next    [2]int32  // successors, -1 if none
	more    []int32   // further ones, of a branch table
	guard   *register // also in uses
}

// flow is the analysis of a function.
type flow struct {
	steps   []step
	regs    []*register
	first   []int32 // of each block
	blockOf []int32
	succ    [][]int32
}

type bitset []uint64

func (b bitset) has(i int) bool { return b[i>>6]>>(i&63)&1 != 0 }
func (b bitset) add(i int)      { b[i>>6] |= 1 << (i & 63) }
func (b bitset) del(i int)      { b[i>>6] &^= 1 << (i & 63) }

// or adds c to b and reports whether b grew.
func (b bitset) or(c bitset) bool {
	grew := false
	for i, w := range c {
		if w&^b[i] != 0 {
			b[i] |= w
			grew = true
		}
	}
	return grew
}

// steps checks every instruction and records the registers that it reads and writes and its
// successors.
func (l *lowerer) steps() *flow {
	f := &flow{steps: make([]step, len(l.f.body)), regs: make([]*register, l.f.nregs)}
	for i := range l.f.body {
		s := &f.steps[i]
		s.next = [2]int32{int32(i + 1), -1}
		in := l.f.body[i].inst
		if in == nil {
			continue
		}
		s.m = l.check(in)
		s.partial = in.guard != nil
		if in.guard != nil {
			s.guard = in.guard
			s.use(in.guard)
		}
		s.operands(in)
		switch in.op {
		case "bra":
			target := l.labelStatement(in, in.args[0].text)
			s.next[1] = target
			if in.guard == nil {
				s.next[0] = -1
			}
		case "brx":
			table, _ := l.table(in)
			for _, t := range table {
				s.more = append(s.more, l.labelStatement(in, t.text))
			}
			if in.guard == nil {
				s.next[0] = -1
			}
		case "ret", "exit", "trap":
			if in.guard == nil {
				s.next[0] = -1
			}
		}
	}
	for i := range f.steps {
		for _, r := range f.steps[i].uses {
			f.regs[r.id] = r
		}
		for _, r := range f.steps[i].defs {
			f.regs[r.id] = r
		}
	}
	return f
}

func (s *step) use(r *register) { s.uses = append(s.uses, r) }
func (s *step) def(r *register) { s.defs = append(s.defs, r) }

// operands records the registers of the operands.
func (s *step) operands(in *inst) {
	var walk func(o *operand, dst bool)
	walk = func(o *operand, dst bool) {
		switch {
		case o.reg != nil && o.kind == argReg && dst:
			s.def(o.reg)
		case o.reg != nil:
			s.use(o.reg)
		}
		for i := range o.elems {
			walk(&o.elems[i], dst)
		}
		if o.second != nil {
			walk(o.second, dst)
		}
	}
	for i := range in.args {
		dst := false
		switch {
		case in.op == "call":
			dst = i == 0 && in.args[0].kind == argList && len(in.args) > 1 && in.args[1].kind != argList
		case s.m.args[i].typ == "any":
			dst = i == 0 && in.op == "mov"
		default:
			dst = s.m.args[i].dst
		}
		walk(&in.args[i], dst)
	}
	s.copy = in.op == "mov" && len(s.uses) > 0
}

// labelStatement returns the statement that a label names.
func (l *lowerer) labelStatement(in *inst, name string) int32 {
	for s := in.scope; s != nil; s = s.outer {
		if i, ok := s.labels[name]; ok {
			return int32(i)
		}
	}
	l.fail(in.pos, "unknown label %q", name)
	return 0
}

// blocks cuts the statements into basic blocks.
func (f *flow) blocks() {
	n := len(f.steps)
	lead := make([]bool, n+1)
	if n > 0 {
		lead[0] = true
	}
	for i := range f.steps {
		s := &f.steps[i]
		if s.next[0] != int32(i+1) || s.next[1] >= 0 || s.more != nil {
			lead[i+1] = true
		}
		if s.next[1] >= 0 {
			lead[s.next[1]] = true
		}
		for _, t := range s.more {
			lead[t] = true
		}
	}
	f.blockOf = make([]int32, n+1)
	for i := range n {
		if lead[i] {
			f.first = append(f.first, int32(i))
		}
		f.blockOf[i] = int32(len(f.first) - 1)
	}
	f.first = append(f.first, int32(n))
	for b := range len(f.first) - 1 {
		last := &f.steps[f.first[b+1]-1]
		var to []int32
		for _, t := range append(last.next[:], last.more...) {
			if t >= 0 && int(t) < n {
				to = append(to, f.blockOf[t])
			}
		}
		f.succ = append(f.succ, to)
	}
}

// maxFlow bounds the memory of the analyses, in bits of a set of registers for
// each block.
const maxFlow = 1 << 31

// place assigns slots and predicates, and marks the registers to be watched.
func (l *lowerer) place(f *flow) {
	f.blocks()
	n := len(f.regs)
	if int64(n)*int64(len(f.succ)) > maxFlow {
		l.watchAll(f)
		return
	}
	l.unassigned(f)
	watched := make([]bool, n)
	for i := range f.steps {
		for _, r := range l.maybe[i] {
			watched[r.id] = true
		}
	}
	for i := range f.steps {
		for _, r := range f.steps[i].defs {
			if watched[r.id] {
				l.sets[i] = append(l.sets[i], r)
			}
		}
	}
	l.allocate(f, watched)
}

// watchAll watches every register of a function that is too large to analyse.
func (l *lowerer) watchAll(f *flow) {
	for i := range f.steps {
		s := &f.steps[i]
		l.maybe[i], l.sets[i] = s.uses, s.defs
	}
}

// unassigned computes the registers that may not have been written at each use.
func (l *lowerer) unassigned(f *flow) {
	words := (len(f.regs) + 63) / 64
	in := make([]bitset, len(f.succ))
	for b := range in {
		in[b] = make(bitset, words)
	}
	if len(in) == 0 {
		return
	}
	for i := range in[0] {
		in[0][i] = ^uint64(0)
	}
	for _, v := range append(append([]*variable(nil), l.f.params...), l.f.results...) {
		if v.reg != nil && v.reg.id < len(f.regs) {
			if containsVar(l.f.params, v) {
				in[0].del(v.reg.id)
			}
		}
	}
	cur := make(bitset, words)
	transfer := func(s *step) {
		undefined := false
		if s.copy {
			for _, r := range s.uses {
				undefined = undefined || r != s.guard && cur.has(r.id)
			}
		}
		for _, r := range s.defs {
			switch {
			case undefined:
				cur.add(r.id)
			case !s.partial:
				cur.del(r.id)
			}
		}
	}
	queued := make([]bool, len(in))
	seen := make([]bool, len(in))
	queue := []int32{0}
	queued[0], seen[0] = true, true
	for len(queue) > 0 {
		b := queue[0]
		queue, queued[b] = queue[1:], false
		copy(cur, in[b])
		for i := f.first[b]; i < f.first[b+1]; i++ {
			transfer(&f.steps[i])
		}
		for _, t := range f.succ[b] {
			if (in[t].or(cur) || !seen[t]) && !queued[t] {
				seen[t], queued[t] = true, true
				queue = append(queue, t)
			}
		}
	}
	for b := range in {
		if !seen[b] {
			continue
		}
		copy(cur, in[b])
		for i := f.first[b]; i < f.first[b+1]; i++ {
			s := &f.steps[i]
			for _, r := range s.uses {
				if cur.has(r.id) {
					l.maybe[i] = append(l.maybe[i], r)
				}
			}
			transfer(s)
		}
	}
}

func containsVar(list []*variable, v *variable) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

// liveness returns the registers that are live at the start and at the end of each block.
func (f *flow) liveness() (in, out []bitset) {
	words := (len(f.regs) + 63) / 64
	out = make([]bitset, len(f.succ))
	in = make([]bitset, len(f.succ))
	pred := make([][]int32, len(f.succ))
	for b := range out {
		out[b], in[b] = make(bitset, words), make(bitset, words)
		for _, t := range f.succ[b] {
			pred[t] = append(pred[t], int32(b))
		}
	}
	cur := make(bitset, words)
	flowBack := func(b int32) {
		copy(cur, out[b])
		for i := f.first[b+1] - 1; i >= f.first[b]; i-- {
			s := &f.steps[i]
			if !s.partial {
				for _, r := range s.defs {
					cur.del(r.id)
				}
			}
			for _, r := range s.uses {
				cur.add(r.id)
			}
		}
	}
	queued := make([]bool, len(out))
	var queue []int32
	for b := len(out) - 1; b >= 0; b-- {
		queue, queued[b] = append(queue, int32(b)), true
	}
	for len(queue) > 0 {
		b := queue[0]
		queue, queued[b] = queue[1:], false
		flowBack(b)
		if in[b].or(cur) {
			for _, p := range pred[b] {
				if out[p].or(in[b]) && !queued[p] {
					queue, queued[p] = append(queue, p), true
				}
			}
		}
	}
	return in, out
}

// liveRanges returns the first and last statement at which each register is live, with a
// begin of -1 for registers that are never used.
func (f *flow) liveRanges() (begin, end []int32) {
	in, out := f.liveness()
	begin, end = make([]int32, len(f.regs)), make([]int32, len(f.regs))
	for i := range begin {
		begin[i] = -1
	}
	touch := func(id int, at int32) {
		if begin[id] < 0 || at < begin[id] {
			begin[id] = at
		}
		if at > end[id] {
			end[id] = at
		}
	}
	touchAll := func(b bitset, at int32) {
		for w, m := range b {
			for ; m != 0; m &= m - 1 {
				touch(w*64+bits.TrailingZeros64(m), at)
			}
		}
	}
	for b := range out {
		touchAll(in[b], f.first[b])
		touchAll(out[b], f.first[b+1]-1)
		for i := f.first[b]; i < f.first[b+1]; i++ {
			for _, r := range f.steps[i].uses {
				touch(r.id, i)
			}
			for _, r := range f.steps[i].defs {
				touch(r.id, i)
			}
		}
	}
	return begin, end
}

// allocate assigns slots to registers by linear scan over their live ranges (Poletto &
// Sarkar 1999). Watched registers keep a slot of their own.
func (l *lowerer) allocate(f *flow, watched []bool) {
	begin, end := f.liveRanges()
	starts := make([][]*register, len(f.steps)+1)
	ends := make([][]int32, len(f.steps)+1)
	for id, r := range f.regs {
		if r == nil || r.typ == tPred {
			continue
		}
		if _, fixed := l.regs[r]; fixed || watched[id] || begin[id] < 0 {
			l.register(r)
			continue
		}
		starts[begin[id]] = append(starts[begin[id]], r)
	}
	var free []int32
	for i := range starts {
		for _, r := range starts[i] {
			var slot int32
			if k := len(free); k > 0 {
				slot, free = free[k-1], free[:k-1]
			} else {
				slot = l.slot()
			}
			l.regs[r] = slot
			ends[end[r.id]] = append(ends[end[r.id]], slot)
		}
		free = append(free, ends[i]...)
	}
}

// watch attaches the registers to be watched to the last instruction of a statement.
func (l *lowerer) watch(i int, from int) {
	if len(l.maybe[i])+len(l.sets[i]) == 0 || from == len(l.c.ins) {
		return
	}
	in := &l.c.ins[len(l.c.ins)-1]
	in.check, l.c.tracked = true, true
	in.copies = l.flow.steps[i].copy
	guard := l.flow.steps[i].guard
	for _, r := range l.maybe[i] {
		in.reads = append(in.reads, watched{l.register(r), r.typ == tPred, r == guard, r.name})
	}
	for _, r := range l.sets[i] {
		in.writes = append(in.writes, watched{l.register(r), r.typ == tPred, false, r.name})
	}
}

// checkWritten checks the watched registers that an instruction reads, and records those
// that it writes.
func (w *warp) checkWritten(in *instr, all uint32) {
	f := w.frame
	have := func(r watched) uint32 {
		if r.pred {
			return f.writtenP[r.slot]
		}
		return f.written[r.slot]
	}
	defined := w.mask
	for _, r := range in.reads {
		need := w.mask
		if r.guard {
			need = all
		}
		missing := need &^ have(r)
		if missing == 0 {
			continue
		}
		if in.copies && !r.guard {
			defined &^= missing
			continue
		}
		if w.checks(UninitializedRegister) {
			w.fault(Uninitialized, bits.TrailingZeros32(missing), "register %s", r.name)
		}
	}
	for _, r := range in.writes {
		p := &f.written
		if r.pred {
			p = &f.writtenP
		}
		(*p)[r.slot] = (*p)[r.slot]&^w.mask | defined
	}
}

// watched is a register whose writing is tracked.
type watched struct {
	slot        int32
	pred, guard bool
	name        string
}
