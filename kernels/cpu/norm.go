package cpu

import (
	"math"

	"xrun/kernels"
	"xrun/kernels/args"
	"xrun/kernels/cpu/vec"
)

// RMSNorm sets dst[t] = x[t] * rsqrt(mean(x[t]²) + eps) * weight.
func (e *Engine) RMSNorm(dst, x, weight kernels.Tensor, eps float32) {
	s := e.arg("RMSNorm", "x", x, kernels.F32, anySize, anySize)
	e.op.a = e.arg("RMSNorm", "dst", dst, anyType, s.rows, s.cols)
	e.op.b = s
	e.op.c = e.arg("RMSNorm", "weight", weight, kernels.F32, 1, anySize)
	e.op.x = eps
	e.run(e.split(e.vectors("RMSNorm", s, e.op.c), rowsPerPiece(e.op.c.cols)), normPiece)
}

// vectors is args.Vectors.
func (e *Engine) vectors(op string, x, weight *tensor) int {
	n, err := args.Vectors(op, x, weight)
	e.must(err)
	return n
}

func normPiece(e *Engine, w *worker, i int) {
	d, x, cols := e.op.a, e.op.b, e.op.c.cols
	lo, hi := e.op.piece(i)
	for r := lo; r < hi; r++ {
		from, to := r*cols, (r+1)*cols
		row := x.f[from:to]
		out := d.target(w, 0, from, to)
		vec.Norm(out, row, e.op.c.f, inverseRMS(row, e.op.x))
		d.store(out, from)
	}
}

// inverseRMS returns 1/sqrt(mean(x²) + eps).
func inverseRMS(x []float32, eps float32) float32 {
	mean := vec.SumSquares32(x) / float32(len(x))
	return 1 / float32(math.Sqrt(float64(mean+eps)))
}

// RMSNormGrad adds the gradient with respect to x to dx, and sets dweight or, with
// carry, continues its chains.
func (e *Engine) RMSNormGrad(dx, dweight, dy, x, weight kernels.Tensor, eps float32, carry bool) {
	s := e.arg("RMSNormGrad", "x", x, kernels.F32, anySize, anySize)
	op := operands{
		a: e.arg("RMSNormGrad", "dx", dx, kernels.F32, s.rows, s.cols),
		b: e.arg("RMSNormGrad", "dy", dy, anyType, s.rows, s.cols),
		c: s,
		d: e.arg("RMSNormGrad", "weight", weight, kernels.F32, 1, anySize),
		x: eps, flag: carry,
	}
	cols := op.d.cols
	op.f = e.optional("RMSNormGrad", "dweight", dweight, kernels.F32, 1, cols)
	vectors := e.vectors("RMSNormGrad", s, op.d)
	e.inv = resize(e.inv, vectors)
	e.op = op
	e.run(e.split(vectors, rowsPerPiece(cols)), normGradPiece)
	if dweight != nil {
		e.op = op
		e.run(e.split(cols, columnPiece), normGradWeightPiece)
	}
}

func normGradPiece(e *Engine, w *worker, i int) {
	o, cols := &e.op, e.op.d.cols
	lo, hi := o.piece(i)
	for r := lo; r < hi; r++ {
		from, to := r*cols, (r+1)*cols
		x, dy := o.c.f[from:to], o.b.load(w, 0, from, to)
		inv := inverseRMS(x, o.x)
		c := vec.NormDot(dy, x, o.d.f, inv) / float32(len(x))
		vec.NormGrad(o.a.f[from:to], dy, x, o.d.f, inv, c)
		e.inv[r] = inv
	}
}

func normGradWeightPiece(e *Engine, w *worker, i int) {
	o := &e.op
	lo, hi := o.piece(i)
	dw := o.f.f[lo:hi]
	if !o.flag {
		clear(dw)
	}
	for r, inv := range e.inv {
		from := r * o.d.cols
		vec.NormGradWeight(dw, o.b.load(w, 0, from+lo, from+hi), o.c.f[from+lo:from+hi], inv)
	}
}
