package ptx

import "math/bits"

// lane1, lane2 and lane3 apply a function to each lane's values. Frequent instructions have
// loops of their own, in exec_hot.go.

func lane1(w *warp, in *instr) {
	d, a, f := &w.regs[in.d], &w.regs[in.a], in.f1
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = f(a[l])
	}
}

func lane2(w *warp, in *instr) {
	d, a, b, f := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], in.f2
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = f(a[l], b[l])
	}
}

func lane3(w *warp, in *instr) {
	d, a, b, c, f := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], &w.regs[in.c], in.f3
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = f(a[l], b[l], c[l])
	}
}

// op1, op2 and op3 emit an instruction with a destination and one to three sources. It uses
// either a loop of its own, run, or a function of one lane, f.
func (l *lowerer) op1(m *match, run func(*warp, *instr), f func(a uint64) uint64) {
	if run == nil {
		run = lane1
	}
	s := l.args(m, 1)
	l.emit(instr{run: run, f1: f, d: l.dst(&m.in.args[0]), a: s[0]})
}

func (l *lowerer) op2(m *match, run func(*warp, *instr), f func(a, b uint64) uint64) {
	if run == nil {
		run = lane2
	}
	s := l.args(m, 1)
	l.emit(instr{run: run, f2: f, d: l.dst(&m.in.args[0]), a: s[0], b: s[1]})
}

func (l *lowerer) op3(m *match, run func(*warp, *instr), f func(a, b, c uint64) uint64) {
	if run == nil {
		run = lane3
	}
	s := l.args(m, 1)
	l.emit(instr{run: run, f3: f, d: l.dst(&m.in.args[0]), a: s[0], b: s[1], c: s[2]})
}

// pairs applies a function of 16-bit values to both halves.
func pairs(f func(a, b uint64) uint64) func(a, b uint64) uint64 {
	return func(a, b uint64) uint64 {
		return f(a&0xffff, b&0xffff)&0xffff | f(a>>16, b>>16)&0xffff<<16
	}
}

func lowerAdd(l *lowerer, m *match) {
	t := m.typ("type")
	switch {
	case t.isFloat():
		lowerFloatArith(l, m)
	case m.has("sat"):
		l.op2(m, nil, func(a, b uint64) uint64 { return saturate32(int64(int32(a)) + int64(int32(b))) })
	case t == tU16x2 || t == tS16x2:
		l.op2(m, nil, pairs(func(a, b uint64) uint64 { return a + b }))
	case t.bits() == 16:
		l.op2(m, add[uint16], nil)
	case t.bits() == 32:
		l.op2(m, runAdd32, nil)
	default:
		l.op2(m, runAdd64, nil)
	}
}

func saturate32(v int64) uint64 { return uint64(uint32(max(-1<<31, min(1<<31-1, v)))) }

func lowerSub(l *lowerer, m *match) {
	t := m.typ("type")
	switch {
	case t.isFloat():
		lowerFloatArith(l, m)
	case m.has("sat"):
		l.op2(m, nil, func(a, b uint64) uint64 { return saturate32(int64(int32(a)) - int64(int32(b))) })
	case t.bits() == 16:
		l.op2(m, sub[uint16], nil)
	case t.bits() == 32:
		l.op2(m, runSub32, nil)
	default:
		l.op2(m, sub[uint64], nil)
	}
}

// product returns the function that multiplies: the low or high half.
func product(t typ, high bool) func(a, b uint64) uint64 {
	n, mask := t.bits(), widthMask(t.bits())
	switch {
	case !high:
		return func(a, b uint64) uint64 { return a * b & mask }
	case t == tU64:
		return func(a, b uint64) uint64 { h, _ := bits.Mul64(a, b); return h }
	case t == tS64:
		return func(a, b uint64) uint64 {
			h, _ := bits.Mul64(a, b)
			return h - uint64(int64(a)>>63)&b - uint64(int64(b)>>63)&a
		}
	case t.isSigned():
		return func(a, b uint64) uint64 { return uint64(sx(a, n)*sx(b, n)>>n) & mask }
	default:
		return func(a, b uint64) uint64 { return a * b >> n & mask }
	}
}

func lowerMul(l *lowerer, m *match) {
	t := m.typ("type")
	if t.isFloat() {
		lowerFloatArith(l, m)
		return
	}
	if m.get("mode") == "lo" && t.bits() >= 32 {
		if t.bits() == 32 {
			l.op2(m, runMul32, nil)
		} else {
			l.op2(m, mul[uint64], nil)
		}
		return
	}
	l.op2(m, nil, product(t, m.get("mode") == "hi"))
}

