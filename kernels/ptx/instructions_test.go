package ptx

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestInstructions has one line for each instruction, with operands and result as bits. a, b, c
// are the operands' bits, in the width of the named registers.
func TestInstructions(t *testing.T) {
	const nan = 0x7fffffff
	for _, c := range []struct {
		text    string // $a, $b, $c operands, $d destination
		a, b, c uint64
		want    uint64
	}{
		{"add.s32.sat", 0x7fffffff, 1, 0, 0x7fffffff},
		{"sub.s32.sat", 0x80000000, 1, 0, 0x80000000},
		{"mul.hi.s32", 0xffffffff, 0xffffffff, 0, 0},
		{"mul.hi.u32", 0xffffffff, 0xffffffff, 0, 0xfffffffe},
		{"mul.hi.u64", 1 << 63, 6, 0, 3},
		{"mul.hi.s64", 1 << 63, 6, 0, 0xfffffffffffffffd},
		{"mul24.lo.s32", 0x00ffffff, 2, 0, 0xfffffffe},
		{"mul24.hi.u32", 0x00ffffff, 0x00ffffff, 0, 0xfffffe00},
		{"mad.lo.s32", 3, 0xfffffffe, 10, 4},
		{"mad.hi.u32", 0x80000000, 4, 1, 3},
		{"sad.s32", 0xfffffffb, 5, 1, 11},
		{"div.s32", 0xfffffff9, 2, 0, 0xfffffffd},
		{"div.s32", 0x80000000, 0xffffffff, 0, 0x80000000},
		{"rem.s32", 0xfffffff9, 2, 0, 0xffffffff},
		{"rem.u64", 100, 7, 0, 2},
		{"min.s32", 0xffffffff, 1, 0, 0xffffffff},
		{"min.u32", 0xffffffff, 1, 0, 1},
		{"max.s64", 1 << 63, 1, 0, 1},
		{"shl.b32", 1, 32, 0, 0},
		{"shr.s32", 0x80000000, 40, 0, 0xffffffff},
		{"shr.u64", 1 << 63, 63, 0, 1},
		{"shf.l.wrap.b32", 0x12345678, 0x9abcdef0, 36, 0xabcdef01},
		{"shf.r.clamp.b32", 0x12345678, 0x9abcdef0, 40, 0x9abcdef0},
		{"bfe.u32", 0xabcd1234, 8, 12, 0xd12},
		{"bfe.s32", 0x00000f00, 8, 4, 0xffffffff},
		{"bfe.s32", 0x80000000, 28, 12, 0xfffffff8},
		{"bfe.u32", 0xffffffff, 0, 0, 0},
		{"prmt.b32", 0x03020100, 0x07060504, 0x7531, 0x07050301},
		{"prmt.b32", 0x00000080, 0, 0x8888, 0xffffffff},
		{"prmt.b32.rc16", 0x03020100, 0x07060504, 1, 0x03020302},
		{"dp4a.s32.s32", 0xff01ff01, 0x02030405, 10, 10 + 5 - 4 + 3 - 2},
		{"dp2a.lo.s32.s32", 0xfffe0003, 0x00000504, 1, 1 + 12 - 10},
		{"fns.b32", 0b10110, 0, 2, 2},
		{"bmsk.clamp.b32", 4, 8, 0, 0xff0},
		{"szext.wrap.s32", 0x80, 8, 0, 0xffffff80},

		{"add.rn.f32", 0x3f800000, 0x33800000, 0, 0x3f800000},     // 1 + 2^-24 is a tie
		{"add.rp.f32", 0x3f800000, 0x33800000, 0, 0x3f800001},     //
		{"add.rz.f32", 0xbf800000, 0xb3800000, 0, 0xbf800000},     //
		{"add.rm.f32", 0xbf800000, 0xb3800000, 0, 0xbf800001},     //
		{"add.rm.f32", 0x3f800000, 0xbf800000, 0, 0x80000000},     // 1 - 1 is -0 downwards
		{"add.rn.ftz.f32", 0x00000001, 0x80000002, 0, 0},          // subnormal operands
		{"add.rn.sat.f32", 0x3f800000, 0x3f800000, 0, 0x3f800000}, //
		{"add.rn.f32", 0x7f800000, 0xff800000, 0, nan},
		{"mul.rz.f32", 0x3f800001, 0x3f800001, 0, 0x3f800002},
		{"mul.rp.f32", 0x3f800001, 0x3f800001, 0, 0x3f800003},
		{"mul.rn.ftz.f32", 0x00800000, 0x3f000000, 0, 0},
		{"fma.rn.f32", 0x3f800001, 0x3f800001, 0xbf800002, 0x28800000},
		{"fma.rz.f32", 0x3f800001, 0x3f800001, 0x33000000, 0x3f800002},
		{"fma.rn.sat.f32", 0xbf800000, 0x3f800000, 0, 0},
		{"div.rn.f32", 0x3f800000, 0x40400000, 0, 0x3eaaaaab},
		{"div.rz.f32", 0x3f800000, 0x40400000, 0, 0x3eaaaaaa},
		{"div.full.f32", 0x40c00000, 0x40000000, 0, 0x40400000},
		{"div.approx.f32", 0x40c00000, 0x7e900000, 0, 0x015aaaab &^ 0xffffffff},
		{"min.f32", 0x80000000, 0, 0, 0x80000000},
		{"max.f32", 0x80000000, 0, 0, 0},
		{"min.f32", 0x7fc00000, 0x3f800000, 0, 0x3f800000},
		{"min.NaN.f32", 0x7fc00000, 0x3f800000, 0, nan},
		{"max.xorsign.abs.f32", 0xc0400000, 0x3f800000, 0, 0xc0400000},
		{"copysign.f32", 0x80000000, 0x3f800000, 0, 0xbf800000},
		{"add.rm.f64", 0x3ff0000000000000, 0xbff0000000000000, 0, 1 << 63},
		{"add.rp.f64", 0x3ff0000000000000, 1, 0, 0x3ff0000000000001},
		{"mul.rz.f64", 0x3ff0000000000001, 0x3ff0000000000001, 0, 0x3ff0000000000002},
		{"div.rp.f64", 0x3ff0000000000000, 0x4008000000000000, 0, 0x3fd5555555555556},
		{"add.rn.f16x2", 0x3c003c00, 0x3c001000, 0, 0x40003c00},
		{"fma.rn.bf16x2", 0x3f804000, 0x40004040, 0x3f80bf80, 0x404040a0},
		{"fma.rn.relu.f16x2", 0x3c00bc00, 0x3c003c00, 0, 0x3c000000},
		{"max.f16x2", 0x3c00c000, 0x40003c00, 0, 0x40003c00},
		{"add.s16x2", 0x00017fff, 0x00010001, 0, 0x00028000},
		{"cvt.rn.bf16x2.f32", 0x3f808000, 0x3f818000, 0, 0x3f803f82}, // ties to even
		{"cvt.rz.bf16x2.f32", 0x3f80ffff, 0xbf80ffff, 0, 0x3f80bf80},
		{"cvt.rn.relu.bf16x2.f32", 0xbf800000, 0x3f800000, 0, 0x00003f80},
		{"cvt.rn.f16x2.f32", 0x477fe000, 0x47800000, 0, 0x7bff7c00},
		{"cvt.rn.satfinite.f16x2.f32", 0xff800000, 0x47800000, 0, 0xfbff7bff},
		{"cvt.rz.relu.satfinite.bf16x2.f32", 0x7f800000, 0xff800000, 0, 0x7f7f0000},
		{"cvt.rn.satfinite.bf16x2.f32", 0x7fc00000, 0x7f7fffff, 0, 0x7fff7f7f},
		{"cvt.rna.satfinite.tf32.f32", 0x7f7fffff, 0, 0, 0x7f7fe000},
		{"cvt.rna.tf32.f32", 0x7f7fffff, 0, 0, 0x7f800000},
		{"cvt.rzi.u32.f32", 0x7fc00000, 0, 0, 0},
		{"cvt.rzi.s64.f64", 0x7ff8000000000000, 0, 0, 1 << 63},
		{"cvt.rn.satfinite.e4m3x2.f32", 0x7fc00000, 0xff800000, 0, 0x7ffe},
		{"cvt.rn.satfinite.e4m3x2.f32", 0x44800000, 0x3f800000, 0, 0x7e38},
		{"vabsdiff4.u32.u32.u32.add", 0x05000302, 0x01020304, 7, 7 + 4 + 2 + 0 + 2},
		// What the PTX ISA's tables say of approximations.
		{"rcp.approx.f32", 0xff800000, 0, 0, 0x80000000},
		{"rcp.approx.f32", 0x80000000, 0, 0, 0xff800000},
		{"rcp.approx.ftz.f32", 0x80000001, 0, 0, 0xff800000},
		{"rcp.approx.ftz.f32", 0x7f000001, 0, 0, 0}, // the result is subnormal
		{"rcp.approx.ftz.f64", 0x8000000100000000, 0, 0, 0xfff0000000000000},
		{"rcp.approx.ftz.f64", 0x7fe0000000000000, 0, 0, 0},
		{"rcp.approx.ftz.f64", 0x4000000012345678, 0, 0, 0x3fe0000000000000},
		{"rcp.approx.ftz.f64", 0x7ff8000000000001, 0, 0, 0x7fffffff00000000},
		{"rsqrt.approx.ftz.f64", 0x8000000000000001, 0, 0, 0xfff0000000000000},
		{"rsqrt.approx.ftz.f64", 0x0000000100000000, 0, 0, 0x7ff0000000000000},
		{"rsqrt.approx.ftz.f64", 0xbff0000000000000, 0, 0, 0x7fffffff00000000},
		{"rsqrt.approx.f32", 0x80000000, 0, 0, 0xff800000},
		{"rsqrt.approx.f32", 0xbf800000, 0, 0, nan},
		{"sqrt.approx.f32", 0x80000000, 0, 0, 0x80000000},
		{"sin.approx.f32", 0x80000000, 0, 0, 0x80000000},
		{"cos.approx.f32", 0x7f800000, 0, 0, nan},
		{"lg2.approx.f32", 0x80000000, 0, 0, 0xff800000},
		{"lg2.approx.f32", 0x00000001, 0, 0, 0xc3150000}, // -149
		{"lg2.approx.ftz.f32", 0x00000001, 0, 0, 0xff800000},
		{"lg2.approx.f32", 0xbf800000, 0, 0, nan},
		{"ex2.approx.f32", 0xff800000, 0, 0, 0},
		{"ex2.approx.f32", 0xc3150000, 0, 0, 1},
		{"ex2.approx.ftz.f32", 0xc3150000, 0, 0, 0},
		{"tanh.approx.f32", 0x80000000, 0, 0, 0x80000000},
		{"tanh.approx.f32", 0xff800000, 0, 0, 0xbf800000},
		{"div.approx.f32", 0x7f800000, 0x7e900000, 0, nan},
		{"div.approx.f32", 0xbf800000, 0x7e900000, 0, 0x80000000},
		{"div.full.f32", 0x7f000000, 0x7e900000, 0, 0x3fe38e39},
	} {
		args := strings.Count("abc"[:arity(c.text)], "") - 1
		wide := strings.Contains(c.text, "64")
		body := fmt.Sprintf("mov.b64 %%rd11, %d; mov.b64 %%rd12, %d; mov.b64 %%rd13, %d; cvt.u32.u64 %%r11, %%rd11; cvt.u32.u64 %%r12, %%rd12; cvt.u32.u64 %%r13, %%rd13;\n", int64(c.a), int64(c.b), int64(c.c))
		reg := "%r"
		if wide {
			reg = "%rd"
		}
		op := c.text
		dst := reg + "10"
		if strings.Contains(op, "e4m3x2") {
			dst = "%rs10"
		}
		line := op + " " + dst
		for i := range args {
			r := reg
			if wide && i == 1 && (strings.HasPrefix(op, "shl") || strings.HasPrefix(op, "shr")) {
				r = "%r"
			}
			line += fmt.Sprint(", ", r, 11+i)
		}
		body += line + ";\n"
		switch {
		case wide:
			body += "st.global.b64 [%rd1], %rd10;"
		case dst[1:3] == "rs":
			body += "cvt.u64.u16 %rd10, %rs10; st.global.b64 [%rd1], %rd10;"
		default:
			body += "cvt.u64.u32 %rd10, %r10; st.global.b64 [%rd1], %rd10;"
		}
		words, err := launchText(t, Config{}, Launch{}, kernel(body))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		got := uint64(uint32(words[0])) | uint64(words[1])<<32
		if got != c.want {
			t.Errorf("%s %#x, %#x, %#x: got %#x, want %#x", c.text, c.a, c.b, c.c, got, c.want)
		}
	}
}

