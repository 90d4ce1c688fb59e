package cuda

import "xrun/kernels"

// Training describes a model and its micro-batches for [Training.Overhead].
type Training struct {
	DType    kernels.DType // of activations
	Matrices [][2]int      // rows and columns of the weight matrices, a tied head once
	Vocab    int
	Heads    int
	HeadDim  int
	Tokens   int // of a micro-batch
	Labels   int // label rows of a micro-batch
}

// Overhead is the device memory, in bytes, that the engine uses in training beside the
// tensors.
type Overhead struct {
	Rounded int64 // weight matrices rounded to bf16, kept beside their masters
	Logits  int64 // of the label rows in memory at once
	Scratch int64 // partial products, rows of attention, sums
	Staging int64 // for copies from the host
	Context int64 // the driver's code, stacks and page tables
}

// Total returns the sum.
func (o Overhead) Total() int64 { return o.Rounded + o.Logits + o.Scratch + o.Staging + o.Context }

// contextBytes is about the memory that a CUDA context takes before anything is
// allocated. Drivers and devices differ by a few hundred MiB; an H200 was within that.
const contextBytes = 512 << 20

// Overhead predicts the memory that the engine uses with default Options.
func (t Training) Overhead() Overhead {
	o := Overhead{Staging: stagingBytes, Context: contextBytes}
	ld := (t.Vocab + 7) &^ 7
	chunk := min(t.Labels, lossChunk(ld))
	o.Logits = int64(chunk) * int64(ld) * 4

	elements, partial := int64(0), int64(0)
	need := func(p product) {
		if _, n := p.parts(p.splits()); n > 1 {
			partial = max(partial, int64(n)*int64(p.m)*int64(p.n)*4)
		}
	}
	for _, m := range t.Matrices {
		size := int64(m[0]) * int64(m[1])
		elements += size
		if t.DType == kernels.BF16 {
			o.Rounded += 2 * size
		}
		rows := t.Tokens
		if m[0] == t.Vocab {
			rows = chunk
		}
		need(product{layout: nt, dtype: t.DType, m: rows, n: m[0], k: m[1]})
		need(product{layout: nn, dtype: t.DType, m: rows, n: m[1], k: m[0]})
		need(product{layout: tn, dtype: t.DType, m: m[0], n: m[1], k: rows})
	}
	heads := 2 * int64(t.Tokens) * int64(t.Heads) * int64(t.HeadDim) * 4 // dk and dv of each query head
	inverses := 4 * int64(t.Tokens) * int64(t.Heads)                     // of norms, at most: where each head has one
	o.Scratch = partial + heads + int64(t.Tokens)*int64(t.Heads)*attentionRowBytes + inverses + 16*int64(t.Labels) + elements/kernels.SumBlock*8
	return o
}

// Memory returns the bytes of device memory now used by tensors and scratch memory, their
// peak, and the bytes reserved from the driver for them.
func (e *Engine) Memory() (inUse, peak, reserved int64) {
	return e.memory.inUse, e.memory.peak, e.memory.reserved
}
