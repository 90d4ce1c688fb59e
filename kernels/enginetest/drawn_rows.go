package enginetest

import (
	"math"
	"slices"

	"xrun/kernels"
)

// elements bounds the size of a drawn elementwise operation. It is larger than what a small
// device processes at once, and than a piece of a staged copy.
const elements = 140_000

func drawConvert(d *drawing) {
	s := d.sizes(elements, limits{hi: elements, lo: 1}, limits{lo: 1, hi: elements, more: []int{3}})
	rows, cols, from, to := d.none(s[0]), s[1], d.dtype(), d.dtype()
	d.in("convert and add %v [%d, %d] to %v", from, rows, cols, to)
	src, dst := d.given(from, rows, cols, 3), d.wanted(to, rows, cols)
	d.Convert(dst, src.t)
	want := operand(src.v, to)
	d.same("converted", dst, want)

	d.Add(dst, src.t)
	for i, v := range src.v {
		want[i] = float64(float32(want[i]) + float32(v))
	}
	d.same("added", dst, operand(want, to))
}

func drawEmbed(d *drawing) {
	s := d.sizes(elements, limits{lo: 1, hi: 3000}, limits{lo: 1, hi: 3000}, limits{lo: 1, hi: 5000})
	n, vocab, hidden := d.none(s[0]), s[1], s[2]
	type8, carry := d.dtype(), d.coin()
	table := type8
	if type8 == kernels.BF16 {
		table = d.dtype()
	}
	d.in("embed %d ids of [%d, %d] %v as %v, carry %v", n, vocab, hidden, table, type8, carry)
	w, ids := d.given(table, vocab, hidden, 1), d.ids(n, vocab)
	dst := d.wanted(kernels.F32, n, hidden)
	d.Embed(dst, w.t, ids, type8)
	var want []float64
	for _, id := range ids {
		want = append(want, operand(w.v[int(id)*hidden:][:hidden], type8)...)
	}
	d.same("embed", dst, want)

	x := d.given(kernels.F32, n, hidden, 1)
	rows, sum := d.carried(carry, vocab, hidden)
	d.EmbedGrad(rows, x.t, ids, carry)
	for i, id := range ids {
		for j := range hidden {
			sum.add(int(id)*hidden+j, x.at(i, j))
		}
	}
	d.near("gradient", rows, sum, d.tol.Chain)
}

// carried returns a gradient to overwrite or to continue, and its initial sum.
func (d *drawing) carried(carry bool, rows, cols int) (kernels.Tensor, result) {
	r := newResult(rows * cols)
	if !carry {
		return d.wanted(kernels.F32, rows, cols), r
	}
	m := d.given(kernels.F32, rows, cols, 1)
	for i, v := range m.v {
		r.add(i, v)
	}
	return m.t, r
}

func drawRows(d *drawing) {
	s := d.sizes(elements, limits{lo: 1, hi: 3000}, limits{lo: 1, hi: 5000})
	table, cols, t := s[0], s[1], d.dtype()
	n := d.none(1 + d.choose(min(table, elements/cols)))
	d.in("%d of %d rows of %d columns, %v", n, table, cols, t)
	src, few := d.given(t, table, cols, 1), d.given(t, n, cols, 1)
	ids := d.ids(n, table)
	dst := d.wanted(t, n, cols)
	d.movesRows(src, few, ids, d.distinct(n, table), dst, d.wanted(t, table, cols))
}

// vectors draws the number of normalized vectors in a row, which is mostly one.
func (d *drawing) vectors() int {
	if d.coin() {
		return 1
	}
	return 1 + d.choose(5)
}

