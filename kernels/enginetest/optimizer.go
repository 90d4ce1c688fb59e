package enginetest

import (
	"math"
	"slices"

	"xrun/kernels"
)

func checkSumSquares(h *harness) {
	for _, s := range [][2]int{{0, 3}, {1, 1}, {3, 5}, {1, 65535}, {1, 65536}, {257, 256}, {3, 50001}} {
		h.in("%v", s)
		x := h.uniform(kernels.F32, s[0], s[1], 3)
		if got, want := h.sumSquares(x), dot(x.v, x.v); math.Abs(got-want) > 1e-12*want {
			h.errorf("is %.17g, want %.17g", got, want)
		}
	}
	h.in("several")
	xs := []matrix{h.uniform(kernels.F32, 3, 7, 1), h.uniform(kernels.F32, 0, 7, 1), h.uniform(kernels.F32, 300, 257, 1), h.uniform(kernels.F32, 1, 1, 1)}
	got := make([]float64, len(xs))
	h.SumSquares(got, xs[0].t, xs[1].t, xs[2].t, xs[3].t)
	for i, x := range xs {
		if want := h.sumSquares(x); got[i] != want {
			h.errorf("tensor %d is %.17g beside others and %.17g alone", i, got[i], want)
		}
	}
	h.in("beyond the range of float32")
	x := h.tensor(kernels.F32, 1, 3, []float32{1e30, -3e38, 1e-30})
	if got, want := h.sumSquares(x), dot(x.v, x.v); math.Abs(got-want) > 1e-12*want {
		h.errorf("is %g, want %g", got, want)
	}
}

func (h *harness) sumSquares(x matrix) float64 {
	sum := []float64{math.NaN()}
	h.SumSquares(sum, x.t)
	return sum[0]
}

// checkAdamWOfMany checks that parameters of many sizes updated in one call have the same bits
// as with one call each.
func checkAdamWOfMany(h *harness) {
	k := kernels.AdamW{Scale: 0.3, LRDecay: 1e-3, OneMinusBeta1: 0.1, Beta2: 0.95, OneMinusBeta2: 0.05, StepSize: 1e-2, SqrtBC2: 0.7, Eps: 1e-8}
	var all, alone []kernels.Tensor
	for _, s := range [][2]int{{3, 5}, {0, 4}, {260, 256}, {1, 1}, {64, 64}, {2, 9}} {
		for range 4 {
			x := h.uniform(kernels.F32, s[0], s[1], 1)
			if len(all)%4 == 3 { // a second moment is not negative
				h.Write(x.t, make([]float32, s[0]*s[1]))
			}
			copied := h.tensor(kernels.F32, s[0], s[1], make([]float32, s[0]*s[1]))
			h.Convert(copied.t, x.t)
			all, alone = append(all, x.t), append(alone, copied.t)
		}
		h.AdamW(k, alone[len(alone)-4:]...)
	}
	h.AdamW(k, all...)
	for i := range all {
		if !slices.Equal(h.read(all[i]), h.read(alone[i])) {
			h.errorf("tensor %d of parameter %d has other bits than alone", i%4, i/4)
		}
	}
	h.AdamW(k) // of nothing
}

// checkAdamW takes three steps, with a gradient scale, a zero gradient, and a
// first moment that must start at zero.
func checkAdamW(h *harness) {
	for _, s := range [][2]int{{0, 3}, {1, 1}, {3, 5}, {4, 16}, {65, 63}, {300, 257}} {
		h.in("%v", s)
		n := s[0] * s[1]
		p := h.uniform(kernels.F32, s[0], s[1], 1)
		m, v := h.tensor(kernels.F32, s[0], s[1], make([]float32, n)), h.tensor(kernels.F32, s[0], s[1], make([]float32, n))
		want, moment, root := newResult(n), make([]float64, n), make([]float64, n)
		for i := range want.v {
			want.add(i, p.v[i])
		}
		for step := 1; step <= 3; step++ {
			const lr, decay, b1, b2, eps = 1e-2, 0.1, 0.9, 0.999, 1e-8
			scale := 1.0
			if step == 2 {
				scale = 0.25
			}
			g := h.uniform(kernels.F32, s[0], s[1], 1)
			if n > 1 && step == 3 {
				f := make([]float32, n)
				f[1] = 1
				g = h.tensor(kernels.F32, s[0], s[1], f)
			}
			bc1, bc2 := 1-math.Pow(b1, float64(step)), math.Sqrt(1-math.Pow(b2, float64(step)))
			h.AdamW(kernels.AdamW{Scale: float32(scale), LRDecay: lr * decay, OneMinusBeta1: float32(1 - b1), Beta2: b2,
				OneMinusBeta2: float32(1 - b2), StepSize: float32(lr / bc1), SqrtBC2: float32(bc2), Eps: eps}, p.t, g.t, m.t, v.t)
			for i := range want.v {
				x := g.v[i] * scale
				moment[i] = b1*moment[i] + (1-b1)*x
				root[i] = b2*root[i] + (1-b2)*x*x
				want.v[i] -= lr * decay * want.v[i]
				want.add(i, -lr/bc1*moment[i]/(math.Sqrt(root[i])/bc2+eps))
			}
			h.near("p", p.t, want, h.tol.Element)
		}
		for i, got := range h.read(m.t) {
			if math.Abs(got-moment[i]) > h.tol.Element {
				h.errorf("m[%d] = %g, want %g", i, got, moment[i])
			}
		}
		for i, got := range h.read(v.t) {
			if math.Abs(got-root[i]) > h.tol.Element {
				h.errorf("v[%d] = %g, want %g", i, got, root[i])
			}
		}
	}
}
