package ptx

import "math"

// approximation describes an approximate instruction. It computes in float64 and rounds.
// With Perturb, the result is first changed by an amount that is a function of the seed and
// the operands, as from a table in hardware, so that the rounded result stays within the
// error documented in the PTX ISA.
type approximation struct {
	f func(x float64) float64
	// Greatest error of the rounded result, as the ISA states it: relative,
	// absolute, or in units in the last place.
	rel, abs, ulps float64
}

// The bounds are from PTX ISA 9.0. It only calls the two f64 approximations gross; their
// operands and results have 20 bits of mantissa.
var approximations = map[string]approximation{
	"rcp.f32":   {f: func(x float64) float64 { return 1 / x }, ulps: 1},                 // 9.7.3.13
	"rcp.f64":   {f: func(x float64) float64 { return 1 / x }, rel: 0x1p-20},            // 9.7.3.14
	"sqrt.f32":  {f: math.Sqrt, rel: 0x1p-23},                                           // 9.7.3.15
	"rsqrt.f32": {f: func(x float64) float64 { return 1 / math.Sqrt(x) }, rel: exp22_9}, // 9.7.3.16
	"rsqrt.f64": {f: func(x float64) float64 { return 1 / math.Sqrt(x) }, rel: 0x1p-20}, // 9.7.3.17
	"sin.f32":   {f: math.Sin},                                                          // 9.7.3.18, see bound
	"cos.f32":   {f: math.Cos},                                                          // 9.7.3.19, see bound
	"lg2.f32":   {f: math.Log2},                                                         // 9.7.3.20, see bound
	"ex2.f32":   {f: math.Exp2, ulps: 2},                                                // 9.7.3.21: of the correctly rounded result
	"tanh.f32":  {f: math.Tanh, rel: 0x1p-11},                                           // 9.7.3.22
	"tanh.f16":  {f: math.Tanh, abs: exp10_987},                                         // 9.7.4.9
	"tanh.bf16": {f: math.Tanh, abs: 0x1p-8},                                            // 9.7.4.9
	"ex2.f16":   {f: math.Exp2, rel: exp9_9},                                            // 9.7.4.10
	"ex2.bf16":  {f: math.Exp2, rel: 0x1p-7},                                            // 9.7.4.10
}

// Bounds in the ISA that are powers of two, with exponents -22.9, -20.5, -14.7, -10.987
// and -9.9.
var (
	exp22_9   = math.Exp2(-22.9)
	exp20_5   = math.Exp2(-20.5)
	exp14_7   = math.Exp2(-14.7)
	exp10_987 = math.Exp2(-10.987)
	exp9_9    = math.Exp2(-9.9)
)

// bound returns the greatest error of the rounded result y of x.
func (a *approximation) bound(op string, f format, x, y float64) float64 {
	switch {
	case op == "lg2" && x > 0.5 && x < 2:
		return 0x1p-22
	case op == "lg2":
		return 0x1p-22 * math.Abs(y)
	case op == "sin" || op == "cos":
		switch ax := math.Abs(x); {
		case ax <= 2*math.Pi:
			return exp20_5
		case ax <= 100*math.Pi:
			return exp14_7
		}
		return 2 // no error is guaranteed
	case op == "tanh" && math.Abs(x) < 0x1p-126:
		return 0 // passed through
	}
	return a.rel*math.Abs(y) + a.abs + a.ulps*f.ulp(y)
}

// ulp returns the distance between numbers of the format around y.
func (f format) ulp(y float64) float64 {
	_, e := math.Frexp(y) // y is below 2^e
	return math.Ldexp(1, max(e-1, 2-1<<(f.exp-1))-f.mant)
}

// perturb changes y within the approximation's error, reduced by the error of rounding.
func (a *approximation) perturb(op string, f format, x, y float64, seed, bits uint64) float64 {
	if y == 0 || math.IsInf(y, 0) || y != y {
		return y
	}
	if f.mant == 52 {
		f.mant = 20
	}
	err := a.bound(op, f, x, y)
	err = max(err-f.ulp(math.Abs(y)+err)/2, 0)
	h := mix(seed^uint64(len(op))<<32, bits)
	y += float64(float64(int64(h)) / (1 << 63) * err)
	if op == "sin" || op == "cos" {
		y = max(-1, min(1, y))
	}
	return y
}

