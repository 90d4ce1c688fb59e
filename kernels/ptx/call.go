package ptx

import "math/bits"

// callInfo is a call instruction.
type callInfo struct {
	fn      *function // nil if indirect
	builtin *builtin
	proto   *function
	args    []callArg
	results []callArg
}

// callArg is a variable in parameter space, or a register.
type callArg struct {
	v    *variable
	slot int32
	pred bool
}

// call executes the call instruction of split i.
func (w *warp) call(i int) {
	c := w.in.x.(*callInfo)
	s := &w.splits[i]
	f, mask, pc := s.f, w.mask, s.pc
	if c.builtin != nil {
		c.builtin.run(w, c)
		s.pc++
		return
	}
	// The lanes that do not call continue after it.
	if rest := s.mask &^ mask; rest != 0 {
		s.mask, s.pc = rest, pc+1
	} else {
		w.splits = append(w.splits[:i], w.splits[i+1:]...)
	}
	if f.depth >= maxDepth {
		w.fault(StackOverflow, bits.TrailingZeros32(mask), "%d calls deep", maxDepth)
	}
	if c.fn != nil {
		w.callTo(c, c.fn, f, mask, pc+1)
		return
	}
	target := &f.regs[w.in.a]
	funcs := w.block.run.k.img.module.funcs
	for mask != 0 {
		lane := bits.TrailingZeros32(mask)
		addr := target[lane]
		n := (addr - functionBase) / 16
		if addr < functionBase || n >= uint64(len(funcs)) || addr%16 != 0 || !funcs[n].defined || funcs[n].entry {
			w.fault(OutOfBounds, lane, "%#x is not the address of a function", addr)
		}
		var same uint32
		for m := mask; m != 0; m &= m - 1 {
			if l := bits.TrailingZeros32(m); target[l] == addr {
				same |= 1 << l
			}
		}
		mask &^= same
		g := funcs[n]
		if !sameSignature(g, c.proto) {
			w.fault(BadOperand, lane, "%s does not have the parameters of prototype %s", g.name, c.proto.name)
		}
		w.callTo(c, g, f, same, pc+1)
	}
}

func (w *warp) callTo(c *callInfo, g *function, f *frame, mask uint32, back int32) {
	t := w.enter(g, f, mask)
	t.back, t.call = back, c
	for k := range c.args {
		w.pass(f, c.args[k], t, g.params[k], mask)
	}
	w.splits = append(w.splits, split{mask: mask, f: t, last: w.steps})
}

// pass copies an argument into a formal parameter.
func (w *warp) pass(f *frame, a callArg, t *frame, formal *variable, mask uint32) {
	if a.pred {
		slot := t.fn.code.formals[formal]
		t.preds[slot] = t.preds[slot]&^mask | f.preds[a.slot]&mask
		return
	}
	for m := mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m)
		var b []byte
		switch {
		case a.v != nil:
			at := int64(l)*f.fn.paramFrame + a.v.offset
			b = f.params[at : at+a.v.size]
			if formal.reg == nil {
				to := int64(l)*t.fn.paramFrame + formal.offset
				copy(t.params[to:to+formal.size], b)
				for k := range formal.size {
					if f.pset.get(at + k) {
						t.pset.set(to+k, 1)
					}
				}
				continue
			}
		default:
			b = put(f.regs[a.slot][l], int(formal.size))
		}
		if formal.reg == nil {
			to := int64(l)*t.fn.paramFrame + formal.offset
			copy(t.params[to:to+formal.size], b)
			t.pset.set(to, formal.size)
			continue
		}
		slot := t.fn.code.formals[formal]
		t.regs[slot][l] = get(b)
		t.mark(slot, 1<<l)
	}
}

// mark records that lanes of a register were written.
func (f *frame) mark(slot int32, mask uint32) {
	if f.written != nil {
		f.written[slot] |= mask
	}
}

// back returns from the function of split i.
func (w *warp) back(i int) {
	s := &w.splits[i]
	f, mask := s.f, w.mask
	if f.parent == nil {
		w.exit(i, mask)
		return
	}
	p, c := f.parent, f.call
	for k, r := range c.results {
		formal := f.fn.results[k]
		if r.pred {
			p.preds[r.slot] = p.preds[r.slot]&^mask | f.preds[f.fn.code.formals[formal]]&mask
			if p.writtenP != nil {
				p.writtenP[r.slot] |= mask
			}
			continue
		}
		for m := mask; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m)
			var b []byte
			if formal.reg != nil {
				b = put(f.regs[f.fn.code.formals[formal]][l], int(formal.size))
			} else {
				at := int64(l)*f.fn.paramFrame + formal.offset
				b = f.params[at : at+formal.size]
			}
			if r.v != nil {
				to := int64(l)*p.fn.paramFrame + r.v.offset
				copy(p.params[to:to+r.v.size], b)
				for k := range formal.size {
					if formal.reg != nil || f.pset.get(int64(l)*f.fn.paramFrame+formal.offset+k) {
						p.pset.set(to+k, 1)
					}
				}
				continue
			}
			p.regs[r.slot][l] = get(b)
			p.mark(r.slot, 1<<l)
		}
	}
	back := f.back
	f.inside &^= mask
	if f.inside == 0 {
		w.leave(f)
	}
	s.pc++
	w.drop(i, mask)
	w.splits = append(w.splits, split{pc: back, mask: mask, f: p, last: w.steps})
}

// put returns the n low bytes of v. get is its inverse, for at most eight bytes.
func put(v uint64, n int) []byte {
	b := make([]byte, n)
	for i := range min(n, 8) {
		b[i] = byte(v >> (8 * i))
	}
	return b
}

func get(b []byte) uint64 {
	var v uint64
	for i := range min(len(b), 8) {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}
