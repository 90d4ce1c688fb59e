package enginetest

import (
	"math"
	"slices"

	"xrun/kernels"
)

// shapes lists the rows and columns for operations on rows.
var shapes = [][2]int{{0, 8}, {1, 1}, {3, 7}, {2, 8}, {5, 9}, {1, 15}, {4, 16}, {3, 17}, {2, 63}, {7, 64}, {5, 65}, {33, 576}, {3, 1536}, {2, 4099}}

// rmsNorm is the oracle of RMSNorm.
func rmsNorm(x, w []float64, rows, cols int, eps float64) result {
	r := newResult(rows * cols)
	for t := range rows {
		row := x[t*cols : (t+1)*cols]
		inv := 1 / math.Sqrt(dot(row, row)/float64(cols)+eps)
		for j, v := range row {
			r.add(t*cols+j, v*inv*w[j])
		}
	}
	return r
}

func checkRMSNorm(h *harness) {
	const eps = 1e-5
	for _, s := range shapes {
		for _, dt := range types {
			h.in("%v %v", s, dt)
			x, w := h.uniform(kernels.F32, s[0], s[1], 2), h.uniform(kernels.F32, 1, s[1], 1)
			dst := h.dirty(dt, s[0], s[1])
			h.RMSNorm(dst, x.t, w.t, eps)
			h.near("norm", dst, rmsNorm(x.v, w.v, s[0], s[1], float64(float32(eps))), h.tol.Element)
		}
	}
	h.in("zeros")
	x, w := h.tensor(kernels.F32, 2, 5, make([]float32, 10)), h.uniform(kernels.F32, 1, 5, 1)
	dst := h.dirty(kernels.F32, 2, 5)
	h.RMSNorm(dst, x.t, w.t, eps)
	h.same("norm", dst, make([]float64, 10))
	for _, dt := range types {
		h.in("7 rows of 3 heads, %v", dt)
		x, w, dst := h.uniform(kernels.F32, 7, 3*20, 2), h.uniform(kernels.F32, 1, 20, 1), h.dirty(dt, 7, 3*20)
		h.RMSNorm(dst, x.t, w.t, eps)
		h.near("norm", dst, rmsNorm(x.v, w.v, 7*3, 20, float64(float32(eps))), h.tol.Element)
	}
}

func checkRMSNormGrad(h *harness) {
	const eps = 1e-5
	for _, s := range [][3]int{{0, 8, 1}, {1, 1, 1}, {3, 7, 1}, {5, 9, 1}, {4, 16, 1}, {3, 33, 1}, {2, 65, 1}, {9, 20, 1}, {5, 12, 3}, {3, 64, 2}} {
		for _, dt := range types {
			rows, n := s[0], s[1] // each norm is over n values, with heads norms in a row
			cols := n * s[2]
			h.in("%v %v", s, dt)
			x, w, dy := h.uniform(kernels.F32, rows, cols, 2), h.uniform(kernels.F32, 1, n, 1), h.uniform(dt, rows, cols, 1)
			dx, dw := h.uniform(kernels.F32, rows, cols, 1), h.dirty(kernels.F32, 1, n)
			loss := func() float64 { return dot(rmsNorm(x.v, w.v, rows*s[2], n, eps).v, dy.v) }
			gx, gw := differences(x.v, loss), differences(w.v, loss)
			if s[0] > 0 {
				gx.plus(dx.v)
			}
			h.RMSNormGrad(dx.t, dw, dy.t, x.t, w.t, eps, false)
			h.near("dx", dx.t, gx, 8*h.tol.Element)
			h.near("dw", dw, gw, 8*h.tol.Element)

			h.RMSNormGrad(h.uniform(kernels.F32, rows, cols, 1).t, dw, dy.t, x.t, w.t, eps, true)
			gw.plus(slices.Clone(gw.v))
			h.near("dw, carried", dw, gw, 8*h.tol.Element)
			h.RMSNormGrad(h.uniform(kernels.F32, rows, cols, 1).t, nil, dy.t, x.t, w.t, eps, false)
		}
	}
}

// rotate is the oracle of Rotary.
func rotate(x, cos, sin []float64, positions []int32, cols, headDim int, sign float64) result {
	r := newResult(len(x))
	half := headDim / 2
	for t, p := range positions {
		for j := range cols {
			i, d := t*cols+j, j%headDim
			c, s := cos[int(p)*half+d%half], sign*sin[int(p)*half+d%half]
			r.add(i, x[i]*c)
			if d < half {
				r.add(i, -x[i+half]*s)
			} else {
				r.add(i, x[i-half]*s)
			}
		}
	}
	return r
}

