package cuda_test

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/cuda"
	"xrun/kernels/num"
)

// mutant is a fault put into one kernel's PTX: the nth match of find
// (from 0) is replaced.
type mutant struct {
	name, module, kernel string
	find                 string
	nth                  int // from the end if negative
	replace              string
	probe                probe
}

// probe runs operations on a device and returns what it finds wrong.
type probe func(e *cuda.Engine, reference kernels.Engine) error

// mutants of the products, the loss and attention. Each is a mistake that one
// could make in the source, or that a compiler or assembler could make.
var mutants = []mutant{
	// Barriers and asynchronous copies.
	{name: "no barrier in the loop", module: "gemm", kernel: "product_nt_small", find: `bar\.sync\s+0;`, nth: 0, probe: products("nt", "small")},
	{name: "no barrier before the strips", module: "gemm", kernel: "product_nt_small", find: `bar\.sync\s+0;`, nth: 1, probe: products("nt", "small")},
	{name: "no wait for copies", module: "gemm", kernel: "product_nn_small", find: `cp\.async\.wait_group 2;`, probe: products("nn", "small")},
	{name: "a wait for one group too few", module: "gemm", kernel: "product_nt_large", find: `cp\.async\.wait_group 1;`, replace: "cp.async.wait_group 2;", probe: products("nt", "large")},
	{name: "copies not committed", module: "gemm", kernel: "product_tn_small", find: `cp\.async\.commit_group;`, nth: 1, probe: products("tn", "small")},
	{name: "no barrier of the warp's strip", module: "gemm", kernel: "product_nt_thin", find: `bar\.warp\.sync\s+-1;`, nth: 1, probe: products("nt", "thin")},
	// Fragments.
	{name: "rows of a swapped", module: "gemm", kernel: "product_nt_small", find: `(mma\.sync\S+\s+?\{[^}]*\}, \{)(%r\d+), (%r\d+)`, replace: "$1$3, $2", probe: products("nt", "small")},
	{name: "halves of b swapped", module: "gemm", kernel: "product_nn_large", find: `(mma\.sync\S+\s+?\{[^}]*\}, \{[^}]*\}, \{)(%r\d+), (%r\d+)`, nth: 3, replace: "$1$3, $2", probe: products("nn", "large")},
	{name: "accumulators swapped", module: "gemm", kernel: "product_tn_large", find: `(mma\.sync\S+\s+?\{)(%f\d+), (%f\d+)`, nth: 5, replace: "$1$3, $2", probe: products("tn", "large")},
	{name: "a not transposed", module: "gemm", kernel: "product_tn_small", find: `\.x4\.trans`, replace: ".x4", probe: products("tn", "small")},
	{name: "b transposed", module: "gemm", kernel: "product_nt_small", find: `m8n8\.x4\.shared`, nth: 2, replace: "m8n8.x4.trans.shared", probe: products("nt", "small")},
	{name: "a product left out", module: "gemm", kernel: "product_nt_thin", find: `mma\.sync[^;]*;`, nth: 7, probe: products("nt", "thin")},
	// Addresses, bounds, predicates.
	{name: "another swizzle for the reader", module: "gemm", kernel: "product_nt_small", find: `xor\.b32`, nth: 2, replace: "or.b32", probe: products("nt", "small")},
	{name: "a copy of nothing", module: "gemm", kernel: "product_nt_small", find: `(cp\.async\.cg\.shared\.global \[\S+\], \[\S+\], 16), %r\d+;`, nth: 6, replace: "$1, 0;", probe: products("nt", "small")},
	{name: "one column too many", module: "gemm", kernel: "product_nt_any", find: `setp\.ge\.s32`, nth: -2, replace: "setp.gt.s32", probe: products("nt", "any")},
	{name: "a fused product left out", module: "gemm", kernel: "product_tn_f32", find: `fma\.rn\.f32[^;]*;`, nth: 200, probe: products("tn", "f32")},
	{name: "lines of the tile half as far apart", module: "gemm", kernel: "product_nn_small", find: `(shl\.b32\s+%r\d+, %r\d+), 6;`, nth: 0, replace: "$1, 5;", probe: products("nn", "small")},
	{name: "the wrong rounding", module: "gemm", kernel: "product_nt_small", find: `cvt\.rn\.bf16x2`, nth: 0, replace: "cvt.rz.bf16x2", probe: products("nt", "small")},
	{name: "fma rounded to zero", module: "gemm", kernel: "product_nt_f32", find: `fma\.rn\.f32`, nth: 100, replace: "fma.rz.f32", probe: products("nt", "f32")},
	{name: "bias subtracted", module: "gemm", kernel: "product_nt_small", find: `add\.rn\.f32`, nth: 2, replace: "sub.rn.f32", probe: products("nt", "small")},
	{name: "a split left out of the sum", module: "gemm", kernel: "product_sum", find: `setp\.lt\.s32\s+(%p\d+), (%r\d+), 2`, replace: "setp.lt.s32 	$1, $2, 3", probe: twoSplits},

	// Attention.
	{name: "attention: no barrier in the loop", module: "attention", kernel: "attention_bf16_64", find: `bar\.sync\s+0;`, probe: attends(kernels.BF16, 64)},
	{name: "attention: no wait for copies", module: "attention", kernel: "attention_bf16_64", find: `cp\.async\.wait_group 0;`, probe: attends(kernels.BF16, 64)},
	{name: "attention: a key of the future", module: "attention", kernel: "attention_f32_32", find: `setp\.gt\.s32\s+(%p\d+), (%r\d+), (%r\d+);`, nth: 2, replace: "setp.ge.s32 	$1, $2, $3;", probe: attends(kernels.F32, 24)},
	{name: "attention: half the maximum", module: "attention", kernel: "attention_f32_32", find: `(shfl\.sync\.bfly\.b32\s+%f\d+, %f\d+), 2,`, replace: "$1, 1,", probe: attends(kernels.F32, 24)},
	{name: "attention: half the sum", module: "attention", kernel: "attention_bf16_32", find: `(shfl\.sync\.bfly\.b32\s+%f\d+, %f\d+), 2,`, nth: -1, replace: "$1, 1,", probe: attends(kernels.BF16, 32)},
	{name: "attention: the maximum of one half", module: "attention", kernel: "attention_bf16_64", find: `ldmatrix\S+\.trans\S+ [^;]*;`, nth: 0, probe: attends(kernels.BF16, 64)},
	{name: "attention: nothing is not a number", module: "attention", kernel: "attention_bf16_32", find: `32640;`, nth: 8, replace: "0;", probe: attendsNaN},
	{name: "attention: a coefficient of exp", module: "attention", kernel: "attention_f32_32", find: `0f3E2AAA49`, nth: 0, replace: "0f3E2BAA49", probe: attends(kernels.F32, 24)},
	{name: "backward: no barrier in the loop", module: "attention_grad", kernel: "attention_dkv_bf16_64", find: `bar\.sync\s+0;`, probe: attendGrads(kernels.BF16, 64)},
	{name: "backward: half of a Row copied", module: "attention_grad", kernel: "attention_dkv_bf16_32", find: `mov\.b32\s+(%r\d+), 16;`, nth: -1, replace: "mov.b32 	$1, 8;", probe: attendGrads(kernels.BF16, 32)},
	{name: "backward: delta added", module: "attention_grad", kernel: "attention_dq_f32_32", find: `sub\.rn\.f32\s+(%f\d+), (%f\d+), (%f\d+);`, nth: -1, replace: "add.rn.f32 	$1, $2, $3;", probe: attendGrads(kernels.F32, 24)},
	{name: "backward: a key of the future", module: "attention_grad", kernel: "attention_dq_bf16_32", find: `setp\.lt\.s32\s+(%p\d+), (%r\d+), (%r\d+);`, nth: 5, replace: "setp.le.s32 	$1, $2, $3;", probe: attendGrads(kernels.BF16, 32)},
	{name: "backward: no barrier of the warp", module: "attention_grad", kernel: "attention_dkv_f32_32", find: `bar\.warp\.sync\s+-1;`, nth: 0, probe: attendGrads(kernels.F32, 24)},

	// Loss.
	{name: "loss: parts not awaited", module: "loss", kernel: "loss_rows", find: `bar\.sync\s+0;`, probe: losses},
	{name: "loss: an eighth of a row forgotten", module: "loss", kernel: "loss_rows", find: `(shfl\.sync\.bfly\.b32\s+%f\d+, %f\d+), 8,`, nth: 1, replace: "$1, 16,", probe: losses},
	{name: "loss: the last of equals is best", module: "loss", kernel: "loss_rows", find: `min\.s32`, nth: -1, replace: "max.s32", probe: losses},
	{name: "loss: written before it is read", module: "loss", kernel: "loss_grad", find: `bar\.sync\s+0;`, probe: losses},
	{name: "loss: the target's one added", module: "loss", kernel: "loss_grad", find: `0fBF800000`, nth: 0, replace: "0f3F800000", probe: losses},
	{name: "loss: all but the target", module: "loss", kernel: "loss_grad", find: `setp\.eq\.s32`, nth: 2, replace: "setp.ne.s32", probe: losses},
}

