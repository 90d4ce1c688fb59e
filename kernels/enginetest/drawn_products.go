package enginetest

import (
	"xrun/kernels"
)

// multiplies bounds the multiply-adds of a drawn product. It is enough for four thousand terms
// of a thousand columns, for which plans split the sum.
const multiplies = 1030 * 4100

// layer draws the sizes of a product [rows, k]·[n, k]ᵀ. Long sums and many columns are drawn
// with few rows, and vice versa.
func (d *drawing) layer() (rows, k, n int) {
	budget := multiplies
	if d.choose(4) > 0 {
		budget = 300_000
	}
	s := d.sizes(budget, limits{lo: 1, hi: 700, more: []int{96, 192, 384}}, limits{lo: 1, hi: 5000, more: []int{896, 4864}}, limits{lo: 1, hi: 5000, more: []int{96, 384, 896, 1536, 4864}})
	return d.none(s[0]), s[1], s[2]
}

// weights draws the type of the weights of an operation on x.
func (d *drawing) weights(x kernels.DType, n, k int) matrix {
	if x == kernels.BF16 {
		return d.given(d.dtype(), n, k, 1)
	}
	return d.given(kernels.F32, n, k, 1)
}

func drawLinear(d *drawing) {
	rows, k, n := d.layer()
	dt, out, biased, residual := d.dtype(), d.dtype(), d.coin(), d.choose(3)
	if residual == 2 {
		out = kernels.F32
	}
	d.in("linear of %d rows, k %d, n %d, %v to %v, bias %v, residual %v", rows, k, n, dt, out, biased, []string{"none", "apart", "dst"}[residual])
	x, w := d.given(dt, rows, k, 1), d.weights(dt, n, k)
	want := multiply(x.v, operand(w.v, dt), rows, k, n)
	var bias, res kernels.Tensor
	plus := func(m matrix) kernels.Tensor {
		if rows > 0 {
			want.plus(m.v)
		}
		return m.t
	}
	if biased {
		bias = plus(d.given(kernels.F32, 1, n, 1))
	}
	if residual > 0 {
		res = plus(d.given(kernels.F32, rows, n, 1))
	}
	dst := res
	if residual < 2 {
		dst = d.wanted(out, rows, n)
	}
	d.Linear(dst, x.t, w.t, bias, res)
	d.near("product", dst, want, d.tol.Chain)
	if rows == 0 {
		return
	}
	// Rows must have the same bits in a small batch.
	lo, hi := d.part(rows)
	whole, few := d.wanted(out, rows, n), d.wanted(out, hi-lo, n)
	d.Linear(whole, x.t, w.t, bias, nil)
	d.Linear(few, x.t.Slice(lo, hi), w.t, bias, nil)
	d.sameBits("rows alone", few, whole.Slice(lo, hi))
}

func drawLinearGradInput(d *drawing) {
	rows, k, n := d.layer()
	if d.choose(6) == 0 { // a head's
		rows, k, n = 1+d.choose(3), 1+d.choose(12), d.size(16380, 33000)
	}
	dt, add := d.dtype(), d.coin()
	d.in("gradient of the input of %d rows, k %d, n %d, %v, add %v", rows, k, n, dt, add)
	dy, w := d.given(dt, rows, n, 1), d.given(kernels.F32, n, k, 1)
	dx, want := d.carried(add, rows, k)
	want.sum(multiply(dy.v, transpose(operand(w.v, dt), n, k), rows, n, k))
	d.LinearGradInput(dx, dy.t, w.t, add)
	d.near("dx", dx, want, d.tol.Chain)
	if rows == 0 {
		return
	}
	lo, hi := d.part(rows)
	whole, few := d.wanted(kernels.F32, rows, k), d.wanted(kernels.F32, hi-lo, k)
	d.LinearGradInput(whole, dy.t, w.t, false)
	d.LinearGradInput(few, dy.t.Slice(lo, hi), w.t, false)
	d.sameBits("rows alone", few, whole.Slice(lo, hi))
}

// sum adds a result element by element.
func (r *result) sum(of result) {
	for i := range r.v {
		r.v[i] += of.v[i]
		r.scale[i] += of.scale[i]
	}
}

func drawLinearGradWeight(d *drawing) {
	rows, k, n := d.layer()
	dt, carry := d.dtype(), d.coin()
	d.in("gradient of weights of %d rows, k %d, n %d, %v, carry %v", rows, k, n, dt, carry)
	dy, x := d.given(dt, rows, n, 1), d.given(dt, rows, k, 1)
	dw, want := d.carried(carry, n, k)
	want.sum(multiply(transpose(dy.v, rows, n), transpose(x.v, rows, k), n, rows, k))
	d.LinearGradWeight(dw, dy.t, x.t, d.starts(rows), carry)
	d.near("dw", dw, want, d.tol.Chain)
}

// starts draws the starts of sequences of rows, some of which are empty.
func (d *drawing) starts(rows int) []int32 {
	starts := []int32{0}
	for at := 0; at < rows; {
		at += min(d.choose(3)*d.size(1, 70), rows-at)
		starts = append(starts, int32(at))
		if len(starts) > 6 {
			at = rows
			starts = append(starts, int32(at))
		}
	}
	if rows == 0 {
		starts = append(starts, 0)
	}
	return starts
}

// drawGateUp compares the fused operation with the three operations that it replaces.
func drawGateUp(d *drawing) {
	rows, k, n := d.layer()
	dt, kept, biasG, biasU := d.dtype(), d.coin(), d.coin(), d.coin()
	d.in("gate and up of %d rows, k %d, n %d, %v, gate kept %v, biases %v %v", rows, k, n, dt, kept, biasG, biasU)
	x, wg, wu := d.given(dt, rows, k, 1), d.weights(dt, n, k), d.weights(dt, n, k)
	bias := func(b bool) kernels.Tensor {
		if !b {
			return nil
		}
		return d.given(kernels.F32, 1, n, 1).t
	}
	bg, bu := bias(biasG), bias(biasU)
	g, u, y := d.wanted(dt, rows, n), d.wanted(dt, rows, n), d.wanted(dt, rows, n)
	d.Linear(g, x.t, wg.t, bg, nil)
	d.Linear(u, x.t, wu.t, bu, nil)
	d.SwiGLU(y, g, u)

	dst, up := d.wanted(dt, rows, n), d.wanted(dt, rows, n)
	var gate kernels.Tensor
	if kept {
		gate = d.wanted(dt, rows, n)
	}
	d.GateUp(dst, gate, up, x.t, wg.t, wu.t, bg, bu)
	d.sameBits("dst", dst, y)
	if kept {
		d.sameBits("gate", gate, g)
		d.sameBits("up", up, u)
	}
	d.near("dst", dst, swiglu(d.read(g), d.read(u)), d.tol.Element)
}
