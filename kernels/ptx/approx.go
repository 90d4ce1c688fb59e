package ptx

import "math"

// Approximate instructions. Each computes in float64 and rounds; under Perturb
// the result first moves within the error that the PTX ISA documents (9.7.3,
// 9.7.4), by an amount that is a function of the seed and the operands, as a
// table in hardware would give.
type approximation struct {
	f   func(x float64) float64
	rel float64 // greatest relative error
	abs float64 // greatest absolute error
}

var approximations = map[string]approximation{
	"rcp.f32":   {func(x float64) float64 { return 1 / x }, 0x1p-23, 0},
	"rcp.f64":   {func(x float64) float64 { return 1 / x }, 0x1p-20, 0},
	"sqrt.f32":  {math.Sqrt, 0x1p-23, 0},
	"rsqrt.f32": {func(x float64) float64 { return 1 / math.Sqrt(x) }, 0x1.13p-23, 0}, // 2^-22.9
	"rsqrt.f64": {func(x float64) float64 { return 1 / math.Sqrt(x) }, 0x1p-20, 0},
	"sin.f32":   {math.Sin, 0, 0x1.13p-21}, // 2^-20.9 within [-pi, pi]
	"cos.f32":   {math.Cos, 0, 0x1.13p-21},
	"lg2.f32":   {math.Log2, 0, 0x1.52p-23}, // 2^-22.6, for x in [0.5, 2] absolute, else relative
	"ex2.f32":   {math.Exp2, 0x1p-22, 0},
	"ex2.f16":   {math.Exp2, 0x1.cp-11, 0}, // 2^-9.9 in all, rounding included
	"ex2.bf16":  {math.Exp2, 0x1p-8, 0},    // 2^-7 in all
	"tanh.f32":  {math.Tanh, 0x1p-11, 0},
	"tanh.f16":  {math.Tanh, 0, 0x1p-12}, // 2^-10.987 in all
	"tanh.bf16": {math.Tanh, 0, 0x1p-9},  // 2^-8 in all
}

// perturb moves y within the approximation's error.
func (a *approximation) perturb(op string, x, y float64, seed, bits uint64) float64 {
	if y == 0 || math.IsInf(y, 0) || y != y {
		return y
	}
	h := mix(seed^uint64(len(op))<<32, bits)
	u := float64(int64(h)) / (1 << 63) // in [-1, 1)
	err := a.abs
	switch {
	case op == "lg2":
		if x < 0.5 || x > 2 {
			err = 0x1.52p-23 * math.Abs(y)
		}
	case op == "sin" || op == "cos":
		// The bound grows with the distance from [-pi, pi].
		if ax := math.Abs(x); ax > math.Pi {
			err *= ax / math.Pi
		}
	}
	err += float64(a.rel * math.Abs(y))
	moved := y + float64(u*err)
	if (moved < 0) != (y < 0) && op != "sin" && op != "cos" {
		return y
	}
	return moved
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
	op, coarse := m.op, m.has("ftz")
	eval := func(v uint64, seed uint64, perturb bool) uint64 {
		if elem == tF64 {
			if !coarse {
				return b64(a.f(f64(v))) // rsqrt.approx.f64 is a whole subroutine
			}
			// Only the upper half of the operand counts; the lower half of the
			// result is zero.
			v &^= 0xffffffff
		}
		x := f.decode(v)
		y := a.f(x)
		if perturb {
			y = a.perturb(op, x, y, seed, v)
		}
		u := f.encode(y, nearest)
		if elem == tF64 {
			u &^= 0xffffffff
		}
		return u
	}
	in := approxInstr{eval: eval, flush: m.has("ftz") && elem != tF64, pair: t != elem, f: f}
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

// approxDiv is div.approx and div.full: within 2 ulp. div.approx gives zero for
// divisors beyond 2^126.
func approxDiv(l *lowerer, m *match) {
	full, ftz := m.get("mode") == "full", m.has("ftz")
	s := l.args(m, 1)
	l.emit(instr{d: l.dst(&m.in.args[0]), a: s[0], b: s[1], run: func(w *warp, in *instr) {
		cfg := w.block.run.cfg
		d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
		for l := range d {
			if w.mask>>l&1 == 0 {
				continue
			}
			x, y := a[l], b[l]
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
			if cfg.Perturb && q != 0 && !math.IsInf(q, 0) {
				u := float64(int64(mix(cfg.Seed^x<<32, y))) / (1 << 63)
				q *= 1 + float64(u*0x1p-23)
			}
			v := b32(float32(q))
			if ftz {
				v = flush32(v)
			}
			d[l] = v
		}
	}})
}