func lowerMulWide(l *lowerer, m *match) {
	switch m.typ("type") {
	case tU32:
		l.op2(m, runMulWide, nil)
	case tS32:
		l.op2(m, runMulWideS, nil)
	case tU16:
		l.op2(m, nil, func(a, b uint64) uint64 { return a * b })
	default:
		l.op2(m, nil, func(a, b uint64) uint64 { return uint64(uint32(int32(int16(a)) * int32(int16(b)))) })
	}
}

func lowerMad(l *lowerer, m *match) {
	t := m.typ("type")
	if t.isFloat() {
		lowerFma(l, m)
		return
	}
	mask := widthMask(t.bits())
	p := product(t, m.get("mode") == "hi")
	switch {
	case m.has("sat"):
		l.op3(m, nil, func(a, b, c uint64) uint64 { return saturate32(int64(int32(p(a, b))) + int64(int32(c))) })
	case m.get("mode") == "lo" && t.bits() == 32:
		l.op3(m, runMad32, nil)
	case m.get("mode") == "lo" && t.bits() == 64:
		l.op3(m, mad[uint64], nil)
	default:
		l.op3(m, nil, func(a, b, c uint64) uint64 { return (p(a, b) + c) & mask })
	}
}

func lowerMadWide(l *lowerer, m *match) {
	switch m.typ("type") {
	case tU32:
		l.op3(m, madWide32, nil)
	case tS32:
		l.op3(m, madWideS32, nil)
	case tU16:
		l.op3(m, nil, func(a, b, c uint64) uint64 { return (a*b + c) & 0xffffffff })
	default:
		l.op3(m, nil, func(a, b, c uint64) uint64 { return uint64(uint32(int32(int16(a))*int32(int16(b)) + int32(c))) })
	}
}

// product24 multiplies 24-bit values: bits 0 to 31 or 16 to 47 of the product.
func product24(m *match) func(a, b uint64) uint64 {
	shift := 0
	if m.get("mode") != "lo" {
		shift = 16
	}
	if m.typ("type").isSigned() {
		return func(a, b uint64) uint64 { return uint64(sx(a, 24)*sx(b, 24)>>shift) & 0xffffffff }
	}
	return func(a, b uint64) uint64 { return a & 0xffffff * (b & 0xffffff) >> shift & 0xffffffff }
}

func lowerMul24(l *lowerer, m *match) { l.op2(m, nil, product24(m)) }

func lowerMad24(l *lowerer, m *match) {
	p := product24(m)
	l.op3(m, nil, func(a, b, c uint64) uint64 { return (p(a, b) + c) & 0xffffffff })
}

func lowerMad24Sat(l *lowerer, m *match) {
	p := product24(m)
	l.op3(m, nil, func(a, b, c uint64) uint64 { return saturate32(int64(int32(p(a, b))) + int64(int32(c))) })
}

func lowerSad(l *lowerer, m *match) {
	t := m.typ("type")
	n, mask := t.bits(), widthMask(t.bits())
	l.op3(m, nil, func(a, b, c uint64) uint64 {
		if t.isSigned() && sx(a, n) < sx(b, n) || !t.isSigned() && a < b {
			a, b = b, a
		}
		return (a - b + c) & mask
	})
}

// Division by zero gives an unspecified, machine-specific value. Here the quotient is all
// ones and the remainder is the dividend.
func lowerDivRem(l *lowerer, m *match) {
	t := m.typ("type")
	if t.isFloat() {
		lowerFloatDiv(l, m)
		return
	}
	n, mask, rem := t.bits(), widthMask(t.bits()), m.op == "rem"
	l.op2(m, nil, func(a, b uint64) uint64 {
		switch {
		case b == 0 && rem:
			return a
		case b == 0:
			return mask
		case !t.isSigned() && rem:
			return a % b
		case !t.isSigned():
			return a / b
		}
		x, y := sx(a, n), sx(b, n)
		switch {
		case y == -1 && rem:
			return 0
		case y == -1:
			return uint64(-x) & mask
		case rem:
			return uint64(x%y) & mask
		}
		return uint64(x/y) & mask
	})
}

func lowerAbs(l *lowerer, m *match) {
	t := m.typ("type")
	if t.isFloat() {
		lowerSign(l, m)
		return
	}
	n, mask := t.bits(), widthMask(t.bits())
	l.op1(m, nil, func(a uint64) uint64 {
		if sx(a, n) < 0 {
			a = -a
		}
		return a & mask
	})
}

func lowerNeg(l *lowerer, m *match) {
	t := m.typ("type")
	if t.isFloat() {
		lowerSign(l, m)
		return
	}
	mask := widthMask(t.bits())
	l.op1(m, nil, func(a uint64) uint64 { return -a & mask })
}

func lowerMinMax(l *lowerer, m *match) {
	t := m.typ("type")
	if t.isFloat() {
		lowerFloatMinMax(l, m)
		return
	}
	f := minMax(t, m.op == "max", m.has("relu"))
	if t == tU16x2 || t == tS16x2 {
		f = pairs(f)
	}
	l.op2(m, nil, f)
}

