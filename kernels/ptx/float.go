package ptx

import (
	"math"
	"math/big"
	"math/bits"

	"xrun/kernels/num"
)

// rounding is a rounding mode.
type rounding uint8

const (
	nearest    rounding = iota // ties to even
	towardZero                 // rz
	down                       // rm
	up                         // rp
	nearestAway
)

func roundingOf(name string) rounding {
	switch name {
	case "rz", "rzi":
		return towardZero
	case "rm", "rmi":
		return down
	case "rp", "rpi":
		return up
	case "rna":
		return nearestAway
	}
	return nearest
}

// format is a binary floating-point format.
type format struct {
	mant, exp int  // bits
	finite    bool // no infinities, one NaN (e4m3)
}

var formats = map[typ]format{
	tF16: {10, 5, false}, tBF16: {7, 8, false}, tTF32: {10, 8, false}, tF32: {23, 8, false}, tF64: {52, 11, false},
	tE4M3: {3, 4, true}, tE5M2: {2, 5, false},
}

func formatOf(t typ) format {
	switch t {
	case tF16x2:
		t = tF16
	case tBF16x2:
		t = tBF16
	case tE4M3x2:
		t = tE4M3
	case tE5M2x2:
		t = tE5M2
	}
	return formats[t]
}

func (f format) nan() uint64 {
	if f.finite {
		return 1<<(f.mant+f.exp) - 1
	}
	return 1<<(f.mant+f.exp) - 1 // the canonical NaN of PTX has all ones
}

func (f format) inf() uint64 { return (1<<f.exp - 1) << f.mant }

// decode returns the value of bits.
func (f format) decode(v uint64) float64 {
	switch {
	case f.mant == 52:
		return math.Float64frombits(v)
	case f.mant == 23:
		return float64(math.Float32frombits(uint32(v)))
	case f.exp == 8:
		return float64(math.Float32frombits(uint32(v << (23 - f.mant))))
	}
	bias := 1<<(f.exp-1) - 1
	m := v & (1<<f.mant - 1)
	e := int(v >> f.mant & (1<<f.exp - 1))
	var x float64
	switch {
	case f.finite && v&f.nan() == f.nan():
		x = math.NaN()
	case !f.finite && e == 1<<f.exp-1 && m == 0:
		x = math.Inf(1)
	case !f.finite && e == 1<<f.exp-1:
		x = math.NaN()
	case e == 0:
		x = math.Ldexp(float64(m), 1-bias-f.mant)
	default:
		x = math.Ldexp(float64(m|1<<f.mant), e-bias-f.mant)
	}
	if v>>(f.mant+f.exp)&1 != 0 {
		x = -x
	}
	return x
}

// encode rounds x once. If x is not exact it must be rounded to odd, so that rounding it
// again gives the correct result.
func (f format) encode(x float64, r rounding) uint64 {
	u := math.Float64bits(x)
	sign := u >> 63 << (f.mant + f.exp)
	if x != x {
		return f.nan()
	}
	if math.IsInf(x, 0) {
		if f.finite {
			return sign | f.nan()
		}
		return sign | f.inf()
	}
	if f.mant == 52 {
		return u
	}
	e := int(u>>52&0x7ff) - 1023
	m := u & (1<<52 - 1)
	if e == -1023 {
		if m == 0 {
			return sign
		}
		shift := bits.LeadingZeros64(m) - 11
		m <<= shift
		e -= shift - 1
	}
	m |= 1 << 52
	bias := 1<<(f.exp-1) - 1
	drop := 52 - f.mant
	biased := e + bias
	if biased < 1 {
		drop += 1 - biased
		biased = 0
	}
	if drop > 63 {
		drop = 63
	}
	kept := m >> drop
	rest := m & (1<<drop - 1)
	half := uint64(1) << (drop - 1)
	var inc bool
	switch r {
	case nearest:
		inc = rest > half || rest == half && kept&1 == 1
	case nearestAway:
		inc = rest >= half
	case down:
		inc = rest != 0 && sign != 0
	case up:
		inc = rest != 0 && sign == 0
	}
	if inc {
		kept++
	}
	var v uint64
	if biased == 0 {
		v = kept // a carry gives the smallest normal number
	} else {
		v = uint64(biased-1)<<f.mant + kept
	}
	limit := f.inf()
	if f.finite {
		limit = f.nan()
	}
	if v >= limit {
		v = limit
		if r == towardZero || r == down && sign == 0 || r == up && sign != 0 {
			v = limit - 1
		}
	}
	return sign | v
}