// TestMutants puts each fault into the committed PTX and asks that it is
// caught: by the interpreter's checks or by a wrong result.
func TestMutants(t *testing.T) {
	reference, err := cpu.New(cpu.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer reference.Close()
	sound := map[string]bool{}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			text, err := m.apply(string(cuda.PTX()[m.module]))
			if err != nil {
				t.Fatal(err)
			}
			if key := m.kernel; !sound[key] { // what the probe says without a fault
				if err := m.run(string(cuda.PTX()[m.module]), reference, 1); err != nil {
					t.Fatalf("without the fault: %v", err)
				}
				sound[key] = true
			}
			for seed := range uint64(4) {
				if err := m.run(text, reference, seed); err != nil {
					t.Log(strings.Split(err.Error(), "\n")[0])
					return
				}
			}
			t.Error("the fault was not caught")
		})
	}
}

// apply returns the PTX with the fault.
func (m *mutant) apply(text string) (string, error) {
	from := strings.Index(text, ".entry "+m.kernel+"(")
	if from < 0 {
		return "", fmt.Errorf("no kernel %s", m.kernel)
	}
	to := from + strings.Index(text[from:], "\n}\n")
	body := text[from:to]
	re := regexp.MustCompile(m.find)
	all := re.FindAllStringSubmatchIndex(body, -1)
	n := m.nth
	if n < 0 {
		n += len(all)
	}
	if n < 0 || n >= len(all) {
		return "", fmt.Errorf("%s has %d matches of %s, not %d", m.kernel, len(all), m.find, m.nth)
	}
	at := all[n]
	changed := re.ExpandString(nil, m.replace, body, at)
	return text[:from] + body[:at[0]] + string(changed) + body[at[1]:] + text[to:], nil
}