// minMax returns the function for one element of an integer type.
func minMax(t typ, greater, relu bool) func(a, b uint64) uint64 {
	n := t.bits()
	if t == tU16x2 || t == tS16x2 {
		n = 16
	}
	return func(a, b uint64) uint64 {
		less := a < b
		if t.isSigned() {
			less = sx(a, n) < sx(b, n)
		}
		if less == greater {
			a = b
		}
		if relu && sx(a, n) < 0 {
			return 0
		}
		return a
	}
}

func lowerPopc(l *lowerer, m *match) {
	l.op1(m, nil, func(a uint64) uint64 { return uint64(bits.OnesCount64(a)) })
}

func lowerClz(l *lowerer, m *match) {
	n := m.typ("type").bits()
	l.op1(m, nil, func(a uint64) uint64 { return uint64(n - bits.Len64(a)) })
}

func lowerBfind(l *lowerer, m *match) {
	t, shift := m.typ("type"), m.has("shiftamt")
	n, mask := t.bits(), widthMask(t.bits())
	l.op1(m, nil, func(a uint64) uint64 {
		if t.isSigned() && sx(a, n) < 0 {
			a = ^a & mask
		}
		if a == 0 {
			return 0xffffffff
		}
		at := bits.Len64(a) - 1
		if shift {
			at = n - 1 - at
		}
		return uint64(at)
	})
}

// fns finds the n-th set bit from a base, upwards or downwards.
func lowerFns(l *lowerer, m *match) {
	l.op3(m, nil, func(mask, base, offset uint64) uint64 {
		n, step := int32(offset), 1
		at := int(base)
		if base > 31 {
			return 0xffffffff
		}
		if n == 0 {
			if mask>>base&1 != 0 {
				return base
			}
			return 0xffffffff
		}
		if n < 0 {
			n, step = -n, -1
		}
		for ; at >= 0 && at < 32; at += step {
			if mask>>at&1 != 0 {
				if n--; n == 0 {
					return uint64(at)
				}
			}
		}
		return 0xffffffff
	})
}

func lowerBrev(l *lowerer, m *match) {
	n := m.typ("type").bits()
	l.op1(m, nil, func(a uint64) uint64 { return bits.Reverse64(a) >> (64 - n) })
}

func lowerBfe(l *lowerer, m *match) {
	t := m.typ("type")
	n, mask := uint64(t.bits()), widthMask(t.bits())
	l.op3(m, nil, func(a, pos, length uint64) uint64 {
		pos, length = pos&0xff, length&0xff
		var fill uint64
		if t.isSigned() && length > 0 {
			fill = -(a >> min(pos+length-1, n-1) & 1)
		}
		var v uint64
		if pos < n {
			v = a >> pos
			if pos > 0 {
				v |= fill << (n - pos)
			}
		} else {
			v = fill
		}
		if length >= 64 {
			return v & mask
		}
		low := uint64(1)<<length - 1
		return (v&low | fill&^low) & mask
	})
}

func lowerBfi(l *lowerer, m *match) {
	n := uint64(m.typ("type").bits())
	mask := widthMask(int(n))
	s := l.args(m, 1)
	l.emit(instr{run: lane4, d: l.dst(&m.in.args[0]), a: s[0], b: s[1], c: s[2], e: s[3],
		x: func(a, b, pos, length uint64) uint64 {
			pos, length = pos&0xff, length&0xff
			if pos >= n || length == 0 {
				return b
			}
			field := ones(int64(min(length, n-pos))) << pos
			return (a<<pos&field | b&^field) & mask
		}})
}

func lane4(w *warp, in *instr) {
	f := in.x.(func(a, b, c, e uint64) uint64)
	d, a, b, c, e := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], &w.regs[in.c], &w.regs[in.e]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = f(a[l], b[l], c[l], e[l])
	}
}

func lowerSzext(l *lowerer, m *match) {
	clamp, signed := m.get("mode") == "clamp", m.typ("type").isSigned()
	l.op2(m, nil, func(a, n uint64) uint64 {
		if clamp {
			n = min(n, 32)
		} else {
			n &= 31
		}
		switch {
		case n == 0:
			return 0
		case signed:
			return uint64(uint32(sx(a, int(n))))
		}
		return a & widthMask(int(n))
	})
}

func lowerBmsk(l *lowerer, m *match) {
	clamp := m.get("mode") == "clamp"
	l.op2(m, nil, func(pos, n uint64) uint64 {
		if !clamp {
			pos, n = pos&31, n&31
		}
		if pos >= 32 {
			return 0
		}
		return ones(int64(min(n, 32))) << pos & 0xffffffff
	})
}