// odd rounds q + err to odd, where |err| is at most half a unit in the last place of q: a
// value that is not exact gets an odd last bit (Boldo & Melquiond 2008).
func odd(q, err float64) float64 {
	if err == 0 || err != err || math.IsInf(q, 0) {
		return q
	}
	u := math.Float64bits(q)
	if (err > 0) != (q > 0) {
		u--
	}
	return math.Float64frombits(u | 1)
}

func oddAdd(a, b float64) float64 {
	s := a + b
	v := s - a
	return odd(s, (a-(s-v))+(b-v))
}

func oddDiv(a, b float64) float64 {
	q := a / b
	if q != q || math.IsInf(q, 0) || q == 0 || math.IsInf(b, 0) {
		return q
	}
	r := math.FMA(-q, b, a)
	if b < 0 {
		r = -r
	}
	return odd(q, r)
}

func oddSqrt(a float64) float64 {
	s := math.Sqrt(a)
	if s != s || s == 0 || math.IsInf(s, 0) {
		return s
	}
	return odd(s, math.FMA(-s, s, a))
}

// exact64 rounds the exact value of a*b+c, in float64, in a direction.
func exact64(a, b, c float64, r rounding) float64 {
	near := math.FMA(a, b, c)
	if near != near || math.IsInf(a, 0) || math.IsInf(b, 0) || math.IsInf(c, 0) || r == nearest {
		return near
	}
	const prec = 4400 // of the widest sum
	x := new(big.Float).SetPrec(prec).SetFloat64(a)
	x.Mul(x, new(big.Float).SetPrec(prec).SetFloat64(b))
	x.Add(x, new(big.Float).SetPrec(prec).SetFloat64(c))
	if x.Sign() == 0 {
		if r == down && near == 0 && (a*b == 0) == (c == 0) && math.Signbit(a*b) != math.Signbit(c) {
			return math.Copysign(0, -1)
		}
		return near
	}
	f, acc := x.Float64()
	return direct(f, acc, r)
}

// direct adjusts a result rounded to nearest to the direction r.
func direct(f float64, acc big.Accuracy, r rounding) float64 {
	if acc == big.Exact {
		return f
	}
	if r == towardZero {
		r = down
		if math.Signbit(f) {
			r = up
		}
	}
	switch {
	case r == down && acc == big.Above:
		return math.Nextafter(f, math.Inf(-1))
	case r == up && acc == big.Below:
		return math.Nextafter(f, math.Inf(1))
	}
	return f
}

// quotient64 rounds a/b, and root64 the root of a, in a direction.
func quotient64(a, b float64, r rounding) float64 {
	q := a / b
	if r == nearest || q != q || math.IsInf(a, 0) || math.IsInf(b, 0) || b == 0 || a == 0 {
		return q
	}
	x := new(big.Float).SetPrec(2400).SetFloat64(a)
	x.Quo(x, new(big.Float).SetFloat64(b))
	f, acc := x.Float64()
	if acc == big.Exact {
		// The quotient itself was rounded, but to 2400 bits.
		acc = x.Acc()
	}
	return direct(f, acc, r)
}

func root64(a float64, r rounding) float64 {
	s := math.Sqrt(a)
	if r == nearest || s != s || s == 0 || math.IsInf(s, 0) {
		return s
	}
	err := math.FMA(-s, s, a)
	acc := big.Exact
	if err > 0 {
		acc = big.Below
	} else if err < 0 {
		acc = big.Above
	}
	return direct(s, acc, r)
}

func f32(v uint64) float32 { return math.Float32frombits(uint32(v)) }
func f64(v uint64) float64 { return math.Float64frombits(v) }
func b64(x float64) uint64 { return math.Float64bits(x) }

// b32 returns the bits of x, with NaN in PTX's canonical form.
func b32(x float32) uint64 {
	if x != x {
		return 0x7fffffff
	}
	return uint64(math.Float32bits(x))
}

// flush32 returns x, or a zero of its sign if x is subnormal.
func flush32(v uint64) uint64 {
	if v&0x7f800000 == 0 {
		return v & 0x80000000
	}
	return v
}

func fma32(a, b, c float32) float32 { return num.FMA32(a, b, c) }