// arity returns the number of sources of an instruction.
func arity(text string) int {
	op, _, _ := strings.Cut(text, ".")
	for _, f := range formsOf(op) {
		in := &inst{op: op}
		for _, m := range strings.Split(text, ".")[1:] {
			in.mods = append(in.mods, token{kind: tokDot, text: "." + m})
		}
		if m, _, _ := f.matchMods(in); m != nil {
			return len(f.args) - 1
		}
	}
	return 0
}

// TestRounding compares the float formats' rounding with math/big, in every
// direction, over random operands.
func TestRounding(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	modes := map[rounding]big.RoundingMode{nearest: big.ToNearestEven, towardZero: big.ToZero, down: big.ToNegativeInf, up: big.ToPositiveInf}
	for range 20000 {
		a := math.Float32frombits(r.Uint32()&0x807fffff | uint32(100+r.IntN(50))<<23)
		b := math.Float32frombits(r.Uint32()&0x807fffff | uint32(100+r.IntN(50))<<23)
		c := math.Float32frombits(r.Uint32()&0x807fffff | uint32(80+r.IntN(90))<<23)
		x := func(f float32) *big.Float { return new(big.Float).SetPrec(400).SetFloat64(float64(f)) }
		exact := map[string]*big.Float{
			"add": new(big.Float).SetPrec(400).Add(x(a), x(b)), "mul": new(big.Float).SetPrec(400).Mul(x(a), x(b)),
			"fma": new(big.Float).SetPrec(400).Add(new(big.Float).SetPrec(400).Mul(x(a), x(b)), x(c)),
		}
		for op, v := range exact {
			if v.Sign() == 0 {
				continue
			}
			for mode, bm := range modes {
				want := new(big.Float).SetPrec(24).SetMode(bm).Set(v)
				w, _ := want.Float32()
				got := f32(arith(op, tF32, mode)(uint64(math.Float32bits(a)), uint64(math.Float32bits(b)), uint64(math.Float32bits(c))))
				if got != w {
					t.Fatalf("%s of %v, %v, %v, mode %d: %v, want %v", op, a, b, c, mode, got, w)
				}
			}
		}
	}
	// bf16 and f16 agree with a search over all values.
	for _, f := range []format{formats[tBF16], formats[tF16]} {
		for v := uint64(1); v < f.inf(); v += 37 {
			x := f.decode(v)
			if got := f.encode(x, nearest); got != v {
				t.Fatalf("%#x decodes to %v, which encodes to %#x", v, x, got)
			}
			mid := (f.decode(v) + f.decode(v+1)) / 2
			if v+1 < f.inf() {
				if got := f.encode(mid, nearest); got != v+v&1 {
					t.Fatalf("the tie above %#x goes to %#x", v, got)
				}
			}
		}
	}
}

