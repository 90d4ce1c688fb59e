package model

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"xrun/kernels"
	"xrun/kernels/num"
	"xrun/model/safetensors"
)

// Param is a parameter under its name in transformers' state dict.
type Param struct {
	Name string
	// Shape is torch's: a vector has one dimension, its tensor one row.
	Shape  []int
	Tensor kernels.Tensor
}

// Elements returns the number of elements.
func (p Param) Elements() int { return safetensors.Info{Shape: p.Shape}.Elements() }

// eachParam calls f for every parameter in transformers' order with its name,
// its shape and the place that holds it. A tied head is not a parameter.
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

// newWeights allocates a tensor for every parameter: matrices of the given type,
// vectors of float32.
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

// New makes a model whose weights are all zero; see InitRandom.
func New(e kernels.Engine, c Config, precision kernels.DType) (*Model, error) {
	return newModel(e, c, precision, false)
}

// NewFrozen is [New] for a model that is not to be trained; see [LoadFrozen].
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

// Load reads a transformers directory: config.json and its safetensors files.
// Weights of any floating-point type become float32. A tensor that is missing,
// of the wrong shape, unknown to the architecture, or that holds a NaN or an
// infinity is an error.
func Load(e kernels.Engine, fsys fs.FS, precision kernels.DType) (*Model, error) {
	return load(e, fsys, precision, false)
}

// LoadFrozen is [Load] for a model that is not to be trained. In bf16 it keeps
// the matrices in bf16, in half the memory and read in half the time; what it
// computes has the same bits.
func LoadFrozen(e kernels.Engine, fsys fs.FS, precision kernels.DType) (*Model, error) {
	return load(e, fsys, precision, true)
}

func load(e kernels.Engine, fsys fs.FS, precision kernels.DType, frozen bool) (*Model, error) {
	c, err := ReadConfig(fsys)
	if err != nil {
		return nil, err
	}
	set, err := safetensors.Open(fsys)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	if err := c.checkTensors(set); err != nil {
		return nil, err
	}
	m, err := newModel(e, c, precision, frozen)
	if err != nil {
		return nil, err
	}
	if err := m.read(set); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// CheckWeights reads the headers of a transformers directory's safetensors files
// and reports what Load would refuse about them, values aside.
func CheckWeights(fsys fs.FS) error {
	c, err := ReadConfig(fsys)
	if err != nil {
		return err
	}
	set, err := safetensors.Open(fsys)
	if err != nil {
		return err
	}
	defer set.Close()
	return c.checkTensors(set)
}

// checkTensors compares the stored tensors with those the configuration asks
// for, before any memory is taken.
func (c Config) checkTensors(set *safetensors.Set) error {
	known, err := map[string]bool{}, error(nil)
	c.eachParam(&weights{}, func(name string, shape []int, _ *kernels.Tensor) {
		known[name] = true
		info, ok := set.Info(name)
		switch {
		case err != nil:
		case !ok:
			err = fmt.Errorf("loading weights: tensor %q is missing; config.json (%s) asks for it", name, c.Architecture)
		case !slices.Equal(info.Shape, shape):
			err = fmt.Errorf("loading weights: %s: byte %d: tensor %q has shape %v; config.json asks for %v", info.File, info.Offset, name, info.Shape, shape)
		}
	})
	if err != nil {
		return err
	}
	for _, name := range set.Names() {
		// Old Llama files hold the rotary frequencies; a tied model's file may
		// repeat the embedding as its head. transformers reads neither.
		if known[name] || strings.HasSuffix(name, ".rotary_emb.inv_freq") || c.Tied && name == "lm_head.weight" {
			continue
		}
		info, _ := set.Info(name)
		return fmt.Errorf("loading weights: %s: byte %d: tensor %q is not part of %s as config.json describes it", info.File, info.Offset, name, c.Architecture)
	}
	return nil
}

// pieceRows returns how many rows of a tensor make about a million elements.
func pieceRows(t kernels.Tensor) int { return max(1, 1<<20/t.Cols()) }

// read fills the weights from a set that checkTensors accepted.
func (m *Model) read(set *safetensors.Set) error {
	var buf []float32
	for _, p := range m.params {
		for lo, step := 0, pieceRows(p.Tensor); lo < p.Tensor.Rows(); lo += step {
			hi, cols := min(lo+step, p.Tensor.Rows()), p.Tensor.Cols()
			buf = sized(buf, (hi-lo)*cols)
			if err := set.Float32(p.Name, lo*cols, buf); err != nil {
				return fmt.Errorf("loading weights: %w", err)
			}
			for i, v := range buf {
				if v-v != 0 { // NaN or infinite
					return fmt.Errorf("loading weights: tensor %q holds %v at index %v", p.Name, v, unravel(lo*cols+i, p.Shape))
				}
			}
			m.e.Write(p.Tensor.Slice(lo, hi), buf)
		}
	}
	return m.e.Sync()
}

// unravel turns a row-major index into one per dimension.
func unravel(i int, shape []int) []int {
	out := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		out[d], i = i%shape[d], i/shape[d]
	}
	return out
}