// float3 is a function of the bits of up to three floats.
type float3 func(a, b, c uint64) uint64

// arith returns the function of one element for add, sub, mul or fma. fma computes a*b+c;
// the others ignore c.
func arith(op string, t typ, r rounding) float3 {
	switch t {
	case tF64:
		if r == nearest {
			switch op {
			case "add":
				return func(a, b, _ uint64) uint64 { return b64(f64(a) + f64(b)) }
			case "sub":
				return func(a, b, _ uint64) uint64 { return b64(f64(a) - f64(b)) }
			case "mul":
				return func(a, b, _ uint64) uint64 { return b64(f64(a) * f64(b)) }
			}
			return func(a, b, c uint64) uint64 { return b64(math.FMA(f64(a), f64(b), f64(c))) }
		}
		switch op {
		case "add":
			return func(a, b, _ uint64) uint64 { return b64(exact64(f64(a), 1, f64(b), r)) }
		case "sub":
			return func(a, b, _ uint64) uint64 { return b64(exact64(f64(a), 1, -f64(b), r)) }
		case "mul":
			return func(a, b, _ uint64) uint64 {
				// The added zero has the sign of the product.
				return b64(exact64(f64(a), f64(b), math.Copysign(0, f64(a)*f64(b)), r))
			}
		}
		return func(a, b, c uint64) uint64 { return b64(exact64(f64(a), f64(b), f64(c), r)) }
	case tF32:
		if r == nearest {
			switch op {
			case "add":
				return func(a, b, _ uint64) uint64 { return b32(f32(a) + f32(b)) }
			case "sub":
				return func(a, b, _ uint64) uint64 { return b32(f32(a) - f32(b)) }
			case "mul":
				return func(a, b, _ uint64) uint64 { return b32(f32(a) * f32(b)) }
			}
			return func(a, b, c uint64) uint64 { return b32(fma32(f32(a), f32(b), f32(c))) }
		}
	}
	f := formatOf(t)
	dec := f.decode
	switch op {
	case "add":
		return func(a, b, _ uint64) uint64 { return f.sum(dec(a), dec(b), r) }
	case "sub":
		return func(a, b, _ uint64) uint64 { return f.sum(dec(a), -dec(b), r) }
	case "mul":
		return func(a, b, _ uint64) uint64 { return f.encode(dec(a)*dec(b), r) }
	}
	return func(a, b, c uint64) uint64 { return f.sum(float64(dec(a)*dec(b)), dec(c), r) }
}

// sum rounds x+y, both exact. If terms of opposite sign add to zero, the result is -0 when
// rounding down.
func (f format) sum(x, y float64, r rounding) uint64 {
	s := oddAdd(x, y)
	if s == 0 && r == down && (x != 0 || math.Signbit(x) != math.Signbit(y)) {
		s = math.Copysign(0, -1)
	}
	return f.encode(s, r)
}

// modified adds .ftz, .sat and .relu to a function.
func modified(m *match, t typ, g float3) float3 {
	if m.has("ftz") {
		g = flushed(t, g)
	}
	f := formatOf(t)
	one := f.encode(1, nearest)
	if m.has("sat") {
		h := g
		g = func(a, b, c uint64) uint64 {
			v := h(a, b, c)
			switch x := f.decode(v); {
			case x != x || x <= 0:
				return 0
			case x > 1:
				return one
			}
			return v
		}
	}
	if m.has("relu") {
		h := g
		g = func(a, b, c uint64) uint64 {
			v := h(a, b, c)
			if x := f.decode(v); x <= 0 {
				return 0
			}
			return v
		}
	}
	return g
}

// flushed flushes subnormal operands and results.
func flushed(t typ, g float3) float3 {
	f := formatOf(t)
	exp, sign := f.inf(), uint64(1)<<(f.mant+f.exp)
	z := func(v uint64) uint64 {
		if v&exp == 0 {
			return v & sign
		}
		return v
	}
	return func(a, b, c uint64) uint64 { return z(g(z(a), z(b), z(c))) }
}

// packed applies a function of one element to both halves if t is a pair.
func packed(t typ, g float3) float3 {
	if t != tF16x2 && t != tBF16x2 {
		return g
	}
	return func(a, b, c uint64) uint64 {
		return g(a&0xffff, b&0xffff, c&0xffff) | g(a>>16, b>>16, c>>16)<<16
	}
}
