package cuda

import (
	"xrun/kernels"
	"xrun/kernels/args"
)

// GateUp sets gate, up and dst = silu(gate) * up, by one kernel.
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
	e.gateUp(gatedProduct(s.dtype, s.rows, wg.rows, s.cols, s.addr, e.weights(wg, s.dtype), e.weights(wu, s.dtype)).tile(), d, g, u, s, wg, wu, bg, bu)
}

// gatedProduct is the product that gate and up are together: what its kernel is
// chosen by.
func gatedProduct(t kernels.DType, m, n, k int, x, wg, wu Address) *product {
	return &product{layout: nt, dtype: t, m: m, n: 2 * n, k: k, a: x, lda: k, b: wg | wu, ldb: k}
}

func (e *Engine) gateUp(t tile, dst, gate, up, x, wg, wu, biasGate, biasUp *tensor) {
	if dst.size() == 0 {
		return
	}
	half := t.n / 2 // of gate and of up
	grid := Dim{X: (dst.rows + t.m - 1) / t.m, Y: (dst.cols + half - 1) / half}
	e.launch(kernel{module: "gateup", name: "gateup_" + t.name}, grid, Dim{X: t.threads}, dst.addr, gate.address(), up.addr, x.addr,
		e.weights(wg, x.dtype), e.weights(wu, x.dtype), biasGate.address(), biasUp.address(), int32(dst.rows), int32(dst.cols), int32(x.cols))
}
