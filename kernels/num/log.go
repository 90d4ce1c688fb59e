package num

import "math"

// Log returns the natural logarithm of x, correctly rounded in practice.
func Log(x float64) float64 {
	switch {
	case x != x || x > math.MaxFloat64:
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	s := logSum(x)
	return s.hi + s.lo
}

// logSum returns log(x) for finite x > 0.
func logSum(x float64) dd {
	e := 0
	if x < 0x1p-1022 {
		x *= 0x1p54
		e = -54
	}
	u := math.Float64bits(x)
	e += int(u>>52) - 1023
	m := math.Float64frombits(u&(1<<52-1) | 1023<<52)
	if m > math.Sqrt2 {
		m *= 0.5
		e++
	}
	s := log1pSum(dd{m - 1, 0})
	if e == 0 {
		return s
	}
	sum := dd{}
	for _, part := range []float64{ln2[2], ln2[1], ln2[0]} {
		q := twoProd(float64(e), part)
		sum = sum.addFloat(q.lo).addFloat(q.hi)
	}
	return sum.add(s)
}

// log1pSum returns log(1+x) for -0.3 < x < 0.415 with a relative error of about 2^-95. It
// improves a float64 approximation y by one Newton step for exp, y + d - d²/2 with
// d = (1+x)·exp(-y) - 1 = x + (1+x)·(exp(-y)-1).
func log1pSum(x dd) dd {
	// log(1+x) = 2·artanh(s), s = x/(2+x).
	s := x.hi / (2 + x.hi)
	z := float64(s * s)
	p := float64(1.0 / 23)
	for n := 21; n >= 1; n -= 2 {
		p = math.FMA(p, z, 1/float64(n))
	}
	y := float64(float64(2*s) * p)
	k, e := expReduced(dd{-y, 0})
	if k != 0 { // |y| is at most 0.347, where k is 0 or ±1
		e = e.addFloat(1).scale(pow2(k)).addFloat(-1)
	}
	d := x.add(e).add(x.mul(e))
	return d.add(d.mul(d).scale(-0.5)).addFloat(y)
}
