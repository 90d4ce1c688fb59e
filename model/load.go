package model

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"xrun/kernels"
	"xrun/model/safetensors"
)

// Load reads a transformers directory: config.json and its safetensors files. Weights of
// any floating-point type become float32. It is an error if a tensor is missing, has the
// wrong shape, is unknown to the architecture or holds a NaN or an infinity, or if a tied
// head is stored with other values than the embedding.
func Load(e kernels.Engine, fsys fs.FS, precision kernels.DType) (*Model, error) {
	return load(e, fsys, precision, false)
}

// LoadFrozen is [Load] for a model that will not be trained. In bf16 it stores the
// matrices in bf16, which takes half the memory and half the time to read. Results have
// the same bits.
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

// CheckWeights reads the headers of a transformers directory's safetensors files and
// returns the error that Load would return, except for errors in the values.
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

// checkTensors compares the stored tensors with those that the configuration requires,
// before any memory is allocated.
func (c Config) checkTensors(set *safetensors.Set) error {
	known, err := map[string]bool{}, error(nil)
	c.eachParam(&weights{}, func(name string, shape []int, _ *kernels.Tensor) {
		known[name] = true
		info, ok := set.Info(name)
		switch {
		case err != nil:
		case !ok:
			err = fmt.Errorf("loading weights: tensor %q is missing; config.json (%s) requires it", name, c.Architecture)
		case !slices.Equal(info.Shape, shape):
			err = fmt.Errorf("loading weights: %s: byte %d: tensor %q has shape %v; config.json requires %v", info.File, info.Offset, name, info.Shape, shape)
		}
	})
	if err != nil {
		return err
	}
	for _, name := range set.Names() {
		// Old Llama files contain the rotary frequencies, which are not used. A tied
		// model's file may repeat the embedding as its head (see checkTied).
		if known[name] || strings.HasSuffix(name, ".rotary_emb.inv_freq") || c.Tied && name == "lm_head.weight" {
			continue
		}
		info, _ := set.Info(name)
		return fmt.Errorf("loading weights: %s: byte %d: tensor %q is not part of %s as config.json describes it", info.File, info.Offset, name, c.Architecture)
	}
	return nil
}

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
	if m.Config.Tied {
		if err := m.checkTied(set); err != nil {
			return err
		}
	}
	return m.e.Sync()
}

// checkTied returns an error if a stored head differs from the embedding it is tied to.
// Since version 5, transformers uses such a head, whatever config.json says.
func (m *Model) checkTied(set *safetensors.Set) error {
	const name, embedding = "lm_head.weight", "model.embed_tokens.weight"
	info, ok := set.Info(name)
	if !ok {
		return nil
	}
	differs := fmt.Errorf("loading weights: tensor %q differs from %q, to which config.json ties it; set tie_word_embeddings to false there to use it, or remove it from %s", name, embedding, info.File)
	if !slices.Equal(info.Shape, []int{m.Config.Vocab, m.Config.Hidden}) {
		return differs
	}
	var head, embed []float32
	for lo, step := 0, pieceRows(m.w.embed); lo < m.Config.Vocab; lo += step {
		n := (min(lo+step, m.Config.Vocab) - lo) * m.Config.Hidden
		head, embed = sized(head, n), sized(embed, n)
		err := errors.Join(set.Float32(name, lo*m.Config.Hidden, head), set.Float32(embedding, lo*m.Config.Hidden, embed))
		if err != nil {
			return fmt.Errorf("loading weights: %w", err)
		}
		if !slices.Equal(head, embed) {
			return differs
		}
	}
	return nil
}

// unravel converts a row-major index to one index per dimension.
func unravel(i int, shape []int) []int {
	out := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		out[d], i = i%shape[d], i/shape[d]
	}
	return out
}
