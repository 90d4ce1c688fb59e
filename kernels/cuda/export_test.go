package cuda

import "xrun/kernels"

// Tiles returns the names of the kernels of gemm.cu for operands of type t.
func Tiles(t kernels.DType) []string {
	if t == kernels.F32 {
		return []string{f32Tile.name}
	}
	return []string{largeTile.name, smallTile.name, narrowTile.name, anyTile.name, thinTile.name}
}

// Product computes c [m, n] = a·b + bias + residual with the kernel of the given tile and k
// split into the given number of parts. bias and residual may be nil.
func (e *Engine) Product(l, name string, splits int, c, a, b, bias, residual kernels.Tensor, carry bool) {
	x, y, d := a.(*tensor), b.(*tensor), c.(*tensor)
	p := product{layout: layout(l), dtype: x.dtype, m: d.rows, n: d.cols, k: x.cols, c: d.addr, a: x.addr, b: y.addr, lda: x.cols, ldb: y.cols,
		half: d.dtype == kernels.BF16, carry: carry}
	if p.layout == tn {
		p.k = x.rows
	}
	if bias != nil {
		p.bias = bias.(*tensor).addr
	}
	if residual != nil {
		p.residual = residual.(*tensor).addr
	}
	e.multiplyWith(p, tileNamed(name), splits)
}

func tileNamed(name string) tile {
	for _, t := range []tile{largeTile, smallTile, narrowTile, anyTile, thinTile, f32Tile} {
		if t.name == name {
			return t
		}
	}
	panic("no such tile")
}

// GateUpBy is GateUp with the kernel of the given tile. gate and the biases may be nil.
func (e *Engine) GateUpBy(name string, dst, gate, up, x, wGate, wUp, biasGate, biasUp kernels.Tensor) {
	of := func(t kernels.Tensor) *tensor {
		x, _ := t.(*tensor)
		return x
	}
	e.gateUp(tileNamed(name), of(dst), of(gate), of(up), of(x), of(wGate), of(wUp), of(biasGate), of(biasUp))
}
