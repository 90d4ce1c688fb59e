package runner_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xrun/runner"
)

// TestStudyOnInterpreter trains, evaluates and reports on the CUDA engine's
// kernels, twice, and asks for the same bytes.
func TestStudyOnInterpreter(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short")
	}
	studyTwice(t, "emulated", "PTX interpreter")
}

// studyTwice runs the ablation cut down, twice from nothing, on an engine.
func studyTwice(t *testing.T, engine, device string) {
	var files [2]map[string][]byte
	for i := range files {
		dir := t.TempDir()
		var stdout, stderr bytes.Buffer
		args := []string{"../experiments/mask_ablation.cue", "-t", "scale=smoke", "-engine", engine, "-runs", dir}
		if status := runner.Main(args, strings.NewReader(""), &stdout, &stderr); status != 0 {
			t.Fatalf("xrun %v: status %d\n%s", args, status, &stderr)
		}
		files[i] = map[string][]byte{}
		for _, name := range []string{"report.md", "results.parquet", "items.parquet", "train.parquet", "samples.parquet", "facts.parquet"} {
			b, err := os.ReadFile(filepath.Join(dir, "mask_ablation", name))
			if err != nil {
				t.Fatal(err)
			}
			files[i][name] = b
		}
		b, err := os.ReadFile(filepath.Join(dir, "mask_ablation", "run.json"))
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
