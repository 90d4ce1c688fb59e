package model

import (
	"math"
	"testing"

	"xrun/kernels/num"
)

// The quantile is the inverse of the distribution function, which math.Erfc gives to about
// 1e-16.
func TestNormalQuantile(t *testing.T) {
	for _, u := range []float64{0x1p-54, 1e-12, 1e-5, 0.02425, 0.075, 0.0750001, 0.3, 0.5, 0.62, 0.925, 0.9999} {
		z := normalQuantile(u)
		back := 0.5 * math.Erfc(-z/math.Sqrt2)
		// An error of z enters the probability times z² in the tail.
		if limit := 4e-16 * (1 + z*z); math.Abs(back-u)/u > limit {
			t.Errorf("quantile of %v is %v, whose probability is %v", u, z, back)
		}
	}
}

func TestNormalMoments(t *testing.T) {
	g := num.NewPhilox(1, PurposeInit, 0)
	const n = 200_000
	var sum, squares, fourth float64
	for range n {
		z := normal(g)
		sum, squares, fourth = sum+z, squares+z*z, fourth+z*z*z*z
	}
	// Five standard errors of each moment.
	for _, c := range []struct {
		name             string
		got, want, error float64
	}{{"mean", sum / n, 0, 1}, {"variance", squares / n, 1, math.Sqrt2}, {"fourth moment", fourth / n, 3, math.Sqrt(96)}} {
		if math.Abs(c.got-c.want) > 5*c.error/math.Sqrt(n) {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
}

// The sampling procedure of Generate's documentation, step by step.
func TestSample(t *testing.T) {
	logits := []float32{0, float32(math.Log(4)), float32(math.Log(2)), float32(math.Log(2)), -100}
	// Sorted: 1 (4/9), 2 (2/9), 3 (2/9), 0 (1/9), 4 (0).
	for _, c := range []struct {
		o    GenerateOptions
		u    float64
		want int32
	}{
		{GenerateOptions{Temperature: 1}, 0, 1},
		{GenerateOptions{Temperature: 1}, 0.44, 1},
		{GenerateOptions{Temperature: 1}, 0.45, 2},
		{GenerateOptions{Temperature: 1}, 0.67, 3},
		{GenerateOptions{Temperature: 1}, 0.95, 0},
		{GenerateOptions{Temperature: 1, TopK: 2}, 0.99, 2},
		{GenerateOptions{Temperature: 1, TopK: 1}, 0.99, 1},
		{GenerateOptions{Temperature: 1, TopP: 0.6}, 0.99, 2},
		{GenerateOptions{Temperature: 1, TopP: 0.1}, 0.99, 1},
		{GenerateOptions{Temperature: 0.5}, 0.63, 1}, // 16/25
		{GenerateOptions{Temperature: 0.5}, 0.65, 2},
	} {
		if got := sample(logits, &c.o, c.u); got != c.want {
			t.Errorf("%+v at %v: got %d, want %d", c.o, c.u, got, c.want)
		}
	}
}
