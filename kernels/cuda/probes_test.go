package cuda_test

import (
	"errors"
	"fmt"
	"math"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/num"
)

// pair holds a tensor of the device and the same tensor of the reference.
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

// near compares a pair, within the fraction share of the largest magnitude, or bit for bit if
// share is 0.
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

// err returns the error of the device or, if there is none, of the comparisons.
func (b *comparison) err() error {
	if err := b.e.Sync(); err != nil {
		return err
	}
	return errors.Join(b.problems...)
}

// sameBits compares an operation of equal with the CPU engine's, bit for bit.
func sameBits(op string, rows, cols int) probe {
	return func(e *cuda.Engine, r kernels.Engine) error {
		got, want := newBench(e), newBench(r)
		equal[op](got, rows, cols)
		if err := e.Sync(); err != nil {
			return err
		}
		equal[op](want, rows, cols)
		r.Free(want.made...)
		if d := difference(got, want); d != "" {
			return errors.New("result: " + d)
		}
		return nil
	}
}

// shapeFor returns the type and size of a product [m, n] over k for a tile, with edges that are
// not multiples of the tile and, if it accepts them, unaligned lines.
func shapeFor(tile string) (t kernels.DType, m, n, k int) {
	switch tile {
	case "thin":
		return kernels.BF16, 13, 88, 136
	case "any":
		return kernels.BF16, 65, 67, 33
	case "f32":
		return kernels.F32, 65, 67, 33
	case "small": // its last step is in the memory of the strips
		return kernels.BF16, 72, 88, 200
	}
	return kernels.BF16, 72, 88, 136
}

// gatesUp compares a kernel of gateup.cu with the CPU engine: float32 bit for bit, bf16 within
// the effect on the product of one rounding each of gate and up.
func gatesUp(tile string) probe {
	return func(e *cuda.Engine, r kernels.Engine) error {
		b := compare(e, r)
		dt, m, n, k := shapeFor(tile)
		share := map[kernels.DType]float64{kernels.F32: 0, kernels.BF16: 0x1p-7}[dt]
		x, wg, wu := b.uniform(dt, m, k), b.uniform(kernels.F32, n, k), b.uniform(kernels.F32, n, k)
		bg, bu := b.uniform(kernels.F32, 1, n), b.uniform(kernels.F32, 1, n)
		dst, gate, up := b.uniform(dt, m, n), b.uniform(dt, m, n), b.uniform(dt, m, n)
		r.GateUp(dst.r, gate.r, up.r, x.r, wg.r, wu.r, bg.r, bu.r)
		e.GateUpBy(tile, dst.d, gate.d, up.d, x.d, wg.d, wu.d, bg.d, bu.d)
		b.near("gate", gate, share)
		b.near("up", up, share)
		b.near("dst", dst, share)
		if dt == kernels.BF16 { // rounding shows in the mean
			b.unbiased(gate)
			b.unbiased(dst)
		}
		return b.err()
	}
}

// products compares a kernel of gemm.cu with the CPU engine: float32 bit for
// bit, bf16 destinations within one rounding.
func products(layout, tile string) probe {
	return func(e *cuda.Engine, r kernels.Engine) error {
		b := compare(e, r)
		dt, m, n, k := shapeFor(tile)
		if tile == "large" {
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

// unbiased checks that bf16 values are as often above as below those rounded to nearest: the
// frequencies differ by less than five standard deviations.
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
	dy, x, dw := b.uniform(kernels.BF16, 256, 24), b.uniform(kernels.BF16, 256, 16), b.uniform(kernels.F32, 24, 16)
	r.LinearGradWeight(dw.r, dy.r, x.r, []int32{0, 256}, false)
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

// attendsNaN uses a NaN among the values, which earlier rows do not see.
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

// steps compares products with weights before and after a step of AdamW.
func steps(e *cuda.Engine, r kernels.Engine) error {
	b := compare(e, r)
	x, w, g := b.uniform(kernels.BF16, 3, 8), b.uniform(kernels.F32, 12, 8), b.uniform(kernels.F32, 12, 8)
	m, v, out := b.uniform(kernels.F32, 12, 8), b.of(kernels.F32, 12, 8, make([]float32, 12*8)), b.uniform(kernels.F32, 3, 12)
	h := kernels.AdamW{Scale: 0.3, OneMinusBeta1: 0.1, Beta2: 0.95, OneMinusBeta2: 0.05, StepSize: 0.1, SqrtBC2: 0.7, Eps: 1e-8}
	e.Linear(out.d, x.d, w.d, nil, nil)
	e.AdamW(h, w.d, g.d, m.d, v.d)
	r.AdamW(h, w.r, g.r, m.r, v.r)
	e.Linear(out.d, x.d, w.d, nil, nil)
	r.Linear(out.r, x.r, w.r, nil, nil)
	b.near("w", w, 0)
	b.near("out", out, 0x1p-18)
	return b.err()
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
