package kernels

// DType is the element type of a tensor.
type DType uint8

// The element types. F32 is IEEE binary32; BF16 its upper 16 bits.
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

// Lanes is the width of the fixed reduction tree over the elements of a row
// (see the package documentation). It is a constant of the numeric contract,
// not a vector width.
const Lanes = 16

// Tensor is a dense row-major matrix in an engine's memory. A vector is a
// tensor of one row. Tensors of one engine cannot be given to another.
type Tensor interface {
	DType() DType
	Rows() int
	Cols() int
	// Slice returns rows [lo, hi) as a view that shares memory.
	Slice(lo, hi int) Tensor
}

// HeadShape describes grouped-query attention. Query head h reads key and
// value head h / (Heads/KVHeads).
type HeadShape struct {
	Heads, KVHeads, HeadDim int
}

// Span is a run of keys and values that precede a sequence's own rows: a
// cache, or a prefix shared with other sequences. K and V are [n,
// KVHeads*HeadDim], keys after rotary embedding.
type Span struct {
	K, V Tensor
}

// Sequence says which rows of the batch belong together in attention: Len
// query rows from First, whose own keys and values are the same rows of k and
// v, behind the keys of Past in order. Query i (from 0) sees all of Past and
// own keys 0..i. The absolute index of a key counts through Past first.
type Sequence struct {
	First, Len int
	Past       []Span
}

// AdamW holds one step's scalars of Loshchilov & Hutter, "Decoupled weight
// decay regularization" (2019), in the form of torch.optim.AdamW, computed in
// float64 and rounded once:
//
//	g = float32(g*Scale)                       (only when Scale != 1)
//	p = fma(-LRDecay, p, p)                    LRDecay = lr*weightDecay
//	m = fma(OneMinusBeta1, g-m, m)
//	v = fma(OneMinusBeta2, float32(g*g), float32(Beta2*v))
//	p = fma(-StepSize, m/(sqrt(v)/SqrtBC2 + Eps), p)
//
// with StepSize = lr/(1-beta1^t) and SqrtBC2 = sqrt(1-beta2^t), t from 1.
type AdamW struct {
	Scale, LRDecay, OneMinusBeta1, Beta2, OneMinusBeta2, StepSize, SqrtBC2, Eps float32
}