// encode rounds a result; f64 results are rounded to their upper half.
func (a *approximation) encode(f format, y float64) uint64 {
	u := f.encode(y, nearest)
	if f.mant == 52 {
		if y == y {
			u += 1 << 31
		}
		u &^= 0xffffffff
	}
	return u
}

func lowerApprox(l *lowerer, m *match) {
	t := m.typ("type")
	elem := t
	switch t {
	case tF16x2:
		elem = tF16
	case tBF16x2:
		elem = tBF16
	}
	a := approximations[m.op+"."+elem.String()]
	f := formats[elem]
	op, ftz := m.op, m.has("ftz")
	eval := func(v uint64, seed uint64, perturb bool) uint64 {
		if elem == tF64 {
			if !ftz {
				return b64(a.f(f64(v))) // rsqrt.approx.f64 is a whole subroutine
			}
			// Only the upper half of the operand counts; the lower half of the
			// result is zero.
			v &^= 0xffffffff
		}
		x := f.decode(v)
		y := a.f(x)
		if perturb {
			y = a.perturb(op, f, x, y, seed, v)
		}
		return a.encode(f, y)
	}
	in := approxInstr{eval: eval, flush: ftz, pair: t != elem, f: f}
	s := l.args(m, 1)
	l.emit(instr{run: runApprox, d: l.dst(&m.in.args[0]), a: s[0], x: &in})
}

type approxInstr struct {
	eval        func(v, seed uint64, perturb bool) uint64
	flush, pair bool
	f           format
}

func runApprox(w *warp, in *instr) {
	x := in.x.(*approxInstr)
	cfg := w.block.run.cfg
	exp, sign := x.f.inf(), uint64(1)<<(x.f.mant+x.f.exp)
	z := func(v uint64) uint64 {
		if x.flush && v&exp == 0 {
			return v & sign
		}
		return v
	}
	d, a := &w.regs[in.d], &w.regs[in.a]
	for l := range d {
		switch {
		case w.mask>>l&1 == 0:
		case x.pair:
			d[l] = z(x.eval(z(a[l]&0xffff), cfg.Seed, cfg.Perturb)) | z(x.eval(z(a[l]>>16), cfg.Seed, cfg.Perturb))<<16
		default:
			d[l] = z(x.eval(z(a[l]), cfg.Seed, cfg.Perturb))
		}
	}
}

// approxDiv is div.approx and div.full: within 2 ulp (PTX ISA 9.7.3.8).
// div.approx gives zero for divisors beyond 2^126.
func approxDiv(l *lowerer, m *match) {
	full, ftz := m.get("mode") == "full", m.has("ftz")
	a, f := approximation{ulps: 2}, formats[tF32]
	s := l.args(m, 1)
	l.emit(instr{d: l.dst(&m.in.args[0]), a: s[0], b: s[1], run: func(w *warp, in *instr) {
		cfg := w.block.run.cfg
		d, u, v := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
		for l := range d {
			if w.mask>>l&1 == 0 {
				continue
			}
			x, y := u[l], v[l]
			if ftz {
				x, y = flush32(x), flush32(y)
			}
			q := float64(f32(x)) / float64(f32(y))
			if ay := math.Abs(float64(f32(y))); !full && ay > 0x1p126 && ay <= math.MaxFloat32 && q == q {
				q = 0 * q
				if math.IsInf(float64(f32(x)), 0) {
					q = math.NaN()
				}
			}
			if cfg.Perturb {
				q = a.perturb("div", f, 0, q, cfg.Seed^x<<32, y)
			}
			r := b32(float32(q))
			if ftz {
				r = flush32(r)
			}
			d[l] = r
		}
	}})
}