// TestApproximations perturbs the results of approximate instructions. The errors must be within
// the bounds of the PTX ISA, come close to them, and differ between seeds.
func TestApproximations(t *testing.T) {
	rel := func(e float64) func(x, y float64) float64 {
		return func(_, y float64) float64 { return math.Exp2(e) * math.Abs(y) }
	}
	abs := func(e float64) func(x, y float64) float64 {
		return func(_, _ float64) float64 { return math.Exp2(e) }
	}
	ulps := func(n float64) func(x, y float64) float64 {
		return func(_, y float64) float64 {
			v := float32(math.Abs(y))
			return n * float64(math.Nextafter32(v, math.MaxFloat32)-v)
		}
	}
	const pi = math.Pi
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		op     string
		t      typ
		lo, hi float64 // of operands
		bound  func(x, y float64) float64
	}{
		{"rcp", tF32, -1e30, 1e30, ulps(1)},
		{"rcp", tF32, 0.001, 9, ulps(1)},
		{"rcp", tF64, 0.001, 9, rel(-20)},
		{"sqrt", tF32, 0.001, 900, rel(-23)},
		{"rsqrt", tF32, 0.001, 900, rel(-22.9)},
		{"rsqrt", tF64, 0.001, 900, rel(-20)},
		{"sin", tF32, -2 * pi, 2 * pi, abs(-20.5)},
		{"cos", tF32, -2 * pi, 2 * pi, abs(-20.5)},
		{"sin", tF32, 7, 100 * pi, abs(-14.7)},
		{"cos", tF32, -100 * pi, -7, abs(-14.7)},
		{"cos", tF32, 400, 1e6, func(_, y float64) float64 { return 1 + math.Abs(y) }},
		{"lg2", tF32, 0.5, 2, abs(-22)},
		{"lg2", tF32, 2, 1e30, rel(-22)},
		{"ex2", tF32, -40, 40, ulps(2.5)}, // 2 of the correctly rounded result
		{"ex2", tF32, -149, -127, ulps(2.5)},
		{"tanh", tF32, -3, 3, rel(-11)},
		{"tanh", tF16, -3, 3, abs(-10.987)},
		{"tanh", tBF16, -3, 3, abs(-8)},
		{"ex2", tF16, -5, 5, rel(-9.9)},
		{"ex2", tBF16, -5, 5, rel(-7)},
	} {
		a, f := approximations[c.op+"."+c.t.String()], formats[c.t]
		worst, differ := 0.0, false
		for range 5000 {
			v := f.encode(c.lo+r.Float64()*(c.hi-c.lo), nearest)
			if c.t == tF64 {
				v &^= 0xffffffff
			}
			x := f.decode(v)
			y := a.f(x)
			var got [2]float64
			for seed := range uint64(2) {
				got[seed] = f.decode(a.encode(f, a.perturb(c.op, f, x, y, seed, v)))
				e := math.Abs(got[seed]-y) / c.bound(x, y)
				if e > 1 {
					t.Fatalf("%s.%v of %v: %v is off by %.3f of the bound", c.op, c.t, x, got[seed], e)
				}
				worst = max(worst, e)
			}
			differ = differ || got[0] != got[1]
		}
		if worst < 0.6 || !differ {
			t.Errorf("%s.%v in [%v, %v]: errors up to %.2f of the bound; seeds differ: %v", c.op, c.t, c.lo, c.hi, worst, differ)
		}
	}
}