func drawRMSNorm(d *drawing) {
	const eps = 1e-5
	s := d.sizes(40_000, limits{lo: 1, hi: 600}, limits{lo: 1, hi: 9000, more: []int{896, 6144}})
	rows, cols, t, heads := d.none(s[0]), s[1], d.dtype(), d.vectors()
	d.in("norm [%d, %d·%d] to %v", rows, heads, cols, t)
	x, w, dst := d.given(kernels.F32, rows, heads*cols, 2), d.given(kernels.F32, 1, cols, 1), d.wanted(t, rows, heads*cols)
	d.RMSNorm(dst, x.t, w.t, eps)
	d.near("norm", dst, rmsNorm(x.v, w.v, rows*heads, cols, float64(float32(eps))), d.tol.Element)
	if rows == 0 {
		return
	}
	lo, hi := d.part(rows)
	again := d.wanted(t, hi-lo, heads*cols)
	d.RMSNorm(again, x.t.Slice(lo, hi), w.t, eps)
	d.sameBits("rows alone", again, dst.Slice(lo, hi))
}

// rmsNormGrad is the oracle for RMSNormGrad. With h = x/rms and g = dy·w: dx = (g -
// h·mean(g·h))/rms and dw = Σ dy·h.
func rmsNormGrad(x, w, dy []float64, rows, cols int, eps float64, dx, dw *result) {
	for t := range rows {
		row, at := x[t*cols:][:cols], t*cols
		inv := 1 / math.Sqrt(dot(row, row)/float64(cols)+eps)
		mean, scale := 0.0, 0.0
		for j, v := range row {
			m := dy[at+j] * w[j] * v * inv / float64(cols)
			mean, scale = mean+m, scale+math.Abs(m)
		}
		for j, v := range row {
			dx.add(at+j, dy[at+j]*w[j]*inv)
			dx.v[at+j] -= v * inv * mean * inv
			dx.scale[at+j] += math.Abs(v*inv*inv) * scale
			dw.add(j, dy[at+j]*v*inv)
		}
	}
}

func drawRMSNormGrad(d *drawing) {
	const eps = 1e-5
	s := d.sizes(40_000, limits{lo: 1, hi: 1100, more: []int{768}}, limits{lo: 1, hi: 9000, more: []int{896, 6144}})
	rows, cols, t, carry, bare, heads := d.none(s[0]), s[1], d.dtype(), d.coin(), d.choose(8) == 0, d.vectors()
	d.in("norm gradient [%d, %d·%d] of %v, carry %v, dweight %v", rows, heads, cols, t, carry, !bare)
	x, w, dy := d.given(kernels.F32, rows, heads*cols, 2), d.given(kernels.F32, 1, cols, 1), d.given(t, rows, heads*cols, 1)
	dx, gx := d.carried(true, rows, heads*cols)
	dw, gw := d.carried(carry, 1, cols)
	if bare {
		dw = nil
	}
	d.RMSNormGrad(dx, dw, dy.t, x.t, w.t, eps, carry)
	rmsNormGrad(x.v, w.v, dy.v, rows*heads, cols, float64(float32(eps)), &gx, &gw)
	d.near("dx", dx, gx, 8*d.tol.Element)
	if !bare {
		d.near("dw", dw, gw, 8*d.tol.Element)
	}
}

func drawBiasGrad(d *drawing) {
	s := d.sizes(60_000, limits{lo: 1, hi: 1100, more: []int{768}}, limits{lo: 1, hi: 9000})
	rows, cols, t, carry := d.none(s[0]), s[1], d.dtype(), d.coin()
	d.in("bias gradient [%d, %d] %v, carry %v", rows, cols, t, carry)
	dy := d.given(t, rows, cols, 1)
	db, want := d.carried(carry, 1, cols)
	d.BiasGrad(db, dy.t, carry)
	for i, v := range dy.v {
		want.add(i%cols, v)
	}
	d.near("db", db, want, d.tol.Chain)
}

