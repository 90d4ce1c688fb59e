package ptx

import (
	"fmt"
	"math/bits"
)

func lowerShfl(l *lowerer, m *match) {
	args := m.in.args
	s := l.args(m, 1)
	in := instr{kind: opSync, run: shfl, d: l.dst(&args[0]), d2: l.dst2(&args[0]), a: s[0], b: s[1], c: s[2], e: s[3], x: m.get("mode")}
	if in.d2 < 0 {
		in.d2 = l.sinkP
	}
	l.emit(in)
}

// lowerOldShfl lowers shfl without .sync, for targets before sm_70.
func lowerOldShfl(l *lowerer, m *match) {
	l.beforeVolta(m)
	args := m.in.args
	s := l.args(m, 1)
	in := instr{run: shfl, d: l.dst(&args[0]), d2: l.dst2(&args[0]), a: s[0], b: s[1], c: s[2], e: l.bits(fullMask), x: m.get("mode")}
	if in.d2 < 0 {
		in.d2 = l.sinkP
	}
	l.emit(in)
}

func shfl(w *warp, in *instr) {
	mode := in.x.(string)
	d, a, b, c := &w.regs[in.d], w.regs[in.a], w.regs[in.b], w.regs[in.c]
	var ok uint32
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		lane := uint64(l)
		bval := b[l] & 31
		seg := c[l] >> 8 & 31
		clampTo := c[l] & 31
		maxLane := lane&seg | clampTo&^seg
		minLane := lane & seg
		var j uint64
		in32 := false
		switch mode {
		case "up":
			j = lane - bval
			in32 = int64(j) >= int64(maxLane)
		case "down":
			j = lane + bval
			in32 = j <= maxLane
		case "bfly":
			j = lane ^ bval
			in32 = j <= maxLane
		case "idx":
			j = minLane | bval&^seg
			in32 = j <= maxLane
		}
		if !in32 {
			j = lane
		} else {
			ok |= 1 << l
		}
		if w.mask>>j&1 == 0 {
			w.fault(InactiveLane, l, "the lane reads lane %d, which does not execute the shuffle with it (lanes %#08x do)", j, w.mask)
		}
		d[l] = a[j]
	}
	w.setPred(in.d2, ok)
}

func lowerVote(l *lowerer, m *match) {
	args := m.in.args
	p, negate := l.predSource(&args[1])
	in := instr{kind: opSync, run: vote, c: p, e: l.source(&args[2], tB32), x: &voteInfo{m.get("mode"), negate}}
	l.emitVote(in, m)
}

func (l *lowerer) emitVote(in instr, m *match) {
	if m.get("mode") == "ballot" {
		in.d = l.dst(&m.in.args[0])
	} else {
		in.d = l.predDst(&m.in.args[0])
	}
	l.emit(in)
}

// beforeVolta rejects warp instructions without .sync for targets on which lanes need not
// run together.
func (l *lowerer) beforeVolta(m *match) {
	var sm int
	fmt.Sscanf(l.module.Target[0], "sm_%d", &sm)
	if sm >= 70 && l.module.version() >= 604 {
		l.fail(m.in.pos, "%s without .sync does not exist on sm_70 and later", m.op)
	}
}

// lowerOldVote lowers vote without .sync, over the active lanes.
func lowerOldVote(l *lowerer, m *match) {
	l.beforeVolta(m)
	p, negate := l.predSource(&m.in.args[1])
	l.emitVote(instr{run: vote, c: p, x: &voteInfo{m.get("mode"), negate}}, m)
}

type voteInfo struct {
	mode   string
	negate bool
}

func vote(w *warp, in *instr) {
	x := in.x.(*voteInfo)
	p := w.preds[in.c]
	if x.negate {
		p = ^p
	}
	p &= w.mask
	switch x.mode {
	case "all":
		setBits(&w.preds[in.d], w.mask, p == w.mask)
	case "any":
		setBits(&w.preds[in.d], w.mask, p != 0)
	case "uni":
		setBits(&w.preds[in.d], w.mask, p == w.mask || p == 0)
	default:
		w.broadcast(in.d, uint64(p))
	}
}

// broadcast sets a register of the executing lanes to one value.
func (w *warp) broadcast(slot int32, v uint64) {
	d := &w.regs[slot]
	for m := w.mask; m != 0; m &= m - 1 {
		d[bits.TrailingZeros32(m)&31] = v
	}
}

func lowerMatch(l *lowerer, m *match) {
	args := m.in.args
	all := m.get("mode") == "all"
	d2 := l.sinkP
	if p := l.dst2(&args[0]); p >= 0 {
		d2 = p
	}
	s := l.args(m, 1)
	l.emit(instr{kind: opSync, d: l.dst(&args[0]), d2: d2, a: s[0], e: s[1], run: func(w *warp, in *instr) {
		a := w.regs[in.a]
		d := &w.regs[in.d]
		var equal uint32
		for m := w.mask; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			equal = 0
			for k := w.mask; k != 0; k &= k - 1 {
				if j := bits.TrailingZeros32(k) & 31; a[j] == a[l] {
					equal |= 1 << j
				}
			}
			if all && equal != w.mask {
				break
			}
			d[l] = uint64(equal)
		}
		if all {
			setBits(&w.preds[in.d2], w.mask, equal == w.mask)
			if equal != w.mask {
				w.broadcast(in.d, 0)
			}
		}
	}})
}

func lowerActivemask(l *lowerer, m *match) {
	l.emit(instr{d: l.dst(&m.in.args[0]), run: func(w *warp, in *instr) { w.broadcast(in.d, uint64(w.mask)) }})
}

func lowerRedux(l *lowerer, m *match) {
	f := atomicFunc(m.get("op"), m.typ("type"))
	s := l.args(m, 1)
	l.emit(instr{kind: opSync, d: l.dst(&m.in.args[0]), a: s[0], e: s[1], run: func(w *warp, in *instr) {
		a := &w.regs[in.a]
		first := bits.TrailingZeros32(w.mask) & 31
		v := a[first]
		for m := w.mask &^ (1 << first); m != 0; m &= m - 1 {
			v = f(v, a[bits.TrailingZeros32(m)&31], 0)
		}
		w.broadcast(in.d, v)
	}})
}

func lowerElect(l *lowerer, m *match) {
	args := m.in.args
	if args[0].second == nil {
		l.fail(args[0].pos, "elect.sync needs a predicate destination d|p")
	}
	d2 := l.sinkP
	if p := l.dst2(&args[0]); p >= 0 {
		d2 = p
	}
	l.emit(instr{kind: opSync, d: l.dst(&args[0]), d2: d2, e: l.source(&args[1], tB32), run: func(w *warp, in *instr) {
		leader := bits.TrailingZeros32(w.mask)
		w.broadcast(in.d, uint64(leader))
		w.setPred(in.d2, 1<<leader)
	}})
}
