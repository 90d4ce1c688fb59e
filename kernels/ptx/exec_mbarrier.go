package ptx

import (
	"math/bits"
	"strings"
)

// Barriers in shared memory (PTX ISA 9.7.13.15). The representation of mbarrier objects in
// memory, and of arrival states in registers, is not documented. Here objects are stored
// outside the block's memory, by address, and a state is the number of the phase, with the
// pending count in the upper bits.
const specMbarrier = `
mbarrier.init[.space(shared shared::cta)].type(b64) : addr, u32 @ mbarrier
mbarrier.inval[.space(shared shared::cta)].type(b64) : addr @ mbarrier
mbarrier.expect_tx[.sem(relaxed.cta relaxed.cluster)][.space(shared shared::cta shared::cluster)].type(b64) : addr, u32 @ mbarrier
mbarrier.complete_tx[.sem(relaxed.cta relaxed.cluster)][.space(shared shared::cta shared::cluster)].type(b64) : addr, u32 @ mbarrier
mbarrier.kind(arrive arrive_drop)[.sem(release.cta release.cluster relaxed.cta relaxed.cluster)][.space(shared shared::cta shared::cluster)].type(b64) : =type_, addr, u32? @ mbarrier
mbarrier.kind(arrive arrive_drop).expect_tx[.sem(release.cta release.cluster relaxed.cta relaxed.cluster)][.space(shared shared::cta shared::cluster)].type(b64) : =type_, addr, u32 @ mbarrier
mbarrier.kind(arrive arrive_drop).noComplete[.sem(release.cta)][.space(shared shared::cta)].type(b64) : =type_, addr, u32 @ mbarrier
mbarrier.kind(test_wait)[.sem(acquire.cta acquire.cluster relaxed.cta relaxed.cluster)][.space(shared shared::cta)].type(b64) : =pred_, addr, type @ mbarrier
mbarrier.kind(test_wait).parity[.sem(acquire.cta acquire.cluster relaxed.cta relaxed.cluster)][.space(shared shared::cta)].type(b64) : =pred_, addr, u32 @ mbarrier
mbarrier.kind(try_wait)[.sem(acquire.cta acquire.cluster relaxed.cta relaxed.cluster)][.space(shared shared::cta)].type(b64) : =pred_, addr, type, u32? @ mbarrier
mbarrier.kind(try_wait).parity[.sem(acquire.cta acquire.cluster relaxed.cta relaxed.cluster)][.space(shared shared::cta)].type(b64) : =pred_, addr, u32, u32? @ mbarrier
mbarrier.pending_count.type(b64) : =u32, type @ pendingcount
cp.async.mbarrier.arrive[.noinc][.space(shared shared::cta)].type(b64) : addr @ cpmbarrier
`

// mbarrier is a barrier object of a block.
type mbarrier struct {
	expected, pending int64 // arrivals
	tx                int64 // bytes of asynchronous copies still expected
	phase             uint64
	arrived           uint32  // warps that did, in this phase
	clocks            history // what happens before the end of the phase
	passed            history // and before the end of those before it
	async             []asyncArrival
}

// asyncArrival is an arrival that follows a lane's copies.
type asyncArrival struct {
	w    *warp
	lane int
	n    int // copies that the lane had in flight
}

const maxArrivals = 1<<20 - 1

// mbarrierInfo describes an instruction on an mbarrier object.
type mbarrierInfo struct {
	access
	op                 string
	expect, noComplete bool
	parity, relaxed    bool
	dst                int32 // state, or predicate
	count              int32 // slot, or -1
	run                func(*warp, *mbarrierInfo, *mbarrier, int, uint64)
	noinc              bool
}

func lowerMbarrier(l *lowerer, m *match) {
	x := &mbarrierInfo{op: m.get("kind"), expect: m.has("expect_tx"), noComplete: m.has("noComplete"), parity: m.has("parity"), relaxed: strings.HasPrefix(m.get("sem"), "relaxed"), count: -1}
	args := m.in.args
	switch x.op {
	case "arrive", "arrive_drop":
		if m.get("space") == "shared::cluster" && args[0].kind != argSink {
			l.fail(args[0].pos, "%s in .shared::cluster has no result but _", m.op)
		}
		x.dst, args = l.dst(&args[0]), args[1:]
		x.run = (*warp).mbarrierArrive
	case "test_wait", "try_wait":
		x.dst, args = l.predDst(&args[0]), args[1:]
		x.run = (*warp).mbarrierWait
	default:
		x.op = m.get("init") + m.get("inval") + m.get("expect_tx") + m.get("complete_tx")
		x.run = (*warp).mbarrierState
	}
	if len(args) > 1 {
		t := tU32
		if m.get("kind") == "test_wait" && !x.parity || m.get("kind") == "try_wait" && !x.parity {
			t = tB64
		}
		x.count = l.source(&args[1], t)
	}
	l.mbarrierOp(&args[0], m, x)
}

// mbarrierOp emits an instruction on the object at an address.
func (l *lowerer) mbarrierOp(addr *operand, m *match, x *mbarrierInfo) {
	x.access = access{typ: tB64, size: 8, n: 1, bytes: 8, strong: true}
	in := instr{run: mbarrierRun, x: x, d: l.sink}
	l.addressOf(addr, spaceOf(m.get("space")), &in, &x.access)
	l.emit(in)
}

func lowerPendingCount(l *lowerer, m *match) {
	l.op1(m, nil, func(v uint64) uint64 { return v >> 44 })
}

func lowerCpMbarrier(l *lowerer, m *match) {
	l.mbarrierOp(&m.in.args[0], m, &mbarrierInfo{noinc: m.has("noinc"), run: (*warp).mbarrierAfterCopies})
}

