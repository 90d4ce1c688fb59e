package runner_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xrun/runner"
)

// twiceSpec is experiments/mask_ablation.cue at the smoke scale without the
// suites that differ in their prompts only, which no kernel sees.
const twiceSpec = `
question: "Does a study have the same bytes twice?"
matrix: {model: ["builtin:tiny"], labels: ["output", "all"]}
data: {source: "builtin:tiny/instruct.json", maxLength: 48, limit: 3, holdout: {items: 1, every: 1}}
train: {epochs: 1, batch: 2, lr: 1e-3, precision: "bf16"}
eval: {root: "builtin:tiny/suites", suites: [{suite: "arc-e", limit: 1}, {suite: "hellaswag", limit: 1}]}
samples: [{instruction: "What does Mr Paul eat?", maxNew: 4}]
`

// TestStudyOnInterpreter trains, evaluates and reports on the CUDA engine's
// kernels, twice, and asks for the same bytes.
func TestStudyOnInterpreter(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short")
	}
	studyTwice(t, "emulated", "PTX interpreter")
}

// studyTwice runs a small study, twice from nothing, on an engine.
func studyTwice(t *testing.T, engine, device string) {
	spec := filepath.Join(t.TempDir(), "twice.cue")
	if err := os.WriteFile(spec, []byte(twiceSpec), 0o666); err != nil {
		t.Fatal(err)
	}
	var files [2]map[string][]byte
	for i := range files {
		dir := t.TempDir()
		var stdout, stderr bytes.Buffer
		args := []string{spec, "-engine", engine, "-runs", dir}
		if status := runner.Main(args, strings.NewReader(""), &stdout, &stderr); status != 0 {
			t.Fatalf("xrun %v: status %d\n%s", args, status, &stderr)
		}
		files[i] = map[string][]byte{}
		for _, file := range []string{"report.md", "results.parquet", "items.parquet", "train.parquet", "samples.parquet", "facts.parquet"} {
			b, err := os.ReadFile(filepath.Join(dir, "twice", file))
			if err != nil {
				t.Fatal(err)
			}
			files[i][file] = b
		}
		b, err := os.ReadFile(filepath.Join(dir, "twice", "run.json"))
		if err != nil || !bytes.Contains(b, []byte(`"device": "`+device+`"`)) {
			t.Errorf("run.json does not name the device %q: %v\n%s", device, err, b)
		}
	}
	for name := range files[0] {
		if !bytes.Equal(files[0][name], files[1][name]) {
			t.Errorf("%s differs between two runs", name)
		}
	}
}
