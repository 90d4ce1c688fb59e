package bench

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"xrun/kernels"
	"xrun/kernels/num"
	"xrun/model"
)

// Kernel is the speed of one operation of an engine.
type Kernel struct {
	Name      string  `json:"name"`
	Precision string  `json:"precision"`
	Shape     string  `json:"shape"`
	Seconds   float64 `json:"seconds"` // median
	// GFLOPS is that of products and attention, GBps that of operations that
	// move memory.
	GFLOPS float64 `json:"gflops,omitempty"`
	GBps   float64 `json:"gbps,omitempty"`
	Share  float64 `json:"share_of_limit,omitempty"`
}

// kernelBench measures the operations of one model in one precision.
type kernelBench struct {
	e      kernels.Engine
	p      kernels.DType
	out    []Kernel
	seed   uint64
	tensor []kernels.Tensor
	err    error // the first failure, after which nothing is measured
}

// MeasureKernels measures every operation of a training step of tokens tokens
// at the shapes of c, each for some 50 ms.
func MeasureKernels(e kernels.Engine, c model.Config, p kernels.DType, tokens int) ([]Kernel, error) {
	b := &kernelBench{e: e, p: p}
	defer func() { e.Free(b.tensor...) }()
	b.products(c, tokens)
	b.attention(c, tokens)
	b.rows(c, tokens)
	b.loss(c, tokens)
	b.optimizer()
	return b.out, errors.Join(b.err, e.Sync())
}

// new returns a tensor of normal-like values.
func (b *kernelBench) new(t kernels.DType, rows, cols int) kernels.Tensor {
	x := b.e.New(t, rows, cols)
	b.tensor = append(b.tensor, x)
	b.seed++
	g := num.NewPhilox(b.seed, 0x62656e63, 1)
	row := make([]float32, cols)
	for i := range row {
		row[i] = float32(g.Float64()+g.Float64()-1) * 2
	}
	const at = 256 // rows written at once
	block := make([]float32, 0, min(at, rows)*cols)
	for r := range rows {
		block = append(block, row...)
		row[r%cols] = -row[r%cols]
		if len(block) == cap(block) || r == rows-1 {
			b.e.Write(x.Slice(r/at*at, r+1), block)
			block = block[:0]
		}
	}
	return x
}

// drop frees everything made by new.
func (b *kernelBench) drop() {
	b.e.Free(b.tensor...)
	b.tensor = nil
}

// measure runs f for a while and records the median. flops or bytes is what one
// run does. A GPU is given a queue of some milliseconds at a time, as training
// gives it: waiting for each run would measure the waiting.
func (b *kernelBench) measure(name, shape string, flops, bytes float64, f func()) {
	if b.err != nil {
		return
	}
	timed := func(n int) float64 {
		start := time.Now()
		for range n {
			f()
		}
		if b.e.Name() != "cpu" && b.err == nil { // the cpu engine is done when it returns
			b.err = b.e.Sync()
		}
		return time.Since(start).Seconds() / float64(n)
	}
	timed(1)
	queue := 1
	if b.e.Name() != "cpu" {
		queue = 1 + int(5e-3/timed(1))
	}
	var times []float64
	for began := time.Now(); b.err == nil && (len(times) < 3 || time.Since(began) < 50*time.Millisecond); {
		times = append(times, timed(queue))
	}
	if b.err != nil {
		b.err = fmt.Errorf("%s, %s: %w", name, shape, b.err)
		return
	}
	slices.Sort(times)
	k := Kernel{Name: name, Precision: b.p.String(), Shape: shape, Seconds: times[len(times)/2]}
	if flops > 0 {
		k.GFLOPS = flops / k.Seconds / 1e9
	} else {
		k.GBps = bytes / k.Seconds / 1e9
	}
	b.out = append(b.out, k)
}

