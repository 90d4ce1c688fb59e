package enginetest

import (
	"math"
	"slices"

	"xrun/kernels"
)

// crossEntropies is the oracle for the loss of each row.
func crossEntropies(x, w []float64, targets []int32, hidden, vocab int) []float64 {
	ce := make([]float64, len(targets))
	for r, t := range targets {
		l := multiply(x[r*hidden:(r+1)*hidden], w, 1, hidden, vocab).v
		top, sum := slices.Max(l), 0.0
		for _, v := range l {
			sum += math.Exp(v - top)
		}
		ce[r] = top - l[t] + math.Log(sum)
	}
	return ce
}

func (h *harness) nearLoss(name string, got, want []float64) {
	for i, w := range want {
		if d := math.Abs(got[i] - w); !(d <= h.tol.Loss*(1+math.Abs(w))) {
			h.errorf("%s[%d] = %.9g, want %.9g", name, i, got[i], w)
		}
	}
}

// coefficients returns n weights, the first of them zero.
func (h *harness) coefficients(n int) []float32 {
	c := make([]float32, n)
	for i := 1; i < n; i++ {
		c[i] = float32(h.random.Float64())
	}
	return c
}

// checkCrossEntropy compares loss and gradients with central differences.
func checkCrossEntropy(h *harness) {
	for _, s := range [][3]int{{0, 3, 5}, {1, 1, 1}, {1, 7, 9}, {9, 8, 17}, {20, 6, 33}} {
		rows, hidden, vocab := s[0], s[1], s[2]
		for _, dt := range types {
			h.in("%v %v", s, dt)
			x, w := h.uniform(dt, rows, hidden, 2), h.uniform(kernels.F32, vocab, hidden, 2)
			targets, coef := h.ids(rows, vocab), h.coefficients(rows)
			ws := operand(w.v, dt)
			loss := func() float64 {
				sum := 0.0
				for i, ce := range crossEntropies(x.v, ws, targets, hidden, vocab) {
					sum += float64(coef[i]) * ce
				}
				return sum
			}
			want := crossEntropies(x.v, ws, targets, hidden, vocab)
			ce := make([]float64, rows)
			h.CrossEntropy(ce, nil, nil, x.t, w.t, targets, nil, nil, false)
			h.nearLoss("ce", ce, want)

			dx, dw := h.dirty(kernels.F32, rows, hidden), h.dirty(kernels.F32, vocab, hidden)
			share := 32 * h.tol.Chain
			if dt == kernels.BF16 {
				share = 8 * h.tol.Round
			}
			clear(ce)
			h.CrossEntropy(ce, dx, dw, x.t, w.t, targets, coef, cut(rows), false)
			h.nearLoss("ce with gradients", ce, want)
			gx, gw := differences(x.v, loss), differences(ws, loss)
			for i := range gx.scale {
				gx.scale[i]++ // a sum over the vocabulary that nearly vanishes
			}
			for i := range gw.scale {
				gw.scale[i]++
			}
			h.near("dx", dx, gx, share)
			h.near("dw", dw, gw, share)
			h.CrossEntropy(ce, dx, dw, x.t, w.t, targets, coef, cut(rows), true)
			h.near("dx is never carried", dx, gx, share)
			gw.plus(slices.Clone(gw.v))
			h.near("dw, carried", dw, gw, share)
		}
	}
}

// checkCrossEntropyLarge uses more label rows than any engine holds logits for at once, and
// compares with the closed form of the gradient.
func checkCrossEntropyLarge(h *harness) {
	rows, hidden, vocab := 1300, 9, 67
	for _, dt := range types {
		h.in("%v", dt)
		x, w := h.uniform(dt, rows, hidden, 2), h.uniform(kernels.F32, vocab, hidden, 2)
		targets, coef := h.ids(rows, vocab), h.coefficients(rows)
		ws := operand(w.v, dt)
		ce := make([]float64, rows)
		dx, dw := h.dirty(kernels.F32, rows, hidden), h.dirty(kernels.F32, vocab, hidden)
		h.CrossEntropy(ce, dx, dw, x.t, w.t, targets, coef, cut(rows), false)
		h.nearLoss("ce", ce, crossEntropies(x.v, ws, targets, hidden, vocab))

		d := make([]float64, rows*vocab) // the gradient of the logits
		for r, t := range targets {
			l := multiply(x.v[r*hidden:(r+1)*hidden], ws, 1, hidden, vocab).v
			top, sum := slices.Max(l), 0.0
			for _, v := range l {
				sum += math.Exp(v - top)
			}
			for j, v := range l {
				d[r*vocab+j] = math.Exp(v-top) / sum * float64(coef[r])
			}
			d[r*vocab+int(t)] -= float64(coef[r])
		}
		share := 2 * h.tol.Chain
		if dt == kernels.BF16 {
			share = h.tol.Round + 2*h.tol.Chain
		}
		h.near("dx", dx, multiply(d, transpose(ws, vocab, hidden), rows, vocab, hidden), 2*share)
		h.near("dw", dw, multiply(transpose(d, rows, vocab), transpose(x.v, rows, hidden), vocab, rows, hidden), 2*share)
	}
}

func checkLogProb(h *harness) {
	hidden, vocab := 19, 83
	for _, dt := range types {
		x, w := h.uniform(dt, 700, hidden, 2), h.uniform(kernels.F32, vocab, hidden, 2)
		// Two equal rows of w give equal logits: the lower id must win.
		f := make([]float32, len(w.v))
		for i, v := range w.v {
			f[i] = float32(v)
		}
		copy(f[80*hidden:81*hidden], f[3*hidden:4*hidden])
		w = h.tensor(kernels.F32, vocab, hidden, f)
		ws := operand(w.v, dt)
		for _, n := range []int{0, 1, 7, 700, 1500} {
			h.in("%v, %d rows", dt, n)
			rows := make([]int32, n) // ascending, with gaps or repetitions
			for i := range rows {
				rows[i] = int32(i * 700 / n)
			}
			targets := h.ids(n, vocab)
			var xs []float64
			for _, r := range rows {
				xs = append(xs, x.v[int(r)*hidden:(int(r)+1)*hidden]...)
			}
			want := crossEntropies(xs, ws, targets, hidden, vocab)
			for i := range want {
				want[i] = -want[i]
			}
			got, best := make([]float64, n), make([]int32, n)
			h.LogProb(got, best, x.t, w.t, rows, targets)
			h.nearLoss("log-probability", got, want)
			for i := range best {
				l := multiply(xs[i*hidden:(i+1)*hidden], ws, 1, hidden, vocab)
				b := int(best[i])
				if top := slices.Max(l.v); l.v[b] < top-2*h.tol.Chain*l.scale[b] || b == 80 {
					h.errorf("best[%d] = %d with logit %g, the largest is %g", i, b, l.v[b], top)
				}
			}
			h.LogProb(got, nil, x.t, w.t, rows, targets)
			h.nearLoss("without best", got, want)

			// Must have the bits of the loss of the same rows.
			all := make([]int32, 700)
			for i, r := range rows {
				all[r] = targets[i]
			}
			ce := make([]float64, 700)
			h.CrossEntropy(ce, nil, nil, x.t, w.t, all, nil, nil, false)
			for i, r := range rows {
				if all[r] == targets[i] && got[i] != -ce[r] {
					h.errorf("log-probability %d is %v, the loss of its row %v", i, got[i], ce[r])
				}
			}
		}
	}
}
