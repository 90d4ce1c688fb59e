package ptx

import (
	"fmt"
	"math/bits"
)

// A warp-wide instruction names the participating lanes, or needs all. It runs for a set of
// lanes once all of them that have not exited have reached it. Lanes that reach it early
// wait (PTX ISA, shfl.sync and others).

// converge runs the instruction of split i for the complete sets of lanes. It reports
// whether the whole split may continue.
func (w *warp) converge(i int) bool {
	in := w.in
	if in.uniform {
		// An unguarded aligned instruction with a full mask needs every live lane.
		if w.mask == w.live {
			in.run(w, in)
			return true
		}
		w.park(i, w.mask, waitSync)
		return false
	}
	member := &w.regs[in.e]
	var parked uint32
	for rest := w.mask; rest != 0; {
		lane := bits.TrailingZeros32(rest)
		m := uint32(member[lane])
		var same uint32
		for k := rest; k != 0; k &= k - 1 {
			if l := bits.TrailingZeros32(k); uint32(member[l]) == m {
				same |= 1 << l
			}
		}
		if out := same &^ m; out != 0 {
			w.fault(InactiveLane, bits.TrailingZeros32(out), "the lane is not in its member mask %#x", m)
		}
		rest &^= same
		if m&w.live&^same != 0 {
			parked |= same
			continue
		}
		w.mask = same
		in.run(w, in)
	}
	if parked == 0 {
		return true
	}
	w.park(i, parked, waitSync)
	return false
}

// settle is called when no split can run, because lanes wait for each other, or all wait
// for a barrier.
func (w *warp) settle() {
	var atBarrier uint32
	syncing := -1
	for i := range w.splits {
		if w.splits[i].wait == waitSync {
			syncing = i
		} else {
			atBarrier |= w.splits[i].mask
		}
	}
	if syncing >= 0 {
		if !w.complete() && !w.meet() {
			w.stranded(syncing)
		}
		return
	}
	s := &w.splits[0]
	w.show(s)
	for i := range w.splits[1:] {
		t := &w.splits[i+1]
		if t.pc == s.pc && t.f == s.f {
			continue
		}
		u := &t.f.fn.code.ins[t.pc]
		b, c := w.in.x.(*barrierInfo), u.x.(*barrierInfo)
		if b.aligned || c.aligned {
			w.fault(BadBarrier, bits.TrailingZeros32(s.mask), "lanes %#08x wait here while lanes %#08x of the warp wait at the barrier in line %d: %s",
				s.mask, t.mask, u.src.pos.Line, w.block.run.k.img.module.src.line(u.src.pos.Line))
		}
	}
	if s.mask|atBarrier != w.live {
		panic("ptx: lanes are lost")
	}
	if w.block.run.cfg.Strict && w.live != w.all {
		w.fault(BadBarrier, bits.TrailingZeros32(s.mask), "lanes %#08x of the warp have exited", w.all&^w.live)
	}
	w.enterBarrier()
}

// complete wakes lanes whose set has become complete because others have exited.
func (w *warp) complete() bool {
	woken := false
	for i := range w.splits {
		s := &w.splits[i]
		if s.wait != waitSync || s.f.fn.code.ins[s.pc].uniform {
			continue // all lanes must execute an .aligned instruction
		}
		w.show(s)
		if uint32(w.regs[w.in.e][bits.TrailingZeros32(s.mask)])&w.live&^s.mask == 0 {
			s.wait = waitNo
			woken = true
		}
	}
	return woken
}

// show makes a split the one to which faults refer.
func (w *warp) show(s *split) {
	w.in = &s.f.fn.code.ins[s.pc]
	w.mask = s.mask
	w.frame, w.regs, w.preds = s.f, s.f.regs, s.f.preds
}

// meet releases lanes that wait at different bar.warp.sync for the same set.
func (w *warp) meet() bool {
	for i := range w.splits {
		s := &w.splits[i]
		if s.wait != waitSync || !s.f.fn.code.ins[s.pc].isWarpBarrier() {
			continue
		}
		w.show(s)
		need := uint32(w.regs[w.in.e][bits.TrailingZeros32(s.mask)])
		var have uint32
		for j := range w.splits {
			t := &w.splits[j]
			u := &t.f.fn.code.ins[t.pc]
			if t.wait == waitSync && u.isWarpBarrier() && uint32(t.f.regs[u.e][bits.TrailingZeros32(t.mask)]) == need {
				have |= t.mask
			}
		}
		if need&w.live&^have != 0 {
			continue
		}
		for j := range w.splits {
			t := &w.splits[j]
			if t.wait == waitSync && t.mask&need != 0 {
				t.wait = waitNo
				t.pc++
			}
		}
		w.warpClock()
		return true
	}
	return false
}