// products measures the linear layers, each distinct shape once.
func (b *kernelBench) products(c model.Config, T int) {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	seen := map[[2]int]bool{}
	for _, s := range [][2]int{{q, c.Hidden}, {kv, c.Hidden}, {c.Hidden, q}, {c.Intermediate, c.Hidden}, {c.Hidden, c.Intermediate}} {
		if seen[s] {
			continue
		}
		seen[s] = true
		n, k := s[0], s[1]
		shape, flops := fmt.Sprintf("m=%d n=%d k=%d", T, n, k), 2*float64(T)*float64(n)*float64(k)
		x, dy, w := b.new(b.p, T, k), b.new(b.p, T, n), b.new(kernels.F32, n, k)
		y, dx, dw := b.new(b.p, T, n), b.new(kernels.F32, T, k), b.new(kernels.F32, n, k)
		starts := []int32{0, int32(T)}
		b.measure("linear", shape, flops, 0, func() { b.e.Linear(y, x, w, nil, nil) })
		b.measure("linear_grad_input", shape, flops, 0, func() { b.e.LinearGradInput(dx, dy, w, false) })
		b.measure("linear_grad_weight", shape, flops, 0, func() { b.e.LinearGradWeight(dw, dy, x, starts, false) })
		b.drop()
	}
	I, H := c.Intermediate, c.Hidden
	in, gate, up, inner := b.new(b.p, T, H), b.new(b.p, T, I), b.new(b.p, T, I), b.new(b.p, T, I)
	wg, wu := b.new(kernels.F32, I, H), b.new(kernels.F32, I, H)
	b.measure("gate_up", fmt.Sprintf("m=%d n=%d k=%d", T, I, H), 4*elements(in)*float64(I), 0, func() { b.e.GateUp(inner, gate, up, in, wg, wu, nil, nil) })
	b.drop()
	x, w, y := b.new(b.p, 1, c.Hidden), b.new(kernels.F32, c.Intermediate, c.Hidden), b.new(b.p, 1, c.Intermediate)
	b.measure("linear", fmt.Sprintf("m=1 n=%d k=%d", c.Intermediate, c.Hidden), 0, size(w), func() { b.e.Linear(y, x, w, nil, nil) })
	b.drop()
}

// attention measures four sequences of unequal length.
func (b *kernelBench) attention(c model.Config, T int) {
	s := kernels.HeadShape{Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim}
	var seqs []kernels.Sequence
	for lo, i := 0, 0; lo < T; i++ {
		n := min([]int{T / 8, T / 3, T / 4, T}[i%4]+1, T-lo)
		seqs = append(seqs, kernels.Sequence{First: lo, Len: n})
		lo += n
	}
	qDim, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	q, k, v, out := b.new(b.p, T, qDim), b.new(b.p, T, kv), b.new(b.p, T, kv), b.new(b.p, T, qDim)
	stats, dout := b.new(kernels.F32, T, 2*c.Heads), b.new(b.p, T, qDim)
	dq, dk, dv := b.new(kernels.F32, T, qDim), b.new(kernels.F32, T, kv), b.new(kernels.F32, T, kv)
	shape := fmt.Sprintf("%d sequences, %d tokens", len(seqs), T)
	b.measure("attention", shape, 4*pairs(seqs, s), 0, func() { b.e.Attention(out, stats, q, k, v, seqs, s) })
	b.measure("attention_grad", shape, 10*pairs(seqs, s), 0, func() { b.e.AttentionGrad(dq, dk, dv, dout, out, stats, q, k, v, seqs, s) })
	b.drop()
}

