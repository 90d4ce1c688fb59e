package model

import (
	"xrun/kernels"
)

// weights holds one tensor for every parameter of a model: the parameters themselves,
// their gradients, or a moment of AdamW.
type weights struct {
	embed  kernels.Tensor // [vocab, hidden]
	layers []layer
	norm   kernels.Tensor // [1, hidden]
	head   kernels.Tensor // [vocab, hidden]; embed itself when tied
}

// layer is one decoder block.
type layer struct {
	inputNorm  kernels.Tensor // [1, hidden]
	q, k, v, o linear
	qNorm      kernels.Tensor // [1, headDim]; Qwen3 only, otherwise nil
	kNorm      kernels.Tensor // [1, headDim]
	postNorm   kernels.Tensor // [1, hidden]
	gate, up   linear
	down       linear
}

// linear is torch's nn.Linear: y = x·weightᵀ + bias.
type linear struct {
	weight kernels.Tensor // [out, in]
	bias   kernels.Tensor // [1, out], or nil
}

// Model is a decoder-only transformer in the memory of an engine. It is not
// safe for concurrent use, as its engine is not.
type Model struct {
	Config    Config
	Precision kernels.DType // type of matrix operands

	frozen bool // matrices are stored in Precision

	e      kernels.Engine
	w      weights
	params []Param // of w, in transformers' order
	rotary rotary
	infer  inference
}

// batch is a concatenation of sequences, T tokens in all.
type batch struct {
	ids       []int32            // [T]
	positions []int32            // [T], for the rotary embedding
	seqs      []kernels.Sequence // in order of First
	starts    []int32            // first row of each sequence, then T
}

// add appends a sequence whose first token is at the given position.
func (b *batch) add(tokens []int32, position int) {
	b.seqs = append(b.seqs, kernels.Sequence{First: len(b.ids), Len: len(tokens)})
	if len(b.starts) > 0 {
		b.starts = b.starts[:len(b.starts)-1]
	}
	b.starts = append(b.starts, int32(len(b.ids)))
	b.ids = append(b.ids, tokens...)
	for i := range tokens {
		b.positions = append(b.positions, int32(position+i))
	}
	b.starts = append(b.starts, int32(len(b.ids)))
}

func (b *batch) reset() {
	b.ids, b.positions, b.seqs, b.starts = b.ids[:0], b.positions[:0], b.seqs[:0], b.starts[:0]
}

// activations are the values that a block computes and its gradient reads. Those marked A
// have the model's precision; the others are F32.
type activations struct {
	x        kernels.Tensor // [T, hidden] the block's input
	rawQ     kernels.Tensor // [T, heads*headDim] before its norm; nil without one
	rawK     kernels.Tensor // [T, kvHeads*headDim]
	q        kernels.Tensor // [T, heads*headDim] A, after rotary
	k, v     kernels.Tensor // [T, kvHeads*headDim] A
	attn     kernels.Tensor // [T, heads*headDim] A
	stats    kernels.Tensor // [T, 2*heads] softmax statistics; nil if no gradient is wanted
	x1       kernels.Tensor // [T, hidden] after attention
	gate, up kernels.Tensor // [T, intermediate] A; gate is nil if no gradient is wanted
}

// scratch holds values that are used only within one block.
type scratch struct {
	norm kernels.Tensor // [T, hidden] A
	q, k kernels.Tensor // F32 q and k before rotary; nil in F32, where rotary is in place
	prod kernels.Tensor // [T, intermediate] A, SwiGLU's result
}

// embedTokens sets x [T, hidden] to the rows of the embedding.
func (m *Model) embedTokens(x kernels.Tensor, ids []int32) {
	m.e.Embed(x, m.w.embed, ids, m.Precision)
}

// keysValues computes q, k and v of a block from a.x.
func (m *Model) keysValues(l *layer, a *activations, s *scratch, b *batch) {
	m.e.RMSNorm(s.norm, a.x, l.inputNorm, m.eps())
	q, k := a.q, a.k
	if s.q != nil {
		q, k = s.q, s.k
	}
	m.linear(a.v, s.norm, l.v, nil)
	if l.qNorm == nil {
		m.linear(q, s.norm, l.q, nil)
		m.linear(k, s.norm, l.k, nil)
	} else {
		m.linear(a.rawQ, s.norm, l.q, nil)
		m.linear(a.rawK, s.norm, l.k, nil)
		m.e.RMSNorm(q, a.rawQ, l.qNorm, m.eps())
		m.e.RMSNorm(k, a.rawK, l.kNorm, m.eps())
	}
	m.e.Rotary(a.q, q, m.rotary.cos, m.rotary.sin, b.positions, m.Config.HeadDim, false)
	m.e.Rotary(a.k, k, m.rotary.cos, m.rotary.sin, b.positions, m.Config.HeadDim, false)
}

// attend sets a.x1 = a.x + o_proj(attention(q, k, v)). a.x1 may be a.x.
func (m *Model) attend(l *layer, a *activations, seqs []kernels.Sequence) {
	m.e.Attention(a.attn, a.stats, a.q, a.k, a.v, seqs, m.headShape())
	m.linear(a.x1, a.attn, l.o, a.x)
}

// mlp sets out = a.x1 + down_proj(silu(gate_proj(n)) * up_proj(n)) where n =
// norm(a.x1). out may be a.x1.
func (m *Model) mlp(l *layer, a *activations, s *scratch, out kernels.Tensor) {
	m.gateUp(l, a, s)
	m.linear(out, s.prod, l.down, a.x1)
}

// gateUp computes gate, up and their product of a block from a.x1.
func (m *Model) gateUp(l *layer, a *activations, s *scratch) {
	m.e.RMSNorm(s.norm, a.x1, l.postNorm, m.eps())
	m.e.GateUp(s.prod, a.gate, a.up, s.norm, l.gate.weight, l.up.weight, l.gate.bias, l.up.bias)
}

func (m *Model) linear(dst, x kernels.Tensor, l linear, residual kernels.Tensor) {
	m.e.Linear(dst, x, l.weight, l.bias, residual)
}

func (m *Model) eps() float32 { return float32(m.Config.NormEps) }

func (m *Model) headShape() kernels.HeadShape {
	return kernels.HeadShape{Heads: m.Config.Heads, KVHeads: m.Config.KVHeads, HeadDim: m.Config.HeadDim}
}

// rows returns the first n rows of t; nil stays nil.
func rows(t kernels.Tensor, n int) kernels.Tensor {
	if t == nil || t.Rows() == n {
		return t
	}
	return t.Slice(0, n)
}

func (a activations) rows(n int) activations {
	return activations{rows(a.x, n), rows(a.rawQ, n), rows(a.rawK, n), rows(a.q, n), rows(a.k, n), rows(a.v, n),
		rows(a.attn, n), rows(a.stats, n), rows(a.x1, n), rows(a.gate, n), rows(a.up, n)}
}

func (s scratch) rows(n int) scratch {
	return scratch{rows(s.norm, n), rows(s.q, n), rows(s.k, n), rows(s.prod, n)}
}
