package ptx

import "math/bits"

// carryInfo is an extended-precision instruction, which may read and write the lane's carry
// flag.
type carryInfo struct {
	op          string
	bits        int
	signed      bool
	high        bool
	reads, sets bool
}

func lowerCarry(l *lowerer, m *match) {
	t := m.typ("type")
	x := &carryInfo{op: m.op[:3], bits: t.bits(), signed: t.isSigned(), high: m.get("mode") == "hi",
		reads: m.op == "addc" || m.op == "subc" || m.op == "madc", sets: m.has("cc")}
	s := l.args(m, 1)
	in := instr{run: carry, x: x, d: l.dst(&m.in.args[0]), a: s[0], b: s[1]}
	if len(s) > 2 {
		in.c = s[2]
	}
	if l.carryP < 0 {
		l.carryP = l.pred()
	}
	in.e = l.carryP
	l.emit(in)
}

func carry(w *warp, in *instr) {
	x := in.x.(*carryInfo)
	d, a, b, c := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
	flags := w.preds[in.e]
	var out uint32
	mask := widthMask(x.bits)
	p := product(typOfWidth(x.bits, x.signed), x.high)
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		var cin uint64
		if x.reads {
			cin = uint64(flags >> l & 1)
		}
		u, v := a[l], b[l]
		if x.op == "mad" {
			u, v = p(u, v), c[l]
		}
		var r, carry uint64
		if x.op == "sub" {
			// The flag is the adder's carry, which is clear if the subtraction borrows.
			v = ^v & mask
			if !x.reads {
				cin = 1
			}
		}
		r, carry = bits.Add64(u, v, cin)
		if x.bits == 32 {
			carry = r >> 32
		}
		d[l] = r & mask
		out |= uint32(carry&1) << l
	}
	if x.sets {
		w.preds[in.e] = flags&^w.mask | out
	}
}

func typOfWidth(n int, signed bool) typ {
	switch {
	case n == 32 && signed:
		return tS32
	case n == 32:
		return tU32
	case signed:
		return tS64
	}
	return tU64
}
