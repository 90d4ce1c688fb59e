package cuda

import (
	"math"

	"xrun/kernels"
	"xrun/kernels/args"
)

// layout is how the operands of c [m, n] = a·b lie in memory: a [m, k] or its
// transpose, b [k, n] or its transpose.
type layout string

const (
	nt layout = "nt" // a [m, k], b [n, k]: forward
	nn layout = "nn" // a [m, k], b [k, n]: gradient of the input
	tn layout = "tn" // a [k, m], b [k, n]: gradient of the weights
)

// product is one matrix product, c [m, n] = a·b + bias + residual, with operands of one
// type. c is bf16 if half is set, and dense unless ldc is given. carry, for float32
// operands only, continues the chains in c.
type product struct {
	layout         layout
	dtype          kernels.DType
	m, n, k        int
	c, a, b        Address
	lda, ldb, ldc  int
	bias, residual Address
	half, carry    bool
}

// tile is a kernel of gemm.cu and the part of c that one of its blocks computes.
type tile struct {
	name            string
	m, n            int // rows and columns of c
	k               int // k of a step
	threads         int
	aligned, single bool // needs rows aligned to 16 bytes; takes float32
	// cost is a block's share of a multiprocessor's time, relative to a perfect tile
	// of 64 × 64. See product.tile.
	cost float64
}

var (
	largeTile  = tile{"large", 128, 128, 32, 128, true, false, 4}
	smallTile  = tile{"small", 64, 64, 64, 128, true, false, 1.2}
	narrowTile = tile{"narrow", 32, 32, 128, 128, true, false, 0.42}
	anyTile    = tile{"any", 64, 64, 32, 128, false, false, 0}
	thinTile   = tile{"thin", 16, 32, 64, 64, true, false, 0}
	f32Tile    = tile{"f32", 128, 64, 16, 128, false, true, 0}
)

// blocks returns the number of blocks that compute c [m, n].
func (t tile) blocks(m, n int) int { return ((m + t.m - 1) / t.m) * ((n + t.n - 1) / t.n) }

// tile chooses the kernel. The choice does not affect the bits (see gemm.cu), so it may
// depend on anything. It minimizes the cost of the busiest multiprocessor when blocks are
// dealt out evenly. The costs are those of an H200, where tune.py timed 23 tiles at the
// shapes of Qwen2.5-0.5B and 200 to 4,096 tokens: the choice is mostly the fastest tile
// or within a tenth of it, and at worst (4,864 columns, 800 tokens) a seventh slower.
func (p *product) tile(multiprocessors int) tile {
	switch aligned := p.lda%8 == 0 && p.ldb%8 == 0 && p.a%16 == 0 && p.b%16 == 0; {
	case p.dtype == kernels.F32:
		return f32Tile
	case !aligned:
		return anyTile
	case p.layout == nt && p.m <= thinTile.m:
		return thinTile
	}
	var best tile
	least := math.Inf(1)
	for _, t := range []tile{largeTile, smallTile, narrowTile} {
		if cost := float64(ceilDiv(t.blocks(p.m, p.n)*p.splits(), multiprocessors)) * t.cost; cost < least {
			best, least = t, cost
		}
	}
	return best
}

// fill is about the number of blocks that occupy a large device. It is a constant so
// that results do not depend on the size of the device.
const fill = 96

// splits returns the number of parts into which k is split. The parts are computed in
// parallel and added in order. This affects the bits, so it depends only on the shape of
// the weights. Gradients of weights are split if c is too small to fill a device. Other
// products are split if k is a vocabulary, or if k is long and there are few columns:
// with a short batch they have few blocks, and a k of 4,864 in one chain took 43 µs at
// 400 tokens.
func (p *product) splits() int {
	switch {
	case p.dtype == kernels.F32 || p.ldc != 0: // partial sums, and their total, must be dense
		return 1
	case p.layout == tn:
		return max(1, min(8, fill/narrowTile.blocks(p.m, p.n)))
	case p.layout == nn && p.k>>14 > 0:
		return min(8, p.k>>14)
	case p.n <= 1024 && p.k >= 4096:
		return 2
	}
	return 1
}

// depthUnit divides the k of a split. It is the longest step of the kernels.
const depthUnit = 128

// parts returns the k of each part if k is split as given, and the number of parts.
func (p *product) parts(splits int) (depth, n int) {
	depth = (p.k + splits - 1) / splits
	depth = max(depthUnit, (depth+depthUnit-1)/depthUnit*depthUnit)
	return depth, max(1, (p.k+depth-1)/depth)
}

// multiply queues p.
func (e *Engine) multiply(p product) {
	if p.m > 0 && p.n > 0 {
		e.multiplyWith(p, p.tile(e.device.Multiprocessors), p.splits())
	}
}

