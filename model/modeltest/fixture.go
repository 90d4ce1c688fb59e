// Package modeltest compares a model, on any engine, with the results of
// transformers in float64 for tiny models: logits, losses, gradients, ten steps of
// training, and greedy continuations.
//
// It is for tests: every function takes a testing.TB and skips, with a message, if
// reference files are absent; those of tiny-qwen3 and tiny-llama3 are part of the
// project and made by reference.py. Most readers need two calls: [Run], which makes all
// comparisons, and [Reference], which finds a reference file.
package modeltest

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"xrun/model"
	"xrun/model/safetensors"
)

// Models are the names of the tiny models that are trained: a Qwen2 with tied
// embeddings, biases and grouped queries, a Llama without biases or tied embeddings,
// with groups of three, and a Qwen3 with norms of queries and keys and with heads wider
// than hidden/heads. Beside them there is tiny-llama3, with scaled rotary frequencies.
var Models = []string{"tiny-qwen2", "tiny-llama", "tiny-qwen3"}

// Dir returns the transformers directory of a tiny model and skips the test if it does
// not exist.
func Dir(t testing.TB, name string) string {
	t.Helper()
	if name == "tiny-qwen3" || name == "tiny-llama3" {
		return filepath.Join(checkout(t), "model", "modeltest", "testdata", name)
	}
	return Reference(t, name)
}

// Reference returns a path in shared/reference beside the checkout, or in the
// directory named by XRUN_REFERENCE, and skips the test if it does not exist.
func Reference(t testing.TB, path ...string) string {
	t.Helper()
	root := os.Getenv("XRUN_REFERENCE")
	if root == "" {
		root = filepath.Join(checkout(t), "..", "shared", "reference")
	}
	p := filepath.Join(append([]string{root}, path...)...)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("SKIPPED, NOT CHECKED: no reference values: %v", err)
	}
	return p
}

// checkout returns the directory of go.mod, above the package under test.
func checkout(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = up
	}
}

// fixture is one of the tiny models with the results of transformers.
type fixture struct {
	t    testing.TB
	dir  string
	set  *safetensors.Set
	json struct {
		Greedy []struct {
			Prompt, New []int32
		}
		Trajectory map[string][]struct {
			Loss     float64
			GradNorm float64 `json:"grad_norm"`
			LR       float64
			Targets  int
		}
	}
	losses map[string]float64
}

func open(t testing.TB, name string) *fixture {
	f := &fixture{t: t, dir: Dir(t, name)}
	var err error
	if f.set, err = safetensors.OpenFile(os.DirFS(f.dir), "expected.safetensors"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.set.Close() })
	text, err := os.ReadFile(filepath.Join(f.dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &f.json); err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	f.losses = map[string]float64{}
	for k, v := range all {
		if x, ok := v.(float64); ok {
			f.losses[k] = x
		}
	}
	return f
}

func (f *fixture) ints(name string) []int32 {
	v, err := f.set.Int64(name)
	if err != nil {
		f.t.Fatal(err)
	}
	out := make([]int32, len(v))
	for i, x := range v {
		out[i] = int32(x)
	}
	return out
}

func (f *fixture) floats(name string) []float64 {
	v, err := f.set.Float64(name)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// rows cuts concatenated tokens into rows.
func (f *fixture) rows(prefix string) []model.Row {
	tokens, prompts := f.ints(prefix+"tokens"), f.ints(prefix+"prompts")
	var out []model.Row
	for i, n := range f.ints(prefix + "lengths") {
		out = append(out, model.Row{Tokens: tokens[:n], Prompt: int(prompts[i])})
		tokens = tokens[n:]
	}
	return out
}

// Distance returns the norm of a-b relative to that of b.
func Distance(a []float32, b []float64) float64 {
	var d, n float64
	for i := range b {
		x := float64(a[i]) - b[i]
		d, n = d+x*x, n+b[i]*b[i]
	}
	return math.Sqrt(d) / max(math.Sqrt(n), 1e-30)
}

func relative(got, want float64) float64 { return math.Abs(got-want) / math.Abs(want) }

// Values reads a parameter, or its gradient.
func Values(m *model.Model, p model.Param) []float32 {
	v := make([]float32, p.Elements())
	m.Engine().Read(v, p.Tensor)
	return v
}
