package cuda

import (
	"xrun/kernels"
	"xrun/kernels/args"
)

// The kernels of norm.cu.
var (
	normKernel           = kernel{module: "norm", name: "rmsnorm"}
	normGradKernel       = kernel{module: "norm", name: "rmsnorm_grad"}
	normGradWeightKernel = kernel{module: "norm", name: "rmsnorm_grad_weight"}
	biasGradKernel       = kernel{module: "norm", name: "bias_grad"}
)

const sumCols = 16 // columns of a block of norm.cu that sums down columns

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// RMSNorm sets dst[t] = x[t] * rsqrt(mean(x[t]²) + eps) * weight.
func (e *Engine) RMSNorm(dst, x, weight kernels.Tensor, eps float32) {
	s := e.arg("RMSNorm", "x", x, kernels.F32, anySize, anySize)
	d := e.dst("RMSNorm", "dst", dst, anyType, s.rows, s.cols)
	w := e.arg("RMSNorm", "weight", weight, kernels.F32, 1, anySize)
	vectors := e.vectors("RMSNorm", s, w)
	if vectors == 0 {
		return
	}
	e.launch(normKernel.of(d.dtype), Dim{X: vectors}, Dim{X: blockSize}, d.addr, s.addr, w.addr, int32(w.cols), eps)
}

// vectors is args.Vectors.
func (e *Engine) vectors(op string, x, weight *tensor) int {
	n, err := args.Vectors(op, x, weight)
	e.must(err)
	return n
}

// RMSNormGrad adds the gradient with respect to x to dx, and sets dweight or, with
// carry, continues its chains.
func (e *Engine) RMSNormGrad(dx, dweight, dy, x, weight kernels.Tensor, eps float32, carry bool) {
	s := e.arg("RMSNormGrad", "x", x, kernels.F32, anySize, anySize)
	d := e.dst("RMSNormGrad", "dx", dx, kernels.F32, s.rows, s.cols)
	y := e.arg("RMSNormGrad", "dy", dy, anyType, s.rows, s.cols)
	w := e.arg("RMSNormGrad", "weight", weight, kernels.F32, 1, anySize)
	g := e.optionalDst("RMSNormGrad", "dweight", dweight, kernels.F32, 1, w.cols)
	vectors := e.vectors("RMSNormGrad", s, w)
	if w.cols == 0 {
		return
	}
	inv := e.scratch("inverse norms", 4*int64(vectors))
	if vectors > 0 {
		e.launch(normGradKernel.of(y.dtype), Dim{X: vectors}, Dim{X: blockSize},
			d.addr, inv, y.addr, s.addr, w.addr, int32(w.cols), eps)
	}
	if g != nil {
		e.launch(normGradWeightKernel.of(y.dtype), Dim{X: ceilDiv(w.cols, sumCols)}, Dim{X: blockSize},
			g.addr, y.addr, s.addr, inv, int32(vectors), int32(w.cols), flag(carry))
	}
}

// BiasGrad sets db to the sum of dy over tokens or, with carry, continues its chains.
func (e *Engine) BiasGrad(db, dy kernels.Tensor, carry bool) {
	y := e.arg("BiasGrad", "dy", dy, anyType, anySize, anySize)
	d := e.dst("BiasGrad", "db", db, kernels.F32, 1, y.cols)
	if y.cols == 0 {
		return
	}
	e.launch(biasGradKernel.of(y.dtype), Dim{X: ceilDiv(y.cols, sumCols)}, Dim{X: blockSize},
		d.addr, y.addr, int32(y.rows), int32(y.cols), flag(carry))
}
