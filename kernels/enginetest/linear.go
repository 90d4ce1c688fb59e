package enginetest

import (
	"slices"

	"xrun/kernels"
)

// products lists [T, K, N] of linear layers: vector tails, tile tails, one token, no token,
// and sizes with several blocks of the inner index.
var products = [][3]int{{0, 8, 8}, {1, 1, 1}, {1, 7, 9}, {2, 64, 17}, {7, 8, 9}, {9, 15, 16}, {15, 16, 17}, {17, 63, 64}, {5, 65, 63},
	{64, 65, 130}, {65, 33, 7}, {130, 130, 31}, {3, 1100, 20}, {1, 576, 200}, {40, 20, 700}}

// multiply is the oracle x·wᵀ: x [T, K], w [N, K].
func multiply(x, w []float64, t, k, n int) result {
	r := newResult(t * n)
	for i := range t {
		for j := range n {
			for q := range k {
				r.add(i*n+j, x[i*k+q]*w[j*k+q])
			}
		}
	}
	return r
}

func transpose(v []float64, rows, cols int) []float64 {
	r := make([]float64, len(v))
	for i := range rows {
		for j := range cols {
			r[j*rows+i] = v[i*cols+j]
		}
	}
	return r
}

// plus adds v, one value for each element, or for each column if v is one row.
func (r *result) plus(v []float64) {
	for i := range r.v {
		r.add(i, v[i%len(v)])
	}
}

func checkLinear(h *harness) {
	for _, s := range products {
		t, k, n := s[0], s[1], s[2]
		for _, dt := range types {
			h.in("%v %v", s, dt)
			x, w := h.uniform(dt, t, k, 1), h.uniform(kernels.F32, n, k, 1)
			bias, res := h.uniform(kernels.F32, 1, n, 1), h.uniform(kernels.F32, t, n, 1)
			for _, out := range types {
				want := multiply(x.v, operand(w.v, dt), t, k, n)
				dst := h.dirty(out, t, n)
				h.Linear(dst, x.t, w.t, nil, nil)
				h.near("product", dst, want, h.tol.Chain)
				if t == 0 {
					continue
				}
				want.plus(bias.v)
				h.Linear(dst, x.t, w.t, bias.t, nil)
				h.near("with bias", dst, want, h.tol.Chain)
				want.plus(res.v)
				h.Linear(dst, x.t, w.t, bias.t, res.t)
				h.near("with bias and residual", dst, want, h.tol.Chain)
			}
			want := multiply(x.v, operand(w.v, dt), t, k, n)
			if t > 0 {
				want.plus(res.v)
			}
			h.Linear(res.t, x.t, w.t, nil, res.t)
			h.near("onto its residual", res.t, want, h.tol.Chain)
		}
	}
}

// checkBF16Weights checks that weights stored in BF16 give the bits of the float32 masters
// from which they were rounded.
func checkBF16Weights(h *harness) {
	for _, s := range products {
		t, k, n := s[0], s[1], s[2]
		h.in("%v", s)
		x, w, v := h.uniform(kernels.BF16, t, k, 1), h.uniform(kernels.F32, n, k, 1), h.uniform(kernels.F32, n, k, 1)
		w16, v16 := h.dirty(kernels.BF16, n, k), h.dirty(kernels.BF16, n, k)
		h.Convert(w16, w.t)
		h.Convert(v16, v.t)
		for _, out := range types {
			want, got := h.dirty(out, t, n), h.dirty(out, t, n)
			h.Linear(want, x.t, w.t, nil, nil)
			h.Linear(got, x.t, w16, nil, nil)
			h.same("product", got, h.read(want))
		}
		want, got, up := h.dirty(kernels.BF16, t, n), h.dirty(kernels.BF16, t, n), h.dirty(kernels.BF16, t, n)
		h.GateUp(want, nil, up, x.t, w.t, v.t, nil, nil)
		h.GateUp(got, nil, up, x.t, w16, v16, nil, nil)
		h.same("gate and up", got, h.read(want))

		ids := h.ids(t, n)
		want, got = h.dirty(kernels.F32, t, k), h.dirty(kernels.F32, t, k)
		h.Embed(want, w.t, ids, kernels.BF16)
		h.Embed(got, w16, ids, kernels.BF16)
		h.same("lookup", got, h.read(want))

		ces := [2][]float64{make([]float64, t), make([]float64, t)}
		logs := [2][]float64{make([]float64, t), make([]float64, t)}
		best := [2][]int32{make([]int32, t), make([]int32, t)}
		rows := make([]int32, t)
		for i := range rows {
			rows[i] = int32(i)
		}
		for i, w := range []kernels.Tensor{w.t, w16} {
			h.CrossEntropy(ces[i], nil, nil, x.t, w, ids, nil, nil, false)
			h.LogProb(logs[i], best[i], x.t, w, rows, ids)
		}
		if !slices.Equal(ces[0], ces[1]) || !slices.Equal(logs[0], logs[1]) || !slices.Equal(best[0], best[1]) {
			h.errorf("losses and log-probabilities differ: %v %v %v", ces, logs, best)
		}
	}
}