// mbarrierRun finds the object of each lane.
func mbarrierRun(w *warp, in *instr) {
	x := in.x.(*mbarrierInfo)
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		addr := x.addr(w, in, l)
		if x.space == spaceGeneric {
			if addr < sharedBase || addr >= sharedBase+windowSize {
				w.memFault(OutOfBounds, l, spaceGeneric, addr, "an mbarrier object is in shared memory")
			}
			addr -= sharedBase
		}
		k := accessAtomic
		if x.op == "init" {
			k = accessWrite
		}
		if addr&7 != 0 {
			w.memFault(Misaligned, l, spaceShared, addr, "an mbarrier object of 8 bytes")
		}
		w.sharedView(&x.access, l, addr, 8, k)
		b := w.block.mbarriers[addr]
		switch {
		case x.op == "init" && b != nil:
			w.memFault(BadBarrier, l, spaceShared, addr, "there is an mbarrier object already, which was not invalidated")
		case x.op == "init":
			b = &mbarrier{}
			if w.block.mbarriers == nil {
				w.block.mbarriers = map[uint64]*mbarrier{}
			}
			w.block.mbarriers[addr] = b
		case b == nil:
			w.memFault(BadBarrier, l, spaceShared, addr, "there is no mbarrier object, or it was invalidated")
		case x.op == "inval":
			delete(w.block.mbarriers, addr)
		}
		v := uint64(1)
		if x.count >= 0 {
			v = w.regs[x.count][l]
		}
		x.run(w, x, b, l, v)
	}
}

func (w *warp) mbarrierState(x *mbarrierInfo, b *mbarrier, lane int, v uint64) {
	switch x.op {
	case "init":
		w.arrivals(lane, v)
		b.expected, b.pending = int64(v), int64(v)
	case "expect_tx":
		b.tx += int64(v)
	case "complete_tx":
		b.tx -= int64(v)
		b.complete(w.block)
	}
}

// arrivals checks a count.
func (w *warp) arrivals(lane int, v uint64) {
	if v == 0 || v > maxArrivals {
		w.fault(BadBarrier, lane, "count %d of an mbarrier object, which goes from 1 to %d", v, maxArrivals)
	}
}

func (w *warp) mbarrierArrive(x *mbarrierInfo, b *mbarrier, lane int, v uint64) {
	if x.expect {
		b.tx += int64(v)
		v = 1
	}
	w.arrivals(lane, v)
	state := b.phase&(1<<44-1) | uint64(b.pending)<<44
	if int64(v) > b.pending {
		w.fault(BadBarrier, lane, "%d arrivals at an mbarrier object whose phase waits for %d", v, b.pending)
	}
	if x.op == "arrive_drop" {
		b.expected -= int64(v)
	}
	if !x.relaxed {
		b.arrive(w)
	}
	b.pending -= int64(v)
	if x.noComplete && b.pending == 0 && b.tx == 0 {
		w.fault(BadBarrier, lane, "an arrival with .noComplete completes the phase")
	}
	b.complete(w.block)
	w.sh.clock = w.block.shadow.tick()
	w.regs[x.dst][lane] = state
}

// arrive records that the warp's accesses so far happen before the end of the phase.
func (b *mbarrier) arrive(w *warp) {
	b.clocks.arrive(w)
	b.arrived |= 1 << w.id
}

// complete ends the phase if nothing is missing.
func (b *mbarrier) complete(blk *block) {
	if b.pending != 0 || b.tx != 0 {
		return
	}
	b.phase++
	b.pending = b.expected
	b.clocks.opened(b.arrived, blk.shadow.tick())
	b.passed.join(&b.clocks)
	b.clocks, b.arrived = history{}, 0
}

// mbarrierWait tests for the end of a phase. Until then the warp yields to others.
func (w *warp) mbarrierWait(x *mbarrierInfo, b *mbarrier, lane int, v uint64) {
	b.settle()
	var done bool
	switch phase := b.phase & (1<<44 - 1); {
	case x.parity:
		if v > 1 {
			w.fault(BadOperand, lane, "parity %d of a phase", v)
		}
		done = phase&1 != v
	default:
		v &= 1<<44 - 1
		if v != phase && v+1 != phase {
			w.fault(BadOperand, lane, "the state is of phase %d, the mbarrier object is in phase %d", v, phase)
		}
		done = v != phase
	}
	p := &w.preds[x.dst]
	setBits(p, 1<<lane, done)
	if !done {
		w.end = w.steps
		return
	}
	if !x.relaxed {
		w.sh.seen.join(&b.passed)
		w.sh.clock = w.block.shadow.tick()
	}
}

// mbarrierAfterCopies makes the lane arrive when its copies are complete, which is when
// something waits for the mbarrier or for the copies.
func (w *warp) mbarrierAfterCopies(x *mbarrierInfo, b *mbarrier, lane int, _ uint64) {
	if !x.noinc {
		b.pending++
	}
	if b.pending <= int64(len(b.async)) {
		w.fault(BadBarrier, lane, "an arrival too many at an mbarrier object whose phase waits for %d", b.pending)
	}
	b.async = append(b.async, asyncArrival{w, lane, w.async[lane].landed + len(w.async[lane].copies)})
}

// settle completes the copies on which arrivals depend, and then the arrivals.
func (b *mbarrier) settle() {
	list := b.async
	b.async = b.async[:0]
	for _, a := range list {
		q := &a.w.async[a.lane]
		q.land(a.w, a.lane, a.n-q.landed)
		b.arrive(a.w)
		b.pending--
		b.complete(a.w.block)
		a.w.sh.clock = a.w.block.shadow.tick()
	}
}
