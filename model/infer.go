package model

import (
	"xrun/kernels"
)

// inference holds the buffers of a forward pass without a gradient. All blocks use the
// same ones. They grow to the largest batch and are kept.
type inference struct {
	tokens, wanted int // capacity in rows
	a              activations
	s              scratch
	x              kernels.Tensor // [wanted, hidden] rows whose logits are wanted
	norm           kernels.Tensor // [wanted, hidden] A, after the final norm
}

func (f *inference) free(e kernels.Engine) {
	for _, t := range []kernels.Tensor{f.a.x, f.a.rawQ, f.a.rawK, f.a.q, f.a.k, f.a.v, f.a.attn, f.a.up, f.s.norm, f.s.q, f.s.k, f.s.prod, f.x, f.norm} {
		if t != nil {
			e.Free(t)
		}
	}
	*f = inference{}
}

// newScratch allocates the scratch memory of a block for the given number of tokens.
func newScratch(e kernels.Engine, c Config, p kernels.DType, tokens int) scratch {
	s := scratch{norm: e.New(p, tokens, c.Hidden), prod: e.New(p, tokens, c.Intermediate)}
	if p != kernels.F32 {
		s.q, s.k = e.New(kernels.F32, tokens, c.qDim()), e.New(kernels.F32, tokens, c.kvDim())
	}
	return s
}

// reserve makes the buffers large enough.
func (m *Model) reserve(tokens, wanted int) {
	f, e, c, p := &m.infer, m.e, m.Config, m.Precision
	if tokens > f.tokens || wanted > f.wanted {
		tokens, wanted = max(tokens, f.tokens), max(wanted, f.wanted)
		f.free(e)
		f.tokens, f.wanted = tokens, wanted
		x := e.New(kernels.F32, tokens, c.Hidden)
		f.a = activations{
			x: x, x1: x,
			q: e.New(p, tokens, c.qDim()), k: e.New(p, tokens, c.kvDim()), v: e.New(p, tokens, c.kvDim()),
			attn: e.New(p, tokens, c.qDim()), up: e.New(p, tokens, c.Intermediate),
		}
		if c.headNorms() {
			f.a.rawQ, f.a.rawK = e.New(kernels.F32, tokens, c.qDim()), e.New(kernels.F32, tokens, c.kvDim())
		}
		f.s = newScratch(e, c, p, tokens)
		f.x, f.norm = e.New(kernels.F32, max(1, wanted), c.Hidden), e.New(p, max(1, wanted), c.Hidden)
	}
}

// kvStore provides a forward pass with earlier keys and values and stores its own.
type kvStore interface {
	// sequences returns the batch's sequences with their past keys and values.
	sequences(layer int) []kernels.Sequence
	// keep is called with k and v [T, kvHeads*headDim] of the batch. The next layer
	// overwrites them.
	keep(layer int, k, v kernels.Tensor)
}

// noPast is the kvStore of whole sequences.
type noPast []kernels.Sequence

func (n noPast) sequences(int) []kernels.Sequence         { return n }
func (n noPast) keep(int, kernels.Tensor, kernels.Tensor) {}

// forward runs a batch and returns the output of the final norm for the wanted rows, which
// must ascend: [len(wanted), hidden] in the model's precision, valid until the next call.
// If no row is wanted it computes only the keys and values and returns nil.
func (m *Model) forward(b *batch, kv kvStore, wanted []int32) kernels.Tensor {
	T, R := len(b.ids), len(wanted)
	m.reserve(T, R)
	m.extendRotary(int(maxOf(b.positions)) + 1)
	a, s := m.infer.a.rows(T), m.infer.s.rows(T)
	m.embedTokens(a.x, b.ids)
	last := len(m.w.layers) - 1
	for i := range m.w.layers {
		l := &m.w.layers[i]
		m.keysValues(l, &a, &s, b)
		kv.keep(i, a.k, a.v)
		if i == last && R == 0 {
			return nil
		}
		m.attend(l, &a, kv.sequences(i))
		if i == last { // continue with the wanted rows only
			m.e.GatherRows(rows(m.infer.x, R), a.x1, wanted)
			a.x1, a.up, s = rows(m.infer.x, R), rows(a.up, R), s.rows(R)
		}
		m.mlp(l, &a, &s, a.x1)
	}
	n := rows(m.infer.norm, R)
	m.e.RMSNorm(n, a.x1, m.w.norm, m.eps())
	return n
}

func maxOf(v []int32) int32 {
	m := v[0]
	for _, x := range v {
		m = max(m, x)
	}
	return m
}
