package vec

import (
	"unsafe"

	"xrun/kernels/num"
)

// Round sets dst to x rounded to bfloat16, to nearest even. Denormals are
// kept; a NaN stays one. dst may begin at the same address as x.
func Round(dst []uint16, x []float32) {
	dst = dst[:len(x)]
	n := blocks(len(x), 16)
	if n > 0 {
		roundAVX2(unsafe.SliceData(dst), unsafe.SliceData(x), n)
	}
	for i := n; i < len(x); i++ {
		dst[i] = num.RoundBF16(x[i])
	}
}

// DivideRound sets dst to float32(x/s) rounded to bfloat16.
func DivideRound(dst []uint16, x []float32, s float32) {
	dst = dst[:len(x)]
	n := blocks(len(x), 8)
	if n > 0 {
		divideRoundAVX2(unsafe.SliceData(dst), unsafe.SliceData(x), n, s)
	}
	for i := n; i < len(x); i++ {
		dst[i] = num.RoundBF16(x[i] / s)
	}
}

// Widen sets dst to the values of the bfloat16 x, which is exact.
func Widen(dst []float32, x []uint16) {
	dst = dst[:len(x)]
	n := blocks(len(x), 16)
	if n > 0 {
		widenAVX2(unsafe.SliceData(dst), unsafe.SliceData(x), 0, 1, n)
	}
	for i := n; i < len(x); i++ {
		dst[i] = num.WidenBF16(x[i])
	}
}

// WidenRows is [Widen] for several rows of n values, which lie stride apart in x and
// without gaps in dst.
func WidenRows(dst []float32, x []uint16, stride, rows, n int) {
	if rows == 0 || n == 0 {
		return
	}
	dst = dst[:rows*n]
	_ = x[(rows-1)*stride+n-1]
	if blocks(n, 16) == n {
		widenAVX2(unsafe.SliceData(dst), unsafe.SliceData(x), 2*stride, rows, n)
		return
	}
	for r := range rows {
		Widen(dst[r*n:(r+1)*n], x[r*stride:][:n])
	}
}

// RoundTo sets dst to x rounded to bfloat16 and widened again. dst may be x.
func RoundTo(dst, x []float32) {
	dst = dst[:len(x)]
	n := blocks(len(x), 8)
	if n > 0 {
		roundToAVX2(unsafe.SliceData(dst), unsafe.SliceData(x), n)
	}
	for i := n; i < len(x); i++ {
		dst[i] = num.WidenBF16(num.RoundBF16(x[i]))
	}
}