func (e *Engine) multiplyWith(p product, t tile, splits int) {
	if p.ldc == 0 {
		p.ldc = p.n
	}
	grid := Dim{X: (p.m + t.m - 1) / t.m, Y: (p.n + t.n - 1) / t.n}
	k := kernel{module: "gemm", name: "product_" + string(p.layout) + "_" + t.name}
	if t.single {
		e.launch(k, grid, Dim{X: t.threads}, p.c, p.a, p.b, p.bias, p.residual, int32(p.m), int32(p.n), int32(p.k), int32(p.lda), int32(p.ldb), int32(p.ldc),
			flag(p.carry), flag(p.half))
		return
	}
	depth, parts := p.parts(splits)
	grid.Z = parts
	c, bias, residual, half := p.c, p.bias, p.residual, p.half
	if grid.Z > 1 {
		c, bias, residual, half = e.scratch("partial sums", int64(grid.Z)*int64(p.m)*int64(p.n)*4), 0, 0, false
	}
	e.launch(k, grid, Dim{X: t.threads}, c, p.a, p.b, bias, residual, int32(p.m), int32(p.n), int32(p.k), int32(p.lda), int32(p.ldb), int32(p.ldc),
		int32(depth), flag(half))
	if grid.Z > 1 {
		size, wide := int64(p.m)*int64(p.n), p.n%4 == 0
		threads := size
		if wide {
			threads /= 4
		}
		e.launchEach(sumKernel, threads, p.c, c, p.bias, p.residual, size, int32(p.n), int32(grid.Z), flag(p.half), flag(wide))
	}
}

var sumKernel = kernel{module: "gemm", name: "product_sum"}

// weights returns the address of the weights w in type t.
func (e *Engine) weights(w *tensor, t kernels.DType) Address {
	if t == w.dtype {
		return w.addr
	}
	return e.rounded(w)
}

// Linear sets dst = x·wᵀ + bias + residual.
func (e *Engine) Linear(dst, x, w, bias, residual kernels.Tensor) {
	s := e.arg("Linear", "x", x, anyType, anySize, anySize)
	m := e.arg("Linear", "w", w, args.Weights(s.dtype), anySize, s.cols)
	d := e.dst("Linear", "dst", dst, anyType, s.rows, m.rows)
	b := e.optional("Linear", "bias", bias, kernels.F32, 1, m.rows)
	r := e.optional("Linear", "residual", residual, kernels.F32, s.rows, m.rows)
	e.multiply(product{layout: nt, dtype: s.dtype, m: s.rows, n: m.rows, k: s.cols, c: d.addr, half: d.dtype == kernels.BF16,
		a: s.addr, lda: s.cols, b: e.weights(m, s.dtype), ldb: m.cols, bias: b.address(), residual: r.address()})
}

// LinearGradInput sets dx = dy·w or, with add, adds it to dx.
func (e *Engine) LinearGradInput(dx, dy, w kernels.Tensor, add bool) {
	y := e.arg("LinearGradInput", "dy", dy, anyType, anySize, anySize)
	m := e.arg("LinearGradInput", "w", w, kernels.F32, y.cols, anySize)
	d := e.dst("LinearGradInput", "dx", dx, kernels.F32, y.rows, m.cols)
	p := product{layout: nn, dtype: y.dtype, m: y.rows, n: m.cols, k: y.cols, c: d.addr, a: y.addr, lda: y.cols, b: e.weights(m, y.dtype), ldb: m.cols}
	if add {
		p.residual = d.addr
	}
	e.multiply(p)
}

// LinearGradWeight sets dw = dyᵀ·x. With carry it continues the chains or, for bf16
// operands, adds the finished product.
func (e *Engine) LinearGradWeight(dw, dy, x kernels.Tensor, starts []int32, carry bool) {
	y := e.arg("LinearGradWeight", "dy", dy, anyType, anySize, anySize)
	s := e.arg("LinearGradWeight", "x", x, y.dtype, y.rows, anySize)
	d := e.dst("LinearGradWeight", "dw", dw, kernels.F32, y.cols, s.cols)
	e.checkStarts("LinearGradWeight", starts, y.rows)
	e.multiply(gradWeight(d.addr, y.dtype, y.rows, y.addr, y.cols, y.cols, s.addr, s.cols, carry))
}

// gradWeight returns the product dw [n, k] = dyᵀ·x over the given number of rows. Rows
// of dy are ldy apart.
func gradWeight(dw Address, t kernels.DType, rows int, dy Address, n, ldy int, x Address, k int, carry bool) product {
	p := product{layout: tn, dtype: t, m: n, n: k, k: rows, c: dw, a: dy, lda: ldy, b: x, ldb: k}
	switch {
	case carry && t == kernels.F32:
		p.carry = true
	case carry:
		p.residual = dw
	}
	return p
}
