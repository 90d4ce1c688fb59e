package reports

import "math"

// studentP returns the two-sided p-value of Student's t with nu degrees of
// freedom: the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4. Its error is
// that of 1 less a number near 1, about 1e-15.
func studentP(t float64, nu int) float64 {
	n := float64(nu)
	if math.IsNaN(t) || nu < 1 {
		return math.NaN()
	}
	t = math.Abs(t)
	if t > 1e8 { // also infinite
		return 0
	}
	sin, cos2 := t/math.Sqrt(n+float64(t*t)), n/(n+float64(t*t))
	var inside float64
	if nu%2 == 0 {
		term, sum := 1.0, 1.0
		for k := 2; k < nu; k += 2 {
			term = float64(term * float64(k-1) / float64(k) * cos2)
			sum += term
		}
		inside = float64(sin * sum)
	} else {
		cos := math.Sqrt(cos2)
		term, sum := cos, 0.0
		for k := 1; k < nu; k += 2 {
			sum += term
			term = float64(term * float64(k+1) / float64(k+2) * cos2)
		}
		inside = float64(2 / math.Pi * (atan(t/math.Sqrt(n)) + float64(sin*sum)))
	}
	return max(0, 1-inside)
}

// atan is the arc tangent of x ≥ 0: four halvings of the angle, then its series.
func atan(x float64) float64 {
	for range 4 {
		x /= 1 + math.Sqrt(1+float64(x*x))
	}
	sum, power := 0.0, x
	for k := 1; k < 40; k += 2 {
		sum += power / float64(k)
		power = -float64(power * float64(x*x))
	}
	return float64(16 * sum)
}

// manyDegrees is where Student's t is left to its expansion around the normal
// distribution, whose error is below 1e-9 there at the levels asked for.
const manyDegrees = 200

// studentT returns the t that Student's t with nu degrees of freedom passes, on
// either side, with probability p. NaN for no degree of freedom.
func studentT(p float64, nu int) float64 {
	switch {
	case nu < 1:
		return math.NaN()
	case nu <= manyDegrees:
		return root(p, func(t float64) float64 { return studentP(t, nu) })
	}
	// Abramowitz and Stegun 26.7.5.
	z := normalZ(p)
	v, z2 := float64(nu), float64(z*z)
	poly := func(c ...float64) float64 { // in z², times z, the highest power first
		sum := 0.0
		for _, a := range c {
			sum = float64(sum*z2) + a
		}
		return float64(z * sum)
	}
	g1 := float64(poly(1, 1) / 4) // a division by 4 is a product, which arm64 would fuse
	g2 := poly(5, 16, 3) / 96
	g3 := poly(3, 19, 17, -15) / 384
	g4 := poly(79, 776, 1482, -1920, -945) / 92160
	return z + float64(float64(float64(float64(g4/v+g3)/v+g2)/v+g1)/v)
}

// t975 is the factor of a 95 % interval.
func t975(nu int) float64 { return studentT(0.05, nu) }

// normalZ returns the z that a standard normal variable passes, on either side,
// with probability p.
func normalZ(p float64) float64 { return root(p, normalP) }

// normalP is the probability that a standard normal variable lies further from 0
// than z: one less the series of Marsaglia, Evaluating the normal distribution,
// Journal of Statistical Software 11(4), 2004.
func normalP(z float64) float64 {
	if z > 8 {
		return 0
	}
	term, sum := z, 0.0
	for k := 1; sum+term != sum; k++ {
		sum += term
		term = float64(term * float64(z*z) / float64(2*k+1))
	}
	return max(0, 1-float64(2*density(z)*sum))
}

// density is that of the standard normal distribution, for |z| ≤ 8.
func density(z float64) float64 {
	x := float64(z*z) / 2 / 256 // exp(−x) by its series, then squared eight times
	term, sum := 1.0, 0.0
	for k := 1; k < 20; k++ {
		sum += term
		term = -float64(term * x / float64(k))
	}
	for range 8 {
		sum = float64(sum * sum)
	}
	const root2Pi = 2.5066282746310002
	return sum / root2Pi
}

// root returns where a function that falls from 1 at 0 to 0 has the value p.
func root(p float64, f func(float64) float64) float64 {
	low, high := 0.0, 1.0
	for f(high) > p {
		low, high = high, 2*high
	}
	for range 80 {
		mid := low + float64((high-low)/2)
		if f(mid) > p {
			low = mid
		} else {
			high = mid
		}
	}
	return low + float64((high-low)/2)
}
