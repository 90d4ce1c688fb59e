package ptx

import "math"

// lowerFloatArith lowers add, sub and mul.
func lowerFloatArith(l *lowerer, m *match) {
	t := m.typ("type")
	if !m.has("rnd") {
		l.f.contractible = append(l.f.contractible, m.in.pos)
	}
	if l.fusing && m.op == "mul" {
		l.noteMul(m)
	} else if l.fusing && l.fuse(m) {
		return
	}
	plain := m.get("rnd") == "" || m.get("rnd") == "rn"
	if plain && !m.has("ftz") && !m.has("sat") {
		switch {
		case t == tF32 && m.op == "add":
			l.op2(m, runAddF32, nil)
			return
		case t == tF32 && m.op == "sub":
			l.op2(m, runSubF32, nil)
			return
		case t == tF32 && m.op == "mul":
			l.op2(m, runMulF32, nil)
			return
		}
	}
	g := packed(t, modified(m, t, arith(m.op, t, roundingOf(m.get("rnd")))))
	l.op2(m, nil, func(a, b uint64) uint64 { return g(a, b, 0) })
}

func lowerFma(l *lowerer, m *match) {
	t := m.typ("type")
	if t == tF32 && m.get("rnd") == "rn" && !m.has("ftz") && !m.has("sat") {
		l.op3(m, runFmaF32, nil)
		return
	}
	l.op3(m, nil, packed(t, modified(m, t, arith("fma", t, roundingOf(m.get("rnd"))))))
}

func lowerFloatDiv(l *lowerer, m *match) {
	t, r := m.typ("type"), roundingOf(m.get("rnd"))
	var g float3
	switch {
	case m.has("mode"):
		approxDiv(l, m)
		return
	case t == tF64:
		g = func(a, b, _ uint64) uint64 { return b64(quotient64(f64(a), f64(b), r)) }
	case r == nearest:
		g = func(a, b, _ uint64) uint64 { return b32(f32(a) / f32(b)) }
	default:
		g = func(a, b, _ uint64) uint64 {
			return formats[tF32].encode(oddDiv(float64(f32(a)), float64(f32(b))), r)
		}
	}
	g = modified(m, t, g)
	l.op2(m, nil, func(a, b uint64) uint64 { return g(a, b, 0) })
}

func lowerRcp(l *lowerer, m *match) {
	t, r := m.typ("type"), roundingOf(m.get("rnd"))
	g := func(a, _, _ uint64) uint64 { return b64(quotient64(1, f64(a), r)) }
	if t == tF32 {
		g = func(a, _, _ uint64) uint64 { return formats[tF32].encode(oddDiv(1, float64(f32(a))), r) }
	}
	g = modified(m, t, g)
	l.op1(m, nil, func(a uint64) uint64 { return g(a, 0, 0) })
}

func lowerSqrt(l *lowerer, m *match) {
	t, r := m.typ("type"), roundingOf(m.get("rnd"))
	g := func(a, _, _ uint64) uint64 { return b64(root64(f64(a), r)) }
	if t == tF32 {
		g = func(a, _, _ uint64) uint64 { return formats[tF32].encode(oddSqrt(float64(f32(a))), r) }
	}
	g = modified(m, t, g)
	l.op1(m, nil, func(a uint64) uint64 { return g(a, 0, 0) })
}

// lowerSign lowers abs and neg, which only change the sign, apart from .ftz.
func lowerSign(l *lowerer, m *match) {
	t := m.typ("type")
	f := formatOf(t)
	sign := uint64(1) << (f.mant + f.exp)
	g := func(a, _, _ uint64) uint64 { return a ^ sign }
	if m.op == "abs" {
		g = func(a, _, _ uint64) uint64 { return a &^ sign }
	}
	g = packed(t, modified(m, t, g))
	l.op1(m, nil, func(a uint64) uint64 { return g(a, 0, 0) })
}

func lowerFloatMinMax(l *lowerer, m *match) {
	t := m.typ("type")
	h := packed(t, modified(m, t, floatMinMax(t, m.op == "max", m.has("NaN"), m.has("xorsign.abs"))))
	l.op2(m, nil, func(a, b uint64) uint64 { return h(a, b, 0) })
}

// floatMinMax returns the function for one element of a float type.
func floatMinMax(t typ, greater, nans, xorsign bool) float3 {
	f := formatOf(t)
	sign := uint64(1) << (f.mant + f.exp)
	return func(a, b, _ uint64) uint64 {
		s := (a ^ b) & sign
		if xorsign {
			a, b = a&^sign, b&^sign
		}
		x, y := f.decode(a), f.decode(b)
		var v uint64
		switch {
		case x != x && y != y, nans && (x != x || y != y):
			if t == tF64 {
				return b64(math.NaN())
			}
			return f.nan()
		case x != x:
			v = b
		case y != y:
			v = a
		case x == y: // -0 is less than +0
			v = a
			if (a&sign != 0) == greater {
				v = b
			}
		case (x > y) == greater:
			v = a
		default:
			v = b
		}
		if xorsign {
			v = v&^sign | s
		}
		return v
	}
}

// copysign gives b the sign of a.
func lowerCopysign(l *lowerer, m *match) {
	sign := uint64(1) << (m.typ("type").bits() - 1)
	l.op2(m, nil, func(a, b uint64) uint64 { return a&sign | b&^sign })
}

func lowerTestp(l *lowerer, m *match) {
	f := formatOf(m.typ("type"))
	exp, mant := f.inf(), uint64(1)<<f.mant-1
	var test func(v uint64) bool
	switch m.get("test") {
	case "finite":
		test = func(v uint64) bool { return v&exp != exp }
	case "infinite":
		test = func(v uint64) bool { return v&exp == exp && v&mant == 0 }
	case "number":
		test = func(v uint64) bool { return v&exp != exp || v&mant == 0 }
	case "notanumber":
		test = func(v uint64) bool { return v&exp == exp && v&mant != 0 }
	case "normal":
		test = func(v uint64) bool { return v&exp != exp && v&exp != 0 }
	case "subnormal":
		test = func(v uint64) bool { return v&exp == 0 && v&mant != 0 }
	}
	s := l.args(m, 1)
	l.emit(instr{run: setPred1, d: l.dst(&m.in.args[0]), a: s[0], x: test})
}

func setPred1(w *warp, in *instr) {
	test, a := in.x.(func(uint64) bool), &w.regs[in.a]
	var p uint32
	for l := range a {
		if w.mask>>l&1 != 0 && test(a[l]) {
			p |= 1 << l
		}
	}
	w.preds[in.d] = w.preds[in.d]&^w.mask | p
}
