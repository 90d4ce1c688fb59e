package bench

import (
	"time"

	"xrun/kernels"
)

// OpTime is what one kind of operation took over the measured steps.
type OpTime struct {
	Op      string  `json:"op"`
	Calls   int     `json:"calls"`
	Seconds float64 `json:"seconds"`
	// FLOPs are those of matrix products and attention, Bytes what an operation
	// must move at least.
	FLOPs float64 `json:"flops,omitempty"`
	Bytes float64 `json:"bytes,omitempty"`
	// Share is the part of the machine's limit: of the product loop or of a
	// streaming copy.
	Share float64 `json:"share_of_limit,omitempty"`
}

// timed is an engine that keeps a record of the time its operations take. The
// bits are those of the engine inside.
type timed struct {
	kernels.Engine
	ops   map[string]*OpTime
	order []*OpTime
}

func newTimed(e kernels.Engine) *timed { return &timed{Engine: e, ops: map[string]*OpTime{}} }

// reset forgets what was recorded.
func (t *timed) reset() { t.ops, t.order = map[string]*OpTime{}, nil }

// since adds one call that began at start.
func (t *timed) since(start time.Time, op string, flops, bytes float64) {
	o := t.ops[op]
	if o == nil {
		o = &OpTime{Op: op}
		t.ops[op] = o
		t.order = append(t.order, o)
	}
	o.Calls++
	o.Seconds += time.Since(start).Seconds()
	o.FLOPs += flops
	o.Bytes += bytes
}

func size(ts ...kernels.Tensor) float64 {
	n := 0.0
	for _, t := range ts {
		if t != nil {
			n += float64(t.Rows()) * float64(t.Cols()) * float64(t.DType().Size())
		}
	}
	return n
}

func elements(t kernels.Tensor) float64 { return float64(t.Rows()) * float64(t.Cols()) }

// pairs counts queries with the keys they see, times the width of a head, over
// all heads.
func pairs(seqs []kernels.Sequence, s kernels.HeadShape) float64 {
	n := 0.0
	for _, q := range seqs {
		past := 0
		for _, p := range q.Past {
			past += p.K.Rows()
		}
		n += float64(q.Len)*float64(past) + float64(q.Len)*float64(q.Len+1)/2
	}
	return n * float64(s.Heads*s.HeadDim)
}

func (t *timed) Convert(dst, src kernels.Tensor) {
	start := time.Now()
	t.Engine.Convert(dst, src)
	t.since(start, "convert", 0, size(dst, src))
}

func (t *timed) Add(dst, src kernels.Tensor) {
	start := time.Now()
	t.Engine.Add(dst, src)
	t.since(start, "add", 0, size(dst, dst, src))
}

func (t *timed) Embed(dst, table kernels.Tensor, ids []int32, operand kernels.DType) {
	start := time.Now()
	t.Engine.Embed(dst, table, ids, operand)
	t.since(start, "embed", 0, 2*size(dst))
}

func (t *timed) EmbedGrad(rows, d kernels.Tensor, slots []int32, carry bool) {
	start := time.Now()
	t.Engine.EmbedGrad(rows, d, slots, carry)
	t.since(start, "embed_grad", 0, 3*size(d))
}

func (t *timed) AddRows(dst, rows kernels.Tensor, ids []int32) {
	start := time.Now()
	t.Engine.AddRows(dst, rows, ids)
	t.since(start, "add_rows", 0, 3*size(rows))
}

func (t *timed) GatherRows(dst, src kernels.Tensor, rows []int32) {
	start := time.Now()
	t.Engine.GatherRows(dst, src, rows)
	t.since(start, "gather_rows", 0, 2*size(dst))
}

func (t *timed) ScatterRows(dst, src kernels.Tensor, rows []int32) {
	start := time.Now()
	t.Engine.ScatterRows(dst, src, rows)
	t.since(start, "scatter_rows", 0, size(dst, src))
}

func (t *timed) RMSNorm(dst, x, weight kernels.Tensor, eps float32) {
	start := time.Now()
	t.Engine.RMSNorm(dst, x, weight, eps)
	t.since(start, "rmsnorm", 0, size(dst, x))
}

func (t *timed) RMSNormGrad(dx, dweight, dy, x, weight kernels.Tensor, eps float32, carry bool) {
	start := time.Now()
	t.Engine.RMSNormGrad(dx, dweight, dy, x, weight, eps, carry)
	t.since(start, "rmsnorm_grad", 0, size(dx, dx, dy, x))
}