func (m *mutant) run(text string, reference kernels.Engine, seed uint64) (err error) {
	modules := map[string][]byte{}
	for _, name := range []string{"elementwise", "rows", "gemm", "attention"} { // what the probes need
		modules[name] = cuda.PTX()[name]
	}
	modules[m.module] = []byte(text)
	e, err := cuda.NewWith(emulate(seed), cuda.Options{}, modules)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := m.probe(e, reference); err != nil {
		return err
	}
	return e.Sync()
}

// pair holds a tensor of the device and the same of the reference.
type pair struct{ d, r kernels.Tensor }

// comparison makes pairs of tensors and compares them.
type comparison struct {
	e        *cuda.Engine
	r        kernels.Engine
	random   *num.Philox
	problems []error
}

func compare(e *cuda.Engine, r kernels.Engine) *comparison {
	return &comparison{e: e, r: r, random: num.NewPhilox(3, 0x6d75, 0)}
}

func (b *comparison) uniform(t kernels.DType, rows, cols int) pair {
	v := make([]float32, rows*cols)
	for i := range v {
		v[i] = float32(2*b.random.Float64() - 1)
	}
	return b.of(t, rows, cols, v)
}

func (b *comparison) of(t kernels.DType, rows, cols int, v []float32) pair {
	p := pair{b.e.New(t, rows, cols), b.r.New(t, rows, cols)}
	b.e.Write(p.d, v)
	b.r.Write(p.r, v)
	return p
}

// near compares a pair: within share of the largest magnitude, or bit for bit
// if share is 0.
func (b *comparison) near(name string, p pair, share float64) {
	n := p.d.Rows() * p.d.Cols()
	x, y := make([]float32, n), make([]float32, n)
	b.e.Read(x, p.d)
	b.r.Read(y, p.r)
	top := 0.0
	for _, v := range y {
		if !math.IsNaN(float64(v)) {
			top = math.Max(top, math.Abs(float64(v)))
		}
	}
	for i := range x {
		d := math.Abs(float64(x[i]) - float64(y[i]))
		if !(d <= share*top) && !(x[i] != x[i] && y[i] != y[i]) {
			b.problems = append(b.problems, fmt.Errorf("%s[%d] = %g, want %g", name, i, x[i], y[i]))
			return
		}
	}
}

func (b *comparison) err() error { return errors.Join(append(b.problems, b.e.Sync())...) }

