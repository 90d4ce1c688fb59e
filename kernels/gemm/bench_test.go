package gemm_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"xrun/kernels/gemm"
	"xrun/kernels/pool"
)

// The linear layers of SmolLM2-135M and Qwen2.5-0.5B: n outputs, k inputs.
var layers = []struct{ n, k int }{
	{576, 576}, {192, 576}, {1536, 576}, {576, 1536}, {49152, 576}, // SmolLM2-135M: q and o, k and v, gate and up, down, head
	{896, 896}, {128, 896}, {4864, 896}, {896, 4864}, // Qwen2.5-0.5B, without its head
}

// bench runs f on matrices of every layer, path, type and number of tokens,
// and reports GFLOP/s and the share of an FMA loop run before and after it.
func bench(b *testing.B, tokens []int, f func(p *pool.Pool, x, w, y, wide gemm.Matrix, starts []int32)) {
	p := pool.New(0)
	defer p.Close()
	r := rand.New(rand.NewPCG(1, 1))
	random := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	for _, impl := range gemm.Paths() {
		if impl == "noasm" && testing.Short() {
			continue
		}
		for _, d := range []dtype{f32, bf16} {
			for _, m := range tokens {
				for _, l := range layers {
					if impl == "noasm" && l.n*l.k*m > 1<<28 {
						continue
					}
					b.Run(fmt.Sprintf("impl=%s/dtype=%v/m=%d/n=%d/k=%d", impl, d, m, l.n, l.k), func(b *testing.B) {
						defer gemm.Force(impl)()
						convert := func(v []float32, rows, cols int) gemm.Matrix {
							if d == f32 {
								return gemm.NewF32(v, rows, cols)
							}
							u := make([]uint16, len(v))
							for i := range v {
								u[i] = toBF16(v[i])
							}
							return gemm.NewBF16(u, rows, cols)
						}
						x := convert(random(m*l.k), m, l.k)
						dy := convert(random(m*l.n), m, l.n)
						w := gemm.NewF32(random(l.n*l.k), l.n, l.k)
						out := gemm.NewF32(make([]float32, max(m*l.n, l.n*l.k, m*l.k)), 0, 0)
						starts := []int32{0, int32(m)}
						flops := 2 * float64(m) * float64(l.n) * float64(l.k)
						limit := gemm.PeakFMA
						if d == bf16 {
							limit = gemm.PeakBF16
						}
						f(p, x, w, dy, out, starts)
						before := limit(p)
						for b.Loop() {
							f(p, x, w, dy, out, starts)
						}
						rate := flops * float64(b.N) / b.Elapsed().Seconds() / 1e9
						b.ReportMetric(rate, "GFLOP/s")
						b.ReportMetric(100*rate/((before+limit(p))/2), "%peak")
						b.ReportMetric(0, "ns/op")
					})
				}
			}
		}
	}
}

func as(m gemm.Matrix, rows, cols int) gemm.Matrix {
	return gemm.NewF32(m.F32[:rows*cols], rows, cols)
}

func BenchmarkForward(b *testing.B) {
	bench(b, []int{1, 8, 64, 512}, func(p *pool.Pool, x, w, dy, out gemm.Matrix, _ []int32) {
		gemm.Forward(p, as(out, x.Rows, w.Rows), x, w, nil, nil)
	})
}

// With a residual, as after attention and the MLP.
func BenchmarkForwardAdd(b *testing.B) {
	var res gemm.Matrix
	bench(b, []int{512}, func(p *pool.Pool, x, w, dy, out gemm.Matrix, _ []int32) {
		if y := as(out, x.Rows, w.Rows); res.Rows != y.Rows || res.Cols != y.Cols {
			res = gemm.NewF32(make([]float32, len(y.F32)), y.Rows, y.Cols)
		}
		gemm.Forward(p, as(out, x.Rows, w.Rows), x, w, nil, &res)
	})
}

// With a bias, as of q and k.
func BenchmarkForwardBias(b *testing.B) {
	bias := make([]float32, 1<<16)
	bench(b, []int{512}, func(p *pool.Pool, x, w, dy, out gemm.Matrix, _ []int32) {
		gemm.Forward(p, as(out, x.Rows, w.Rows), x, w, bias[:w.Rows], nil)
	})
}

// With a bf16 result, as of gate and up in bf16.
func BenchmarkForwardRounded(b *testing.B) {
	var y []uint16
	bench(b, []int{512}, func(p *pool.Pool, x, w, dy, out gemm.Matrix, _ []int32) {
		if n := x.Rows * w.Rows; len(y) < n {
			y = make([]uint16, n)
		}
		gemm.Forward(p, gemm.NewBF16(y[:x.Rows*w.Rows], x.Rows, w.Rows), x, w, nil, nil)
	})
}

func BenchmarkGradInput(b *testing.B) {
	bench(b, []int{512}, func(p *pool.Pool, x, w, dy, out gemm.Matrix, _ []int32) {
		gemm.GradInput(p, as(out, x.Rows, w.Cols), dy, w, false)
	})
}

func BenchmarkGradWeight(b *testing.B) {
	bench(b, []int{512}, func(p *pool.Pool, x, w, dy, out gemm.Matrix, starts []int32) {
		gemm.GradWeight(p, as(out, w.Rows, w.Cols), dy, x, starts, false)
	})
}

// Attention's products: scores (n keys, k head size) and P·V (n head size, k
// keys), 16 queries at a time, on one core.
func BenchmarkMulChain(b *testing.B) {
	p := pool.New(1)
	defer p.Close()
	for _, impl := range gemm.Paths() {
		for _, s := range []shape{{16, 512, 64}, {16, 64, 512}, {16, 4096, 64}, {16, 64, 4096}, {512, 64, 16}} {
			b.Run(fmt.Sprintf("impl=%s/m=%d/n=%d/k=%d", impl, s.m, s.n, s.k), func(b *testing.B) {
				defer gemm.Force(impl)()
				stride := s.n + 16
				x, y, z := make([]float32, s.m*s.k), make([]float32, s.k*stride), make([]float32, s.m*stride)
				for b.Loop() {
					gemm.MulChain(z, stride, x, s.k, 1, y, stride, s.m, s.n, s.k, false)
				}
				rate := 2 * float64(s.m*s.n*s.k) * float64(b.N) / b.Elapsed().Seconds() / 1e9
				b.ReportMetric(rate, "GFLOP/s")
				b.ReportMetric(100*rate/gemm.PeakFMA(p), "%peak")
			})
		}
	}
}
