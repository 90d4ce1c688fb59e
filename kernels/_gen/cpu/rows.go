package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// reductions generates the sums and maxima over a row.
func reductions() {
	function("maxAVX2", "func(x *float32, n int, l *[16]float32)", "reduces whole blocks of 16 to 16 lanes for Max.")
	l, store := lanes()
	loop(16, []string{"x"}, func(at func(string, int) Mem) {
		for h := range l {
			VMAXPS(l[h], load(at("x", 8*h)), l[h]) // NaN gives the second source, the lane
		}
	})
	store()
	done()

	function("scaleMaxAVX2", "func(x *float32, n int, scale float32, l *[16]float32)", "computes whole blocks of 16 for scaleMax.")
	scale := broadcast("scale")
	l, store = lanes()
	loop(16, []string{"x"}, func(at func(string, int) Mem) {
		for h := range l {
			v := mul(at("x", 8*h), scale)
			VMOVUPS(v, at("x", 8*h))
			VMAXPS(l[h], v, l[h])
		}
	})
	store()
	done()

	function("xorAVX2", "func(x *float32, n int, l *[16]float32)", "reduces whole blocks of 16 to 16 lanes for Xor.")
	l, store = lanes()
	loop(16, []string{"x"}, func(at func(string, int) Mem) {
		for h := range l {
			VXORPS(at("x", 8*h), l[h], l[h])
		}
	})
	store()
	done()

	function("sumSquares32AVX2", "func(x *float32, n int, l *[16]float32)", "computes whole blocks of 16 for SumSquares32.")
	l, store = lanes()
	loop(16, []string{"x"}, func(at func(string, int) Mem) {
		for h := range l {
			v := load(at("x", 8*h))
			VADDPS(mul(v, v), l[h], l[h])
		}
	})
	store()
	done()

	function("dotAVX2", "func(a *float32, b *float32, n int, l *[16]float32)", "computes whole blocks of 16 for Dot.")
	l, store = lanes()
	loop(16, []string{"a", "b"}, func(at func(string, int) Mem) {
		for h := range l {
			VADDPS(mul(at("b", 8*h), load(at("a", 8*h))), l[h], l[h])
		}
	})
	store()
	done()

	function("dotWholeAVX2", "func(a *float32, b *float32, n int) float32", "computes Dot of whole blocks of 16.")
	sum := vectors(2)
	for _, r := range sum {
		VXORPS(r, r, r)
	}
	loop(16, []string{"a", "b"}, func(at func(string, int) Mem) {
		for h := range sum {
			VADDPS(mul(at("b", 8*h), load(at("a", 8*h))), sum[h], sum[h])
		}
	})
	Store(tree(sum).AsX(), ReturnIndex(0))
	done()

	function("normDotAVX2", "func(dy *float32, x *float32, w *float32, n int, inv float32, l *[16]float32)", "computes whole blocks of 16 for NormDot.")
	inv := broadcast("inv")
	l, store = lanes()
	loop(16, []string{"dy", "x", "w"}, func(at func(string, int) Mem) {
		for h := range l {
			g := mul(at("w", 8*h), load(at("dy", 8*h)))
			VADDPS(mul(g, mul(at("x", 8*h), inv)), l[h], l[h])
		}
	})
	store()
	done()

	function("sumSquaresAVX2", "func(x *float32, n int, l *[16]float64)", "computes whole blocks of 16 for SumSquares.")
	p := GP64()
	Load(Param("l"), p)
	var d [4]f
	for q := range d {
		d[q] = YMM()
		VMOVUPD(Mem{Base: p, Disp: 32 * q}, d[q])
	}
	loop(16, []string{"x"}, func(at func(string, int) Mem) {
		for q := range d {
			v := YMM()
			VCVTPS2PD(at("x", 4*q), v)
			VFMADD231PD(v, v, d[q]) // squares are exact, so that fusing changes nothing
		}
	})
	for q := range d {
		VMOVUPD(d[q], Mem{Base: p, Disp: 32 * q})
	}
	done()
}

