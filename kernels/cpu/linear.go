package cpu

import (
	"xrun/kernels"
	"xrun/kernels/args"
	"xrun/kernels/cpu/vec"
	"xrun/kernels/gemm"
)

// matrix returns t as an operand of package gemm.
func (t *tensor) matrix() gemm.Matrix {
	return gemm.Matrix{F32: t.f, BF16: t.b, Rows: t.rows, Cols: t.cols, Stride: t.cols}
}

// Linear sets dst = x·wᵀ + bias + residual.
func (e *Engine) Linear(dst, x, w, bias, residual kernels.Tensor) {
	s := e.arg("Linear", "x", x, anyType, anySize, anySize)
	m := e.arg("Linear", "w", w, args.Weights(s.dtype), anySize, s.cols)
	d := e.arg("Linear", "dst", dst, anyType, s.rows, m.rows)
	b := e.optional("Linear", "bias", bias, kernels.F32, 1, m.rows)
	r := e.optional("Linear", "residual", residual, kernels.F32, s.rows, m.rows)
	var add []float32
	if b != nil {
		add = b.f
	}
	if r == nil {
		gemm.Forward(e.pool, d.matrix(), s.matrix(), m.matrix(), add, nil)
		return
	}
	e.residual = r.matrix()
	gemm.Forward(e.pool, d.matrix(), s.matrix(), m.matrix(), add, &e.residual)
}

// LinearGradInput sets dx = dy·w or, with add, adds it to dx.
func (e *Engine) LinearGradInput(dx, dy, w kernels.Tensor, add bool) {
	y := e.arg("LinearGradInput", "dy", dy, anyType, anySize, anySize)
	m := e.arg("LinearGradInput", "w", w, kernels.F32, y.cols, anySize)
	d := e.arg("LinearGradInput", "dx", dx, kernels.F32, y.rows, m.cols)
	gemm.GradInput(e.pool, d.matrix(), y.matrix(), m.matrix(), add)
}

// LinearGradWeight sets dw = dyᵀ·x or, with carry, continues its chains.
func (e *Engine) LinearGradWeight(dw, dy, x kernels.Tensor, starts []int32, carry bool) {
	y := e.arg("LinearGradWeight", "dy", dy, anyType, anySize, anySize)
	s := e.arg("LinearGradWeight", "x", x, y.dtype, y.rows, anySize)
	d := e.arg("LinearGradWeight", "dw", dw, kernels.F32, y.cols, s.cols)
	e.checkStarts("LinearGradWeight", starts, y.rows)
	if y.rows == 0 {
		starts = nil
	}
	gemm.GradWeight(e.pool, d.matrix(), y.matrix(), s.matrix(), starts, carry)
}

// BiasGrad sets db to the sum of dy over tokens or, with carry, continues its
// chains.
func (e *Engine) BiasGrad(db, dy kernels.Tensor, carry bool) {
	y := e.arg("BiasGrad", "dy", dy, anyType, anySize, anySize)
	e.op.a = e.arg("BiasGrad", "db", db, kernels.F32, 1, y.cols)
	e.op.b, e.op.flag = y, carry
	e.run(e.split(y.cols, columnPiece), biasGradPiece)
}

func biasGradPiece(e *Engine, w *worker, i int) {
	o := &e.op
	lo, hi := o.piece(i)
	db := o.a.f[lo:hi]
	if !o.flag {
		clear(db)
	}
	for r := range o.b.rows {
		vec.Add(db, o.b.load(w, 0, r*o.b.cols+lo, r*o.b.cols+hi))
	}
}