func (t *timed) Linear(dst, x, w, bias, residual kernels.Tensor) {
	start := time.Now()
	t.Engine.Linear(dst, x, w, bias, residual)
	t.since(start, "linear", 2*elements(dst)*float64(x.Cols()), size(dst, x, w))
}

func (t *timed) LinearGradInput(dx, dy, w kernels.Tensor, add bool) {
	start := time.Now()
	t.Engine.LinearGradInput(dx, dy, w, add)
	t.since(start, "linear_grad_input", 2*elements(dy)*float64(dx.Cols()), 0)
}

func (t *timed) LinearGradWeight(dw, dy, x kernels.Tensor, starts []int32, carry bool) {
	start := time.Now()
	t.Engine.LinearGradWeight(dw, dy, x, starts, carry)
	t.since(start, "linear_grad_weight", 2*elements(dw)*float64(x.Rows()), 0)
}

func (t *timed) BiasGrad(db, dy kernels.Tensor, carry bool) {
	start := time.Now()
	t.Engine.BiasGrad(db, dy, carry)
	t.since(start, "bias_grad", 0, size(dy))
}

func (t *timed) Rotary(dst, src, cos, sin kernels.Tensor, positions []int32, headDim int, inverse bool) {
	start := time.Now()
	t.Engine.Rotary(dst, src, cos, sin, positions, headDim, inverse)
	t.since(start, "rotary", 0, size(dst, src))
}

func (t *timed) Attention(dst, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape) {
	start := time.Now()
	t.Engine.Attention(dst, stats, q, k, v, seqs, s)
	t.since(start, "attention", 4*pairs(seqs, s), 0)
}

func (t *timed) AttentionGrad(dq, dk, dv, dout, out, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape) {
	start := time.Now()
	t.Engine.AttentionGrad(dq, dk, dv, dout, out, stats, q, k, v, seqs, s)
	t.since(start, "attention_grad", 10*pairs(seqs, s), 0)
}

func (t *timed) SwiGLU(dst, gate, up kernels.Tensor) {
	start := time.Now()
	t.Engine.SwiGLU(dst, gate, up)
	t.since(start, "swiglu", 0, size(dst, gate, up))
}

func (t *timed) GateUp(dst, gate, up, x, wGate, wUp, biasGate, biasUp kernels.Tensor) {
	start := time.Now()
	t.Engine.GateUp(dst, gate, up, x, wGate, wUp, biasGate, biasUp)
	t.since(start, "gate_up", 4*elements(dst)*float64(x.Cols()), size(dst, up, x, wGate, wUp))
}

func (t *timed) SwiGLUGrad(dgate, dup, dy, gate, up kernels.Tensor) {
	start := time.Now()
	t.Engine.SwiGLUGrad(dgate, dup, dy, gate, up)
	t.since(start, "swiglu_grad", 0, size(dgate, dup, dy, gate, up))
}

func (t *timed) CrossEntropy(ce []float64, dx, dw, x, w kernels.Tensor, targets []int32, coef []float32, starts []int32, carry bool) {
	start := time.Now()
	t.Engine.CrossEntropy(ce, dx, dw, x, w, targets, coef, starts, carry)
	flops := 2 * elements(x) * float64(w.Rows())
	if dx != nil {
		flops *= 3
	}
	t.since(start, "cross_entropy", flops, 0)
}

func (t *timed) LogProb(dst []float64, best []int32, x, w kernels.Tensor, rows, targets []int32) {
	start := time.Now()
	t.Engine.LogProb(dst, best, x, w, rows, targets)
	distinct := 0
	for i, r := range rows {
		if i == 0 || r != rows[i-1] {
			distinct++
		}
	}
	t.since(start, "log_prob", 2*float64(distinct)*elements(w), size(w))
}

func (t *timed) SumSquares(dst []float64, xs ...kernels.Tensor) {
	start := time.Now()
	t.Engine.SumSquares(dst, xs...)
	t.since(start, "sum_squares", 0, size(xs...))
}

func (t *timed) AdamW(h kernels.AdamW, tensors ...kernels.Tensor) {
	start := time.Now()
	t.Engine.AdamW(h, tensors...)
	bytes := 2 * size(tensors...)
	for i := 1; i < len(tensors); i += 4 { // gradients are only read
		bytes -= size(tensors[i])
	}
	t.since(start, "adamw", 0, bytes)
}
