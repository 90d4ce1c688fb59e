package cuda

import "xrun/kernels"

// The kernels of optimizer.cu.
var (
	sumSquaresKernel = kernel{module: "optimizer", name: "sum_squares"}
	adamwKernel      = kernel{module: "optimizer", name: "adamw"}
)

// sumBlock is the number of elements of a block of SumSquares, a constant of
// the numeric contract.
const sumBlock = 65536

// SumSquares returns Σ x² in float64.
func (e *Engine) SumSquares(x kernels.Tensor) float64 {
	s := e.arg("SumSquares", "x", x, kernels.F32, anySize, anySize)
	n := ceilDiv(s.size(), sumBlock)
	if n == 0 {
		return 0
	}
	at := e.scratch("sums of squares", 8*int64(n))
	e.launch(sumSquaresKernel, Dim{X: ceilDiv(n, 2)}, Dim{X: 32}, at, s.addr, int64(s.size()))
	e.sums = resize(e.sums, n)
	downloadTo(e, e.sums, at)
	total := 0.0
	for _, v := range e.sums {
		total += v
	}
	return total
}

// AdamW updates parameter p and moments m and v from gradient g.
func (e *Engine) AdamW(p, g, m, v kernels.Tensor, h kernels.AdamW) {
	x := e.dst("AdamW", "p", p, kernels.F32, anySize, anySize)
	d := e.arg("AdamW", "g", g, kernels.F32, x.rows, x.cols)
	m1 := e.dst("AdamW", "m", m, kernels.F32, x.rows, x.cols)
	m2 := e.dst("AdamW", "v", v, kernels.F32, x.rows, x.cols)
	n := int64(x.size())
	e.launchEach(adamwKernel, n, x.addr, d.addr, m1.addr, m2.addr, n, h.Scale, h.LRDecay, h.OneMinusBeta1, h.Beta2,
		h.OneMinusBeta2, h.StepSize, h.SqrtBC2, h.Eps, flag(wide(x.size(), x, d, m1, m2)))
}
