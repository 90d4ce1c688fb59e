package model

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"

	"xrun/kernels"
	"xrun/kernels/num"
	"xrun/model/safetensors"
)

// Param is a parameter, with its name in transformers' state dict.
type Param struct {
	Name string
	// Shape is as in torch: a vector has one dimension, although its tensor is one row.
	Shape  []int
	Tensor kernels.Tensor
}

// Elements returns the number of elements.
func (p Param) Elements() int { return safetensors.Info{Shape: p.Shape}.Elements() }

// eachParam calls f for every parameter, in transformers' order, with its name, its shape
// and its field in w. A tied head is not a parameter.
func (c Config) eachParam(w *weights, f func(name string, shape []int, t *kernels.Tensor)) {
	if len(w.layers) != c.Layers {
		w.layers = make([]layer, c.Layers)
	}
	mat := func(name string, out, in int, t *kernels.Tensor) { f(name, []int{out, in}, t) }
	vec := func(name string, n int, t *kernels.Tensor) { f(name, []int{n}, t) }
	lin := func(name string, out, in int, bias bool, l *linear) {
		mat(name+".weight", out, in, &l.weight)
		if bias {
			vec(name+".bias", out, &l.bias)
		}
	}
	mat("model.embed_tokens.weight", c.Vocab, c.Hidden, &w.embed)
	for i := range w.layers {
		l, p := &w.layers[i], fmt.Sprintf("model.layers.%d.", i)
		lin(p+"self_attn.q_proj", c.qDim(), c.Hidden, c.QKVBias, &l.q)
		lin(p+"self_attn.k_proj", c.kvDim(), c.Hidden, c.QKVBias, &l.k)
		lin(p+"self_attn.v_proj", c.kvDim(), c.Hidden, c.QKVBias, &l.v)
		lin(p+"self_attn.o_proj", c.Hidden, c.qDim(), c.OutputBias, &l.o)
		if c.headNorms() {
			vec(p+"self_attn.q_norm.weight", c.HeadDim, &l.qNorm)
			vec(p+"self_attn.k_norm.weight", c.HeadDim, &l.kNorm)
		}
		lin(p+"mlp.gate_proj", c.Intermediate, c.Hidden, c.MLPBias, &l.gate)
		lin(p+"mlp.up_proj", c.Intermediate, c.Hidden, c.MLPBias, &l.up)
		lin(p+"mlp.down_proj", c.Hidden, c.Intermediate, c.MLPBias, &l.down)
		vec(p+"input_layernorm.weight", c.Hidden, &l.inputNorm)
		vec(p+"post_attention_layernorm.weight", c.Hidden, &l.postNorm)
	}
	vec("model.norm.weight", c.Hidden, &w.norm)
	if !c.Tied {
		mat("lm_head.weight", c.Vocab, c.Hidden, &w.head)
	}
}

// newWeights allocates a tensor for every parameter: matrices with the given type, vectors
// in float32.
func newWeights(e kernels.Engine, c Config, matrices kernels.DType) (w weights, params []Param) {
	c.eachParam(&w, func(name string, shape []int, t *kernels.Tensor) {
		if len(shape) == 2 {
			*t = e.New(matrices, shape[0], shape[1])
		} else {
			*t = e.New(kernels.F32, 1, shape[0])
		}
		params = append(params, Param{name, shape, *t})
	})
	if c.Tied {
		w.head = w.embed
	}
	return w, params
}

// New makes a model with all weights zero; see InitRandom.
func New(e kernels.Engine, c Config, precision kernels.DType) (*Model, error) {
	return newModel(e, c, precision, false)
}

// NewFrozen is [New] for a model that will not be trained; see [LoadFrozen].
func NewFrozen(e kernels.Engine, c Config, precision kernels.DType) (*Model, error) {
	return newModel(e, c, precision, true)
}

