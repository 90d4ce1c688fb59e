package cuda

import "xrun/kernels"

// Tiles are the names of the kernels of gemm.cu for operands of type t.
func Tiles(t kernels.DType) []string {
	if t == kernels.F32 {
		return []string{f32Tile.name}
	}
	return []string{largeTile.name, smallTile.name, anyTile.name, thinTile.name}
}

// Product computes c [m, n] = a·b + bias + residual with a kernel of the given
// tile, k cut into splits. bias and residual may be nil.
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
	for _, t := range []tile{largeTile, smallTile, anyTile, thinTile, f32Tile} {
		if t.name == name {
			e.multiplyWith(p, t, splits)
			return
		}
	}
	panic("no such tile")
}
