package cpu_test

import (
	"fmt"
	"testing"

	"xrun/kernels"
)

// The shapes of a training step of SmolLM2-135M: four sequences, with about half of the tokens
// as labels.
const (
	benchTokens = 500
	benchLabels = 300
	benchHidden = 576
	benchInner  = 1536
	benchVocab  = 49152
)

var (
	benchHeads = kernels.HeadShape{Heads: 9, KVHeads: 3, HeadDim: 64}
	benchSeqs  = []kernels.Sequence{{First: 0, Len: 95}, {First: 95, Len: 210}, {First: 305, Len: 70}, {First: 375, Len: 125}}
)

// measure runs op b.N times. bytes or flops is the work of one run, whichever is meaningful.
func measure(b *testing.B, bytes, flops float64, op func()) {
	b.Helper()
	op() // scratch memory grows here
	b.ReportAllocs()
	for b.Loop() {
		op()
	}
	per := b.Elapsed().Seconds() / float64(b.N)
	if bytes > 0 {
		b.ReportMetric(bytes/per/1e9, "GB/s")
	}
	if flops > 0 {
		b.ReportMetric(flops/per/1e9, "GFLOP/s")
	}
}

func BenchmarkOperation(b *testing.B) {
	const T, H, I = benchTokens, benchHidden, benchInner
	for i := range 4 {
		dt, threads := []kernels.DType{f32, bf16}[i/2], 1+i%2
		e := newBench(b, threads)
		e.digest(func(*bench) {})
		size := float64(dt.Size())
		run := func(name string, bytes, flops float64, op func()) {
			b.Run(fmt.Sprintf("op=%s/dtype=%v/threads=%d", name, dt, threads), func(b *testing.B) { measure(b, bytes, flops, op) })
		}
		x, dx, w, dw := e.in(f32, T, H, 1), e.New(f32, T, H), e.in(f32, 1, H, 1), e.New(f32, 1, H)
		y, dy := e.in(dt, T, H, 1), e.in(f32, T, H, 1)
		run("rmsnorm", T*H*(4+size), 0, func() { e.RMSNorm(y, x, w, 1e-5) })
		run("rmsnorm_grad", T*H*16, 0, func() { e.RMSNormGrad(dx, dw, dy, x, w, 1e-5, true) })
		run("convert", T*H*(4+size), 0, func() { e.Convert(y, x) })
		gate, up, inner, dinner := e.in(dt, T, I, 5), e.in(dt, T, I, 1), e.New(dt, T, I), e.in(f32, T, I, 1)
		dgate, dup := e.New(dt, T, I), e.New(dt, T, I)
		run("swiglu", T*I*3*size, 0, func() { e.SwiGLU(inner, gate, up) })
		run("swiglu_grad", T*I*(4*size+4), 0, func() { e.SwiGLUGrad(dgate, dup, dinner, gate, up) })
		cos, sin, positions := e.in(f32, 512, 32, 1), e.in(f32, 512, 32, 1), e.ids(T, 512)
		run("rotary", T*H*(4+size), 0, func() { e.Rotary(y, x, cos, sin, positions, 64, false) })
		ids := e.ids(T, 100)
		rows := e.New(f32, 100, H)
		run("embed_grad", T*H*12, 0, func() { e.EmbedGrad(rows, x, ids, true) })

		q, k, v := e.in(dt, T, H, 2), e.in(dt, T, 192, 2), e.in(dt, T, 192, 1)
		out, stats := e.New(dt, T, H), e.New(f32, T, 18)
		pairs := 0.0
		for _, s := range benchSeqs {
			pairs += float64(s.Len) * float64(s.Len+1) / 2
		}
		run("attention", 0, pairs*9*64*4, func() { e.Attention(out, stats, q, k, v, benchSeqs, benchHeads) })
		dq, dk, dv := e.New(f32, T, H), e.New(f32, T, 192), e.New(f32, T, 192)
		dout := e.in(dt, T, H, 1)
		run("attention_grad", 0, pairs*9*64*10, func() { e.AttentionGrad(dq, dk, dv, dout, out, stats, q, k, v, benchSeqs, benchHeads) })
	}
}