func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// InitRandom sets the weights as transformers initializes them: matrices and
// the embedding from normal(0, initializer_range), norm weights 1, biases and
// the embedding of the pad token 0.
// Row r of tensor t (numbered in transformers' order) takes its elements from
// the Philox stream (seed, PurposeInit, t<<32 | r) in turn; a draw is the
// normal quantile of a 53-bit uniform number, in float64, times the standard
// deviation, rounded once.
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

// Digest returns a number that changes when any bit of any weight does: the
// chain x ← (x ⊕ bits)·prime of FNV-1a over 32-bit words, parameters in order.
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

// stored describes tensors for a safetensors file. Elements are read from the
// engine in pieces of whole rows.
func stored(e kernels.Engine, params []Param, prefix string, d kernels.DType) []safetensors.Tensor {
	kind := safetensors.F32
	if d == kernels.BF16 {
		kind = safetensors.BF16
	}
	var out []safetensors.Tensor
	for _, p := range params {
		r := rowReader{e: e, t: p.Tensor}
		out = append(out, safetensors.Tensor{Name: prefix + p.Name, DType: kind, Shape: p.Shape, Read: r.read})
	}
	return out
}

// rowReader reads any range of elements of a tensor.
type rowReader struct {
	e   kernels.Engine
	t   kernels.Tensor
	buf []float32
}

func (r *rowReader) read(first int, dst []float32) error {
	cols := r.t.Cols()
	lo, hi := first/cols, (first+len(dst)+cols-1)/cols
	r.buf = sized(r.buf, (hi-lo)*cols)
	r.e.Read(r.buf, r.t.Slice(lo, hi))
	copy(dst, r.buf[first-lo*cols:])
	if first+len(dst) == r.t.Rows()*cols {
		r.buf = nil
		return r.e.Sync()
	}
	return nil
}

// WriteWeights writes the weights as a safetensors file, as float32 or
// bfloat16, parameters in transformers' order.
func (m *Model) WriteWeights(w io.Writer, d kernels.DType) error {
	if err := safetensors.Write(w, stored(m.e, m.params, "", d), nil); err != nil {
		return fmt.Errorf("writing weights: %w", err)
	}
	return nil
}

// Directory is where the files of a model go.
type Directory interface {
	// WriteFile makes the file name from what write writes.
	WriteFile(name string, write func(io.Writer) error) error
}

// Save writes config.json, generation_config.json and model.safetensors, the
// weights as float32 or bfloat16 and last. Tokenizer files are the caller's.
func (m *Model) Save(dir Directory, d kernels.DType) error {
	name := map[kernels.DType]string{kernels.F32: "float32", kernels.BF16: "bfloat16"}[d]
	config, err := m.Config.MarshalTransformers(name)
	if err != nil {
		return fmt.Errorf("writing config.json: %w", err)
	}
	if err := dir.WriteFile("config.json", writeBytes(config)); err != nil {
		return err
	}
	generation, err := m.Config.marshalGeneration()
	if err != nil {
		return fmt.Errorf("writing generation_config.json: %w", err)
	}
	if err := dir.WriteFile("generation_config.json", writeBytes(generation)); err != nil {
		return err
	}
	return dir.WriteFile(safetensors.SingleFile, func(w io.Writer) error { return m.WriteWeights(w, d) })
}

func writeBytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
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