func checkLinearGradInput(h *harness) {
	for _, s := range products {
		t, k, n := s[0], s[1], s[2]
		for _, dt := range types {
			h.in("%v %v", s, dt)
			dy, w := h.uniform(dt, t, n, 1), h.uniform(kernels.F32, n, k, 1)
			dx := h.dirty(kernels.F32, t, k)
			want := multiply(dy.v, transpose(operand(w.v, dt), n, k), t, n, k)
			h.LinearGradInput(dx, dy.t, w.t, false)
			h.near("dx", dx, want, h.tol.Chain)
			h.LinearGradInput(dx, dy.t, w.t, true)
			if t > 0 {
				want.plus(slices.Clone(want.v))
			}
			h.near("dx, added", dx, want, h.tol.Chain)
		}
	}
}

// cut returns the starts of sequences that fill t rows. Their lengths are odd and even, and
// one is empty.
func cut(t int) []int32 {
	starts := []int32{0}
	for at, n := 0, 1; at < t; n = n*3 + 1 {
		at = min(at+n, t)
		starts = append(starts, int32(at))
		if n == 4 {
			starts = append(starts, int32(at))
		}
	}
	if t == 0 {
		starts = append(starts, 0)
	}
	return starts
}

func checkLinearGradWeight(h *harness) {
	for _, s := range products {
		t, k, n := s[0], s[1], s[2]
		for _, dt := range types {
			h.in("%v %v", s, dt)
			dy, x := h.uniform(dt, t, n, 1), h.uniform(dt, t, k, 1)
			dw := h.dirty(kernels.F32, n, k)
			want := multiply(transpose(dy.v, t, n), transpose(x.v, t, k), n, t, k)
			h.LinearGradWeight(dw, dy.t, x.t, cut(t), false)
			h.near("dw", dw, want, h.tol.Chain)
			h.LinearGradWeight(dw, dy.t, x.t, []int32{0, int32(t)}, true)
			want.plus(slices.Clone(want.v))
			h.near("dw, carried", dw, want, h.tol.Chain)
		}
	}
}

// checkLinearDifferences compares both gradients of a small layer with central
// differences.
func checkLinearDifferences(h *harness) {
	t, k, n := 5, 7, 9
	x, w, dy := h.uniform(kernels.F32, t, k, 1), h.uniform(kernels.F32, n, k, 1), h.uniform(kernels.F32, t, n, 1)
	loss := func() float64 { return dot(multiply(x.v, w.v, t, k, n).v, dy.v) }
	dx, dw := h.dirty(kernels.F32, t, k), h.dirty(kernels.F32, n, k)
	h.LinearGradInput(dx, dy.t, w.t, false)
	h.near("dx", dx, differences(x.v, loss), h.tol.Chain)
	h.LinearGradWeight(dw, dy.t, x.t, []int32{0, 2, 5}, false)
	h.near("dw", dw, differences(w.v, loss), h.tol.Chain)
}

func checkBiasGrad(h *harness) {
	for _, s := range [][2]int{{0, 5}, {1, 1}, {7, 9}, {64, 65}, {300, 130}} {
		for _, dt := range types {
			h.in("%v %v", s, dt)
			dy := h.uniform(dt, s[0], s[1], 1)
			db := h.dirty(kernels.F32, 1, s[1])
			want := newResult(s[1])
			for carry := range 2 {
				h.BiasGrad(db, dy.t, carry == 1)
				for i, v := range dy.v {
					want.add(i%s[1], v)
				}
				h.near("db", db, want, h.tol.Chain)
			}
		}
	}
}
