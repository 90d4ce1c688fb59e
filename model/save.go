package model

import (
	"fmt"
	"io"

	"xrun/kernels"
	"xrun/model/safetensors"
)

// stored returns tensors for a safetensors file. Their elements are read from the engine in
// pieces of whole rows.
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

// WriteWeights writes the weights to a safetensors file, as float32 or bfloat16, with
// parameters in transformers' order.
func (m *Model) WriteWeights(w io.Writer, d kernels.DType) error {
	if err := safetensors.Write(w, stored(m.e, m.params, "", d), nil); err != nil {
		return fmt.Errorf("writing weights: %w", err)
	}
	return nil
}

// Directory is a destination for the files of a model.
type Directory interface {
	// WriteFile creates the file name with the bytes that write writes.
	WriteFile(name string, write func(io.Writer) error) error
}

// Save writes config.json, generation_config.json and, last, model.safetensors with the
// weights as float32 or bfloat16. Tokenizer files are left to the caller.
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
