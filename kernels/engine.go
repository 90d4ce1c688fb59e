package kernels

import "math"

// DType is the element type of a tensor.
type DType uint8

// The element types. F32 is IEEE binary32; BF16 is its upper 16 bits.
const (
	F32 DType = iota + 1
	BF16
)

// String returns "f32" or "bf16".
func (d DType) String() string {
	switch d {
	case F32:
		return "f32"
	case BF16:
		return "bf16"
	}
	return "invalid"
}

// Size returns the number of bytes of one element.
func (d DType) Size() int {
	if d == BF16 {
		return 2
	}
	return 4
}

// Lanes is the width of the fixed reduction tree over the elements of a row; see
// the package documentation. It is part of the numeric contract, not a vector
// width.
const Lanes = 16

// SumBlock is the number of elements of a block of [Engine.SumSquares], also part
// of the numeric contract.
const SumBlock = 65536

// Tensor is a dense row-major matrix in an engine's memory. A vector is a tensor
// with one row. A tensor can only be used with the engine that made it.
type Tensor interface {
	DType() DType
	Rows() int
	Cols() int
	// Slice returns a view of rows [lo, hi), which shares the tensor's memory.
	Slice(lo, hi int) Tensor
}

// HeadShape describes grouped-query attention. Query head h reads key and
// value head h / (Heads/KVHeads).
type HeadShape struct {
	Heads, KVHeads, HeadDim int
}

// Scale returns 1/sqrt(HeadDim), the factor of attention scores, computed in
// float64 and rounded once.
func (s HeadShape) Scale() float32 { return float32(1 / math.Sqrt(float64(s.HeadDim))) }

// Span is a run of keys and values that precede a sequence's own rows: a cache, or
// a prefix shared with other sequences. K and V are [n, KVHeads*HeadDim]; keys are
// stored after rotary embedding.
type Span struct {
	K, V Tensor
}

// Sequence is a range of rows of the batch that attend to each other: Len query
// rows from First, whose own keys and values are the same rows of k and v. They
// follow the keys of Past, in order. Query i, counted from 0, sees all of Past and
// its own sequence's keys 0..i. The absolute index of a key counts Past first.
type Sequence struct {
	First, Len int
	Past       []Span
}

// AdamW holds the scalars of one optimizer step of Loshchilov & Hutter, "Decoupled
// weight decay regularization" (2019), in the form of torch.optim.AdamW. They are
// computed in float64 and rounded once. The update is
//
//	g = float32(g*Scale)                       (only when Scale != 1)
//	p = fma(-LRDecay, p, p)                    LRDecay = lr*weightDecay
//	m = fma(OneMinusBeta1, g-m, m)
//	v = fma(OneMinusBeta2, float32(g*g), float32(Beta2*v))
//	p = fma(-StepSize, m/(sqrt(v)/SqrtBC2 + Eps), p)
//
// with StepSize = lr/(1-beta1^t) and SqrtBC2 = sqrt(1-beta2^t), where t counts
// steps from 1.
type AdamW struct {
	Scale, LRDecay, OneMinusBeta1, Beta2, OneMinusBeta2, StepSize, SqrtBC2, Eps float32
}

