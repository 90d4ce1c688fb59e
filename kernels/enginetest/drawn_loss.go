package enginetest

import (
	"math"
	"slices"

	"xrun/kernels"
)

// head draws the sizes of a head: rows, hidden and vocabulary.
func (d *drawing) head() (rows, hidden, vocab int) {
	budget := 300_000
	if d.choose(4) == 0 {
		budget = 1_200_000
	}
	s := d.sizes(budget, limits{lo: 1, hi: 1100}, limits{lo: 1, hi: 4200}, limits{lo: 1, hi: 34_000, more: []int{3, 1500}})
	return d.none(s[0]), s[1], s[2]
}

// logits draws rows and a head whose logits are about one.
func (d *drawing) logits(dt kernels.DType, rows, hidden, vocab int, weights kernels.DType) (x, w matrix) {
	return d.given(dt, rows, hidden, 2), d.given(weights, vocab, hidden, 2/math.Sqrt(float64(hidden)))
}

// looser returns the factor by which the error of sums of n terms exceeds that of [Checks].
// It grows as the square root of n if each step rounds to nearest, and as n if tensor cores,
// which truncate, add bfloat16 products.
func looser(dt kernels.DType, n int) float64 {
	if dt == kernels.BF16 {
		return max(1, float64(n)/128)
	}
	return math.Sqrt(max(1, float64(n)/64))
}

func (d *drawing) nearLosses(name string, got, want []float64, dt kernels.DType, hidden int) {
	d.note(got...)
	for i, w := range want {
		if !(math.Abs(got[i]-w) <= looser(dt, hidden)*d.tol.Loss*(1+math.Abs(w))) {
			d.errorf("%s[%d] = %.9g, want %.9g", name, i, got[i], w)
		}
	}
}

// lossGrad is the gradient of Σ coef·ce with respect to the logits. For a target that is
// nearly certain it is a difference that nearly vanishes.
func lossGrad(x, w []float64, targets []int32, coef []float32, hidden, vocab int) result {
	g := newResult(len(targets) * vocab)
	for r, t := range targets {
		l := multiply(x[r*hidden:(r+1)*hidden], w, 1, hidden, vocab).v
		top, sum := slices.Max(l), 0.0
		for _, v := range l {
			sum += math.Exp(v - top)
		}
		for j, v := range l {
			g.add(r*vocab+j, math.Exp(v-top)/sum*float64(coef[r]))
		}
		g.add(r*vocab+int(t), -float64(coef[r]))
	}
	return g
}

// times returns x·wᵀ for a result x, including the effect of its scale.
func (r result) times(w []float64, t, k, n int) result {
	p, m := multiply(r.v, w, t, k, n), multiply(r.scale, magnitudes(w), t, k, n)
	return result{p.v, m.v}
}

func (r result) transposed(rows, cols int) result {
	return result{transpose(r.v, rows, cols), transpose(r.scale, rows, cols)}
}

func magnitudes(v []float64) []float64 {
	m := make([]float64, len(v))
	for i := range v {
		m[i] = math.Abs(v[i])
	}
	return m
}

func drawCrossEntropy(d *drawing) {
	rows, hidden, vocab := d.head()
	dt, grads, carry := d.dtype(), d.choose(4) > 0, d.coin()
	weights := kernels.F32
	if !grads && dt == kernels.BF16 {
		weights = d.dtype()
	}
	d.in("loss of %d rows, hidden %d, vocabulary %d, %v, weights %v, gradients %v, carry %v", rows, hidden, vocab, dt, weights, grads, carry)
	x, w := d.logits(dt, rows, hidden, vocab, weights)
	targets, coef, ws := d.ids(rows, vocab), d.coefficients(rows), operand(w.v, dt)
	ce, want := make([]float64, rows), crossEntropies(x.v, ws, targets, hidden, vocab)
	if !grads {
		d.CrossEntropy(ce, nil, nil, x.t, w.t, targets, nil, nil, false)
		d.nearLosses("ce", ce, want, dt, hidden)
		return
	}
	dx := d.wanted(kernels.F32, rows, hidden)
	dw, gw := d.carried(carry, vocab, hidden)
	d.CrossEntropy(ce, dx, dw, x.t, w.t, targets, coef, d.starts(rows), carry)
	d.nearLosses("ce", ce, want, dt, hidden)
	share := 4 * d.tol.Chain * looser(dt, max(hidden, vocab/64))
	if dt == kernels.BF16 {
		share = 2 * (d.tol.Round + 2*d.tol.Chain)
	}
	g := lossGrad(x.v, ws, targets, coef, hidden, vocab)
	d.near("dx", dx, g.times(transpose(ws, vocab, hidden), rows, vocab, hidden), share)
	gw.sum(g.transposed(rows, vocab).times(transpose(x.v, rows, hidden), vocab, rows, hidden))
	d.near("dw", dw, gw, share)
}

func drawLogProb(d *drawing) {
	rows, hidden, vocab := d.head()
	dt, named := d.dtype(), d.coin()
	weights := kernels.F32
	if dt == kernels.BF16 {
		weights = d.dtype()
	}
	// Rows of x, some of which are skipped and some repeated.
	var list []int32
	for r := range rows {
		for range []int{0, 1, 1, 1, 2, 3}[d.choose(6)] {
			list = append(list, int32(r))
		}
	}
	d.in("log-probabilities of %d targets in %d rows, hidden %d, vocabulary %d, %v, weights %v, best %v", len(list), rows, hidden, vocab, dt, weights, named)
	x, w := d.logits(dt, rows, hidden, vocab, weights)
	targets, ws := d.ids(len(list), vocab), operand(w.v, dt)
	var xs []float64
	for _, r := range list {
		xs = append(xs, x.v[int(r)*hidden:][:hidden]...)
	}
	want := crossEntropies(xs, ws, targets, hidden, vocab)
	for i := range want {
		want[i] = -want[i]
	}
	got := make([]float64, len(list))
	var best []int32
	if named {
		best = make([]int32, len(list))
	}
	d.LogProb(got, best, x.t, w.t, list, targets)
	d.nearLosses("log-probability", got, want, dt, hidden)
	for i, b := range best {
		l := multiply(xs[i*hidden:(i+1)*hidden], ws, 1, hidden, vocab)
		if b < 0 || int(b) >= vocab {
			d.errorf("best[%d] = %d of %d", i, b, vocab)
		} else if top := slices.Max(l.v); l.v[b] < top-2*d.tol.Chain*l.scale[b] {
			d.errorf("best[%d] = %d with logit %g, the largest is %g", i, b, l.v[b], top)
		}
	}
	if rows == 0 || len(list) == 0 {
		return
	}
	// Must have the bits of the loss of the row.
	i := d.choose(len(list))
	ce := []float64{0}
	d.CrossEntropy(ce, nil, nil, x.t.Slice(int(list[i]), int(list[i])+1), w.t, targets[i:i+1], nil, nil, false)
	if got[i] != -ce[0] {
		d.errorf("log-probability %d is %v, the loss of its row %v", i, got[i], ce[0])
	}
}
