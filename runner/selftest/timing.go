package selftest

import (
	"fmt"
	"text/tabwriter"

	"xrun/kernels"
	"xrun/kernels/num"
	"xrun/kernels/ptx"
	"xrun/model"
	"xrun/runner/bench"
)

// measured is the shape of Qwen2.5-0.5B with a vocabulary of a tenth, so that a
// table takes seconds on a processor too.
var measured = model.Config{
	Architecture: model.Qwen2, Vocab: 16384, Hidden: 896, Intermediate: 4864, Layers: 24, Heads: 14, KVHeads: 2, HeadDim: 64,
	MaxPositions: 4096, RopeTheta: 1e6, NormEps: 1e-6, Tied: true, QKVBias: true, InitRange: 0.02, BOS: -1, Pad: -1,
}

// timing prints what each kernel takes: times, or on the interpreter, whose
// times say nothing, the instructions that warps execute.
func (t *tester) timing() {
	t.check("timing", func() (string, []string) {
		e, counts, err := t.engine()
		if err != nil {
			return "", []string{err.Error()}
		}
		defer e.Close()
		w := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
		defer w.Flush()
		for _, p := range []kernels.DType{kernels.F32, kernels.BF16} {
			if counts != nil {
				err = count(w, e, counts, p)
			} else {
				err = t.measure(w, e, p)
			}
			if err != nil {
				return "", []string{err.Error()}
			}
		}
		return "", nil
	})
}

func (t *tester) measure(w *tabwriter.Writer, e kernels.Engine, p kernels.DType) error {
	tokens := 2048
	if t.Driver == nil {
		tokens = 128
	}
	rows, err := bench.MeasureKernels(e, measured, p, tokens)
	for _, r := range rows {
		rate := fmt.Sprintf("%.0f GFLOP/s", r.GFLOPS)
		if r.GFLOPS == 0 {
			rate = fmt.Sprintf("%.1f GB/s", r.GBps)
		}
		fmt.Fprintf(w, "    \t%s\t%v\t%s\t%.4g ms\t%s\n", r.Name, p, r.Shape, r.Seconds*1000, rate)
	}
	return err
}

// count runs some operations once, at sizes that the interpreter manages.
func count(w *tabwriter.Writer, e kernels.Engine, counts func() ptx.Stats, p kernels.DType) error {
	const n, vocab = 128, 512
	g := num.NewPhilox(1, 0x636f756e, 0)
	filled := func(t kernels.DType, rows, cols int) kernels.Tensor {
		v := make([]float32, rows*cols)
		for i := range v {
			v[i] = float32(2*g.Float64() - 1)
		}
		x := e.New(t, rows, cols)
		e.Write(x, v)
		return x
	}
	x, weight, y := filled(p, n, n), filled(kernels.F32, n, n), filled(p, n, n)
	gate, up, weight2 := filled(p, n, n), filled(p, n, n), filled(kernels.F32, n, n)
	residual, norm, grad := filled(kernels.F32, n, n), filled(kernels.F32, 1, n), filled(kernels.F32, n, n)
	head, headGrad := filled(kernels.F32, vocab, n), filled(kernels.F32, vocab, n)
	moment1, moment2 := e.New(kernels.F32, n, n), e.New(kernels.F32, n, n)
	shape, seqs := kernels.HeadShape{Heads: 4, KVHeads: 4, HeadDim: n / 4}, []kernels.Sequence{{Len: 100}, {First: 100, Len: 28}}
	starts, targets, ones := []int32{0, 100, n}, make([]int32, n), make([]float32, n)
	for i := range ones {
		ones[i] = 1
	}
	for _, op := range []struct {
		name, shape string
		run         func()
	}{
		{"linear", "m=128 n=128 k=128", func() { e.Linear(y, x, weight, nil, nil) }},
		{"gate_up", "m=128 n=128 k=128", func() { e.GateUp(y, gate, up, x, weight, weight2, nil, nil) }},
		{"linear_grad_input", "m=128 n=128 k=128", func() { e.LinearGradInput(grad, y, weight, false) }},
		{"linear_grad_weight", "m=128 n=128 k=128", func() { e.LinearGradWeight(grad, y, x, starts, false) }},
		{"attention", "100 + 28 tokens, 4 heads of 32", func() { e.Attention(y, nil, x, x, x, seqs, shape) }},
		{"rmsnorm", "128 × 128", func() { e.RMSNorm(y, residual, norm, 1e-6) }},
		{"swiglu", "128 × 128", func() { e.SwiGLU(y, x, x) }},
		{"cross_entropy", "128 rows of 512", func() { e.CrossEntropy(make([]float64, n), grad, headGrad, x, head, targets, ones, starts, false) }},
		{"adamw", "16,384", func() {
			e.AdamW(kernels.AdamW{Scale: 1, StepSize: 1e-3, SqrtBC2: 1, Eps: 1e-8}, residual, grad, moment1, moment2)
		}},
	} {
		if err := e.Sync(); err != nil {
			return err
		}
		before := counts()
		op.run()
		if err := e.Sync(); err != nil {
			return fmt.Errorf("%s: %w", op.name, err)
		}
		after := counts()
		fmt.Fprintf(w, "    \t%s\t%v\t%s\t%d instructions of warps\t%d tensor-core multiply-adds\n", op.name, p, op.shape,
			after.Instructions-before.Instructions, after.Multiplies-before.Multiplies)
	}
	return nil
}
