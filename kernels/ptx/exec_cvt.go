package ptx

import "math"

// lowerCvt converts one value.
func lowerCvt(l *lowerer, m *match) {
	d, a := m.typ("dtype"), m.typ("atype")
	if m.has("sat") && !d.isFloat() && !a.isFloat() && within(a, d) {
		l.fail(m.in.pos, "cvt.sat from .%v to .%v, which holds every value", a, d)
	}
	out := regBits(&m.in.args[0], d)
	if m.get("dtype") == "tf32" {
		out = 32
	}
	l.op1(m, nil, conversion(m, d, a, out))
}

// within reports whether integer type d can hold every value of type a.
func within(a, d typ) bool {
	if a.isSigned() == d.isSigned() {
		return a.bits() <= d.bits()
	}
	return d.isSigned() && a.bits() < d.bits()
}

// integerRange returns the least and greatest value of an integer type.
func integerRange(t typ) (lo, hi float64) {
	if t.isSigned() {
		return -math.Ldexp(1, t.bits()-1), math.Ldexp(1, t.bits()-1)
	}
	return 0, math.Ldexp(1, t.bits())
}

func conversion(m *match, d, a typ, out int) func(uint64) uint64 {
	n, mask, outMask := d.bits(), widthMask(d.bits()), widthMask(out)
	sat, ftz := m.has("sat"), m.has("ftz")
	// extend widens an integer result to the register.
	extend := func(v uint64) uint64 {
		if d.isSigned() {
			return uint64(sx(v, n)) & outMask
		}
		return v & mask
	}
	switch {
	case !d.isFloat() && !a.isFloat():
		an := a.bits()
		return func(v uint64) uint64 {
			v &= widthMask(an)
			if !sat {
				if a.isSigned() {
					v = uint64(sx(v, an))
				}
				return extend(v)
			}
			return extend(saturateInteger(v, a, d))
		}
	case !d.isFloat():
		f, r := formatOf(a), roundingOf(m.get("irnd"))
		return func(v uint64) uint64 {
			x := f.decode(v)
			if ftz && a == tF32 {
				x = float64(f32(flush32(v)))
			}
			return extend(floatToInteger(x, a, d, r))
		}
	case !a.isFloat():
		an, f, r := a.bits(), formatOf(d), roundingOf(m.get("rnd"))
		return func(v uint64) uint64 {
			v &= widthMask(an)
			neg := a.isSigned() && sx(v, an) < 0
			if neg {
				v = uint64(-sx(v, an))
			}
			u := f.integer(v, neg, r)
			if sat {
				u = saturateUnit(f, u)
			}
			return u
		}
	}
	f, g := formatOf(a), formatOf(d)
	r := roundingOf(m.get("rnd"))
	relu, finite := m.has("relu"), m.has("satfinite")
	return func(v uint64) uint64 {
		v &= widthMask(a.bits())
		if ftz && a == tF32 {
			v = flush32(v)
		}
		x := f.decode(v)
		if m.has("irnd") {
			x = roundInteger(x, roundingOf(m.get("irnd")))
		}
		u := g.encode(x, r)
		if finite {
			u = saturateFinite(g, x, u)
		}
		if a == d && !m.has("irnd") && x == x {
			u = v
		}
		if d == tTF32 {
			u <<= 13
			if x != x {
				u = 0x7fffffff
			}
		}
		if d == tF64 && x != x {
			u = 0x7ff8000000000000
		}
		if sat {
			u = saturateUnit(g, u)
		}
		if relu && (x < 0 || x == 0 && math.Signbit(x)) {
			u = 0
		}
		if ftz && d == tF32 {
			u = flush32(u)
		}
		return u
	}
}

func saturateUnit(f format, v uint64) uint64 {
	switch x := f.decode(v); {
	case x != x || x <= 0:
		return 0
	case x > 1:
		return f.encode(1, nearest)
	}
	return v
}

// saturateInteger clamps a value of type a to the range of d.
func saturateInteger(v uint64, a, d typ) uint64 {
	var lo, hi int64 = 0, math.MaxInt64
	if d.isSigned() {
		lo, hi = -1<<(d.bits()-1), 1<<(d.bits()-1)-1
	} else if d.bits() < 64 {
		hi = 1<<d.bits() - 1
	}
	if a.isSigned() {
		return uint64(max(lo, min(hi, sx(v, a.bits()))))
	}
	if v > uint64(hi) && !(d == tU64) {
		return uint64(hi)
	}
	return v
}

// roundInteger rounds to an integral value.
func roundInteger(x float64, r rounding) float64 {
	switch r {
	case towardZero:
		return math.Trunc(x)
	case down:
		return math.Floor(x)
	case up:
		return math.Ceil(x)
	}
	return math.RoundToEven(x)
}

