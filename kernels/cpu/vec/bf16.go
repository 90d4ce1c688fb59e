package vec

import (
	"math"
	"unsafe"
)

// round returns the bfloat16 nearest to x, ties to even. Denormals are kept; a
// NaN stays one.
func round(x float32) uint16 {
	u := math.Float32bits(x)
	if u&^(1<<31) > 0xff<<23 {
		return uint16(u>>16) | 1<<6
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

func widen(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// Round sets dst to x rounded to bfloat16, to nearest even. Denormals are
// kept; a NaN stays one. dst may be in the memory of x, at its start.
func Round(dst []uint16, x []float32) {
	dst = dst[:len(x)]
	n := blocks(len(x), 16)
	if n > 0 {
		roundAVX2(unsafe.SliceData(dst), unsafe.SliceData(x), n)
	}
	for i := n; i < len(x); i++ {
		dst[i] = round(x[i])
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
		dst[i] = round(x[i] / s)
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
		dst[i] = widen(x[i])
	}
}

// WidenRows is [Widen] of rows rows of n values, which lie stride apart in x and
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

// RoundTo sets dst to x rounded to bfloat16 and widened again. They may be
// the same.
func RoundTo(dst, x []float32) {
	dst = dst[:len(x)]
	n := blocks(len(x), 8)
	if n > 0 {
		roundToAVX2(unsafe.SliceData(dst), unsafe.SliceData(x), n)
	}
	for i := n; i < len(x); i++ {
		dst[i] = widen(round(x[i]))
	}
}
