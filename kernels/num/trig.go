package num

import (
	"math"
	"math/big"
	"sync"
)

// Cos returns the cosine of x radians, correctly rounded in practice.
func Cos(x float64) float64 {
	if x-x != 0 {
		return math.NaN()
	}
	q, r := reduce(x)
	return quadrant(q+1, r)
}

// Sin returns the sine of x radians, correctly rounded in practice.
func Sin(x float64) float64 {
	if x == 0 {
		return x
	}
	if x-x != 0 {
		return math.NaN()
	}
	q, r := reduce(x)
	return quadrant(q, r)
}

// quadrant returns sin(r + q·π/2).
func quadrant(q int, r dd) float64 {
	var s dd
	if q&1 == 0 {
		s = sinSeries(r)
	} else {
		s = cosSeries(r)
	}
	if q&2 != 0 {
		s = s.neg()
	}
	return s.hi + s.lo
}

// sinSeries is sin(r) for |r| <= 0.79, up to r^25/25!. The next term is below 2^-100 of r.
func sinSeries(r dd) dd {
	z := r.mul(r).neg()
	s := invFactorial[25]
	for n := 23; n >= 3; n -= 2 {
		s = s.mul(z).add(invFactorial[n])
	}
	return r.add(s.mul(z).mul(r))
}

// cosSeries is cos(r) for |r| <= 0.79.
func cosSeries(r dd) dd {
	z := r.mul(r).neg()
	s := invFactorial[26]
	for n := 24; n >= 2; n -= 2 {
		s = s.mul(z).add(invFactorial[n])
	}
	return s.mul(z).addFloat(1)
}

// reduce returns r and q mod 4 with x = r + q·π/2, where |r| is at most about π/4.
func reduce(x float64) (int, dd) {
	if math.Abs(x) > 0x1p20 {
		return reduceLarge(x)
	}
	k := math.Floor(float64(x*0x1.45f306dc9c883p-1) + 0.5)
	r := dd{x, 0}
	for _, part := range piHalf {
		p := twoProd(-k, part)
		r = r.addFloat(p.hi).addFloat(p.lo)
	}
	return int(k) & 3, r
}

// piHalfBig is π/2 to 1,300 bits: 1,074 that the exponent of x may cancel, and some more.
var piHalfBig = sync.OnceValue(func() *big.Float {
	const bits = 1300
	// Machin 1706: π/4 = 4·arctan(1/5) - arctan(1/239), in fixed point.
	one := new(big.Int).Lsh(big.NewInt(1), bits+64)
	arctan := func(n int64) *big.Int {
		sum, square := new(big.Int), big.NewInt(n*n)
		power := new(big.Int).Quo(one, big.NewInt(n))
		for i := int64(1); power.Sign() != 0; i += 2 {
			term := new(big.Int).Quo(power, big.NewInt(i))
			if i&2 == 0 {
				sum.Add(sum, term)
			} else {
				sum.Sub(sum, term)
			}
			power.Quo(power, square)
		}
		return sum
	}
	quarter := new(big.Int).Lsh(arctan(5), 2)
	quarter.Sub(quarter, arctan(239))
	f := new(big.Float).SetPrec(bits).SetInt(quarter)
	return f.SetMantExp(f, 1-bits-64)
})

// reduceLarge is reduce in multiple-precision arithmetic.
func reduceLarge(x float64) (int, dd) {
	half := piHalfBig()
	z := new(big.Float).SetPrec(2500).SetFloat64(x)
	q := new(big.Float).SetPrec(2500).Quo(z, half)
	q.Add(q, big.NewFloat(math.Copysign(0.5, x)))
	n, _ := q.Int(nil)
	z.Sub(z, q.Mul(q.SetInt(n), half))
	hi, _ := z.Float64()
	lo, _ := z.Sub(z, big.NewFloat(hi)).Float64()
	return int(new(big.Int).And(n, big.NewInt(3)).Int64()), dd{hi, lo}
}
