package cuda

import "xrun/kernels"

// The kernels of elementwise.cu.
var (
	convertKernel    = kernel{module: "elementwise", name: "convert"}
	addKernel        = kernel{module: "elementwise", name: "add"}
	swigluKernel     = kernel{module: "elementwise", name: "swiglu"}
	swigluGradKernel = kernel{module: "elementwise", name: "swiglu_grad"}
)

// typeCode returns t's element type as a kernel parameter.
func (t *tensor) typeCode() int32 { return flag(t.dtype == kernels.BF16) }

// wide reports whether kernels can process four elements at once: n is a multiple of 4
// and the memory of each tensor is aligned to four elements.
func wide(n int, ts ...*tensor) bool {
	ok := n%4 == 0
	for _, t := range ts {
		ok = ok && t.addr%Address(4*t.dtype.Size()) == 0
	}
	return ok
}

// Convert copies src to dst, rounding as needed.
func (e *Engine) Convert(dst, src kernels.Tensor) {
	d := e.dst("Convert", "dst", dst, anyType, anySize, anySize)
	s := e.arg("Convert", "src", src, anyType, d.rows, d.cols)
	if d.dtype == s.dtype {
		e.copyDevice(d.addr, s.addr, d.bytes())
		return
	}
	e.convert(d, s)
}

func (e *Engine) convert(d, s *tensor) {
	n := int64(d.size())
	e.launchEach(convertKernel, n, d.addr, d.typeCode(), s.addr, s.typeCode(), n, flag(wide(d.size(), d, s)))
}

// Add adds src to dst.
func (e *Engine) Add(dst, src kernels.Tensor) {
	d := e.dst("Add", "dst", dst, anyType, anySize, anySize)
	s := e.arg("Add", "src", src, anyType, d.rows, d.cols)
	n := int64(d.size())
	e.launchEach(addKernel, n, d.addr, d.typeCode(), s.addr, s.typeCode(), n, flag(wide(d.size(), d, s)))
}

// SwiGLU sets dst = silu(gate) * up.
func (e *Engine) SwiGLU(dst, gate, up kernels.Tensor) {
	g := e.arg("SwiGLU", "gate", gate, anyType, anySize, anySize)
	d := e.dst("SwiGLU", "dst", dst, anyType, g.rows, g.cols)
	u := e.arg("SwiGLU", "up", up, anyType, g.rows, g.cols)
	n := int64(g.size())
	e.launchEach(swigluKernel, n, d.addr, d.typeCode(), g.addr, g.typeCode(), u.addr, u.typeCode(), n, flag(wide(g.size(), d, g, u)))
}

// SwiGLUGrad sets dgate and dup.
func (e *Engine) SwiGLUGrad(dgate, dup, dy, gate, up kernels.Tensor) {
	g := e.arg("SwiGLUGrad", "gate", gate, anyType, anySize, anySize)
	dg := e.dst("SwiGLUGrad", "dgate", dgate, anyType, g.rows, g.cols)
	du := e.dst("SwiGLUGrad", "dup", dup, anyType, g.rows, g.cols)
	d := e.arg("SwiGLUGrad", "dy", dy, anyType, g.rows, g.cols)
	u := e.arg("SwiGLUGrad", "up", up, anyType, g.rows, g.cols)
	n := int64(g.size())
	e.launchEach(swigluGradKernel, n, dg.addr, dg.typeCode(), du.addr, du.typeCode(), d.addr, d.typeCode(),
		g.addr, g.typeCode(), u.addr, u.typeCode(), n, flag(wide(g.size(), dg, du, d, g, u)))
}
