package cpu

import (
	"xrun/kernels"
	"xrun/kernels/args"
	"xrun/kernels/cpu/vec"
)

// SumSquares sets dst[i] = Σ x² over xs[i] in float64.
func (e *Engine) SumSquares(dst []float64, xs ...kernels.Tensor) {
	e.count("SumSquares", "sums", len(dst), len(xs))
	for i, x := range xs {
		dst[i] = e.sumSquares(x)
	}
}

func (e *Engine) sumSquares(x kernels.Tensor) float64 {
	e.op.a = e.arg("SumSquares", "x", x, kernels.F32, anySize, anySize)
	n := e.split(e.op.a.size(), kernels.SumBlock)
	e.sums = resize(e.sums, n)
	e.run(n, sumSquaresPiece)
	total := 0.0
	for _, s := range e.sums {
		total += s
	}
	return total
}

func sumSquaresPiece(e *Engine, w *worker, i int) {
	lo, hi := e.op.piece(i)
	e.sums[i] = vec.SumSquares(e.op.a.f[lo:hi])
}

// AdamW updates parameters and moments from gradients.
func (e *Engine) AdamW(h kernels.AdamW, tensors ...kernels.Tensor) {
	e.must(args.Groups("AdamW", len(tensors), 4))
	for i := 0; i < len(tensors); i += 4 {
		e.adamw(h, tensors[i], tensors[i+1], tensors[i+2], tensors[i+3])
	}
}

func (e *Engine) adamw(h kernels.AdamW, p, g, m, v kernels.Tensor) {
	x := e.arg("AdamW", "p", p, kernels.F32, anySize, anySize)
	e.op.a = x
	e.op.b = e.arg("AdamW", "g", g, kernels.F32, x.rows, x.cols)
	e.op.c = e.arg("AdamW", "m", m, kernels.F32, x.rows, x.cols)
	e.op.d = e.arg("AdamW", "v", v, kernels.F32, x.rows, x.cols)
	e.op.adamw = h
	e.run(e.split(x.size(), 4*pieceSize), adamwPiece)
}

func adamwPiece(e *Engine, w *worker, i int) {
	o := &e.op
	lo, hi := o.piece(i)
	vec.AdamW(&o.adamw, o.a.f[lo:hi], o.b.f[lo:hi], o.c.f[lo:hi], o.d.f[lo:hi])
}