func drawRotary(d *drawing) {
	s := d.sizes(40_000, limits{lo: 1, hi: 600}, limits{lo: 1, hi: 40, more: []int{14}}, limits{lo: 1, hi: 130, more: []int{12, 20}})
	rows, heads, half := d.none(s[0]), s[1], s[2]
	from, to, inverse := d.dtype(), d.dtype(), d.coin()
	inPlace := from == to && d.coin()
	d.in("rotary %d tokens, %d heads of %d, %v to %v, inverse %v, in place %v", rows, heads, 2*half, from, to, inverse, inPlace)
	positions := d.size(1, 70)
	cos, sin := d.given(kernels.F32, positions, half, 1), d.given(kernels.F32, positions, half, 1)
	src, ids, sign := d.given(from, rows, heads*2*half, 1), d.ids(rows, positions), 1.0
	if inverse {
		sign = -1
	}
	want := rotate(src.v, cos.v, sin.v, ids, heads*2*half, 2*half, sign)
	dst := src.t
	if !inPlace {
		dst = d.wanted(to, rows, heads*2*half)
	}
	d.Rotary(dst, src.t, cos.t, sin.t, ids, 2*half, inverse)
	d.near("rotated", dst, want, d.tol.Element)
}

func drawSwiGLU(d *drawing) {
	s := d.sizes(elements, limits{lo: 1, hi: elements}, limits{lo: 1, hi: 9000, more: []int{3, 4864}})
	rows, cols := d.none(s[0]), s[1]
	g, u, t := d.dtype(), d.dtype(), d.dtype()
	inPlace := g == t && d.coin()
	d.in("swiglu [%d, %d] %v, %v to %v, in place %v", rows, cols, g, u, t, inPlace)
	gate, up := d.given(g, rows, cols, 20), d.given(u, rows, cols, 1)
	dst := gate.t
	if !inPlace {
		dst = d.wanted(t, rows, cols)
	}
	d.SwiGLU(dst, gate.t, up.t)
	d.near("swiglu", dst, swiglu(gate.v, up.v), d.tol.Element)
}

// swigluGrad is the oracle of SwiGLUGrad.
func swigluGrad(dy, gate, up []float64) (dgate, dup result) {
	dgate, dup = newResult(len(gate)), newResult(len(gate))
	for i, g := range gate {
		s, t := 1/(1+math.Exp(-g)), 1/(1+math.Exp(g))
		dgate.v[i], dup.v[i] = dy[i]*up[i]*s*(1+g*t), dy[i]*g*s
		dgate.scale[i], dup.scale[i] = math.Abs(dy[i]*up[i])*(1+math.Abs(g)), math.Abs(dup.v[i])
	}
	return dgate, dup
}

func drawSwiGLUGrad(d *drawing) {
	s := d.sizes(60_000, limits{lo: 1, hi: 60_000}, limits{lo: 1, hi: 9000, more: []int{3, 4864}})
	rows, cols := d.none(s[0]), s[1]
	y, g, u, tg, tu := d.dtype(), d.dtype(), d.dtype(), d.dtype(), d.dtype()
	inPlace := g == tg && u == tu && d.coin()
	d.in("swiglu gradient [%d, %d] %v, %v, %v to %v, %v, in place %v", rows, cols, y, g, u, tg, tu, inPlace)
	dy, gate, up := d.given(y, rows, cols, 1), d.given(g, rows, cols, 8), d.given(u, rows, cols, 1)
	gg, gu := swigluGrad(dy.v, gate.v, up.v)
	dg, du := gate.t, up.t
	if !inPlace {
		dg, du = d.wanted(tg, rows, cols), d.wanted(tu, rows, cols)
	}
	d.SwiGLUGrad(dg, du, dy.t, gate.t, up.t)
	d.near("dgate", dg, gg, d.tol.Element)
	d.near("dup", du, gu, d.tol.Element)
}

func drawSumSquares(d *drawing) {
	n := d.choose(5)
	var ms []matrix
	var xs []kernels.Tensor
	d.in("sums of nothing")
	var shape [][]int
	for range n {
		s := d.sizes(elements, limits{lo: 1, hi: elements}, limits{lo: 1, hi: elements, more: []int{3}})
		s[0] = d.none(s[0])
		shape = append(shape, s)
	}
	d.in("sums of squares of %v", shape)
	for _, s := range shape {
		m := d.given(kernels.F32, s[0], s[1], 3)
		ms, xs = append(ms, m), append(xs, m.t)
	}
	sums := make([]float64, n)
	for i := range sums {
		sums[i] = math.NaN()
	}
	d.SumSquares(sums, xs...)
	d.note(sums...)
	for i, m := range ms {
		if want := dot(m.v, m.v); !(math.Abs(sums[i]-want) <= 1e-12*want) {
			d.errorf("sum %d is %.17g, want %.17g", i, sums[i], want)
		}
	}
}

