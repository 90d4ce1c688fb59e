package vec_test

import (
	"math/rand/v2"
	"testing"

	"xrun/kernels/cpu/vec"
)

// BenchmarkExponentials measures the functions that are bound by computing, on
// operands that stay in the first-level cache.
func BenchmarkExponentials(b *testing.B) {
	const n = 1024
	r := rand.New(rand.NewPCG(1, 2))
	random := func() []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	x, y, z, u, v := random(), random(), random(), make([]float32, n), make([]float32, n)
	g, h, d, e := make([]uint16, n), make([]uint16, n), make([]uint16, n), make([]uint16, n)
	vec.Round(g, x)
	vec.Round(h, y)
	run := func(name string, f func()) {
		b.Run("op="+name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/element")
		})
	}
	run("exp_sum", func() { copy(u, x); vec.ExpSum(u, 5) })
	run("softmax_round", func() { copy(u, x); vec.Softmax(u, 1, true) })
	run("score_grad", func() { copy(u, x); copy(v, y); vec.ScoreGrad(u, v, 5, 3, 0.3, 0.125, false) })
	run("score_grad_round", func() { copy(u, x); copy(v, y); vec.ScoreGrad(u, v, 5, 3, 0.3, 0.125, true) })
	run("swiglu", func() { vec.SwiGLU(u, x, y) })
	run("swiglu_grad", func() { vec.SwiGLUGrad(u, v, z, x, y) })
	run("swiglu_bf16", func() { vec.SwiGLUBF16(d, g, h) })
	run("swiglu_grad_bf16", func() { vec.SwiGLUGradBF16(d, e, z, g, h) })
}
