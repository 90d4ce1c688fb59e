package num

import "math"

// Exp returns e**x, correctly rounded in practice.
func Exp(x float64) float64 {
	switch {
	case x != x:
		return x
	case x > 709.8:
		return math.Inf(1)
	case x < -745.2:
		return 0
	}
	return expSum(dd{x, 0})
}

// expSum returns e**x rounded once, for |x| below 1000.
func expSum(x dd) float64 {
	k, p := expReduced(x)
	return p.addFloat(1).ldexp(k)
}

// expReduced returns k and p = e**r - 1 with x = k·ln 2 + r, |r| <= 0.35.
func expReduced(x dd) (int, dd) {
	k := math.Floor(float64(x.hi*0x1.71547652b82fep+0) + 0.5)
	r := x
	for _, part := range ln2 {
		q := twoProd(-k, part)
		r = r.addFloat(q.hi).addFloat(q.lo)
	}
	// The series on r/64, then (1+p)² - 1 = 2p + p² six times.
	p := expm1Series(r.scale(0x1p-6))
	for range 6 {
		p = p.scale(2).add(p.mul(p))
	}
	return int(k), p
}

// expm1Series returns e**r - 1 for |r| <= 0.006: twelve terms leave r^13/13!,
// below 2^-120 of r.
func expm1Series(r dd) dd {
	const terms = 12
	s := invFactorial[terms]
	for n := terms - 1; n >= 1; n-- {
		s = s.mul(r).add(invFactorial[n])
	}
	return s.mul(r)
}

// Constants of Exp32; float32 arithmetic throughout.
const (
	exp32Over  = 0x1.62e42ep+6  // above it exp(x) rounds to infinity
	exp32Under = -87.3          // below it the result is defined as 0
	exp32Magic = 0x1.8p+23      // adding it rounds to an integer, kept in the low bits
	log2e32    = 0x1.715476p+0  // 1/ln 2
	ln2Hi32    = 0x1.62e43p-1   // ln 2 = hi + lo
	ln2Lo32    = -0x1.05c61p-29 //
	exp32C2    = 0x1.fffffcp-2  // minimax of (exp(r)-1-r)/r² on |r| <= ln(2)/2,
	exp32C3    = 0x1.555492p-3  // in the relative error of exp(r):
	exp32C4    = 0x1.5558f2p-5  // 0.03 units of the last place
	exp32C5    = 0x1.123a2p-7   //
	exp32C6    = 0x1.6a23cep-10 //
)

// Exp32 returns e**x in float32, within 1 unit in the last place for x >= -87.3. Below, it is
// 0, so that no result is denormal. NaN gives NaN. It is defined by this sequence of float32
// operations, in which every fma rounds once, to nearest even; vector code repeats it bit for
// bit:
//
//	t = fma(x, log2e, magic)       magic = 1.5·2^23
//	n = t - magic                  the integer nearest x·log2e
//	r = fma(n, -ln2Hi, x)
//	r = fma(n, -ln2Lo, r)
//	p = fma(c6, r, c5)
//	p = fma(p, r, c4)
//	p = fma(p, r, c3)
//	p = fma(p, r, c2)
//	p = fma(p, r, 1)
//	p = fma(p, r, 1)
//	y = bits(p) + bits(t)<<23      as 32-bit integers: p·2^n
//	y = +Inf if x > over; y = 0 if x < under; y = x if x is NaN
//
// The last line is three selections on x, in any order (comparisons with NaN are false), so
// the results of the previous lines for such x do not matter.
func Exp32(x float32) float32 {
	switch {
	case x != x:
		return x
	case x > exp32Over:
		return float32(math.Inf(1))
	case x < exp32Under:
		return 0
	}
	t := FMA32(x, log2e32, exp32Magic)
	n := t - exp32Magic
	r := FMA32(n, -ln2Hi32, x)
	r = FMA32(n, -ln2Lo32, r)
	p := FMA32(exp32C6, r, exp32C5)
	p = FMA32(p, r, exp32C4)
	p = FMA32(p, r, exp32C3)
	p = FMA32(p, r, exp32C2)
	p = FMA32(p, r, 1)
	p = FMA32(p, r, 1)
	return math.Float32frombits(math.Float32bits(p) + math.Float32bits(t)<<23)
}
