package num

import "math"

// dd is an unevaluated sum hi + lo with |lo| at most half a last place of hi:
// double-double arithmetic (Dekker 1971; the algorithms as in Hida, Li &
// Bailey, "Library for double-double and quad-double arithmetic", 2008).
type dd struct{ hi, lo float64 }

// quickTwoSum is a+b exactly, for |a| >= |b|.
func quickTwoSum(a, b float64) dd {
	s := a + b
	return dd{s, b - (s - a)}
}

// twoSum is a+b exactly.
func twoSum(a, b float64) dd {
	s := a + b
	v := s - a
	return dd{s, (a - (s - v)) + (b - v)}
}

// twoProd is a*b exactly.
func twoProd(a, b float64) dd {
	p := float64(a * b)
	return dd{p, math.FMA(a, b, -p)}
}

func (a dd) add(b dd) dd {
	s, t := twoSum(a.hi, b.hi), twoSum(a.lo, b.lo)
	s = quickTwoSum(s.hi, s.lo+t.hi)
	return quickTwoSum(s.hi, s.lo+t.lo)
}

func (a dd) addFloat(b float64) dd {
	s := twoSum(a.hi, b)
	return quickTwoSum(s.hi, s.lo+a.lo)
}

func (a dd) mul(b dd) dd {
	p := twoProd(a.hi, b.hi)
	return quickTwoSum(p.hi, p.lo+(float64(a.hi*b.lo)+float64(a.lo*b.hi)))
}

func (a dd) mulFloat(b float64) dd {
	p := twoProd(a.hi, b)
	return quickTwoSum(p.hi, p.lo+float64(a.lo*b))
}

func (a dd) neg() dd { return dd{-a.hi, -a.lo} }

// scale multiplies by a power of two, which is exact in the normal range.
func (a dd) scale(p float64) dd { return dd{float64(a.hi * p), float64(a.lo * p)} }

// invFactorial[n] is 1/n!.
var invFactorial = [28]dd{
	{1, 0},
	{1, 0},
	{0x1.0000000000000p-1, 0},
	{0x1.5555555555555p-3, 0x1.5555555555555p-57},
	{0x1.5555555555555p-5, 0x1.5555555555555p-59},
	{0x1.1111111111111p-7, 0x1.1111111111111p-63},
	{0x1.6c16c16c16c17p-10, -0x1.f49f49f49f49fp-65},
	{0x1.a01a01a01a01ap-13, 0x1.a01a01a01a01ap-73},
	{0x1.a01a01a01a01ap-16, 0x1.a01a01a01a01ap-76},
	{0x1.71de3a556c734p-19, -0x1.c154f8ddc6c00p-73},
	{0x1.27e4fb7789f5cp-22, 0x1.cbbc05b4fa99ap-76},
	{0x1.ae64567f544e4p-26, -0x1.c062e06d1f209p-80},
	{0x1.1eed8eff8d898p-29, -0x1.2aec959e14c06p-83},
	{0x1.6124613a86d09p-33, 0x1.f28e0cc748ebep-87},
	{0x1.93974a8c07c9dp-37, 0x1.05d6f8a2efd1fp-92},
	{0x1.ae7f3e733b81fp-41, 0x1.1d8656b0ee8cbp-97},
	{0x1.ae7f3e733b81fp-45, 0x1.1d8656b0ee8cbp-101},
	{0x1.952c77030ad4ap-49, 0x1.ac981465ddc6cp-103},
	{0x1.6827863b97d97p-53, 0x1.eec01221a8b0bp-107},
	{0x1.2f49b46814157p-57, 0x1.2650f61dbdcb4p-112},
	{0x1.e542ba4020225p-62, 0x1.ea72b4afe3c2fp-120},
	{0x1.71b8ef6dcf572p-66, -0x1.d043ae40c4647p-120},
	{0x1.0ce396db7f853p-70, -0x1.aebcdbd20331cp-124},
	{0x1.761b41316381ap-75, -0x1.3423c7d91404fp-130},
	{0x1.f2cf01972f578p-80, -0x1.9ada5fcc1ab14p-135},
	{0x1.3f3ccdd165fa9p-84, -0x1.58ddadf344487p-139},
	{0x1.88e85fc6a4e5ap-89, -0x1.71c37ebd16540p-143},
	{0x1.d1ab1c2dccea3p-94, 0x1.054d0c78aea14p-149},
}

// ln2 and piHalf as sums of float64, largest first.
var (
	ln2    = [3]float64{0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56, 0x1.7b57a079a1934p-111}
	piHalf = [4]float64{0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110, 0x1.4cf98e804177dp-164}
)

// pow2 returns 2^e for a normal exponent.
func pow2(e int) float64 { return math.Float64frombits(uint64(e+1023) << 52) }

// ldexp returns the sum a times 2^e, rounded once, for any e.
func (a dd) ldexp(e int) float64 {
	if a.hi == 0 {
		return a.hi
	}
	top := int(math.Float64bits(a.hi)>>52&0x7ff) - 1023 + e
	switch {
	case top > 1023:
		return math.Inf(1) * a.hi
	case top >= -1022:
		return scaleBy(a.hi+a.lo, e)
	case top < -1080:
		return scaleBy(math.Copysign(0x1p-1000, a.hi), -1000)
	}
	// The result is denormal: round to a multiple of 2^-1074 by adding
	// and taking away a number with that last place.
	c := math.Copysign(pow2(52-1074-e), a.hi)
	s := twoSum(c, a.hi)
	s = quickTwoSum(s.hi, s.lo+a.lo)
	return math.Copysign(scaleBy(s.hi-c, e), a.hi)
}

// scaleBy returns x*2^e, rounded at most once.
func scaleBy(x float64, e int) float64 {
	for ; e > 1000; e -= 1000 {
		x = float64(x * 0x1p1000)
	}
	if e < -1000 {
		// x is within [2^-100, 2^100] here, so that the first step is exact.
		x = float64(x * 0x1p-900)
		e += 900
	}
	if e < -1000 {
		x = float64(x * 0x1p-100)
		e += 100
	}
	return float64(x * pow2(e))
}