func checkRotary(h *harness) {
	for _, s := range [][3]int{{0, 1, 8}, {1, 1, 2}, {3, 2, 8}, {5, 3, 16}, {4, 1, 22}, {7, 9, 64}, {3, 2, 128}} {
		t, heads, hd := s[0], s[1], s[2]
		cos, sin := h.uniform(kernels.F32, 50, hd/2, 1), h.uniform(kernels.F32, 50, hd/2, 1)
		src := h.uniform(kernels.F32, t, heads*hd, 1)
		positions := h.ids(t, 50)
		for i, sign := range []float64{1, -1} {
			for _, dt := range types {
				h.in("%v %v sign %v", s, dt, sign)
				dst := h.dirty(dt, t, heads*hd)
				h.Rotary(dst, src.t, cos.t, sin.t, positions, hd, i == 1)
				h.near("rotated", dst, rotate(src.v, cos.v, sin.v, positions, heads*hd, hd, sign), h.tol.Element)
			}
		}
		h.in("%v in place", s)
		want := rotate(src.v, cos.v, sin.v, positions, heads*hd, hd, 1)
		h.Rotary(src.t, src.t, cos.t, sin.t, positions, hd, false)
		h.near("rotated", src.t, want, h.tol.Element)
	}
}

// swiglu is the oracle of SwiGLU.
func swiglu(gate, up []float64) result {
	r := newResult(len(gate))
	for i, g := range gate {
		r.add(i, g/(1+math.Exp(-g))*up[i])
	}
	return r
}

func checkSwiGLU(h *harness) {
	for _, s := range shapes {
		for _, in := range types {
			for _, out := range types {
				h.in("%v %v to %v", s, in, out)
				gate, up := h.uniform(in, s[0], s[1], 20), h.uniform(in, s[0], s[1], 1)
				dst := h.dirty(out, s[0], s[1])
				h.SwiGLU(dst, gate.t, up.t)
				h.near("swiglu", dst, swiglu(gate.v, up.v), h.tol.Element)
			}
		}
	}
	h.in("extremes")
	inf := float32(math.Inf(1))
	gate := h.tensor(kernels.F32, 1, 6, []float32{0, 200, -80, 3e38, -inf, inf})
	up := h.tensor(kernels.F32, 1, 6, []float32{1, 1, 1, 1e-3, 0, 1})
	dst := h.dirty(kernels.F32, 1, 6)
	h.SwiGLU(dst, gate.t, up.t)
	want := swiglu(gate.v, up.v)
	want.v[4], want.v[5] = math.NaN(), math.Inf(1)
	got := h.read(dst)
	for i, w := range want.v[:4] {
		if math.Abs(got[i]-w) > h.tol.Element*math.Abs(w)+1e-33 {
			h.errorf("swiglu(%g) = %g, want %g", gate.v[i], got[i], w)
		}
	}
	if !math.IsInf(got[5], 1) {
		h.errorf("swiglu(+Inf) = %g", got[5])
	}
}

func checkSwiGLUGrad(h *harness) {
	for _, s := range [][2]int{{0, 8}, {1, 1}, {3, 7}, {2, 8}, {5, 9}, {4, 16}, {3, 33}, {2, 65}, {2, 2100}} {
		for _, in := range types {
			for _, out := range types {
				h.in("%v %v to %v", s, in, out)
				gate, up, dy := h.uniform(in, s[0], s[1], 8), h.uniform(in, s[0], s[1], 1), h.uniform(kernels.F32, s[0], s[1], 1)
				gg, gu := newResult(len(gate.v)), newResult(len(gate.v))
				for i := range gate.v {
					one := func() float64 { return swiglu(gate.v[i:i+1], up.v[i:i+1]).v[0] * dy.v[i] }
					gg.v[i], gu.v[i] = differences(gate.v[i:i+1], one).v[0], differences(up.v[i:i+1], one).v[0]
					gg.scale[i] = math.Abs(dy.v[i]*up.v[i]) * (1 + math.Abs(gate.v[i]))
					gu.scale[i] = math.Abs(gu.v[i]) + 1e-9
				}
				dg, du := h.dirty(out, s[0], s[1]), h.dirty(out, s[0], s[1])
				h.SwiGLUGrad(dg, du, dy.t, gate.t, up.t)
				h.near("dgate", dg, gg, h.tol.Element)
				h.near("dup", du, gu, h.tol.Element)
				if in == out {
					h.SwiGLUGrad(gate.t, up.t, dy.t, gate.t, up.t)
					h.near("dgate in place", gate.t, gg, h.tol.Element)
					h.near("dup in place", up.t, gu, h.tol.Element)
				}
			}
		}
	}
}
