package enginetest

import (
	"math"
	"slices"
	"testing"

	"xrun/kernels"
	"xrun/kernels/num"
)

// TestOraclesOfGradients compares the closed forms that drawn shapes are held to
// with central differences of the forward oracles.
func TestOraclesOfGradients(t *testing.T) {
	r := num.NewPhilox(9, 0, 0)
	uniform := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = 2*r.Float64() - 1
		}
		return v
	}
	near := func(name string, got, want []float64) {
		t.Helper()
		for i, w := range want {
			if d := math.Abs(got[i] - w); !(d <= 1e-7*(1+math.Abs(w))) {
				t.Errorf("%s[%d] = %g, want %g", name, i, got[i], w)
			}
		}
	}

	const rows, cols, eps = 3, 5, 1e-5
	x, w, dy := uniform(rows*cols), uniform(cols), uniform(rows*cols)
	norm := func() float64 { return dot(rmsNorm(x, w, rows, cols, eps).v, dy) }
	dx, dw := newResult(rows*cols), newResult(cols)
	rmsNormGrad(x, w, dy, rows, cols, eps, &dx, &dw)
	near("norm's dx", dx.v, differences(x, norm).v)
	near("norm's dw", dw.v, differences(w, norm).v)

	gate, up := uniform(rows*cols), uniform(rows*cols)
	gated := func() float64 { return dot(swiglu(gate, up).v, dy) }
	dgate, dup := swigluGrad(dy, gate, up)
	near("dgate", dgate.v, differences(gate, gated).v)
	near("dup", dup.v, differences(up, gated).v)

	const n = 5
	s := kernels.HeadShape{Heads: 4, KVHeads: 2, HeadDim: 3}
	q, k, v, dout := uniform(n*12), uniform(n*6), uniform(n*6), uniform(n*12)
	attention := func() float64 {
		out, _ := attend(q, k, v, n, 0, s)
		return dot(out.v, dout)
	}
	dq, dk, dv := attendGrad(q, k, v, dout, n, s)
	near("dq", dq.v, differences(q, attention).v)
	near("dk", dk.v, differences(k, attention).v)
	near("dv", dv.v, differences(v, attention).v)

	const hidden, vocab = 4, 7
	h, head, targets, coef := uniform(rows*hidden), uniform(vocab*hidden), []int32{6, 0, 3}, []float32{0.5, 0, 2}
	loss := func() (sum float64) {
		for i, ce := range crossEntropies(h, head, targets, hidden, vocab) {
			sum += float64(coef[i]) * ce
		}
		return sum
	}
	g := lossGrad(h, head, targets, coef, hidden, vocab)
	near("loss's dx", g.times(transpose(head, vocab, hidden), rows, vocab, hidden).v, differences(h, loss).v)
	near("loss's dw", g.transposed(rows, vocab).times(transpose(h, rows, hidden), vocab, rows, hidden).v, differences(head, loss).v)
}

// TestDrawnSizes: sizes stay within their bounds, and meet the edges and both
// sides of them.
func TestDrawnSizes(t *testing.T) {
	r := num.NewPhilox(9, 1, 0)
	d := &drawing{choose: func(n int) int { return int(r.Below(uint64(n))) }}
	seen := map[int]bool{}
	for range 4000 {
		v := d.size(2, 1000, 96)
		if v < 2 || v > 1000 {
			t.Fatalf("drew %d of [2, 1000]", v)
		}
		seen[v] = true
	}
	for _, edge := range []int{8, 16, 64, 96, 256, 512} {
		for _, v := range []int{edge - 1, edge, edge + 1} {
			if !seen[v] {
				t.Errorf("%d was never drawn", v)
			}
		}
	}
	largest := []int{0, 0, 0}
	for range 1000 {
		s := d.sizes(5000, limits{lo: 1, hi: 4000}, limits{lo: 1, hi: 4000}, limits{lo: 3, hi: 4000})
		if s[0]*s[1]*s[2] > 3*5000 || slices.Min(s) < 1 || s[2] < 3 {
			t.Fatalf("drew %v", s)
		}
		for i := range s {
			largest[i] = max(largest[i], s[i])
		}
	}
	if slices.Min(largest) < 2000 {
		t.Errorf("the largest sizes drawn are %v of 4000", largest)
	}
}
