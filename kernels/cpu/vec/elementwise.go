package vec

import (
	"math"

	"xrun/kernels/num"
)

// Add sets dst = dst + x.
func Add(dst, x []float32) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] += v
	}
}

// Scale sets x = x * s.
func Scale(x []float32, s float32) {
	for i := range x {
		x[i] *= s
	}
}

// Divide sets dst = x / s. They may be the same.
func Divide(dst, x []float32, s float32) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = v / s
	}
}

// Norm sets dst = float32(x*inv) * w.
func Norm(dst, x, w []float32, inv float32) {
	dst, w = dst[:len(x)], w[:len(x)]
	for i, v := range x {
		dst[i] = float32(v*inv) * w[i]
	}
}

// NormDot returns the tree of float32(float32(dy*w) * float32(x*inv)).
func NormDot(dy, x, w []float32, inv float32) float32 {
	var l [lanes]float32
	dy, w = dy[:len(x)], w[:len(x)]
	for i, v := range x {
		l[i%lanes] += float32(float32(dy[i]*w[i]) * float32(v*inv))
	}
	return tree(&l)
}

// NormGrad sets dx = fma(fma(-float32(x*inv), c, float32(dy*w)), inv, dx).
func NormGrad(dx, dy, x, w []float32, inv, c float32) {
	dx, dy, w = dx[:len(x)], dy[:len(x)], w[:len(x)]
	for i, v := range x {
		g := num.FMA32(-float32(v*inv), c, float32(dy[i]*w[i]))
		dx[i] = num.FMA32(g, inv, dx[i])
	}
}

// NormGradWeight sets dw = fma(dy, float32(x*inv), dw).
func NormGradWeight(dw, dy, x []float32, inv float32) {
	dw, dy = dw[:len(x)], dy[:len(x)]
	for i, v := range x {
		dw[i] = num.FMA32(dy[i], float32(v*inv), dw[i])
	}
}

// Rotate sets (a', b') = (float32(a*c) - float32(b*s), float32(b*c) +
// float32(a*s)), with -s in place of s if inverse. Destinations may be the
// sources.
func Rotate(da, db, a, b, c, s []float32, inverse bool) {
	sign := float32(1)
	if inverse {
		sign = -1
	}
	n := len(a)
	da, db, b, c, s = da[:n], db[:n], b[:n], c[:n], s[:n]
	for i, x := range a {
		y, sin := b[i], sign*s[i]
		da[i] = float32(x*c[i]) - float32(y*sin)
		db[i] = float32(y*c[i]) + float32(x*sin)
	}
}

// SwiGLU sets dst = float32(gate*sigmoid(gate)) * up. With e =
// exp32(-|gate|) and r = 1/(1+e), sigmoid is r, or e*r for gate < 0.
func SwiGLU(dst, gate, up []float32) {
	dst, up = dst[:len(gate)], up[:len(gate)]
	for i, g := range gate {
		s, _ := sigmoid(g)
		dst[i] = float32(g*s) * up[i]
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
	n := len(gate)
	dgate, dup, dy, up = dgate[:n], dup[:n], dy[:n], up[:n]
	for i, g := range gate {
		s, t := sigmoid(g)
		u := up[i]
		dup[i] = dy[i] * float32(g*s)
		dgate[i] = float32(dy[i]*u) * float32(s*num.FMA32(g, t, 1))
	}
}

// SoftmaxGrad sets x = float32(x/sum) * coef, and x[target] =
// float32(float32(x[target]/sum) - 1) * coef: the gradient of coef times a
// cross-entropy.
func SoftmaxGrad(x []float32, sum, coef float32, target int) {
	e := x[target]
	for i, v := range x {
		x[i] = float32(v/sum) * coef
	}
	x[target] = float32(float32(e/sum)-1) * coef
}

// Probability sets x = exp32(x - m) / sum.
func Probability(x []float32, m, sum float32) {
	for i, v := range x {
		x[i] = num.Exp32(v-m) / sum
	}
}

// ScoreGrad sets ds = float32(p * float32(ds - d)) * scale.
func ScoreGrad(ds, p []float32, d, scale float32) {
	ds = ds[:len(p)]
	for i, v := range p {
		ds[i] = float32(v*float32(ds[i]-d)) * scale
	}
}

// AdamW is one step's scalars; see kernels.AdamW, whose fields these are.
type AdamW struct {
	Scale, LRDecay, OneMinusBeta1, Beta2, OneMinusBeta2, StepSize, SqrtBC2, Eps float32
}

// Update updates parameters and moments from gradients:
//
//	g = g * Scale
//	p = fma(-LRDecay, p, p)
//	m = fma(OneMinusBeta1, g-m, m)
//	v = fma(OneMinusBeta2, float32(g*g), float32(Beta2*v))
//	p = fma(-StepSize, m/(sqrt(v)/SqrtBC2 + Eps), p)
func (h *AdamW) Update(p, g, m, v []float32) {
	n := len(p)
	g, m, v = g[:n], m[:n], v[:n]
	for i, x := range p {
		gi := g[i] * h.Scale
		x = num.FMA32(-h.LRDecay, x, x)
		mi := num.FMA32(h.OneMinusBeta1, gi-m[i], m[i])
		vi := num.FMA32(h.OneMinusBeta2, float32(gi*gi), float32(h.Beta2*v[i]))
		root := float32(math.Sqrt(float64(vi)))
		p[i] = num.FMA32(-h.StepSize, mi/(root/h.SqrtBC2+h.Eps), x)
		m[i], v[i] = mi, vi
	}
}
