package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xrun/experiments"
	"xrun/kernels/cpu"
	"xrun/runner/disk"
	"xrun/runner/store"
)

func hexOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// keyFixture puts the embedded model and data into files, and returns a spec
// over them.
func keyFixture(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "model"), os.DirFS("../experiments/tiny/model")); err != nil {
		t.Fatal(err)
	}
	b, err := experiments.FS.ReadFile("tiny/instruct.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data.json"), b, 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

// keysOf plans a study over the files of a fixture and returns its keys by
// title.
func keysOf(t *testing.T, dir, name, data string) (map[string]store.Key, *study) {
	t.Helper()
	spec := filepath.Join(dir, name+".cue")
	text := fmt.Sprintf(`
question: "What is in a key?"
matrix: {model: [%q], seed: [3]}
data: {source: %q, maxLength: 64, limit: 12, template: "alpaca"}
train: {epochs: 2, batch: 4, lr: 5e-5, precision: "f32"}
eval: {root: "builtin:tiny/suites", suites: [{suite: "arc-e", limit: 1}]}
`, filepath.Join(dir, "model"), data)
	if err := os.WriteFile(spec, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := openStudy(disk.OS, spec, nil, filepath.Join(dir, ".store"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.missingError(); err != nil {
		t.Fatal(err)
	}
	keys := map[string]store.Key{}
	for _, st := range s.stages {
		keys[st.kind] = st.key
	}
	return keys, s
}

// The keys of a study, computed from its files and the documentation alone:
// encoding/json writes a map in canonical form here, all names being ASCII and
// all numbers short.
func TestKeysByHand(t *testing.T) {
	dir := keyFixture(t)
	data := filepath.Join(dir, "data.json")
	keys, s := keysOf(t, dir, "byhand", data)
	byHand := func(input map[string]any) string {
		b, err := json.Marshal(input)
		if err != nil {
			t.Fatal(err)
		}
		return hexOf(b)
	}
	file := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return hexOf(b)
	}
	m := s.models[filepath.Join(dir, "model")]
	prepare := byHand(map[string]any{
		"kind": "prepare", "version": 1, "data": file("data.json"), "format": "auto", "limit": 12, "template": "alpaca", "system": "",
		"maxLength": 64, "truncate": "right", "bos": "auto", "end": "eos", "holdout": 0, "tokenizer": m.tokenizer.Digest(),
	})
	if string(keys["prepare"]) != prepare {
		t.Errorf("prepare: %s, by hand %s", keys["prepare"], prepare)
	}
	var config map[string]any
	if raw, err := json.Marshal(m.config); err != nil {
		t.Fatal(err)
	} else if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	train := map[string]any{
		"kind": "train", "version": 1, "prepare": prepare, "weights": hexOf([]byte(file("model/model.safetensors") + "\n")), "config": byHand(config),
		"promptWeight": 0, "padding": "left", "seed": "3", "shuffle": true, "steps": 6, "batch": 4, "accumulate": 1, "lr": 0.00005,
		"precision": "f32", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weightDecay": 0, "decay": "all", "clip": 1, "holdoutEvery": 0, "numerics": cpu.Numerics,
	}
	// The schedule is the one part with many fields; its form is model.Schedule's.
	var given map[string]json.RawMessage
	if err := json.Unmarshal(s.stages[len(s.stages)-2].input, &given); err != nil {
		t.Fatal(err)
	}
	var schedule map[string]any
	if err := json.Unmarshal(given["schedule"], &schedule); err != nil {
		t.Fatal(err)
	}
	if schedule["name"] != "linear" {
		t.Fatalf("schedule %v", schedule)
	}
	train["schedule"] = schedule
	if got := byHand(train); string(keys["train"]) != got {
		t.Errorf("train: %s, by hand %s", keys["train"], got)
	}
	evaluate := byHand(map[string]any{
		"kind": "evaluate", "version": 3, "suite": s.suites[0].digest, "precision": "f32", "numerics": cpu.Numerics,
		"model": map[string]any{"train": byHand(train), "config": byHand(config), "tokenizer": m.tokenizer.Digest()},
	})
	if string(keys["evaluate"]) != evaluate {
		t.Errorf("evaluate: %s, by hand %s", keys["evaluate"], evaluate)
	}
	// Every key is the digest of its stage's input.
	for _, st := range s.stages {
		if hexOf(st.input) != string(st.key) {
			t.Errorf("%s: the key is not the digest of the input", st.title)
		}
		if again, err := store.Canonical(json.RawMessage(st.input)); err != nil || string(again) != string(st.input) {
			t.Errorf("%s: the input is not canonical: %v", st.title, err)
		}
	}
}

// Where a file lies and what a run is called is in no key; what a file holds is
// in the keys of all that depends on it.
func TestKeysFollowContent(t *testing.T) {
	dir := keyFixture(t)
	data := filepath.Join(dir, "data.json")
	before, _ := keysOf(t, dir, "first", data)
	same := func(what string, now map[string]store.Key) {
		t.Helper()
		for kind, k := range before {
			if now[kind] != k {
				t.Errorf("%s changes the key of %s", what, kind)
			}
		}
	}
	moved := filepath.Join(dir, "elsewhere", "other.json")
	if err := os.Mkdir(filepath.Dir(moved), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(data, moved); err != nil {
		t.Fatal(err)
	}
	now, _ := keysOf(t, dir, "renamed", moved)
	same("moving the data and renaming the run", now)

	change := func(path, from, to string) (undo func()) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), from) {
			t.Fatalf("%s has no %q: %v", path, from, err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(b), from, to, 1)), 0o666); err != nil {
			t.Fatal(err)
		}
		return func() { os.WriteFile(path, b, 0o666) }
	}
	other := func(what string, kinds ...string) {
		t.Helper()
		now, _ := keysOf(t, dir, "renamed", moved)
		changed := map[string]bool{}
		for _, kind := range kinds {
			changed[kind] = true
		}
		for kind, k := range before {
			if (now[kind] != k) != changed[kind] {
				t.Errorf("%s: the key of %s changes: %v, want %v", what, kind, now[kind] != k, changed[kind])
			}
		}
	}
	undo := change(moved, "cheese", "cheesy")
	other("one byte of the data", "prepare", "train", "evaluate")
	undo()
	weights := filepath.Join(dir, "model", "model.safetensors")
	b, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-4] ^= 1 // the last bit of a weight's mantissa
	os.WriteFile(weights, b, 0o666)
	other("one bit of the weights", "train", "evaluate")
	b[len(b)-4] ^= 1
	os.WriteFile(weights, b, 0o666)
	other("nothing")

	// Numerics version and chat template are fields of their own.
	for what, k := range map[string][2]any{
		"numerics of train":    {trainKey{Numerics: "cpu 1"}, trainKey{Numerics: "cpu 2"}},
		"numerics of evaluate": {evaluateKey{Numerics: "cpu 1"}, evaluateKey{Numerics: "cpu 2"}},
		"a chat template":      {prepareKey{ChatTemplate: hexOf([]byte("{{a}}"))}, prepareKey{ChatTemplate: hexOf([]byte("{{b}}"))}},
		"a version":            {trainKey{Version: 1}, trainKey{Version: 2}},
	} {
		a, _, err1 := store.KeyOf(k[0])
		b, _, err2 := store.KeyOf(k[1])
		if err1 != nil || err2 != nil || a == b {
			t.Errorf("%s is not in the key", what)
		}
	}
}