// dot multiplies bytes, or 16-bit halves of a by bytes of b, and adds.
func lowerDot(l *lowerer, m *match) {
	as, bs := m.typ("atype").isSigned(), m.typ("btype").isSigned()
	ext := func(v uint64, n int, signed bool) int64 {
		if signed {
			return sx(v, n)
		}
		return int64(v & widthMask(n))
	}
	two, high := m.op == "dp2a", m.get("half") == "hi"
	l.op3(m, nil, func(a, b, c uint64) uint64 {
		sum := int64(c)
		if two {
			if high {
				b >>= 16
			}
			for i := range 2 {
				sum += ext(a>>(16*i), 16, as) * ext(b>>(8*i), 8, bs)
			}
		} else {
			for i := range 4 {
				sum += ext(a>>(8*i), 8, as) * ext(b>>(8*i), 8, bs)
			}
		}
		return uint64(uint32(sum))
	})
}

func lowerLogic(l *lowerer, m *match) {
	switch m.op {
	case "and":
		l.op2(m, runAnd, nil)
	case "or":
		l.op2(m, runOr, nil)
	case "xor":
		l.op2(m, runXor, nil)
	}
}

func lowerNot(l *lowerer, m *match) {
	mask := widthMask(m.typ("type").bits())
	l.op1(m, nil, func(a uint64) uint64 { return ^a & mask })
}

func lowerCnot(l *lowerer, m *match) {
	l.op1(m, nil, func(a uint64) uint64 {
		if a == 0 {
			return 1
		}
		return 0
	})
}

func lop3(table uint64) func(a, b, c uint64) uint64 {
	return func(a, b, c uint64) uint64 {
		var r uint64
		for i := range 8 {
			if table>>i&1 == 0 {
				continue
			}
			x, y, z := a, b, c
			if i&4 == 0 {
				x = ^x
			}
			if i&2 == 0 {
				y = ^y
			}
			if i&1 == 0 {
				z = ^z
			}
			r |= x & y & z
		}
		return r & 0xffffffff
	}
}

func lowerLop3(l *lowerer, m *match) {
	o := &m.in.args[4]
	if o.bits > 255 {
		l.fail(o.pos, "lop3: table %s is not from 0 to 255", o.text)
	}
	s := l.args(m, 1)
	l.emit(instr{run: lane3, f3: lop3(o.bits), d: l.dst(&m.in.args[0]), a: s[0], b: s[1], c: s[2]})
}

func lowerShf(l *lowerer, m *match) {
	left, wrap := m.get("dir") == "l", m.get("mode") == "wrap"
	l.op3(m, nil, func(a, b, n uint64) uint64 {
		if wrap {
			n &= 31
		} else {
			n = min(n, 32)
		}
		v := b<<32 | a
		if left {
			return v << n >> 32
		}
		return v >> n & 0xffffffff
	})
}

func lowerShl(l *lowerer, m *match) {
	switch m.typ("type").bits() {
	case 32:
		l.op2(m, runShl32, nil)
	case 64:
		l.op2(m, shl[uint64], nil)
	default:
		l.op2(m, shl[uint16], nil)
	}
}

func lowerShr(l *lowerer, m *match) {
	t := m.typ("type")
	n, mask := t.bits(), widthMask(t.bits())
	if t.isSigned() {
		l.op2(m, nil, func(a, s uint64) uint64 { return uint64(sx(a, n)>>min(s, 63)) & mask })
		return
	}
	if n == 32 {
		l.op2(m, runShr32, nil)
		return
	}
	l.op2(m, shr, nil)
}

func lowerPrmt(l *lowerer, m *match) {
	mode := m.get("mode")
	l.op3(m, nil, func(a, b, sel uint64) uint64 { return prmt(mode, a|b<<32, sel) })
}

func prmt(mode string, v, sel uint64) uint64 {
	pick := func(i uint64) uint64 { return v >> (8 * (i & 7)) & 0xff }
	var idx [4]uint64
	k := sel & 3
	switch mode {
	case "":
		var r uint64
		for i := range 4 {
			s := sel >> (4 * i) & 15
			b := pick(s)
			if s&8 != 0 {
				b = -(b >> 7) & 0xff
			}
			r |= b << (8 * i)
		}
		return r
	case "f4e":
		idx = [4]uint64{k, k + 1, k + 2, k + 3}
	case "b4e":
		idx = [4]uint64{k, k - 1, k - 2, k - 3}
	case "rc8":
		idx = [4]uint64{k, k, k, k}
	case "ecl":
		idx = [4]uint64{k, max(k, 1), max(k, 2), 3}
	case "ecr":
		idx = [4]uint64{0, min(k, 1), min(k, 2), min(k, 3)}
	case "rc16":
		h := k & 1 * 2
		idx = [4]uint64{h, h + 1, h, h + 1}
	}
	return pick(idx[0]) | pick(idx[1])<<8 | pick(idx[2])<<16 | pick(idx[3])<<24
}
