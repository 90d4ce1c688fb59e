package vec

import (
	"math"
	"unsafe"

	"xrun/kernels"
	"xrun/kernels/num"
)

// Add sets dst = dst + x.
func Add(dst, x []float32) {
	dst = dst[:len(x)]
	n := blocks(len(x), 8)
	if n > 0 {
		addAVX2(unsafe.SliceData(dst), unsafe.SliceData(x), n)
	}
	for i := n; i < len(x); i++ {
		dst[i] += x[i]
	}
}

// Divide sets dst = x / s. dst may be x.
func Divide(dst, x []float32, s float32) {
	dst = dst[:len(x)]
	n := blocks(len(x), 8)
	if n > 0 {
		divideAVX2(unsafe.SliceData(dst), unsafe.SliceData(x), n, s)
	}
	for i := n; i < len(x); i++ {
		dst[i] = x[i] / s
	}
}

// Norm sets dst = float32(x*inv) * w.
func Norm(dst, x, w []float32, inv float32) {
	dst, w = dst[:len(x)], w[:len(x)]
	n := blocks(len(x), 8)
	if n > 0 {
		normAVX2(unsafe.SliceData(dst), unsafe.SliceData(x), unsafe.SliceData(w), n, inv)
	}
	for i := n; i < len(x); i++ {
		dst[i] = float32(x[i]*inv) * w[i]
	}
}

// NormDot returns the tree of float32(float32(dy*w) * float32(x*inv)).
func NormDot(dy, x, w []float32, inv float32) float32 {
	var l [lanes]float32
	dy, w = dy[:len(x)], w[:len(x)]
	n := blocks(len(x), lanes)
	if n > 0 {
		normDotAVX2(unsafe.SliceData(dy), unsafe.SliceData(x), unsafe.SliceData(w), n, inv, &l)
	}
	for i := n; i < len(x); i++ {
		l[i%lanes] += float32(float32(dy[i]*w[i]) * float32(x[i]*inv))
	}
	return tree(&l)
}

// NormGrad sets dx = fma(fma(float32(x*inv), -c, float32(dy*w)), inv, dx).
func NormGrad(dx, dy, x, w []float32, inv, c float32) {
	dx, dy, w = dx[:len(x)], dy[:len(x)], w[:len(x)]
	n := blocks(len(x), 8)
	if n > 0 {
		normGradAVX2(unsafe.SliceData(dx), unsafe.SliceData(dy), unsafe.SliceData(x), unsafe.SliceData(w), n, inv, c)
	}
	for i := n; i < len(x); i++ {
		g := num.FMA32(float32(x[i]*inv), -c, float32(dy[i]*w[i]))
		dx[i] = num.FMA32(g, inv, dx[i])
	}
}

// NormGradWeight sets dw = fma(dy, float32(x*inv), dw).
func NormGradWeight(dw, dy, x []float32, inv float32) {
	dw, dy = dw[:len(x)], dy[:len(x)]
	n := blocks(len(x), 8)
	if n > 0 {
		normGradWeightAVX2(unsafe.SliceData(dw), unsafe.SliceData(dy), unsafe.SliceData(x), n, inv)
	}
	for i := n; i < len(x); i++ {
		dw[i] = num.FMA32(dy[i], float32(x[i]*inv), dw[i])
	}
}

// Rotate sets (da, db) = (float32(a*c) - float32(b*s), float32(b*c) +
// float32(a*s)), with -s in place of s if inverse. Destinations may be the
// sources.
func Rotate(da, db, a, b, c, s []float32, inverse bool) {
	sign := float32(1)
	if inverse {
		sign = -1
	}
	da, db, b, c, s = da[:len(a)], db[:len(a)], b[:len(a)], c[:len(a)], s[:len(a)]
	n := blocks(len(a), 8)
	if n > 0 {
		rotateAVX2(unsafe.SliceData(da), unsafe.SliceData(db), unsafe.SliceData(a), unsafe.SliceData(b), unsafe.SliceData(c), unsafe.SliceData(s), n, sign)
	}
	for i := n; i < len(a); i++ {
		x, y, sin := a[i], b[i], sign*s[i]
		da[i] = float32(x*c[i]) - float32(y*sin)
		db[i] = float32(y*c[i]) + float32(x*sin)
	}
}

// AdamW updates parameters p and moments m and v from gradients g, as
// kernels.AdamW says; the multiplication by Scale is always done.
func AdamW(h *kernels.AdamW, p, g, m, v []float32) {
	g, m, v = g[:len(p)], m[:len(p)], v[:len(p)]
	n := blocks(len(p), 8)
	if n > 0 {
		scalars := [8]float32{h.Scale, h.LRDecay, h.OneMinusBeta1, h.Beta2, h.OneMinusBeta2, h.StepSize, h.SqrtBC2, h.Eps}
		adamwAVX2(&scalars, unsafe.SliceData(p), unsafe.SliceData(g), unsafe.SliceData(m), unsafe.SliceData(v), n)
	}
	for i := n; i < len(p); i++ {
		gi := float32(g[i] * h.Scale)
		x := num.FMA32(-h.LRDecay, p[i], p[i])
		mi := num.FMA32(h.OneMinusBeta1, gi-m[i], m[i])
		vi := num.FMA32(h.OneMinusBeta2, float32(gi*gi), float32(h.Beta2*v[i]))
		root := float32(math.Sqrt(float64(vi)))
		p[i] = num.FMA32(-h.StepSize, mi/(root/h.SqrtBC2+h.Eps), x)
		m[i], v[i] = mi, vi
	}
}

// Transpose sets dst[c*ldd+r] = src[r*lds+c] for r below rows and c below cols.
func Transpose(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	_, _ = dst[(cols-1)*ldd+rows-1], src[(rows-1)*lds+cols-1]
	m, n := blocks(rows, 8), blocks(cols, 8)
	for r := 0; r < m && n > 0; r += 8 {
		transposeAVX2(&dst[r], ldd, &src[r*lds], lds, n)
	}
	for r := range rows {
		from := n
		if r >= m {
			from = 0
		}
		for c := from; c < cols; c++ {
			dst[c*ldd+r] = src[r*lds+c]
		}
	}
}