// Engine is one implementation of the operations. Every tensor argument is
// checked for type and shape: a mismatch is a bug and panics with "kernels: ".
// What depends on data (an id outside a table, a device whose memory is exhausted
// or that fails) is remembered and returned by the next Sync, which also waits for
// outstanding work; after such a failure the results since the last Sync are
// meaningless.
//
// T is a number of tokens, R of label rows; dims are written [rows, cols]. A
// tensor written X/bf16 may be F32 or BF16; all others are F32, weight matrices
// with the exception that the package documentation makes. Destinations must
// not overlap sources unless stated. An Engine is not safe for concurrent use;
// it parallelizes inside.
type Engine interface {
	// Name is "cpu" or "cuda".
	Name() string
	// Numerics identifies the bits: two engines with equal Numerics give equal
	// results. It is part of every content key.
	Numerics() string
	// MicroBatchInvariant reports whether the gradients of a step have the same
	// bits however it is cut into micro-batches. Where they have not, the
	// micro-batch is part of a training's content key.
	MicroBatchInvariant() bool
	// Pass returns how many tokens a forward pass without gradients should take,
	// more being no faster, and the bytes that scoring may hold beside the weights
	// where nobody has said. Neither shows in a bit.
	Pass() (tokens int, memory int64)

	// New returns a zeroed tensor. Free releases tensors made by New, not views;
	// what is freed, and views of it, must not be used any more.
	New(t DType, rows, cols int) Tensor
	Free(ts ...Tensor)
	// Write copies src, row-major, into dst, rounding if dst is BF16; Read
	// copies out. Read waits for outstanding work.
	Write(dst Tensor, src []float32)
	Read(dst []float32, src Tensor)
	Sync() error
	Close() error

	// Convert copies src/bf16 to dst/bf16 of the same shape, rounding as needed.
	Convert(dst, src Tensor)
	// Add adds src to dst element by element.
	Add(dst, src Tensor)

	// Embed sets dst[t] = round(table[ids[t]]): dst [T, hidden], table [vocab,
	// hidden]. The values are rounded to operand, although dst is F32: the
	// lookup reads the same weights as a matrix product would.
	Embed(dst, table Tensor, ids []int32, operand DType)
	// EmbedGrad adds d[t] to rows[slots[t]], tokens ascending: rows [U, hidden]
	// holds one row for each distinct id of the optimizer step.
	EmbedGrad(rows, d Tensor, slots []int32, carry bool)
	// AddRows adds rows[i] to dst[ids[i]]; ids are distinct.
	AddRows(dst, rows Tensor, ids []int32)
	// GatherRows sets dst[i] = src[rows[i]]. ScatterRows sets dst[rows[i]] =
	// src[i] and every other row of dst to zero; rows are distinct.
	GatherRows(dst, src Tensor, rows []int32)
	ScatterRows(dst, src Tensor, rows []int32)

	// RMSNorm sets dst[t]/bf16 = x[t] * rsqrt(mean(x[t]^2) + eps) * weight (Zhang
	// & Sennrich 2019). The mean is a tree of float32(x*x).
	RMSNorm(dst, x, weight Tensor, eps float32)
	// RMSNormGrad adds the gradient with respect to x to dx, and to dweight
	// over tokens as a chain. dy may be BF16. dweight may be nil.
	RMSNormGrad(dx, dweight, dy, x, weight Tensor, eps float32, carry bool)

	// Linear sets dst/bf16 [T, N] = x/bf16 [T, K] · w[N, K]ᵀ (+ bias [1, N])
	// (+ residual [T, N]): one chain over K an element, then one addition each
	// for bias and residual. bias and residual may be nil; residual may be dst.
	Linear(dst, x, w, bias, residual Tensor)
	// LinearGradInput sets dx [T, K] = dy/bf16 [T, N] · w[N, K], a chain over N;
	// with add, the finished product is added to dx.
	LinearGradInput(dx, dy, w Tensor, add bool)
	// LinearGradWeight sets dw [N, K] = dyᵀ · x, a chain over tokens. dy and x
	// have the same type. starts holds the first row of each sequence, then T.
	LinearGradWeight(dw, dy, x Tensor, starts []int32, carry bool)
	// BiasGrad sets db [1, N] = sum over tokens of dy/bf16, a chain.
	BiasGrad(db, dy Tensor, carry bool)

	// Rotary rotates each head of src [T, heads*headDim] by its token's angles
	// (Su et al. 2021, in the half-split layout of Llama) into dst/bf16; src and
	// dst may be the same. cos and sin are [positions, headDim/2]. inverse
	// rotates back, which is the gradient. src may be BF16 too.
	Rotary(dst, src, cos, sin Tensor, positions []int32, headDim int, inverse bool)

	// Attention sets dst/bf16 [T, Heads*HeadDim] = softmax(q·kᵀ/sqrt(HeadDim))·v,
	// causally within each sequence. q, k, v are rotated and of one type. When
	// stats [T, 2*Heads] is not nil it receives each row's maximum score and sum
	// of exponentials, interleaved by head, for AttentionGrad. Rows of no
	// sequence are not written.
	Attention(dst, stats, q, k, v Tensor, seqs []Sequence, s HeadShape)
	// AttentionGrad sets dq, dk, dv (F32) from dout/bf16. Sequences have no Past;
	// rows of no sequence are not written.
	// Where q is BF16 and dout is not, dout is rounded before any use.
	AttentionGrad(dq, dk, dv, dout, out, stats, q, k, v Tensor, seqs []Sequence, s HeadShape)

	// SwiGLU sets dst/bf16 = silu(gate/bf16) * up/bf16 (Shazeer 2020); dst may be
	// gate.
	SwiGLU(dst, gate, up Tensor)
	// GateUp is the first half of a gated MLP in one operation: gate = x·wGateᵀ
	// (+ biasGate), up = x·wUpᵀ (+ biasUp) and dst = silu(gate) * up, all [T, N]
	// of x's type, with the bits of two Linear and a SwiGLU. gate is nil where
	// only dst is wanted; up is then memory that the engine may use.
	GateUp(dst, gate, up, x, wGate, wUp, biasGate, biasUp Tensor)
	// SwiGLUGrad sets dgate/bf16 and dup/bf16 from dy/f32; dgate may be gate and
	// dup may be up.
	SwiGLUGrad(dgate, dup, dy, gate, up Tensor)

	// CrossEntropy computes ce[r] = -log softmax(x[r]·wᵀ)[targets[r]] in nats
	// for x/bf16 [R, hidden] and w [vocab, hidden]. When dx is not nil it also
	// sets dx [R, hidden] and dw [vocab, hidden] to the gradients of
	// Σ coef[r]*ce[r]; the [R, vocab] matrix never exists whole. starts holds the
	// first row of each sequence, then R. dx is overwritten; carry concerns dw.
	// Without dx, dw is nil too, and coef and starts are not read.
	CrossEntropy(ce []float64, dx, dw, x, w Tensor, targets []int32, coef []float32, starts []int32, carry bool)
	// LogProb sets dst[i] = log softmax(x[rows[i]]·wᵀ)[targets[i]], with the bits
	// of -CrossEntropy, and best[i] to the lowest id of the largest logit of that
	// row. rows ascend and may repeat: the logits of a row are computed once for
	// all its targets. best may be nil.
	LogProb(dst []float64, best []int32, x, w Tensor, rows, targets []int32)

	// SumSquares sets dst[i] = Σ x² over xs[i] in float64: blocks of 65,536
	// elements row-major, the 16-lane tree in a block, blocks in order.
	SumSquares(dst []float64, xs ...Tensor)
	// AdamW updates parameters p and moments m and v from gradients g: tensors are
	// p, g, m and v of one parameter, then of the next.
	AdamW(h AdamW, tensors ...Tensor)
}
