package ptx

import "math/bits"

// callPrintf is vprintf(format, arguments).
func callPrintf(w *warp, c *callInfo) {
	w.fault(Unsupported, bits.TrailingZeros32(w.mask), "vprintf")
}

func callAssert(w *warp, c *callInfo) {
	w.fault(Trapped, bits.TrailingZeros32(w.mask), "assertion failed")
}