// rows generates the elementwise operations on rows.
func rows() {
	function("addAVX2", "func(dst *float32, x *float32, n int)", "computes whole blocks of 8 for Add.")
	loop(8, []string{"dst", "x"}, func(at func(string, int) Mem) {
		VMOVUPS(add(at("x", 0), load(at("dst", 0))), at("dst", 0))
	})
	done()

	function("divideAVX2", "func(dst *float32, x *float32, n int, s float32)", "computes whole blocks of 8 for Divide.")
	s := broadcast("s")
	loop(8, []string{"dst", "x"}, func(at func(string, int) Mem) {
		VMOVUPS(div(load(at("x", 0)), s), at("dst", 0))
	})
	done()

	function("normAVX2", "func(dst *float32, x *float32, w *float32, n int, inv float32)", "computes whole blocks of 8 for Norm.")
	inv := broadcast("inv")
	loop(8, []string{"dst", "x", "w"}, func(at func(string, int) Mem) {
		VMOVUPS(mul(at("w", 0), mul(at("x", 0), inv)), at("dst", 0))
	})
	done()

	function("normGradAVX2", "func(dx *float32, dy *float32, x *float32, w *float32, n int, inv float32, c float32)", "computes whole blocks of 8 for NormGrad.")
	inv, c := broadcast("inv"), broadcast("c")
	loop(8, []string{"dx", "dy", "x", "w"}, func(at func(string, int) Mem) {
		g := mul(at("w", 0), load(at("dy", 0)))
		VFNMADD231PS(c, mul(at("x", 0), inv), g)
		dx := load(at("dx", 0))
		VFMADD231PS(inv, g, dx)
		VMOVUPS(dx, at("dx", 0))
	})
	done()

	function("normGradWeightAVX2", "func(dw *float32, dy *float32, x *float32, n int, inv float32)", "computes whole blocks of 8 for NormGradWeight.")
	inv = broadcast("inv")
	loop(8, []string{"dw", "dy", "x"}, func(at func(string, int) Mem) {
		dw := load(at("dw", 0))
		VFMADD231PS(at("dy", 0), mul(at("x", 0), inv), dw)
		VMOVUPS(dw, at("dw", 0))
	})
	done()

	function("rotateAVX2", "func(da *float32, db *float32, a *float32, b *float32, c *float32, s *float32, n int, sign float32)",
		"computes whole blocks of 8 for Rotate.")
	sign := broadcast("sign")
	loop(8, []string{"da", "db", "a", "b", "c", "s"}, func(at func(string, int) Mem) {
		a, b, c, sin := load(at("a", 0)), load(at("b", 0)), load(at("c", 0)), mul(at("s", 0), sign)
		VMOVUPS(sub(mul(a, c), mul(b, sin)), at("da", 0))
		VMOVUPS(add(mul(b, c), mul(a, sin)), at("db", 0))
	})
	done()
}

// optimizer generates AdamW.
func optimizer() {
	function("adamwAVX2", "func(h *[8]float32, p *float32, grad *float32, m *float32, v *float32, n int)", "computes whole blocks of 8 for AdamW; h holds its scalars in order.")
	h := GP64()
	Load(Param("h"), h)
	var c [8]f
	for i := range c {
		c[i] = YMM()
		VBROADCASTSS(Mem{Base: h, Disp: 4 * i}, c[i])
	}
	scale, decay, omb1, b2, omb2, stepSize, bc2, eps := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
	loop(8, []string{"p", "grad", "m", "v"}, func(at func(string, int) Mem) {
		g := mul(at("grad", 0), scale)
		p := load(at("p", 0))
		t := YMM()
		VMOVAPS(p, t)
		VFNMADD231PS(decay, p, t) // p - decay*p
		m := load(at("m", 0))
		d := sub(g, m)
		VFMADD231PS(omb1, d, m)
		v := mul(at("v", 0), b2)
		VFMADD231PS(omb2, mul(g, g), v)
		VMOVUPS(m, at("m", 0))
		VMOVUPS(v, at("v", 0))
		root := YMM()
		VSQRTPS(v, root)
		root = add(div(root, bc2), eps)
		VFNMADD231PS(stepSize, div(m, root), t)
		VMOVUPS(t, at("p", 0))
	})
	done()
}

// transposes generates the transposition of 8 by 8 blocks.
func transposes() {
	function("transposeAVX2", "func(dst *float32, ldd int, src *float32, lds int, n int)",
		"sets dst[c*ldd+r] = src[r*lds+c] for r and c below 8, then for the next 8 columns of src, and so on for n columns.")
	dst, ldd, src, lds, n := GP64(), GP64(), GP64(), GP64(), GP64()
	Load(Param("dst"), dst)
	Load(Param("ldd"), ldd)
	Load(Param("src"), src)
	Load(Param("lds"), lds)
	Load(Param("n"), n)
	SHLQ(U8(2), ldd)
	SHLQ(U8(2), lds)
	JMP(LabelRef("test"))
	Label("loop")
	var r, t [8]f
	row := GP64()
	MOVQ(src, row)
	for i := range r {
		r[i] = load(Mem{Base: row})
		ADDQ(lds, row)
	}
	for i := 0; i < 8; i += 2 {
		t[i], t[i+1] = YMM(), YMM()
		VUNPCKLPS(r[i+1], r[i], t[i])
		VUNPCKHPS(r[i+1], r[i], t[i+1])
	}
	for i := 0; i < 8; i += 4 {
		for j := range 2 {
			r[i+2*j], r[i+2*j+1] = YMM(), YMM()
			VSHUFPS(U8(0x44), t[i+j+2], t[i+j], r[i+2*j])
			VSHUFPS(U8(0xee), t[i+j+2], t[i+j], r[i+2*j+1])
		}
	}
	MOVQ(dst, row)
	for i := range 8 {
		o := YMM()
		sel := U8(0x20)
		if i >= 4 {
			sel = 0x31
		}
		VPERM2F128(sel, r[i%4+4], r[i%4], o)
		VMOVUPS(o, Mem{Base: row})
		ADDQ(ldd, row)
	}
	ADDQ(U8(32), src)
	MOVQ(row, dst)
	SUBQ(U8(8), n)
	Label("test")
	TESTQ(n, n)
	JNZ(LabelRef("loop"))
	done()
}