// rows measures what works row by row or element by element.
func (b *kernelBench) rows(c model.Config, T int) {
	shape := func(cols int) string { return fmt.Sprintf("m=%d n=%d", T, cols) }
	x, dx, w, dw := b.new(kernels.F32, T, c.Hidden), b.new(kernels.F32, T, c.Hidden), b.new(kernels.F32, 1, c.Hidden), b.new(kernels.F32, 1, c.Hidden)
	y := b.new(b.p, T, c.Hidden)
	b.measure("rmsnorm", shape(c.Hidden), 0, size(x, y), func() { b.e.RMSNorm(y, x, w, 1e-5) })
	b.measure("rmsnorm_grad", shape(c.Hidden), 0, size(dx, dx, dx, x), func() { b.e.RMSNormGrad(dx, dw, dx, x, w, 1e-5, false) })
	b.measure("convert", shape(c.Hidden), 0, size(x, y), func() { b.e.Convert(y, x) })
	ids := make([]int32, T)
	for i := range ids {
		ids[i] = int32(i * 7 % T)
	}
	b.measure("embed_grad", shape(c.Hidden), 0, size(x, x, dx), func() { b.e.EmbedGrad(dx, x, ids, false) })
	cos, sin := b.new(kernels.F32, T, c.HeadDim/2), b.new(kernels.F32, T, c.HeadDim/2)
	q := b.new(kernels.F32, T, c.Heads*c.HeadDim)
	b.measure("rotary", shape(c.Heads*c.HeadDim), 0, size(q, q), func() { b.e.Rotary(q, q, cos, sin, ids, c.HeadDim, false) })
	b.drop()
	gate, up, inner := b.new(b.p, T, c.Intermediate), b.new(b.p, T, c.Intermediate), b.new(b.p, T, c.Intermediate)
	dinner, dgate, dup := b.new(kernels.F32, T, c.Intermediate), b.new(b.p, T, c.Intermediate), b.new(b.p, T, c.Intermediate)
	b.measure("swiglu", shape(c.Intermediate), 0, size(inner, gate, up), func() { b.e.SwiGLU(inner, gate, up) })
	b.measure("swiglu_grad", shape(c.Intermediate), 0, size(dgate, dup, dinner, gate, up), func() { b.e.SwiGLUGrad(dgate, dup, dinner, gate, up) })
	b.drop()
}

// loss measures the head over half of the tokens, and one row of it.
func (b *kernelBench) loss(c model.Config, T int) {
	R := max(T/2, 1)
	x, w := b.new(b.p, R, c.Hidden), b.new(kernels.F32, c.Vocab, c.Hidden)
	dx, dw := b.new(kernels.F32, R, c.Hidden), b.new(kernels.F32, c.Vocab, c.Hidden)
	ce, targets, coef := make([]float64, R), make([]int32, R), make([]float32, R)
	shape, flops := fmt.Sprintf("m=%d n=%d k=%d", R, c.Vocab, c.Hidden), 2*elements(x)*float64(c.Vocab)
	b.measure("cross_entropy", shape, 3*flops, 0, func() {
		b.e.CrossEntropy(ce, dx, dw, x, w, targets, coef, []int32{0, int32(R)}, false)
	})
	b.measure("log_prob", shape, flops, 0, func() {
		rows := make([]int32, R)
		for i := range rows {
			rows[i] = int32(i)
		}
		b.e.LogProb(ce, nil, x, w, rows, targets)
	})
	b.measure("log_prob", fmt.Sprintf("m=1 n=%d k=%d", c.Vocab, c.Hidden), 0, size(w), func() {
		b.e.LogProb(ce[:1], nil, x, w, []int32{0}, targets[:1])
	})
	b.drop()
}

// optimizer measures what a step does to every parameter once.
func (b *kernelBench) optimizer() {
	const rows, cols = 4096, 4096
	shape := fmt.Sprintf("n=%d", rows*cols)
	p, g, m, v := b.new(kernels.F32, rows, cols), b.new(kernels.F32, rows, cols), b.new(kernels.F32, rows, cols), b.new(kernels.F32, rows, cols)
	h := kernels.AdamW{Scale: 0.3, LRDecay: 1e-3, OneMinusBeta1: 0.1, Beta2: 0.95, OneMinusBeta2: 0.05, StepSize: 1e-6, SqrtBC2: 0.7, Eps: 1e-8}
	b.measure("adamw", shape, 0, size(p, p, m, m, v, v, g), func() { b.e.AdamW(h, p, g, m, v) })
	sum := make([]float64, 1)
	b.measure("sum_squares", shape, 0, size(g), func() { b.e.SumSquares(sum, g) })
	b.drop()
}
