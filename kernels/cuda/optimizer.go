package cuda

import (
	"xrun/kernels"
	"xrun/kernels/args"
)

// The kernels of optimizer.cu.
var (
	sumSquaresKernel = kernel{module: "optimizer", name: "sum_squares"}
	adamwKernel      = kernel{module: "optimizer", name: "adamw"}
)

// updateBlock is the number of elements that a block of AdamW updates.
const updateBlock = 32768

// squares is a block of SumSquares in the kernel's layout.
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
		for at := 0; at < s.size(); at += kernels.SumBlock {
			e.blocks = append(e.blocks, squares{s.element(at), int64(min(kernels.SumBlock, s.size()-at))})
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
		for range ceilDiv(x.Rows()*x.Cols(), kernels.SumBlock) {
			dst[i] += sums[0]
			sums = sums[1:]
		}
	}
}

// update is a part of a parameter in the layout of AdamW's kernel.
type update struct {
	p, g, m, v, rounded Address
	n                   int32
	wide                int32
}

// AdamW updates parameters and moments from gradients, all in one launch, because most
// tensors of a model are too small to fill a device.
func (e *Engine) AdamW(h kernels.AdamW, tensors ...kernels.Tensor) {
	e.must(args.Groups("AdamW", len(tensors), 4))
	e.updates = e.updates[:0]
	for i := 0; i < len(tensors); i += 4 {
		x := e.arg("AdamW", "p", tensors[i], kernels.F32, anySize, anySize)
		d := e.arg("AdamW", "g", tensors[i+1], kernels.F32, x.rows, x.cols)
		m := e.dst("AdamW", "m", tensors[i+2], kernels.F32, x.rows, x.cols)
		v := e.dst("AdamW", "v", tensors[i+3], kernels.F32, x.rows, x.cols)
		all, half := []*tensor{x, d, m, v}, e.roundedCopy(x)
		if half != nil {
			all = append(all, half)
		}
		together := flag(wide(x.size(), all...))
		for at := 0; at < x.size(); at += updateBlock {
			u := update{p: x.element(at), g: d.element(at), m: m.element(at), v: v.element(at), n: int32(min(updateBlock, x.size()-at)), wide: together}
			if half != nil {
				u.rounded = half.element(at)
			}
			e.updates = append(e.updates, u)
		}
	}
	if len(e.updates) == 0 {
		return
	}
	at := e.upload(raw(e.updates))[0]
	e.launch(adamwKernel, Dim{X: len(e.updates)}, Dim{X: blockSize}, at, h.Scale, h.LRDecay, h.OneMinusBeta1, h.Beta2,
		h.OneMinusBeta2, h.StepSize, h.SqrtBC2, h.Eps)
	for i := 0; i < len(tensors); i += 4 {
		e.rewrote(tensors[i].(*tensor))
	}
}
