package vec

import (
	"math"

	"xrun/kernels/num"
)

// ExpSum sets x = exp32(x - m) in place and returns the tree of the results.
func ExpSum(x []float32, m float32) float32 {
	var l [lanes]float32
	for i, v := range x {
		e := num.Exp32(v - m)
		x[i] = e
		l[i%lanes] += e
	}
	return tree(&l)
}

// ExpSumRound is ExpSum, with x rounded to bfloat16 after it was summed.
func ExpSumRound(x []float32, m float32) float32 {
	var l [lanes]float32
	for i, v := range x {
		e := num.Exp32(v - m)
		x[i] = widen(round(e))
		l[i%lanes] += e
	}
	return tree(&l)
}

// sigmoid returns 1/(1+exp(-x)) and 1 minus it, both without cancellation:
// with e = exp32(-|x|) and r = 1/(1+e), they are r and e*r, swapped for x < 0.
func sigmoid(x float32) (s, t float32) {
	e := num.Exp32(-float32(math.Abs(float64(x))))
	r := 1 / (1 + e)
	if x < 0 {
		return e * r, r
	}
	return r, e * r
}