// products compares a kernel of gemm.cu with the CPU engine: float32 bit for
// bit, bf16 destinations within one rounding.
func products(layout, tile string) probe {
	return func(e *cuda.Engine, r kernels.Engine) error {
		b := compare(e, r)
		dt, m, n, k := kernels.BF16, 72, 88, 136
		switch tile {
		case "thin":
			m = 13
		case "any":
			m, n, k = 65, 67, 33
		case "f32":
			dt, m, n, k = kernels.F32, 65, 67, 33
		case "large":
			m, n = 136, 200
		}
		out := kernels.BF16
		if dt == kernels.F32 || layout != "nt" {
			out = kernels.F32
		}
		x, w := b.uniform(dt, m, k), b.uniform(kernels.F32, n, k)
		bias, res, dst := b.uniform(kernels.F32, 1, n), b.uniform(kernels.F32, m, n), b.uniform(out, m, n)
		wd := w.d
		if dt == kernels.BF16 {
			wd = e.New(dt, n, k)
			e.Convert(wd, w.d)
		}
		share := map[bool]float64{true: 0x1p-8, false: 0x1p-18}[out == kernels.BF16]
		if dt == kernels.F32 {
			share = 0
		}
		switch layout {
		case "nt":
			r.Linear(dst.r, x.r, w.r, bias.r, res.r)
			e.Product(layout, tile, 1, dst.d, x.d, wd, bias.d, res.d, false)
			b.near("product", dst, share)
			if out == kernels.BF16 { // rounding shows in the mean
				b.unbiased(dst)
			}
		case "nn":
			dx := b.uniform(kernels.F32, m, n)
			dy, v := b.uniform(dt, m, k), b.uniform(kernels.F32, k, n)
			vd := v.d
			if dt == kernels.BF16 {
				vd = e.New(dt, k, n)
				e.Convert(vd, v.d)
			}
			r.LinearGradInput(dx.r, dy.r, v.r, false)
			e.Product(layout, tile, 1, dx.d, dy.d, vd, nil, nil, false)
			b.near("dx", dx, share)
		case "tn":
			if tile != "f32" {
				m, n = 72, 88
			}
			dy, xx, dw := b.uniform(dt, k, m), b.uniform(dt, k, n), b.uniform(kernels.F32, m, n)
			r.LinearGradWeight(dw.r, dy.r, xx.r, []int32{0, int32(k)}, false)
			e.Product(layout, tile, 1, dw.d, dy.d, xx.d, nil, nil, false)
			b.near("dw", dw, share)
		}
		return b.err()
	}
}

// unbiased asks that bf16 values are as often above as below those rounded to
// nearest: the shares of the two differ by less than five deviations.
func (b *comparison) unbiased(p pair) {
	n := p.d.Rows() * p.d.Cols()
	x, y := make([]float32, n), make([]float32, n)
	b.e.Read(x, p.d)
	b.r.Read(y, p.r)
	differ := 0
	for i := range x {
		if x[i] != y[i] {
			differ++
		}
	}
	if differ*100 > n {
		b.problems = append(b.problems, fmt.Errorf("%d of %d values are rounded differently", differ, n))
	}
}

func twoSplits(e *cuda.Engine, r kernels.Engine) error {
	b := compare(e, r)
	dy, x, dw := b.uniform(kernels.BF16, 128, 24), b.uniform(kernels.BF16, 128, 16), b.uniform(kernels.F32, 24, 16)
	r.LinearGradWeight(dw.r, dy.r, x.r, []int32{0, 128}, false)
	e.Product("tn", "small", 2, dw.d, dy.d, x.d, nil, nil, false)
	b.near("dw", dw, 0x1p-18)
	return b.err()
}

// attends compares attention of two sequences with the CPU engine.
func attends(t kernels.DType, size int) probe {
	return func(e *cuda.Engine, r kernels.Engine) error {
		b := compare(e, r)
		s := kernels.HeadShape{Heads: 3, KVHeads: 1, HeadDim: size}
		seqs := []kernels.Sequence{{First: 0, Len: 70}, {First: 70, Len: 5}}
		q, k, v := b.uniform(t, 75, 3*size), b.uniform(t, 75, size), b.uniform(t, 75, size)
		out, stats := b.uniform(t, 75, 3*size), b.uniform(kernels.F32, 75, 6)
		e.Attention(out.d, stats.d, q.d, k.d, v.d, seqs, s)
		r.Attention(out.r, stats.r, q.r, k.r, v.r, seqs, s)
		share := map[kernels.DType]float64{kernels.F32: 0x1p-21, kernels.BF16: 0x1p-8}[t]
		b.near("out", out, share)
		b.near("stats", stats, 0x1p-20)
		return b.err()
	}
}

