package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"

	"github.com/mmcloughlin/avo/reg"
)

// constants is the table of vectors in read-only memory.
type constants struct {
	table Mem
	at    map[uint32]Mem
	size  int
}

func newConstants() *constants {
	return &constants{table: GLOBL("vectors", RODATA|NOPTR), at: map[uint32]Mem{}}
}

// bits returns a vector that repeats a 32-bit value.
func (k *constants) bits(u uint32) Mem {
	if m, ok := k.at[u]; ok {
		return m
	}
	for i := range 8 {
		DATA(k.size+4*i, U32(u))
	}
	k.at[u] = k.table.Offset(k.size)
	k.size += 32
	return k.at[u]
}

func (k *constants) float(x float32) Mem { return k.bits(math.Float32bits(x)) }

// exp returns num.Exp32(x) for x that is not positive: the same operations,
// without the selection for large x. The constants are num.Exp32Constants,
// which a test of package vec compares.
func (k *constants) exp(x f) f {
	const magic, log2e, ln2Hi, ln2Lo = 0x1.8p+23, 0x1.715476p+0, 0x1.62e43p-1, -0x1.05c61p-29
	t, n, r, p := YMM(), YMM(), YMM(), YMM()
	VMOVUPS(k.float(magic), t)
	VFMADD231PS(k.float(log2e), x, t)
	VSUBPS(k.float(magic), t, n)
	VMOVAPS(x, r)
	VFNMADD231PS(k.float(ln2Hi), n, r)
	VFNMADD231PS(k.float(ln2Lo), n, r)
	VMOVUPS(k.float(0x1.6a23cep-10), p)
	for _, c := range []float32{0x1.123a2p-7, 0x1.5558f2p-5, 0x1.555492p-3, 0x1.fffffcp-2, 1, 1} {
		VFMADD213PS(k.float(c), r, p)
	}
	VPSLLD(U8(23), t, t)
	VPADDD(t, p, p)
	under := YMM()
	VCMPPS(U8(17), k.float(-87.3), x, under) // x < -87.3
	VANDNPS(p, under, p)
	nan := YMM()
	VCMPPS(U8(3), x, x, nan) // x is not a number
	VBLENDVPS(nan, x, p, p)
	return p
}

// round returns x rounded to bfloat16, in the upper halves; the lower ones
// are not cleared.
func (k *constants) round(x f) f {
	u, nan, quiet := YMM(), YMM(), YMM()
	VPSRLD(U8(16), x, u)
	VPAND(k.bits(1), u, u)
	VPADDD(k.bits(0x7fff), u, u)
	VPADDD(x, u, u)
	VCMPPS(U8(3), x, x, nan)
	VORPS(k.bits(1<<22), x, quiet)
	VBLENDVPS(nan, quiet, u, u)
	return u
}

// roundWide returns x rounded to bfloat16 and widened again.
func (k *constants) roundWide(x f) f {
	u := k.round(x)
	VANDPS(k.bits(0xffff0000), u, u)
	return u
}

// sigmoid returns 1/(1+exp(-x)) and 1 minus it.
func (k *constants) sigmoid(x f) (s, t f) {
	e := YMM()
	VORPS(k.bits(1<<31), x, e) // -|x|
	e = k.exp(e)
	one := YMM()
	VMOVUPS(k.float(1), one)
	r := div(one, add(e, one))
	er := mul(e, r)
	negative := YMM()
	VXORPS(negative, negative, negative)
	VCMPPS(U8(17), negative, x, negative) // x < 0
	s, t = YMM(), YMM()
	VBLENDVPS(negative, er, r, s)
	VBLENDVPS(negative, r, er, t)
	return s, t
}

