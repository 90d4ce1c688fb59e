package vec

import (
	"math"
	"unsafe"

	"xrun/kernels/num"
)

// ExpSum sets x = exp32(x - m) in place and returns the tree of the results. m must
// be at least the largest x.
func ExpSum(x []float32, m float32) float32 {
	var l [lanes]float32
	n := blocks(len(x), lanes)
	if n > 0 {
		expSumAVX2(unsafe.SliceData(x), n, m, &l)
	}
	for i := n; i < len(x); i++ {
		e := num.Exp32(x[i] - m)
		x[i] = e
		l[i%lanes] += e
	}
	return tree(&l)
}

// expSumRound is [ExpSum], but rounds x to bfloat16 after summing it.
func expSumRound(x []float32, m float32) float32 {
	var l [lanes]float32
	n := blocks(len(x), lanes)
	if n > 0 {
		expSumRoundAVX2(unsafe.SliceData(x), n, m, &l)
	}
	for i := n; i < len(x); i++ {
		e := num.Exp32(x[i] - m)
		x[i] = num.WidenBF16(num.RoundBF16(e))
		l[i%lanes] += e
	}
	return tree(&l)
}

// Softmax sets x = exp32(float32(x*scale) - top), where top is the largest product as
// scaleMax returns it. It returns top and the tree of the exponentials. If rounded
// is set, x is then rounded to bfloat16.
func Softmax(x []float32, scale float32, rounded bool) (top, sum float32) {
	if n := blocks(len(x), lanes); n > 0 && n == len(x) {
		var to [2]float32
		if rounded {
			softmaxRoundAVX2(unsafe.SliceData(x), n, scale, &to)
		} else {
			softmaxAVX2(unsafe.SliceData(x), n, scale, &to)
		}
		return to[0], to[1]
	}
	top = scaleMax(x, scale)
	if rounded {
		return top, expSumRound(x, top)
	}
	return top, ExpSum(x, top)
}

// ScoreGrad replaces a row of products of a query with keys, in p, by probabilities,
// and a row of products of its output's gradient with values, in ds, by the gradient
// of the products in p:
//
//	p  = exp32(float32(p*scale) - m) / sum
//	ds = float32(float32(ds - d) * p) * scale
//
// If rounded is set, both are rounded to bfloat16 at the end; ds is computed from the
// unrounded p. m must be at least the largest p*scale.
func ScoreGrad(p, ds []float32, m, sum, d, scale float32, rounded bool) {
	ds = ds[:len(p)]
	n := blocks(len(p), 8)
	if n > 0 {
		if rounded {
			scoreGradRoundAVX2(unsafe.SliceData(p), unsafe.SliceData(ds), n, m, sum, d, scale)
		} else {
			scoreGradAVX2(unsafe.SliceData(p), unsafe.SliceData(ds), n, m, sum, d, scale)
		}
	}
	for i := n; i < len(p); i++ {
		v := num.Exp32(float32(p[i]*scale)-m) / sum
		g := float32(float32(ds[i]-d)*v) * scale
		if rounded {
			v, g = num.WidenBF16(num.RoundBF16(v)), num.WidenBF16(num.RoundBF16(g))
		}
		p[i], ds[i] = v, g
	}
}

// SoftmaxGrad sets x = float32(x/sum) * coef, and x[target] =
// float32(float32(x[target]/sum) - 1) * coef, which is the gradient of coef times a
// cross-entropy.
func SoftmaxGrad(x []float32, sum, coef float32, target int) {
	e := x[target]
	n := blocks(len(x), 8)
	if n > 0 {
		softmaxGradAVX2(unsafe.SliceData(x), n, sum, coef)
	}
	for i := n; i < len(x); i++ {
		x[i] = float32(x[i]/sum) * coef
	}
	x[target] = float32(float32(e/sum)-1) * coef
}

// sigmoid returns 1/(1+exp(-x)) and 1 minus it, both without cancellation:
// with e = exp32(-|x|) and r = 1/(1+e), they are r and e*r, swapped for x < 0.
func sigmoid(x float32) (s, t float32) {
	e := num.Exp32(-float32(math.Abs(float64(x))))
	r := 1 / (1 + e)
	if x < 0 {
		return e * r, r
	}
	return r, e * r
}

// SwiGLU sets dst = float32(gate*sigmoid(gate)) * up. With e =
// exp32(-|gate|) and r = 1/(1+e), sigmoid is r, or e*r for gate < 0.
func SwiGLU(dst, gate, up []float32) {
	dst, up = dst[:len(gate)], up[:len(gate)]
	n := blocks(len(gate), 8)
	if n > 0 {
		swigluAVX2(unsafe.SliceData(dst), unsafe.SliceData(gate), unsafe.SliceData(up), n)
	}
	for i := n; i < len(gate); i++ {
		s, _ := sigmoid(gate[i])
		dst[i] = float32(gate[i]*s) * up[i]
	}
}

// SwiGLUBF16 is [SwiGLU] for bfloat16, rounded once at the end.
func SwiGLUBF16(dst, gate, up []uint16) {
	dst, up = dst[:len(gate)], up[:len(gate)]
	n := blocks(len(gate), 8)
	if n > 0 {
		swigluBF16AVX2(unsafe.SliceData(dst), unsafe.SliceData(gate), unsafe.SliceData(up), n)
	}
	for i := n; i < len(gate); i++ {
		g := num.WidenBF16(gate[i])
		s, _ := sigmoid(g)
		dst[i] = num.RoundBF16(float32(g*s) * num.WidenBF16(up[i]))
	}
}

// SwiGLUGrad sets, with s the sigmoid of gate and t = 1 - s computed without
// cancellation,
//
//	dup   = dy * float32(gate*s)
//	dgate = float32(dy*up) * float32(s * fma(gate, t, 1))
//
// dgate may be gate and dup may be up.
func SwiGLUGrad(dgate, dup, dy, gate, up []float32) {
	dgate, dup, dy, up = dgate[:len(gate)], dup[:len(gate)], dy[:len(gate)], up[:len(gate)]
	n := blocks(len(gate), 8)
	if n > 0 {
		swigluGradAVX2(unsafe.SliceData(dgate), unsafe.SliceData(dup), unsafe.SliceData(dy), unsafe.SliceData(gate), unsafe.SliceData(up), n)
	}
	for i := n; i < len(gate); i++ {
		g, u := gate[i], up[i]
		s, t := sigmoid(g)
		dup[i] = dy[i] * float32(g*s)
		dgate[i] = float32(dy[i]*u) * float32(s*num.FMA32(g, t, 1))
	}
}

// SwiGLUGradBF16 is [SwiGLUGrad] with gate, up and their gradients in bfloat16,
// rounded once at the end. dgate may be gate and dup may be up.
func SwiGLUGradBF16(dgate, dup []uint16, dy []float32, gate, up []uint16) {
	dgate, dup, dy, up = dgate[:len(gate)], dup[:len(gate)], dy[:len(gate)], up[:len(gate)]
	n := blocks(len(gate), 8)
	if n > 0 {
		swigluGradBF16AVX2(unsafe.SliceData(dgate), unsafe.SliceData(dup), unsafe.SliceData(dy), unsafe.SliceData(gate), unsafe.SliceData(up), n)
	}
	for i := n; i < len(gate); i++ {
		g, u := num.WidenBF16(gate[i]), num.WidenBF16(up[i])
		s, t := sigmoid(g)
		dup[i] = num.RoundBF16(dy[i] * float32(g*s))
		dgate[i] = num.RoundBF16(float32(dy[i]*u) * float32(s*num.FMA32(g, t, 1)))
	}
}
