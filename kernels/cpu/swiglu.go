package cpu

import (
	"xrun/kernels"
	"xrun/kernels/cpu/vec"
)

// SwiGLU sets dst = silu(gate) * up.
func (e *Engine) SwiGLU(dst, gate, up kernels.Tensor) {
	g := e.arg("SwiGLU", "gate", gate, anyType, anySize, anySize)
	e.op.a = e.arg("SwiGLU", "dst", dst, anyType, g.rows, g.cols)
	e.op.b = g
	e.op.c = e.arg("SwiGLU", "up", up, anyType, g.rows, g.cols)
	e.run(e.split(g.size(), pieceSize), swigluPiece)
}

// GateUp sets gate, up and dst = silu(gate) * up.
func (e *Engine) GateUp(dst, gate, up, x, wGate, wUp, biasGate, biasUp kernels.Tensor) {
	s := e.arg("GateUp", "x", x, anyType, anySize, anySize)
	d := e.arg("GateUp", "dst", dst, s.dtype, s.rows, anySize)
	e.arg("GateUp", "up", up, s.dtype, s.rows, d.cols)
	if gate == nil {
		gate = dst
	}
	e.arg("GateUp", "gate", gate, s.dtype, s.rows, d.cols)
	e.Linear(gate, x, wGate, biasGate, nil)
	e.Linear(up, x, wUp, biasUp, nil)
	e.SwiGLU(dst, gate, up)
}

func swigluPiece(e *Engine, w *worker, i int) {
	o := &e.op
	lo, hi := o.piece(i)
	if o.a.dtype == kernels.BF16 && o.b.dtype == kernels.BF16 && o.c.dtype == kernels.BF16 {
		vec.SwiGLUBF16(o.a.b[lo:hi], o.b.b[lo:hi], o.c.b[lo:hi])
		return
	}
	dst := o.a.target(w, 0, lo, hi)
	vec.SwiGLU(dst, o.b.load(w, 1, lo, hi), o.c.load(w, 2, lo, hi))
	o.a.store(dst, lo)
}

// SwiGLUGrad sets dgate and dup.
func (e *Engine) SwiGLUGrad(dgate, dup, dy, gate, up kernels.Tensor) {
	g := e.arg("SwiGLUGrad", "gate", gate, anyType, anySize, anySize)
	e.op.a = e.arg("SwiGLUGrad", "dgate", dgate, anyType, g.rows, g.cols)
	e.op.b = e.arg("SwiGLUGrad", "dup", dup, anyType, g.rows, g.cols)
	e.op.c = e.arg("SwiGLUGrad", "dy", dy, anyType, g.rows, g.cols)
	e.op.d = g
	e.op.f = e.arg("SwiGLUGrad", "up", up, anyType, g.rows, g.cols)
	e.run(e.split(g.size(), pieceSize), swigluGradPiece)
}

func swigluGradPiece(e *Engine, w *worker, i int) {
	o := &e.op
	lo, hi := o.piece(i)
	if o.a.dtype == kernels.BF16 && o.b.dtype == kernels.BF16 && o.c.dtype == kernels.F32 && o.d.dtype == kernels.BF16 && o.f.dtype == kernels.BF16 {
		vec.SwiGLUGradBF16(o.a.b[lo:hi], o.b.b[lo:hi], o.c.f[lo:hi], o.d.b[lo:hi], o.f.b[lo:hi])
		return
	}
	dgate, dup := o.a.target(w, 0, lo, hi), o.b.target(w, 1, lo, hi)
	vec.SwiGLUGrad(dgate, dup, o.c.load(w, 2, lo, hi), o.d.load(w, 3, lo, hi), o.f.load(w, 4, lo, hi))
	o.a.store(dgate, lo)
	o.b.store(dup, lo)
}
