package vec_test

import (
	"math"
	"testing"

	"xrun/kernels/cpu/vec"
)

// TestLaneOrder is the definition of the tree, on values whose sum depends on
// the order.
func TestLaneOrder(t *testing.T) {
	for _, n := range []int{1, 15, 16, 17, 33, 100, 1000} {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(math.Exp2(float64(i*7%41) / 2))
		}
		var l [16]float32
		for i, v := range x {
			l[i%16] += float32(v * v)
		}
		var q [8]float32
		for i := range q {
			q[i] = l[i] + l[i+8]
		}
		want := ((q[0] + q[4]) + (q[2] + q[6])) + ((q[1] + q[5]) + (q[3] + q[7]))
		if got := vec.SumSquares32(x); got != want {
			t.Errorf("sum of %d squares is %x, want %x", n, got, want)
		}
	}
}

func TestMaximumOfZerosIsPositive(t *testing.T) {
	for _, n := range []int{1, 16, 40} {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(math.Copysign(0, -1))
		}
		if m := vec.Max(x); math.Signbit(float64(m)) {
			t.Errorf("of %d is -0", n)
		}
	}
}