func (k *constants) exponentials() {
	for _, v := range []struct {
		name  string
		round bool
	}{{"expSumAVX2", false}, {"expSumRoundAVX2", true}} {
		function(v.name, "func(x *float32, n int, m float32, l *[16]float32)", "is the blocks of 16 of ExpSum or ExpSumRound.")
		m := broadcast("m")
		l, store := lanes()
		loop(16, []string{"x"}, func(at func(string, int) Mem) {
			for h := range l {
				e := k.exp(sub(load(at("x", 8*h)), m))
				VADDPS(e, l[h], l[h])
				if v.round {
					e = k.roundWide(e)
				}
				VMOVUPS(e, at("x", 8*h))
			}
		})
		store()
		done()
	}

	for _, v := range []struct {
		name  string
		round bool
	}{{"scoreGradAVX2", false}, {"scoreGradRoundAVX2", true}} {
		function(v.name, "func(p *float32, ds *float32, n int, m float32, sum float32, d float32, scale float32)", "is the blocks of 8 of ScoreGrad.")
		m, sum, d, scale := broadcast("m"), broadcast("sum"), broadcast("d"), broadcast("scale")
		loop(8, []string{"p", "ds"}, func(at func(string, int) Mem) {
			p := div(k.exp(sub(mul(at("p", 0), scale), m)), sum)
			ds := mul(mul(sub(load(at("ds", 0)), d), p), scale)
			if v.round {
				p, ds = k.roundWide(p), k.roundWide(ds)
			}
			VMOVUPS(p, at("p", 0))
			VMOVUPS(ds, at("ds", 0))
		})
		done()
	}

	function("swigluAVX2", "func(dst *float32, gate *float32, up *float32, n int)", "is the blocks of 8 of SwiGLU.")
	loop(8, []string{"dst", "gate", "up"}, func(at func(string, int) Mem) {
		g := load(at("gate", 0))
		s, _ := k.sigmoid(g)
		VMOVUPS(mul(at("up", 0), mul(g, s)), at("dst", 0))
	})
	done()

	function("swigluGradAVX2", "func(dgate *float32, dup *float32, dy *float32, gate *float32, up *float32, n int)", "is the blocks of 8 of SwiGLUGrad.")
	loop(8, []string{"dgate", "dup", "dy", "gate", "up"}, func(at func(string, int) Mem) {
		g, dy := load(at("gate", 0)), load(at("dy", 0))
		s, t := k.sigmoid(g)
		du := mul(dy, mul(g, s))
		VFMADD213PS(k.float(1), g, t) // g*t + 1
		dg := mul(mul(at("up", 0), dy), mul(s, t))
		VMOVUPS(du, at("dup", 0))
		VMOVUPS(dg, at("dgate", 0))
	})
	done()
}

func (k *constants) rounding() {
	function("roundAVX2", "func(dst *uint16, x *float32, n int)", "is the blocks of 16 of Round.")
	src, dst, n := GP64(), GP64(), GP64()
	Load(Param("x"), src)
	Load(Param("dst"), dst)
	Load(Param("n"), n)
	JMP(LabelRef("test"))
	Label("loop")
	packed := k.pack(k.round(load(Mem{Base: src})), k.round(load(Mem{Base: src, Disp: 32})))
	VMOVDQU(packed, Mem{Base: dst})
	ADDQ(U8(64), src)
	ADDQ(U8(32), dst)
	SUBQ(U8(16), n)
	Label("test")
	TESTQ(n, n)
	JNZ(LabelRef("loop"))
	done()

	function("widenAVX2", "func(dst *float32, x *uint16, n int)", "is the blocks of 16 of Widen.")
	src, dst, n = GP64(), GP64(), GP64()
	Load(Param("x"), src)
	Load(Param("dst"), dst)
	Load(Param("n"), n)
	JMP(LabelRef("test"))
	Label("loop")
	for h := range 2 {
		u := YMM()
		VPMOVZXWD(Mem{Base: src, Disp: 16 * h}, u)
		VPSLLD(U8(16), u, u)
		VMOVDQU(u, Mem{Base: dst, Disp: 32 * h})
	}
	ADDQ(U8(32), src)
	ADDQ(U8(64), dst)
	SUBQ(U8(16), n)
	Label("test")
	TESTQ(n, n)
	JNZ(LabelRef("loop"))
	done()

	function("roundToAVX2", "func(dst *float32, x *float32, n int)", "is the blocks of 8 of RoundTo.")
	loop(8, []string{"dst", "x"}, func(at func(string, int) Mem) {
		VMOVUPS(k.roundWide(load(at("x", 0))), at("dst", 0))
	})
	done()

	function("softmaxGradAVX2", "func(x *float32, n int, sum float32, coef float32)", "is the blocks of 8 of SoftmaxGrad.")
	sum, coef := broadcast("sum"), broadcast("coef")
	loop(8, []string{"x"}, func(at func(string, int) Mem) {
		VMOVUPS(mul(div(load(at("x", 0)), sum), coef), at("x", 0))
	})
	done()
}

// pack returns the upper halves of the 16 elements of a and b in order.
func (k *constants) pack(a, b f) reg.VecVirtual {
	VPSRLD(U8(16), a, a)
	VPSRLD(U8(16), b, b)
	r := YMM()
	VPACKUSDW(b, a, r)
	VPERMQ(U8(0xd8), r, r)
	return r
}
