package schema_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"xrun/schema"
)

// goldens runs check over the archives of a folder: the first file is a spec,
// the comment's "tags:" line its tags, and what check returns by name must be
// what the other files hold. XRUN_UPDATE=1 rewrites them.
func goldens(t *testing.T, folder string, check func(spec string, data []byte, tags map[string]string) map[string]string) {
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives in testdata/%s: %v", folder, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			tags := map[string]string{}
			for line := range strings.Lines(string(a.Comment)) {
				if rest, ok := strings.CutPrefix(line, "tags: "); ok {
					for _, pair := range strings.Fields(rest) {
						name, value, _ := strings.Cut(pair, "=")
						tags[name] = value
					}
				}
			}
			got := check(a.Files[0].Name, a.Files[0].Data, tags)
			for i := range a.Files[1:] {
				f := &a.Files[i+1]
				if diff := cmp.Diff(string(f.Data), got[f.Name]); diff != "" && os.Getenv("XRUN_UPDATE") == "" {
					t.Errorf("%s (-want +got):\n%s", f.Name, diff)
				}
				f.Data = []byte(got[f.Name])
			}
			if os.Getenv("XRUN_UPDATE") != "" {
				if err := os.WriteFile(path, txtar.Format(a), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func load(name string, data []byte, tags map[string]string) (*schema.Spec, error) {
	return schema.Load(name, schema.Options{Tags: tags, Read: func(string) ([]byte, error) { return data, nil }})
}

// Every broken spec gives exactly these messages.
func TestErrors(t *testing.T) {
	goldens(t, "errors", func(name string, data []byte, tags map[string]string) map[string]string {
		_, err := load(name, data, tags)
		if err == nil {
			return map[string]string{"errors": ""}
		}
		return map[string]string{"errors": err.Error() + "\n"}
	})
}

// Sound specs resolve to these values and cells, and what is written reads back
// as the same spec.
func TestSpecs(t *testing.T) {
	goldens(t, "specs", func(name string, data []byte, tags map[string]string) map[string]string {
		spec, err := load(name, data, tags)
		if err != nil {
			t.Fatal(err)
		}
		out, err := spec.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := schema.FromJSON(out)
		if err != nil {
			t.Fatalf("reading spec.json back: %v", err)
		}
		if diff := cmp.Diff(spec, back); diff != "" {
			t.Errorf("spec.json read back differs (-want +got):\n%s", diff)
		}
		cells, err := spec.Cells()
		if err != nil {
			t.Fatal(err)
		}
		var names strings.Builder
		for _, c := range cells {
			fmt.Fprintln(&names, c.Name)
		}
		return map[string]string{"spec.json": string(out), "cells": names.String()}
	})
}

// The experiments that ship are valid.
func TestExperiments(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../experiments", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".cue" {
			return err
		}
		found++
		spec, err := schema.Load(path, schema.Options{})
		if err != nil {
			t.Error(err)
			return nil
		}
		if _, err := spec.Cells(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Skip("experiments/ has no .cue file yet")
	}
}

const tiny = `question: "x", matrix: model: ["builtin:tiny"], data: source: "a.json"` + "\n"

func TestCells(t *testing.T) {
	spec, err := load("x.cue", []byte(`question: "x"
data: source: "a.json"
matrix: {
	model: ["builtin:tiny", "Qwen/a", "other/a", "./dir/b/"]
	labels: [0, 0.5]
	schedule: ["linear", {name: "polynomial", power: 2}, {name: "polynomial", power: 3}]
	"train.lr": [1e-5, 0.001]
	"data.end": ["eos", "none"]
}
exclude: [{schedule: "polynomial", labels: 0.5}, {model: "Qwen/a"}, {model: "other/a"}, {"data.end": "none", "train.lr": 1e-3}, {"train.lr": 1e-5, labels: "output"}]
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	cells, err := spec.Cells()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range cells {
		names = append(names, c.Name)
	}
	want := []string{
		"model=tiny,labels=output,schedule=linear,train.lr=0.001,data.end=eos",
		"model=tiny,labels=output,schedule=polynomial-power-2,train.lr=0.001,data.end=eos",
		"model=tiny,labels=output,schedule=polynomial-power-3,train.lr=0.001,data.end=eos",
		"model=tiny,labels=0.5,schedule=linear,train.lr=1e-05,data.end=eos",
		"model=tiny,labels=0.5,schedule=linear,train.lr=1e-05,data.end=none",
		"model=tiny,labels=0.5,schedule=linear,train.lr=0.001,data.end=eos",
		"model=b,labels=output,schedule=linear,train.lr=0.001,data.end=eos",
		"model=b,labels=output,schedule=polynomial-power-2,train.lr=0.001,data.end=eos",
		"model=b,labels=output,schedule=polynomial-power-3,train.lr=0.001,data.end=eos",
		"model=b,labels=0.5,schedule=linear,train.lr=1e-05,data.end=eos",
		"model=b,labels=0.5,schedule=linear,train.lr=1e-05,data.end=none",
		"model=b,labels=0.5,schedule=linear,train.lr=0.001,data.end=eos",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	last := cells[4]
	wantValues := []schema.AxisValue{
		{Axis: "model", Value: "builtin:tiny", Varies: true}, {Axis: "padding", Value: "left"}, {Axis: "labels", Value: "0.5", Varies: true},
		{Axis: "schedule", Value: "linear", Varies: true}, {Axis: "seed", Value: "1"}, {Axis: "train.lr", Value: "1e-05", Varies: true}, {Axis: "data.end", Value: "none", Varies: true},
	}
	if diff := cmp.Diff(wantValues, last.Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if last.Train.LR != 1e-5 || last.Data.End != "none" || last.Labels != 0.5 || last.Model != "builtin:tiny" {
		t.Errorf("the cell's recipe does not have its axis values: %+v", last)
	}
	if spec.Train.LR != 5e-5 || spec.Data.End != "eos" {
		t.Error("enumerating changed the spec")
	}
}

// Names are unique without regard to case, short enough and safe, whatever the
// values are.
func TestCellNames(t *testing.T) {
	long := strings.Repeat("very/long", 40)
	spec, err := load("x.cue", []byte(fmt.Sprintf(`question: "x"
matrix: {
	model: ["a/M", "b/m", "a-M", "a M", "…", "../..", %q, %q]
	"data.system": ["one", "two", %q, %q]
	seed: [1, 2]
}
data: source: "a.json"
`, long, long+"2", long, long+"2")), nil)
	if err != nil {
		t.Fatal(err)
	}
	cells, err := spec.Cells()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range cells {
		low := strings.ToLower(c.Name)
		if seen[low] {
			t.Errorf("%s is not unique", c.Name)
		}
		seen[low] = true
		if len(c.Name) > 200 || !filepath.IsLocal(c.Name) || strings.ContainsAny(c.Name, "/\\:*?\"<>| ") {
			t.Errorf("%q is no safe file name", c.Name)
		}
	}
	if len(cells) != 64 {
		t.Errorf("%d cells, want 64", len(cells))
	}
	single, err := load("x.cue", []byte(tiny), nil)
	if err != nil {
		t.Fatal(err)
	}
	if cells, err = single.Cells(); err != nil || len(cells) != 1 || cells[0].Name != "tuned" {
		t.Errorf("cells %v, %v; want one named tuned", cells, err)
	}
}

func manyCells(t testing.TB) *schema.Spec {
	spec, err := load("x.cue", []byte(tiny), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &spec.Matrix
	m.Seed, m.Labels = nil, nil
	for i := range 32 {
		m.Seed = append(m.Seed, uint64(i))
		m.Labels = append(m.Labels, schema.Labels(float64(i)/32))
	}
	var lr []any
	for i := range 32 {
		lr = append(lr, float64(i+1)*1e-6)
	}
	m.Extra = []schema.Axis{{Path: "train.lr", Values: lr}}
	spec.Exclude = []map[string]any{{"seed": "3", "labels": "output"}}
	return spec
}

func TestManyCells(t *testing.T) {
	spec := manyCells(t)
	cells, err := spec.Cells()
	if err != nil {
		t.Fatal(err)
	}
	if want := 32768 - 32; len(cells) != want {
		t.Errorf("%d cells, want %d", len(cells), want)
	}
}

func BenchmarkCells(b *testing.B) {
	spec := manyCells(b)
	for b.Loop() {
		if _, err := spec.Cells(); err != nil {
			b.Fatal(err)
		}
	}
}

// Loading must not be felt: 2 to 3 ms warm, 10 ms for a process' first.
func BenchmarkLoad(b *testing.B) {
	a, err := txtar.ParseFile("testdata/specs/full.txtar")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := load("x.cue", a.Files[0].Data, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func TestLabelsText(t *testing.T) {
	for l, want := range map[schema.Labels]string{0: "output", 1: "all", 0.1: "0.1", 0.25: "0.25"} {
		if got := l.String(); got != want {
			t.Errorf("Labels(%v).String() = %q, want %q", float64(l), got, want)
		}
	}
}

// The defaults of schema.cue are those that the design states.
func TestDefaults(t *testing.T) {
	spec, err := load("x.cue", []byte(tiny), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &schema.Spec{
		Name: "x", Question: "x",
		Matrix: schema.Matrix{Model: []string{"builtin:tiny"}, Padding: []string{"left"}, Labels: []schema.Labels{0}, Schedule: []schema.Schedule{{Name: "linear"}}, Seed: []uint64{1}},
		Data:   schema.Data{Source: "a.json", Format: "auto", Template: "alpaca", MaxLength: 1024, Truncate: "right", Holdout: schema.Holdout{Every: 500}, Shuffle: true, BOS: "auto", End: "eos"},
		Train: schema.Train{Epochs: 3, Batch: 4, Accumulate: 1, LR: 5e-5, Precision: "bf16", Beta1: 0.9, Beta2: 0.999, Eps: 1e-8,
			Decay: "all", Clip: 1, LogEvery: 500},
		Eval: schema.Eval{Base: true, Precision: "bf16", Template: "none", Overlap: true},
	}
	if diff := cmp.Diff(want, spec); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

// spec.json is read strictly: what xrun did not write is refused.
func TestFromJSON(t *testing.T) {
	spec, err := load("x.cue", []byte(tiny+`matrix: "train.lr": [1, 1e-5]`), nil)
	if err != nil {
		t.Fatal(err)
	}
	good, err := spec.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := schema.FromJSON(good); err != nil {
		t.Error(err)
	} else if v := back.Matrix.Extra[0].Values[0]; v != float64(1) {
		t.Errorf("a rate of 1 came back as %T", v)
	}
	check := func(name, from, to, want string) {
		t.Helper()
		i := strings.LastIndex(string(good), from)
		bad := string(good)[:max(i, 0)] + strings.Replace(string(good)[max(i, 0):], from, to, 1)
		if bad == string(good) {
			t.Fatalf("%s: nothing replaced", name)
		}
		_, err := schema.FromJSON([]byte(bad))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}
	check("unknown key", `"batch"`, `"bach"`, `unknown field "bach"`)
	check("value", `"batch": 4`, `"batch": 0`, "train.batch: is 0; want a whole number from 1 to 65536")
	check("kind", `"batch": 4`, `"batch": "four"`, "train.batch cannot be a string; it must be as xrun wrote it")
	check("axis", `"train.lr"`, `"train.lrr"`, "axis train.lrr: no such field")
	check("trailing", "}\n", "}\n{}", "more follows the spec")
	check("cut", "}\n", "", "reading spec.json")
}

func TestReadErrors(t *testing.T) {
	check := func(path, want string, read func(string) ([]byte, error)) {
		t.Helper()
		_, err := schema.Load(path, schema.Options{Read: read})
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	check("none.cue", "reading none.cue: no such file", nil)
	check("spec.toml", "spec.toml: is not named as a spec; specs end in .cue, .yaml or .yml", func(string) ([]byte, error) { return nil, nil })
	check("big.cue", "reading big.cue: it has 300000 bytes, and a spec at most 262144; is this a spec?", func(string) ([]byte, error) { return bytes.Repeat([]byte(" "), 300000), nil })
}

func TestNearest(t *testing.T) {
	known := []string{"epochs", "batch", "lr", "warmup"}
	for word, want := range map[string]string{"epohcs": "epochs", "bacth": "batch", "LR": "lr", "x": "", "zzzzzzzz": "", "warm-up": "warmup", "": ""} {
		if got := schema.Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// Whatever is in a file, loading ends with a spec or an error that names the
// file, and a spec that loads can be written, read back and enumerated.
func FuzzLoad(f *testing.F) {
	for _, glob := range []string{"testdata/errors/*.txtar", "testdata/specs/*.txtar"} {
		paths, err := filepath.Glob(glob)
		if err != nil {
			f.Fatal(err)
		}
		for _, p := range paths {
			a, err := txtar.ParseFile(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(a.Files[0].Data, filepath.Ext(a.Files[0].Name) != ".cue")
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, yaml bool) {
		name := "x.cue"
		if yaml {
			name = "x.yaml"
		}
		spec, err := load(name, data, nil)
		if err != nil {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		out, err := spec.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := schema.FromJSON(out)
		if err != nil {
			t.Fatalf("reading back: %v\n%s", err, out)
		}
		if diff := cmp.Diff(spec, back); diff != "" {
			t.Fatal(diff)
		}
		if cells, err := spec.Cells(); err != nil || len(cells) == 0 {
			t.Fatalf("%d cells, %v", len(cells), err)
		}
	})
}

// FuzzFromJSON reads a run directory's spec.json, which anyone may have edited.
func FuzzFromJSON(f *testing.F) {
	spec, err := load("x.cue", []byte(`question: "q", matrix: {model: ["builtin:tiny"], seed: [1, 2]}, data: source: "a.json"`), nil)
	if err != nil {
		f.Fatal(err)
	}
	out, err := spec.JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(out)
	f.Add([]byte(`{"matrix":{"model":[]}}`))
	f.Add([]byte(`{"matrix":{"seed":[1e400]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		spec, err := schema.FromJSON(b)
		if err != nil {
			return
		}
		if _, err := spec.JSON(); err != nil {
			t.Error(err)
		}
		spec.Cells()
	})
}

// FuzzSlurmTime: what is read as a time limit is above zero and no overflow.
func FuzzSlurmTime(f *testing.F) {
	f.Add("1-02:03:04")
	f.Add("90")
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := schema.SlurmTime(s); err == nil && d <= 0 {
			t.Errorf("%q is read as %v", s, d)
		}
	})
}
