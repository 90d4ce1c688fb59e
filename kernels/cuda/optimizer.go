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

// squares is a block of SumSquares, as the kernel reads it.
type squares struct {
	x Address
	n int64
}

// SumSquares sets dst[i] = Σ x² over xs[i] in float64.
func (e *Engine) SumSquares(dst []float64, xs ...kernels.Tensor) {
	e.count("SumSquares", "sums", len(dst), len(xs))
	e.blocks = e.blocks[:0]
	for _, x := range xs {
		s := e.arg("SumSquares", "x", x, kernels.F32, anySize, anySize)
		for at := 0; at < s.size(); at += sumBlock {
			e.blocks = append(e.blocks, squares{s.element(at), int64(min(sumBlock, s.size()-at))})
		}
	}
	n := len(e.blocks)
	e.sums = resize(e.sums, n)
	if n > 0 {
		at := e.scratch("sums of squares", 8*int64(n))
		e.launch(sumSquaresKernel, Dim{X: ceilDiv(n, 2)}, Dim{X: 32}, at, e.upload(raw(e.blocks))[0], int32(n))
		downloadTo(e, e.sums, at)
	}
	sums := e.sums
	for i, x := range xs {
		dst[i] = 0
		for range ceilDiv(x.Rows()*x.Cols(), sumBlock) {
			dst[i] += sums[0]
			sums = sums[1:]
		}
	}
}

// AdamW updates parameter p and moments m and v from gradient g.
func (e *Engine) AdamW(p, g, m, v kernels.Tensor, h kernels.AdamW) {
	x := e.arg("AdamW", "p", p, kernels.F32, anySize, anySize)
	d := e.arg("AdamW", "g", g, kernels.F32, x.rows, x.cols)
	m1 := e.dst("AdamW", "m", m, kernels.F32, x.rows, x.cols)
	m2 := e.dst("AdamW", "v", v, kernels.F32, x.rows, x.cols)
	n := int64(x.size())
	vector, half := []*tensor{x, d, m1, m2}, e.rewritten(x)
	if half != nil {
		vector = append(vector, half)
	}
	e.launchEach(adamwKernel, n, x.addr, d.addr, m1.addr, m2.addr, half.address(), n, h.Scale, h.LRDecay, h.OneMinusBeta1, h.Beta2,
		h.OneMinusBeta2, h.StepSize, h.SqrtBC2, h.Eps, flag(wide(x.size(), vector...)))
}
