package model_test

import (
	"bytes"
	"math"
	"testing"
	"testing/fstest"

	"xrun/model"
	"xrun/model/modeltest"
	"xrun/model/safetensors"
)

func nan() float64 { return math.NaN() }

// alteredWeights writes a model's directory with some tensors changed: change
// returns a tensor's new name ("" drops it), what to do to its values, and its
// new shape (nil keeps it).
func alteredWeights(t *testing.T, m *model.Model, _ string, change func(string) (string, func([]float32), []int)) fstest.MapFS {
	t.Helper()
	var out []safetensors.Tensor
	for _, p := range m.Params() {
		name, alter, shape := change(p.Name)
		if name == "" {
			continue
		}
		if shape == nil {
			shape = p.Shape
		}
		v := modeltest.Values(m, p)
		if alter != nil {
			alter(v)
		}
		out = append(out, safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Read: func(first int, dst []float32) error {
			copy(dst, v[first:])
			return nil
		}})
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, out, nil); err != nil {
		t.Fatal(err)
	}
	fsys := configFS(qwenConfig)
	fsys[safetensors.SingleFile] = &fstest.MapFile{Data: b.Bytes()}
	return fsys
}