// drawAdamW updates parameters of many sizes together, some of which a product has read
// before. It checks the formula, and that a product then reads the new values.
func drawAdamW(d *drawing) {
	const lr, decay, b1, b2, eps, scale = 1e-2, 0.1, 0.9, 0.95, 1e-8, 0.3
	h := kernels.AdamW{Scale: scale, LRDecay: lr * decay, OneMinusBeta1: float32(1 - b1), Beta2: b2, OneMinusBeta2: float32(1 - b2), StepSize: lr, SqrtBC2: 0.7, Eps: eps}
	var shape [][]int
	for range d.choose(4) {
		s := d.sizes(70_000, limits{lo: 1, hi: 70_000}, limits{lo: 1, hi: 70_000, more: []int{3}})
		s[0] = d.none(s[0])
		shape = append(shape, s)
	}
	d.in("adamw of %v", shape)
	type parameter struct {
		p, g, m, v matrix
		read       bool
	}
	var ps []parameter
	var tensors []kernels.Tensor
	for _, s := range shape {
		p := parameter{p: d.given(kernels.F32, s[0], s[1], 1), g: d.given(kernels.F32, s[0], s[1], 1), m: d.given(kernels.F32, s[0], s[1], 1), v: d.given(kernels.F32, s[0], s[1], 1)}
		squares := make([]float32, len(p.v.v))
		for i, v := range p.v.v {
			squares[i] = float32(v * v)
			p.v.v[i] = float64(squares[i])
		}
		d.Write(p.v.t, squares)
		if p.read = d.coin() && s[1] <= 4096; p.read {
			d.product(p.p.t)
		}
		ps, tensors = append(ps, p), append(tensors, p.p.t, p.g.t, p.m.t, p.v.t)
	}
	d.AdamW(h, tensors...)
	for _, p := range ps {
		want := newResult(len(p.p.v))
		for i, x := range p.p.v {
			g := p.g.v[i] * scale
			m := p.m.v[i] + (1-b1)*(g-p.m.v[i])
			v := b2*p.v.v[i] + (1-b2)*g*g
			want.add(i, x-lr*decay*x)
			want.add(i, -lr*m/(math.Sqrt(v)/float64(h.SqrtBC2)+eps))
			// The moment is a sum that may nearly vanish.
			want.scale[i] += lr * (math.Abs(p.m.v[i]) + math.Abs(g)) / (math.Sqrt(v)/float64(h.SqrtBC2) + eps)
		}
		d.near("p", p.p.t, want, d.tol.Element)
		if !p.read {
			continue
		}
		fresh := d.tensor(kernels.F32, p.p.t.Rows(), p.p.t.Cols(), float32s(d.read(p.p.t)))
		if !slices.Equal(d.read(d.product(p.p.t)), d.read(d.product(fresh.t))) {
			d.errorf("a product reads other weights than the step wrote")
		}
	}
}

// product returns the product of a row of ones in bf16 and w.
func (d *drawing) product(w kernels.Tensor) kernels.Tensor {
	ones := make([]float32, w.Cols())
	for i := range ones {
		ones[i] = 1
	}
	x, dst := d.tensor(kernels.BF16, 1, w.Cols(), ones), d.dirty(kernels.F32, 1, w.Rows())
	d.Linear(dst, x.t, w, nil, nil)
	return dst
}

func float32s(v []float64) []float32 {
	f := make([]float32, len(v))
	for i := range v {
		f[i] = float32(v[i])
	}
	return f
}
