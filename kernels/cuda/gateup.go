package cuda

import (
	"xrun/kernels"
	"xrun/kernels/args"
)

// GateUp sets gate, up and dst = silu(gate) * up, with one kernel unless the products
// are split along k.
func (e *Engine) GateUp(dst, gate, up, x, wGate, wUp, biasGate, biasUp kernels.Tensor) {
	const op = "GateUp"
	s := e.arg(op, "x", x, anyType, anySize, anySize)
	wg := e.arg(op, "wGate", wGate, args.Weights(s.dtype), anySize, s.cols)
	wu := e.arg(op, "wUp", wUp, args.Weights(s.dtype), wg.rows, s.cols)
	d := e.dst(op, "dst", dst, s.dtype, s.rows, wg.rows)
	u := e.dst(op, "up", up, s.dtype, s.rows, wg.rows)
	var g *tensor
	if gate != nil {
		g = e.dst(op, "gate", gate, s.dtype, s.rows, wg.rows)
	}
	bg := e.optional(op, "biasGate", biasGate, kernels.F32, 1, wg.rows)
	bu := e.optional(op, "biasUp", biasUp, kernels.F32, 1, wg.rows)
	if each := (&product{layout: nt, dtype: s.dtype, m: s.rows, n: wg.rows, k: s.cols}); each.splits() > 1 {
		e.gateUpApart(dst, gate, up, x, wGate, wUp, biasGate, biasUp)
		return
	}
	p := gatedProduct(s.dtype, s.rows, wg.rows, s.cols, s.addr, e.weights(wg, s.dtype), e.weights(wu, s.dtype))
	e.gateUp(p.tile(e.device.Multiprocessors), d, g, u, s, wg, wu, bg, bu)
}

// gatedProduct returns the product that gate and up together make, from which the
// kernel's tile is chosen.
func gatedProduct(t kernels.DType, m, n, k int, x, wg, wu Address) *product {
	return &product{layout: nt, dtype: t, m: m, n: 2 * n, k: k, a: x, lda: k, b: wg | wu, ldb: k}
}

func (e *Engine) gateUp(t tile, dst, gate, up, x, wg, wu, biasGate, biasUp *tensor) {
	if dst.size() == 0 {
		return
	}
	half := t.n / 2 // columns of gate and of up
	grid := Dim{X: (dst.rows + t.m - 1) / t.m, Y: (dst.cols + half - 1) / half}
	e.launch(kernel{module: "gateup", name: "gateup_" + t.name}, grid, Dim{X: t.threads}, dst.addr, gate.address(), up.addr, x.addr,
		e.weights(wg, x.dtype), e.weights(wu, x.dtype), biasGate.address(), biasUp.address(), int32(dst.rows), int32(dst.cols), int32(x.cols))
}

// gateUpApart is GateUp as two products and a SwiGLU.
func (e *Engine) gateUpApart(dst, gate, up, x, wGate, wUp, biasGate, biasUp kernels.Tensor) {
	if gate == nil {
		c := &tensor{engine: e, dtype: up.DType(), rows: up.Rows(), cols: up.Cols()}
		c.owner, c.addr = c, e.scratch("gate", c.bytes())
		gate = c
	}
	e.Linear(gate, x, wGate, biasGate, nil)
	e.Linear(up, x, wUp, biasUp, nil)
	e.SwiGLU(dst, gate, up)
}