func newModel(e kernels.Engine, c Config, precision kernels.DType, frozen bool) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("making a model: %w", err)
	}
	if precision != kernels.F32 && precision != kernels.BF16 {
		return nil, fmt.Errorf("making a model: precision %v is neither f32 nor bf16", precision)
	}
	m := &Model{Config: c, Precision: precision, frozen: frozen, e: e}
	matrices := kernels.F32
	if frozen {
		matrices = precision
	}
	m.w, m.params = newWeights(e, c, matrices)
	if err := e.Sync(); err != nil {
		m.Close()
		return nil, fmt.Errorf("making a model of %d parameters: %w", c.Parameters(), err)
	}
	return m, nil
}

// pieceRows returns the number of rows of a tensor that hold about a million elements.
func pieceRows(t kernels.Tensor) int { return max(1, 1<<20/t.Cols()) }

func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// InitRandom initializes the weights as transformers does: matrices and the embedding from
// normal(0, initializer_range), norm weights to 1, biases and the embedding of the pad
// token to 0. The elements of row r of tensor t, numbered in transformers' order, are
// successive draws from the Philox stream (seed, PurposeInit, t<<32 | r). A draw is the
// normal quantile of a 53-bit uniform number, in float64, times the standard deviation,
// rounded once.
func (m *Model) InitRandom(seed uint64) error {
	std := m.Config.InitRange
	for t, p := range m.params {
		if len(p.Shape) == 1 {
			v := make([]float32, p.Shape[0])
			if strings.HasSuffix(p.Name, "norm.weight") {
				for i := range v {
					v[i] = 1
				}
			}
			m.e.Write(p.Tensor, v)
			continue
		}
		cols := p.Shape[1]
		buf := make([]float32, pieceRows(p.Tensor)*cols)
		for lo := 0; lo < p.Shape[0]; lo += pieceRows(p.Tensor) {
			hi := min(lo+pieceRows(p.Tensor), p.Shape[0])
			overRows(hi-lo, func(r int) {
				g := num.NewPhilox(seed, PurposeInit, uint64(t)<<32|uint64(lo+r))
				row := buf[r*cols : (r+1)*cols]
				for i := range row {
					row[i] = float32(std * normal(g))
				}
				if t == 0 && int32(lo+r) == m.Config.Pad {
					clear(row)
				}
			})
			m.e.Write(p.Tensor.Slice(lo, hi), buf[:(hi-lo)*cols])
		}
	}
	return m.e.Sync()
}

// overRows calls f for every row of [0, n) on all processors.
func overRows(n int, f func(r int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for r := w * n / workers; r < (w+1)*n/workers; r++ {
				f(r)
			}
		})
	}
	wg.Wait()
}

// Engine returns the engine that holds the model.
func (m *Model) Engine() kernels.Engine { return m.e }

// Params lists the parameters in transformers' order. Writing to their tensors
// changes the model.
func (m *Model) Params() []Param { return m.params }

// Digest returns a hash of the bits of all weights: the chain x ← (x ⊕ bits)·prime of
// FNV-1a over 32-bit words, parameters in order.
func (m *Model) Digest() uint64 {
	h, buf := uint64(14695981039346656037), []float32(nil)
	for _, p := range m.params {
		for lo := 0; lo < p.Tensor.Rows(); lo += pieceRows(p.Tensor) {
			hi := min(lo+pieceRows(p.Tensor), p.Tensor.Rows())
			buf = sized(buf, (hi-lo)*p.Tensor.Cols())
			m.e.Read(buf, p.Tensor.Slice(lo, hi))
			for _, v := range buf {
				h = (h ^ uint64(math.Float32bits(v))) * 1099511628211
			}
		}
	}
	return h
}

// Close frees the model's memory. The engine stays open.
func (m *Model) Close() error {
	m.infer.free(m.e)
	if m.rotary.cos != nil {
		m.e.Free(m.rotary.cos, m.rotary.sin)
	}
	freeParams(m.e, m.params)
	m.params, m.w, m.rotary = nil, weights{}, rotary{}
	return m.e.Sync()
}

func freeParams(e kernels.Engine, params []Param) {
	for _, p := range params {
		if p.Tensor != nil {
			e.Free(p.Tensor)
		}
	}
}