// Engine is one implementation of the operations. Every tensor argument is checked
// for type and shape; a mismatch is a bug and panics with a message that begins
// "kernels: ". Failures that depend on data or on the device (an id outside a
// table, exhausted memory, a failed device) are recorded and returned by the next
// Sync, which also waits for outstanding work. After such a failure the results
// since the last Sync are meaningless.
//
// T is a number of tokens and R a number of label rows; shapes are written [rows,
// cols]. A tensor written X/bf16 may be F32 or BF16. All others are F32, apart from
// the weight matrices that the package documentation excepts. Destinations must not
// overlap sources unless stated. An Engine is not safe for concurrent use; it
// parallelizes internally.
type Engine interface {
	// Name is "cpu" or "cuda".
	Name() string
	// Numerics identifies the bits: engines with equal Numerics give identical
	// results. It is part of every content key.
	Numerics() string
	// MicroBatchInvariant reports whether the gradients of a step have the same
	// bits however the step is split into micro-batches. If not, the micro-batch is
	// part of the content key of a training run.
	MicroBatchInvariant() bool
	// Pass returns the number of tokens beyond which a forward pass without
	// gradients gets no faster, and the default for the bytes that scoring may use
	// beside the weights. Neither affects results.
	Pass() (tokens int, memory int64)

	// New returns a zeroed tensor. Free releases tensors made by New, but not views.
	// A freed tensor and its views must not be used afterwards.
	New(t DType, rows, cols int) Tensor
	Free(ts ...Tensor)
	// Write copies src, row-major, into dst, rounding if dst is BF16. Read waits for
	// outstanding work and copies src to dst.
	Write(dst Tensor, src []float32)
	Read(dst []float32, src Tensor)
	Sync() error
	Close() error

	// Convert copies src/bf16 to dst/bf16, which has the same shape, rounding if
	// needed.
	Convert(dst, src Tensor)
	// Add adds src to dst element by element.
	Add(dst, src Tensor)

	// Embed sets dst[t] = round(table[ids[t]]): dst [T, hidden], table [vocab,
	// hidden]. The values are rounded to the type operand, although dst is F32, so
	// that the lookup reads the same weights as a matrix product would.
	Embed(dst, table Tensor, ids []int32, operand DType)
	// EmbedGrad adds d[t] to rows[slots[t]], in ascending order of t. rows [U,
	// hidden] holds one row for each of the U distinct ids of the optimizer step.
	EmbedGrad(rows, d Tensor, slots []int32, carry bool)
	// AddRows adds rows[i] to dst[ids[i]]; ids are distinct.
	AddRows(dst, rows Tensor, ids []int32)
	// GatherRows sets dst[i] = src[rows[i]]. ScatterRows sets dst[rows[i]] =
	// src[i] and every other row of dst to zero; rows are distinct.
	GatherRows(dst, src Tensor, rows []int32)
	ScatterRows(dst, src Tensor, rows []int32)

	// RMSNorm sets dst[t]/bf16 = x[t] * rsqrt(mean(x[t]^2) + eps) * weight (Zhang
	// & Sennrich 2019). The mean is a tree of float32(x*x). If x has n times as
	// many columns as weight, its rows are n vectors each (the heads of a token),
	// normed one by one.
	RMSNorm(dst, x, weight Tensor, eps float32)
	// RMSNormGrad adds the gradient with respect to x to dx, and computes dweight
	// as a chain over tokens (and over the vectors of each). dy may be BF16.
	// dweight may be nil.
	RMSNormGrad(dx, dweight, dy, x, weight Tensor, eps float32, carry bool)

	// Linear sets dst/bf16 [T, N] = x/bf16 [T, K] · w[N, K]ᵀ (+ bias [1, N])
	// (+ residual [T, N]). Each element is one chain over K, followed by one
	// addition each for bias and residual. These may be nil; residual may be dst.
	Linear(dst, x, w, bias, residual Tensor)
	// LinearGradInput sets dx [T, K] = dy/bf16 [T, N] · w[N, K], a chain over N. If
	// add is set, it adds the finished product to dx instead.
	LinearGradInput(dx, dy, w Tensor, add bool)
	// LinearGradWeight sets dw [N, K] = dyᵀ · x, a chain over tokens. dy and x have
	// the same type. starts holds the first row of each sequence, followed by T.
	LinearGradWeight(dw, dy, x Tensor, starts []int32, carry bool)
	// BiasGrad sets db [1, N] = sum over tokens of dy/bf16, a chain.
	BiasGrad(db, dy Tensor, carry bool)

	// Rotary rotates each head of src/bf16 [T, heads*headDim] by its token's angles
	// (Su et al. 2021, in the half-split layout of Llama) and stores it in dst/bf16,
	// which may be src. cos and sin have headDim/2 columns and a row for each
	// position. If inverse is set it rotates back, which is the gradient.
	Rotary(dst, src, cos, sin Tensor, positions []int32, headDim int, inverse bool)

	// Attention sets dst/bf16 [T, Heads*HeadDim] = softmax(q·kᵀ/sqrt(HeadDim))·v,
	// causally within each sequence. q, k and v have one type; q and k are already
	// rotated. If stats [T, 2*Heads] is not nil it receives each row's maximum score
	// and sum of exponentials, interleaved by head, for AttentionGrad. Rows that
	// belong to no sequence are not written.
	Attention(dst, stats, q, k, v Tensor, seqs []Sequence, s HeadShape)
	// AttentionGrad sets dq, dk and dv (F32) from dout/bf16. If q is BF16 and dout is
	// not, dout is rounded before any use. Sequences must have no Past. Rows that
	// belong to no sequence are not written.
	AttentionGrad(dq, dk, dv, dout, out, stats, q, k, v Tensor, seqs []Sequence, s HeadShape)

	// SwiGLU sets dst/bf16 = silu(gate/bf16) * up/bf16 (Shazeer 2020); dst may be
	// gate.
	SwiGLU(dst, gate, up Tensor)
	// GateUp is the first half of a gated MLP in one operation: gate = x·wGateᵀ
	// (+ biasGate), up = x·wUpᵀ (+ biasUp) and dst = silu(gate) * up. All are [T, N]
	// of x's type, and have the bits of two calls of Linear and one of SwiGLU. gate
	// may be nil if only dst is needed; up is then scratch memory for the engine.
	GateUp(dst, gate, up, x, wGate, wUp, biasGate, biasUp Tensor)
	// SwiGLUGrad sets dgate/bf16 and dup/bf16 from dy/f32; dgate may be gate and
	// dup may be up.
	SwiGLUGrad(dgate, dup, dy, gate, up Tensor)

	// CrossEntropy computes ce[r] = -log softmax(x[r]·wᵀ)[targets[r]] in nats for
	// x/bf16 [R, hidden] and w [vocab, hidden]. If dx is not nil it also sets dx [R,
	// hidden] and dw [vocab, hidden] to the gradients of Σ coef[r]*ce[r]. carry
	// applies to dw; dx is overwritten. starts holds the first row of each sequence,
	// followed by R. If dx is nil, dw must be nil too, and coef and starts are not
	// read. The [R, vocab] matrix is never stored whole.
	CrossEntropy(ce []float64, dx, dw, x, w Tensor, targets []int32, coef []float32, starts []int32, carry bool)
	// LogProb sets dst[i] = log softmax(x[rows[i]]·wᵀ)[targets[i]], with the bits of
	// -CrossEntropy, and best[i] to the lowest id with the largest logit of that row.
	// rows must ascend and may repeat; the logits of a row are computed once for all
	// its targets. best may be nil.
	LogProb(dst []float64, best []int32, x, w Tensor, rows, targets []int32)

	// SumSquares sets dst[i] = Σ x² over xs[i] in float64: a 16-lane tree within
	// each block of SumBlock elements, row-major, then the block sums in order.
	SumSquares(dst []float64, xs ...Tensor)
	// AdamW updates parameters p and moments m and v from gradients g. tensors holds
	// p, g, m and v of the first parameter, then of the next, and so on.
	AdamW(h AdamW, tensors ...Tensor)
}