func (in *instr) isWarpBarrier() bool { return in.src.op == "bar" || in.src.op == "barrier" }

// stranded reports lanes that wait for lanes that cannot arrive.
func (w *warp) stranded(i int) {
	s := &w.splits[i]
	w.show(s)
	lane := bits.TrailingZeros32(s.mask)
	need := w.all
	if !w.in.uniform {
		need = uint32(w.regs[w.in.e][lane]) & w.live
	}
	text := ""
	if gone := need &^ w.live; gone != 0 {
		text = fmt.Sprintf("; lanes %#08x have exited", gone)
	}
	for j := range w.splits {
		if t := &w.splits[j]; j != i && t.mask&need != 0 {
			line := t.f.fn.code.ins[t.pc].src.pos.Line
			text += fmt.Sprintf("; lanes %#08x are at line %d: %s", t.mask&need, line, w.block.run.k.img.module.src.line(line))
		}
	}
	w.fault(InactiveLane, lane, "lanes %#08x wait for lanes %#08x%s", s.mask, need&^s.mask, text)
}

// barrierInfo describes a barrier instruction.
type barrierInfo struct {
	aligned bool
	arrive  bool // does not wait
	reduce  string
	negate  bool
}

// enterBarrier records the warp's arrival at the barrier that its lanes have reached.
func (w *warp) enterBarrier() {
	b := w.in.x.(*barrierInfo)
	id, count := w.uniformOperand(w.in.a, "barrier"), 0
	if w.in.b >= 0 {
		count = w.uniformOperand(w.in.b, "thread count")
		if count%lanes != 0 || count <= 0 {
			w.fault(BadBarrier, -1, "thread count %d is not a positive multiple of %d", count, lanes)
		}
	}
	if id > 15 {
		w.fault(BadBarrier, -1, "barrier %d does not exist, there are 16", id)
	}
	bar := &w.block.barriers[id]
	if bar.arrived == 0 {
		*bar = barrier{and: true, waiting: bar.waiting[:0], count: count}
	}
	if b.arrive {
		for i := range w.splits {
			w.splits[i].wait = waitNo
			w.splits[i].pc++
		}
		w.block.arrive(w, id, count, false)
		return
	}
	pop, and, or := 0, true, false
	if b.reduce != "" {
		for i := range w.splits {
			s := &w.splits[i]
			p := s.f.preds[s.f.fn.code.ins[s.pc].c]
			if b.negate {
				p = ^p
			}
			pop += bits.OnesCount32(p & s.mask)
			and = and && p&s.mask == s.mask
			or = or || p&s.mask != 0
		}
	}
	bar.pop += pop
	bar.and = bar.and && and
	bar.or = bar.or || or
	w.block.arrive(w, id, count, true)
}

// uniformOperand returns a slot's value, which must be the same in all executing lanes.
func (w *warp) uniformOperand(slot int32, what string) int {
	r := &w.regs[slot]
	first := bits.TrailingZeros32(w.mask)
	for m := w.mask; m != 0; m &= m - 1 {
		if l := bits.TrailingZeros32(m); r[l] != r[first] {
			w.fault(BadBarrier, l, "%s is %d in this lane and %d in lane %d", what, r[l], r[first], first)
		}
	}
	return int(int32(r[first]))
}

// released lets the warp continue after a barrier.
func (w *warp) released(bar *barrier) {
	for i := range w.splits {
		s := &w.splits[i]
		in := &s.f.fn.code.ins[s.pc]
		switch in.x.(*barrierInfo).reduce {
		case "popc":
			d := &s.f.regs[in.d]
			for l := range d {
				if s.mask>>l&1 != 0 {
					d[l] = uint64(bar.pop)
				}
			}
		case "and":
			setBits(&s.f.preds[in.d], s.mask, bar.and)
		case "or":
			setBits(&s.f.preds[in.d], s.mask, bar.or)
		}
		s.wait = waitNo
		s.pc++
	}
}

func setBits(p *uint32, mask uint32, on bool) {
	*p &^= mask
	if on {
		*p |= mask
	}
}