// floatToInteger rounds and clamps. A NaN that is not f64 gives 0 for types of up to 32
// bits; otherwise a NaN gives the value with only the sign bit set (PTX ISA 9.7.9.21).
func floatToInteger(x float64, a, d typ, r rounding) uint64 {
	if x != x {
		if a != tF64 && d.bits() < 64 {
			return 0
		}
		return 1 << (d.bits() - 1)
	}
	y := roundInteger(x, r)
	lo, hi := integerRange(d)
	switch {
	case y < lo:
		if d.isSigned() {
			return 1 << (d.bits() - 1)
		}
		return 0
	case y >= hi:
		if d.isSigned() {
			return 1<<(d.bits()-1) - 1
		}
		return widthMask(d.bits())
	case d.isSigned():
		return uint64(int64(y))
	case y >= 1<<63:
		return uint64(y-1<<63) | 1<<63
	}
	return uint64(y)
}

// integer rounds an integer of any size once.
func (f format) integer(v uint64, neg bool, r rounding) uint64 {
	if f.mant == 52 {
		return b64(integerToDouble(v, neg, r))
	}
	// The upper part and a sticky bit are exact in float64.
	x := float64(v)
	if v >= 1<<53 {
		x = oddInteger(v)
	}
	if neg {
		x = -x
	}
	return f.encode(x, r)
}

// oddInteger returns v rounded to odd in float64.
func oddInteger(v uint64) float64 {
	drop := 0
	for v>>drop >= 1<<53 {
		drop++
	}
	k := v >> drop
	if v&(1<<drop-1) != 0 {
		k |= 1
	}
	return math.Ldexp(float64(k), drop)
}

func integerToDouble(v uint64, neg bool, r rounding) float64 {
	x := float64(v)
	drop := 0
	for v>>drop >= 1<<53 {
		drop++
	}
	if rest := v & (1<<drop - 1); rest != 0 {
		low := math.Ldexp(float64(v>>drop), drop)
		switch {
		case r == towardZero, r == down && !neg, r == up && neg:
			x = low
		case r == up || r == down:
			x = math.Ldexp(float64(v>>drop+1), drop)
		}
	}
	if neg {
		return -x
	}
	return x
}

// lowerCvt2 converts two values to halves, the first to the upper half.
func lowerCvt2(l *lowerer, m *match) {
	d := m.typ("dtype")
	f, r, relu, finite := formatOf(d), roundingOf(m.get("rnd")), m.has("relu"), m.has("satfinite")
	width := d.bits() / 2
	one := func(v uint64) uint64 { return narrow(f, float64(f32(v)), r, relu, finite) }
	if d == tBF16x2 && r == nearest && !relu && !finite {
		l.op2(m, cvtBF16x2, nil)
		return
	}
	l.op2(m, nil, func(a, b uint64) uint64 { return one(a)<<width | one(b) })
}

func narrow(f format, x float64, r rounding, relu, finite bool) uint64 {
	if relu && x <= 0 {
		return 0
	}
	v := f.encode(x, r)
	if finite {
		return saturateFinite(f, x, v)
	}
	return v
}

// saturateFinite returns v, which is x rounded, or the greatest finite number if v is
// beyond it.
func saturateFinite(f format, x float64, v uint64) uint64 {
	beyond := f.inf()
	if f.finite {
		beyond = f.nan()
	}
	if sign := uint64(1) << (f.mant + f.exp); x == x && v&^sign == beyond {
		return v - 1
	}
	return v
}

// lowerCvt8 converts between pairs of 8-bit and of 16-bit floats.
func lowerCvt8(l *lowerer, m *match) {
	d, a := m.typ("dtype"), m.typ("atype")
	f, g, relu, finite := formatOf(a), formatOf(d), m.has("relu"), m.has("satfinite")
	aw, dw := a.bits()/2, d.bits()/2
	one := func(v uint64) uint64 {
		return narrow(g, f.decode(v&widthMask(aw)), nearest, relu, finite) & widthMask(dw)
	}
	l.op1(m, nil, func(v uint64) uint64 { return one(v>>aw)<<dw | one(v) })
}

// lowerCvtPack saturates two integers and packs them, with more from c.
func lowerCvtPack(l *lowerer, m *match) {
	c := m.get("ctype")
	width := map[byte]int{'2': 2, '4': 4, '8': 8, '6': 16}[c[len(c)-1]]
	lo, hi := int64(0), int64(1)<<width-1
	if c[0] == 's' {
		lo, hi = -1<<(width-1), 1<<(width-1)-1
	}
	one := func(v uint64) uint64 { return uint64(max(lo, min(hi, int64(int32(v))))) & widthMask(width) }
	if len(m.in.args) == 3 {
		l.op2(m, nil, func(a, b uint64) uint64 { return one(a)<<width | one(b) })
		return
	}
	l.op3(m, nil, func(a, b, c uint64) uint64 { return (c<<(2*width) | one(a)<<width | one(b)) & 0xffffffff })
}
