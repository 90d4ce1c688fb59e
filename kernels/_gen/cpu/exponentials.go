package main

import (
	"math"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"

	"github.com/mmcloughlin/avo/reg"
)

// constants is a table of vectors in read-only memory. A function may hold some of them
// in registers.
type constants struct {
	table Mem
	at    map[uint32]Mem
	size  int
	held  map[uint32]f
}

func newConstants() *constants {
	return &constants{table: GLOBL("vectors", RODATA|NOPTR), at: map[uint32]Mem{}}
}

// bits returns a vector that repeats a 32-bit value.
func (k *constants) bits(u uint32) Op {
	if r, ok := k.held[u]; ok {
		return r
	}
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

func (k *constants) float(x float32) Op { return k.bits(math.Float32bits(x)) }

// hold keeps values in registers until release. In a loop where every operation takes a
// constant, loading the constants would be the bottleneck.
func (k *constants) hold(values ...uint32) {
	held := map[uint32]f{}
	for _, u := range values {
		r := YMM()
		VMOVUPS(k.bits(u), r)
		held[u] = r
	}
	k.held = held
}

func (k *constants) release() { k.held = nil }

const magic, signBit = 0x1.8p+23, 1 << 31 // of reduce and minusAbs

// often lists the constants that functions with exponentials hold.
var often = []uint32{math.Float32bits(magic), math.Float32bits(1)}

// reduce and expOf compute num.Exp32(x) for x that is not positive, with the same
// operations except the selection for large x. The tests of package vec check that the
// bits are the same. reduce is the first part. It returns the power of 2, in the low
// bits, and the remainder.
func (k *constants) reduce(x f) []f {
	const log2e, ln2Hi, ln2Lo = 0x1.715476p+0, 0x1.62e43p-1, -0x1.05c61p-29
	t, n, r := YMM(), YMM(), YMM()
	VMOVUPS(k.float(magic), t)
	VFMADD231PS(k.float(log2e), x, t)
	VSUBPS(k.float(magic), t, n)
	VMOVAPS(x, r)
	VFNMADD231PS(k.float(ln2Hi), n, r)
	VFNMADD231PS(k.float(ln2Lo), n, r)
	return []f{t, r}
}

// expOf is the second part; it takes what reduce returned.
func (k *constants) expOf(x f, reduced []f) f {
	t, r, p := reduced[0], reduced[1], YMM()
	VMOVUPS(k.float(0x1.6a23cep-10), p)
	for _, c := range []float32{0x1.123a2p-7, 0x1.5558f2p-5, 0x1.555492p-3, 0x1.fffffcp-2, 1, 1} {
		VFMADD213PS(k.float(c), r, p)
	}
	VPSLLD(U8(23), t, t)
	VPADDD(k.float(1), t, t)
	VMULPS(t, p, p) // by the power of 2: exact, and a NaN stays one
	under := YMM()
	VCMPPS(U8(17), k.float(-87.3), x, under) // x < -87.3
	VANDNPS(p, under, p)
	return p
}

// round returns x rounded to bfloat16, in the upper halves; the lower halves are not
// cleared. A NaN becomes all ones.
func (k *constants) round(x f) f {
	u, nan := YMM(), YMM()
	VPSRLD(U8(16), x, u)
	VPAND(k.bits(1), u, u)
	VPADDD(k.bits(0x7fff), u, u)
	VPADDD(x, u, u)
	VCMPPS(U8(3), x, x, nan)
	VORPS(nan, u, u)
	return u
}

// roundWide returns x rounded to bfloat16 and widened again.
func (k *constants) roundWide(x f) f {
	u := k.round(x)
	VANDPS(k.bits(0xffff0000), u, u)
	return u
}

// minusAbs returns -|x|.
func (k *constants) minusAbs(x f) f {
	r := YMM()
	VORPS(k.bits(signBit), x, r)
	return r
}

// sigmoid returns 1/(1+exp(-x)) and 1 minus it, from e = exp(-|x|). The sign of x
// selects which is which; for a zero it does not matter, and for a NaN both are NaN.
func (k *constants) sigmoid(x, e f) (s, t f) {
	one := YMM()
	VMOVUPS(k.float(1), one)
	r := div(one, add(e, one))
	er := mul(e, r)
	s, t = YMM(), YMM()
	VBLENDVPS(x, er, r, s)
	VBLENDVPS(x, r, er, t)
	return s, t
}

// gates generates a function of gates. Its last stage takes a block of gates and
// exp(-|gate|).
func (k *constants) gates(name, signature, doc string, names []string, read func(Mem) f, body func(at func(string, int) Mem, gate, e f)) {
	function(name, signature, doc)
	k.hold(slices.Concat(often, []uint32{signBit})...)
	pipeline(8, names,
		func(at func(string, int) Mem, _ []f) []f { return k.reduce(k.minusAbs(read(at("gate", 0)))) },
		func(at func(string, int) Mem, in []f) []f { return []f{k.expOf(k.minusAbs(read(at("gate", 0))), in)} },
		func(at func(string, int) Mem, in []f) []f {
			body(at, read(at("gate", 0)), in[0])
			return nil
		})
	k.release()
	done()
}

// expSum sets the parameter x to exp(x - m) and adds it to the lanes l. If asked, it
// then rounds x.
func (k *constants) expSum(m f, l []f, round bool) {
	less := func(at func(string, int) Mem, h int) f { return sub(load(at("x", 8*h)), m) }
	pipeline(16, []string{"x"},
		func(at func(string, int) Mem, _ []f) []f {
			return append(k.reduce(less(at, 0)), k.reduce(less(at, 1))...)
		},
		func(at func(string, int) Mem, in []f) []f {
			for h := range l {
				e := k.expOf(less(at, h), in[2*h:2*h+2])
				VADDPS(e, l[h], l[h])
				if round {
					e = k.roundWide(e)
				}
				VMOVUPS(e, at("x", 8*h))
			}
			return nil
		})
}

// scaledMax multiplies the parameter x by scale and returns the largest product, in all
// elements of a register. NaN is ignored; a zero is +0.
func (k *constants) scaledMax() f {
	scale := broadcast("scale")
	x, n, l := GP64(), GP64(), vectors(2)
	Load(Param("x"), x)
	Load(Param("n"), n)
	for _, r := range l {
		VMOVUPS(k.float(float32(math.Inf(-1))), r)
	}
	Label("scale")
	for h := range l {
		v := mul(Mem{Base: x, Disp: 32 * h}, scale)
		VMOVUPS(v, Mem{Base: x, Disp: 32 * h})
		VMAXPS(l[h], v, l[h]) // NaN gives the second source, the lane
	}
	ADDQ(U8(64), x)
	SUBQ(U8(16), n)
	JNZ(LabelRef("scale"))
	m, half := l[0], YMM()
	VMAXPS(l[1], m, m)
	for _, fold := range folds {
		fold(m, half)
		VMAXPS(half.AsX(), m.AsX(), m.AsX())
	}
	VXORPS(half, half, half)
	VADDSS(half.AsX(), m.AsX(), m.AsX())
	VBROADCASTSS(m.AsX(), m)
	return m
}

func (k *constants) exponentials() {
	for _, v := range []struct {
		name  string
		round bool
	}{{"expSumAVX2", false}, {"expSumRoundAVX2", true}} {
		function(v.name, "func(x *float32, n int, m float32, l *[16]float32)", "computes whole blocks of 16 for ExpSum or expSumRound.")
		k.hold(often...)
		m := broadcast("m")
		l, store := lanes()
		k.expSum(m, l[:], v.round)
		store()
		k.release()
		done()
	}

	for _, v := range []struct {
		name  string
		round bool
	}{{"softmaxAVX2", false}, {"softmaxRoundAVX2", true}} {
		function(v.name, "func(x *float32, n int, scale float32, to *[2]float32)", "computes Softmax of whole blocks of 16.")
		m := k.scaledMax()
		to := GP64()
		Load(Param("to"), to)
		VMOVSS(m.AsX(), Mem{Base: to})
		k.hold(often...)
		l := vectors(2)
		for _, r := range l {
			VXORPS(r, r, r)
		}
		k.expSum(m, l, v.round)
		k.release()
		VMOVSS(tree(l).AsX(), Mem{Base: to, Disp: 4})
		done()
	}

	for _, v := range []struct {
		name  string
		round bool
	}{{"scoreGradAVX2", false}, {"scoreGradRoundAVX2", true}} {
		function(v.name, "func(p *float32, ds *float32, n int, m float32, sum float32, d float32, scale float32)", "computes whole blocks of 8 for ScoreGrad.")
		k.hold(often...)
		m, sum, d, scale := broadcast("m"), broadcast("sum"), broadcast("d"), broadcast("scale")
		less := func(at func(string, int) Mem) f { return sub(mul(at("p", 0), scale), m) }
		pipeline(8, []string{"p", "ds"},
			func(at func(string, int) Mem, _ []f) []f { return k.reduce(less(at)) },
			func(at func(string, int) Mem, in []f) []f { return []f{k.expOf(less(at), in)} },
			func(at func(string, int) Mem, in []f) []f {
				p := div(in[0], sum)
				ds := mul(mul(sub(load(at("ds", 0)), d), p), scale)
				if v.round {
					p, ds = k.roundWide(p), k.roundWide(ds)
				}
				VMOVUPS(p, at("p", 0))
				VMOVUPS(ds, at("ds", 0))
				return nil
			})
		k.release()
		done()
	}

	k.gates("swigluAVX2", "func(dst *float32, gate *float32, up *float32, n int)", "computes whole blocks of 8 for SwiGLU.",
		[]string{"dst", "gate", "up"}, load, func(at func(string, int) Mem, gate, e f) {
			VMOVUPS(k.swiglu(gate, e, at("up", 0)), at("dst", 0))
		})
	k.gates("swigluBF16AVX2", "func(dst *uint16, gate *uint16, up *uint16, n int)", "computes whole blocks of 8 for SwiGLUBF16.",
		[]string{"dst", "gate", "up"}, widen, func(at func(string, int) Mem, gate, e f) {
			k.storeRound(k.swiglu(gate, e, widen(at("up", 0))), at("dst", 0))
		})
	k.gates("swigluGradAVX2", "func(dgate *float32, dup *float32, dy *float32, gate *float32, up *float32, n int)", "computes whole blocks of 8 for SwiGLUGrad.",
		[]string{"dgate", "dup", "dy", "gate", "up"}, load, func(at func(string, int) Mem, gate, e f) {
			dg, du := k.swigluGrad(load(at("dy", 0)), gate, e, at("up", 0))
			VMOVUPS(du, at("dup", 0))
			VMOVUPS(dg, at("dgate", 0))
		})
	k.gates("swigluGradBF16AVX2", "func(dgate *uint16, dup *uint16, dy *float32, gate *uint16, up *uint16, n int)", "computes whole blocks of 8 for SwiGLUGradBF16.",
		[]string{"dgate", "dup", "dy", "gate", "up"}, widen, func(at func(string, int) Mem, gate, e f) {
			dg, du := k.swigluGrad(load(at("dy", 0)), gate, e, widen(at("up", 0)))
			k.storeRound(du, at("dup", 0))
			k.storeRound(dg, at("dgate", 0))
		})
}

func (k *constants) swiglu(gate, e f, up Op) f {
	s, _ := k.sigmoid(gate, e)
	return mul(up, mul(gate, s))
}

func (k *constants) swigluGrad(dy, gate, e f, up Op) (dgate, dup f) {
	s, t := k.sigmoid(gate, e)
	dup = mul(dy, mul(gate, s))
	VFMADD213PS(k.float(1), gate, t) // gate*t + 1
	return mul(mul(up, dy), mul(s, t)), dup
}

// storeRound stores x as 8 bfloat16 at the elements that m addresses as float32.
func (k *constants) storeRound(x f, m Mem) {
	x = k.round(x)
	high, low := YMM(), x.AsX()
	VPSRLD(U8(16), x, x)
	VEXTRACTI128(U8(1), x, high.AsX())
	VPACKUSDW(high.AsX(), low, low)
	VMOVDQU(low, half(m))
}

// half returns the operand for the same element in a slice of bfloat16.
func half(m Mem) Mem {
	m.Scale, m.Disp = 2, m.Disp/2
	return m
}

// widen returns a register with 8 bfloat16 loaded from memory.
func widen(m Mem) f {
	u := YMM()
	VPMOVZXWD(half(m), u)
	VPSLLD(U8(16), u, u)
	return u
}

func (k *constants) rounding() {
	function("divideRoundAVX2", "func(dst *uint16, x *float32, n int, s float32)", "computes whole blocks of 8 for DivideRound.")
	by := broadcast("s")
	loop(8, []string{"dst", "x"}, func(at func(string, int) Mem) {
		k.storeRound(div(load(at("x", 0)), by), at("dst", 0))
	})
	done()

	function("roundAVX2", "func(dst *uint16, x *float32, n int)", "computes whole blocks of 16 for Round.")
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

	function("widenAVX2", "func(dst *float32, x *uint16, stride int, rows int, n int)", "computes whole blocks of 16 for WidenRows; rows of x are stride bytes apart.")
	src, dst, n = GP64(), GP64(), GP64()
	stride, rows, row, left := GP64(), GP64(), GP64(), GP64()
	Load(Param("x"), src)
	Load(Param("dst"), dst)
	Load(Param("stride"), stride)
	Load(Param("rows"), rows)
	Load(Param("n"), n)
	Label("row")
	MOVQ(src, row)
	MOVQ(n, left)
	Label("loop")
	for h := range 2 {
		u := YMM()
		VPMOVZXWD(Mem{Base: row, Disp: 16 * h}, u)
		VPSLLD(U8(16), u, u)
		VMOVDQU(u, Mem{Base: dst, Disp: 32 * h})
	}
	ADDQ(U8(32), row)
	ADDQ(U8(64), dst)
	SUBQ(U8(16), left)
	JNZ(LabelRef("loop"))
	ADDQ(stride, src)
	DECQ(rows)
	JNZ(LabelRef("row"))
	done()

	function("roundToAVX2", "func(dst *float32, x *float32, n int)", "computes whole blocks of 8 for RoundTo.")
	loop(8, []string{"dst", "x"}, func(at func(string, int) Mem) {
		VMOVUPS(k.roundWide(load(at("x", 0))), at("dst", 0))
	})
	done()

	function("softmaxGradAVX2", "func(x *float32, n int, sum float32, coef float32)", "computes whole blocks of 8 for SoftmaxGrad.")
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