// BenchmarkAttention measures four sequences of one length, with the heads of
// SmolLM2-135M and of Qwen2.5-0.5B.
func BenchmarkAttention(b *testing.B) {
	for _, dt := range []kernels.DType{f32, bf16} {
		for _, s := range []kernels.HeadShape{benchHeads, {Heads: 14, KVHeads: 2, HeadDim: 64}} {
			for _, n := range []int{50, 120, 250} {
				e := newBench(b, 2)
				e.digest(func(*bench) {})
				wide, narrow := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
				var seqs []kernels.Sequence
				for i := range 4 {
					seqs = append(seqs, kernels.Sequence{First: i * n, Len: n})
				}
				T := 4 * n
				q, k, v := e.in(dt, T, wide, 2), e.in(dt, T, narrow, 2), e.in(dt, T, narrow, 1)
				out, stats, dout := e.New(dt, T, wide), e.New(f32, T, 2*s.Heads), e.in(dt, T, wide, 1)
				dq, dk, dv := e.New(f32, T, wide), e.New(f32, T, narrow), e.New(f32, T, narrow)
				pairs := float64(4 * n * (n + 1) / 2 * wide)
				name := fmt.Sprintf("dtype=%v/heads=%dx%d/n=%d", dt, s.Heads, s.KVHeads, n)
				b.Run("op=forward/"+name, func(b *testing.B) {
					measure(b, 0, 4*pairs, func() { e.Attention(out, stats, q, k, v, seqs, s) })
				})
				b.Run("op=grad/"+name, func(b *testing.B) {
					measure(b, 0, 10*pairs, func() { e.AttentionGrad(dq, dk, dv, dout, out, stats, q, k, v, seqs, s) })
				})
			}
		}
	}
}

// BenchmarkAttentionToken measures the attention of one generated token, which reads its keys
// and values once.
func BenchmarkAttentionToken(b *testing.B) {
	const keys, kv = 1024, 192
	for _, dt := range []kernels.DType{f32, bf16} {
		e := newBench(b, 2)
		e.digest(func(*bench) {})
		q, k, v, out := e.in(dt, 1, benchHidden, 1), e.in(dt, 1, kv, 1), e.in(dt, 1, kv, 1), e.New(dt, 1, benchHidden)
		seqs := []kernels.Sequence{{Len: 1, Past: []kernels.Span{{K: e.in(dt, keys, kv, 1), V: e.in(dt, keys, kv, 1)}}}}
		b.Run(fmt.Sprintf("dtype=%v", dt), func(b *testing.B) {
			measure(b, float64(2*keys*kv*dt.Size()), 0, func() { e.Attention(out, nil, q, k, v, seqs, benchHeads) })
		})
	}
}

// BenchmarkOptimizer measures the work that a step does once for every parameter.
func BenchmarkOptimizer(b *testing.B) {
	e := newBench(b, 2)
	e.digest(func(*bench) {})
	const n = 20_000_000
	p, g, m, v := e.New(f32, 1, n), e.New(f32, 1, n), e.New(f32, 1, n), e.New(f32, 1, n)
	sum := make([]float64, 1)
	h := kernels.AdamW{Scale: 0.3, LRDecay: 1e-3, OneMinusBeta1: 0.1, Beta2: 0.95, OneMinusBeta2: 0.05, StepSize: 1e-2, SqrtBC2: 0.7, Eps: 1e-8}
	b.Run("op=adamw", func(b *testing.B) { measure(b, 28*n, 0, func() { e.AdamW(h, p, g, m, v) }) })
	b.Run("op=sum_squares", func(b *testing.B) { measure(b, 4*n, 0, func() { e.SumSquares(sum, g) }) })
	b.Run("op=add", func(b *testing.B) { measure(b, 12*n, 0, func() { e.Add(p, g) }) })
}

// BenchmarkLoss measures the head: products, softmax and gradients.
func BenchmarkLoss(b *testing.B) {
	const R, H, V = benchLabels, benchHidden, benchVocab
	for _, dt := range []kernels.DType{f32, bf16} {
		e := newBench(b, 2)
		e.digest(func(*bench) {})
		x, w := e.in(dt, R, H, 1), e.in(f32, V, H, 0.1)
		dx, dw := e.New(f32, R, H), e.New(f32, V, H)
		ce, targets, coef := make([]float64, R), e.ids(R, V), e.values(R, 1)
		starts := []int32{0, 70, 160, 201, R}
		b.Run(fmt.Sprintf("op=cross_entropy_grad/dtype=%v", dt), func(b *testing.B) {
			measure(b, 0, 6*R*H*V, func() { e.CrossEntropy(ce, dx, dw, x, w, targets, coef, starts, false) })
		})
		b.Run(fmt.Sprintf("op=cross_entropy/dtype=%v", dt), func(b *testing.B) {
			measure(b, 0, 2*R*H*V, func() { e.CrossEntropy(ce, nil, nil, x, w, targets, nil, nil, false) })
		})
		b.Run(fmt.Sprintf("op=log_prob_one/dtype=%v", dt), func(b *testing.B) {
			one, best := []float64{0}, []int32{0}
			measure(b, 4*H*V, 0, func() { e.LogProb(one, best, x, w, []int32{7}, targets[:1]) })
		})
	}
}
