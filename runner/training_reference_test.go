package runner

import (
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xrun/reports"
)

// A study's training, from the items' file to the tables, is what torch and
// transformers make of it: testdata/training/reference.py, which shares no code
// with us, trained the same cells. Rates and counts are equal; losses and norms are
// sums in f32 in another order, whose differences grow over the steps.
func TestTrainingIsThatOfTorch(t *testing.T) {
	type step struct {
		Step, Tokens, Targets int32
		LR, Loss              float64
		GradNorm              float64 `json:"grad_norm"`
		WeightSum             float64 `json:"weight_sum"`
		Skipped               bool
	}
	type heldOut struct {
		Step         int32
		OutputLoss   float64 `json:"output_loss"`
		PromptLoss   float64 `json:"prompt_loss"`
		OutputTokens int32   `json:"output_tokens"`
		PromptTokens int32   `json:"prompt_tokens"`
	}
	var want map[string]struct {
		Steps   []step
		HeldOut []heldOut
	}
	t.Chdir("testdata/training") // data.source is relative to it
	b, err := os.ReadFile("reference.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	runs := t.TempDir()
	var stderr strings.Builder
	if code := Main([]string{"study.cue", "-runs", runs, "-engine", "cpu"}, strings.NewReader(""), io.Discard, &stderr); code != 0 {
		t.Fatalf("exit status %d\n%s", code, stderr.String())
	}
	run, err := reports.ReadTables(filepath.Join(runs, "study"))
	if err != nil {
		t.Fatal(err)
	}
	apart := func(got, want float64) float64 { return math.Abs(got-want) / max(1, math.Abs(want)) }
	cells, worst := 0, 0.0
	for name, w := range want {
		var steps []reports.Step
		for _, s := range run.Steps {
			if s.Cell == name {
				steps = append(steps, s)
			}
		}
		var held []reports.HeldOut
		for _, h := range run.HeldOut {
			if h.Cell == name {
				held = append(held, h)
			}
		}
		if len(steps) != len(w.Steps) || len(held) != len(w.HeldOut) {
			t.Errorf("%s: %d steps and %d measurements of held-out items; want %d and %d", name, len(steps), len(held), len(w.Steps), len(w.HeldOut))
			continue
		}
		cells++
		for i, want := range w.Steps {
			got := steps[i]
			if got.Step != want.Step || got.Tokens != want.Tokens || got.Targets != want.Targets || got.LR != want.LR || got.Skipped != want.Skipped || apart(got.WeightSum, want.WeightSum) > 1e-12 {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
			off := max(apart(got.Loss, want.Loss), apart(got.GradNorm, want.GradNorm))
			if worst = max(worst, off); !(off < 1e-4) {
				t.Errorf("%s, step %d: loss %g, norm %g; want %g and %g", name, want.Step, got.Loss, got.GradNorm, want.Loss, want.GradNorm)
			}
		}
		for i, want := range w.HeldOut {
			got := held[i]
			if got.Step != want.Step || got.OutputTokens != want.OutputTokens || got.PromptTokens != want.PromptTokens ||
				!(apart(got.OutputLoss, want.OutputLoss) < 1e-4) || !(apart(got.PromptLoss, want.PromptLoss) < 1e-4) {
				t.Errorf("%s: held out %+v, want %+v", name, got, want)
			}
		}
	}
	if t.Logf("largest relative deviation of a loss or norm %.1e", worst); cells != 4 {
		t.Errorf("%d cells were compared, want 4", cells)
	}
}
