package cuda

import "xrun/kernels"

// The kernels of rows.cu. None but the additions computes, and they add in the
// CPU engine's order: all have its bits.
var (
	convertKernel = kernel{module: "rows", name: "convert"}
	addKernel     = kernel{module: "rows", name: "add"}
)

// Convert copies src to dst, rounding as needed.
func (e *Engine) Convert(dst, src kernels.Tensor) {
	d := e.dst("Convert", "dst", dst, anyType, anySize, anySize)
	s := e.arg("Convert", "src", src, anyType, d.rows, d.cols)
	if d.dtype == s.dtype {
		e.copyDevice(d.addr, s.addr, d.bytes())
		return
	}
	e.launchEach(convertKernel.of(d.dtype, s.dtype), int64(d.size()), d.addr, s.addr, int64(d.size()))
}

// copyDevice queues a copy within the device.
func (e *Engine) copyDevice(dst, src Address, bytes int64) {
	if e.err != nil || bytes == 0 {
		return
	}
	if err := e.driver.CopyDevice(e.compute, dst, src, bytes); err != nil {
		e.broken("copying on the device", err)
	}
}

// zero queues clearing memory.
func (e *Engine) zero(at Address, bytes int64) {
	if e.err != nil || bytes == 0 {
		return
	}
	if err := e.driver.Zero(e.compute, at, bytes); err != nil {
		e.broken("zeroing memory", err)
	}
}

// Add adds src to dst.
func (e *Engine) Add(dst, src kernels.Tensor) {
	d := e.dst("Add", "dst", dst, anyType, anySize, anySize)
	s := e.arg("Add", "src", src, anyType, d.rows, d.cols)
	e.launchEach(addKernel.of(d.dtype, s.dtype), int64(d.size()), d.addr, s.addr, int64(d.size()))
}