// attendsNaN has a value that is not a number, which earlier rows do not see.
func attendsNaN(e *cuda.Engine, r kernels.Engine) error {
	b := compare(e, r)
	s := kernels.HeadShape{Heads: 1, KVHeads: 1, HeadDim: 32}
	seqs := []kernels.Sequence{{First: 0, Len: 30}}
	q, k := b.uniform(kernels.BF16, 30, 32), b.uniform(kernels.BF16, 30, 32)
	f := make([]float32, 30*32)
	f[17*32+5] = float32(math.NaN())
	f[19*32+6] = float32(math.NaN())
	v, out := b.of(kernels.BF16, 30, 32, f), b.uniform(kernels.BF16, 30, 32)
	e.Attention(out.d, nil, q.d, k.d, v.d, seqs, s)
	r.Attention(out.r, nil, q.r, k.r, v.r, seqs, s)
	b.near("out", out, 0x1p-8)
	return b.err()
}

// attendGrads compares attention's gradients with the CPU engine.
func attendGrads(t kernels.DType, size int) probe {
	return func(e *cuda.Engine, r kernels.Engine) error {
		b := compare(e, r)
		s := kernels.HeadShape{Heads: 3, KVHeads: 1, HeadDim: size}
		seqs := []kernels.Sequence{{First: 0, Len: 70}, {First: 70, Len: 5}}
		q, k, v := b.uniform(t, 75, 3*size), b.uniform(t, 75, size), b.uniform(t, 75, size)
		out, stats, dout := b.uniform(t, 75, 3*size), b.uniform(kernels.F32, 75, 6), b.uniform(t, 75, 3*size)
		dq, dk, dv := b.uniform(kernels.F32, 75, 3*size), b.uniform(kernels.F32, 75, size), b.uniform(kernels.F32, 75, size)
		e.Attention(out.d, stats.d, q.d, k.d, v.d, seqs, s)
		r.Attention(out.r, stats.r, q.r, k.r, v.r, seqs, s)
		e.AttentionGrad(dq.d, dk.d, dv.d, dout.d, out.d, stats.d, q.d, k.d, v.d, seqs, s)
		r.AttentionGrad(dq.r, dk.r, dv.r, dout.r, out.r, stats.r, q.r, k.r, v.r, seqs, s)
		share := map[kernels.DType]float64{kernels.F32: 0x1p-18, kernels.BF16: 0x1p-7}[t]
		b.near("dq", dq, share)
		b.near("dk", dk, share)
		b.near("dv", dv, share)
		return b.err()
	}
}

// losses compares losses, gradients and best ids of rows longer than a step of
// the kernels.
func losses(e *cuda.Engine, r kernels.Engine) error {
	b := compare(e, r)
	const rows, hidden, vocab = 3, 16, 2051
	for _, t := range []kernels.DType{kernels.F32, kernels.BF16} {
		x := b.uniform(t, rows, hidden)
		f := make([]float32, vocab*hidden)
		for i := range f {
			f[i] = float32(2*b.random.Float64() - 1)
		}
		var x0 [rows * hidden]float32
		r.Read(x0[:], x.r)
		for i := range hidden { // equal logits of all ids from 1,200 on, the largest of row 0
			for j := 1200; j < vocab; j++ {
				f[j*hidden+i] = 2 * x0[i]
			}
		}
		w := b.of(kernels.F32, vocab, hidden, f)
		dx, dw := b.uniform(kernels.F32, rows, hidden), b.uniform(kernels.F32, vocab, hidden)
		targets, coef := []int32{0, 1300, vocab - 1}, []float32{1, 0.5, 0.25}
		var ce, lp [2][rows]float64
		var best [2][rows]int32
		for i, g := range []kernels.Engine{e, r} {
			px, pw, pdx, pdw := x.d, w.d, dx.d, dw.d
			if i == 1 {
				px, pw, pdx, pdw = x.r, w.r, dx.r, dw.r
			}
			g.CrossEntropy(ce[i][:], pdx, pdw, px, pw, targets, coef, []int32{0, rows}, false)
			g.LogProb(lp[i][:], best[i][:], px, pw, []int32{0, 1, 2}, targets)
		}
		share := map[kernels.DType]float64{kernels.F32: 0x1p-18, kernels.BF16: 0x1p-7}[t]
		b.near("dx", dx, share)
		b.near("dw", dw, share)
		for i := range rows {
			if math.Abs(ce[0][i]-ce[1][i]) > 1e-5 || math.Abs(lp[0][i]-lp[1][i]) > 1e-5 || best[0] != best[1] {
				return fmt.Errorf("losses %v, want %v; best %v, want %v", ce[0], ce[1], best[0], best[1])
			}
		}
	}
	return b.err()
}
