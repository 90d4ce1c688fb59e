package vec

import (
	"math"
	"unsafe"

	"xrun/kernels"
)

const lanes = kernels.Lanes

// tree adds 16 lanes in the order of package kernels.
func tree(l *[lanes]float32) float32 {
	for w := lanes / 2; w > 0; w /= 2 {
		for i := range w {
			l[i] += l[i+w]
		}
	}
	return l[0]
}

// Xor returns the exclusive or of the bits of all elements. Its speed is the limit for
// kernels that read memory once.
func Xor(x []float32) uint32 {
	var l [lanes]float32
	n := blocks(len(x), lanes)
	if n > 0 {
		xorAVX2(unsafe.SliceData(x), n, &l)
	}
	bits := uint32(0)
	for _, v := range l {
		bits ^= math.Float32bits(v)
	}
	for _, v := range x[n:] {
		bits ^= math.Float32bits(v)
	}
	return bits
}

// SumSquares32 returns the tree of float32(x*x).
func SumSquares32(x []float32) float32 {
	var l [lanes]float32
	n := blocks(len(x), lanes)
	if n > 0 {
		sumSquares32AVX2(unsafe.SliceData(x), n, &l)
	}
	for i, v := range x[n:] {
		l[i%lanes] += float32(v * v)
	}
	return tree(&l)
}

// Dot returns the tree of float32(a*b).
func Dot(a, b []float32) float32 {
	var l [lanes]float32
	b = b[:len(a)]
	n := blocks(len(a), lanes)
	if n > 0 && n == len(a) {
		return dotWholeAVX2(unsafe.SliceData(a), unsafe.SliceData(b), n)
	}
	if n > 0 {
		dotAVX2(unsafe.SliceData(a), unsafe.SliceData(b), n, &l)
	}
	for i := n; i < len(a); i++ {
		l[i%lanes] += float32(a[i] * b[i])
	}
	return tree(&l)
}

// SumSquares returns Σ x² in float64, where squares are exact. Element i is added to
// lane i mod 16, and the lanes are added as a tree.
func SumSquares(x []float32) float64 {
	var l [lanes]float64
	n := blocks(len(x), lanes)
	if n > 0 {
		sumSquaresAVX2(unsafe.SliceData(x), n, &l)
	}
	for i, v := range x[n:] {
		l[i%lanes] += float64(float64(v) * float64(v))
	}
	for w := lanes / 2; w > 0; w /= 2 {
		for i := range w {
			l[i] += l[i+w]
		}
	}
	return l[0]
}

// top returns the largest value among the lanes and x, ignoring NaN. A zero is
// returned as +0.
func top(l *[lanes]float32, x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range l {
		if v > m {
			m = v
		}
	}
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m + 0
}

func lowest() (l [lanes]float32) {
	for i := range l {
		l[i] = float32(math.Inf(-1))
	}
	return l
}

// Max returns the largest element, ignoring NaN; -Inf if there is none. A
// maximum of zero is +0.
func Max(x []float32) float32 {
	l := lowest()
	n := blocks(len(x), lanes)
	if n > 0 {
		maxAVX2(unsafe.SliceData(x), n, &l)
	}
	return top(&l, x[n:])
}

// scaleMax multiplies x by scale in place and returns [Max] of the result.
func scaleMax(x []float32, scale float32) float32 {
	l := lowest()
	n := blocks(len(x), lanes)
	if n > 0 {
		scaleMaxAVX2(unsafe.SliceData(x), n, scale, &l)
	}
	for i := n; i < len(x); i++ {
		x[i] *= scale
	}
	return top(&l, x[n:])
}

// Index returns the lowest index at which x equals v, or -1.
func Index(x []float32, v float32) int {
	for i, e := range x {
		if e == v {
			return i
		}
	}
	return -1
}
