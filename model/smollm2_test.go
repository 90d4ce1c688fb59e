package model_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"xrun/kernels"
	"xrun/model"
	"xrun/model/modeltest"
	"xrun/model/tokenizer"
)

// smollm2 returns the directory of SmolLM2-135M, named by XRUN_SMOLLM2.
func smollm2(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("XRUN_SMOLLM2")
	if dir == "" {
		t.Skip("SKIPPED, NOT CHECKED: set XRUN_SMOLLM2 to a directory made by ../shared/tools/smollm2.sh")
	}
	return dir
}

// alpacaRows makes the rows of the reference run: prompt and output tokenized separately,
// followed by the end token and truncated to 256.
func alpacaRows(t testing.TB, dir string, n int) []model.Row {
	t.Helper()
	tok, err := tokenizer.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(reference(t, "..", "data", "instruct", "alpaca_5000.json"))
	if err != nil {
		t.Fatal(err)
	}
	var items []struct{ Instruction, Input, Output string }
	if err := json.Unmarshal(text, &items); err != nil {
		t.Fatal(err)
	}
	eos, _, _ := tok.EOS()
	var out []model.Row
	for _, it := range items[:n] {
		s := "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n" + it.Instruction + "\n\n### Response:\n"
		if it.Input != "" {
			s = "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\n" + it.Instruction + "\n\n### Input:\n" + it.Input + "\n\n### Response:\n"
		}
		prompt := tok.Encode(s)
		tokens := append(append(slices.Clone(prompt), tok.Encode(it.Output)...), eos)
		out = append(out, model.Row{Tokens: tokens[:min(len(tokens), 256)], Prompt: min(len(prompt), 256)})
	}
	return out
}

// Thirty steps of fine-tuning a real model agree with transformers and torch, also in float32,
// within 1e-3 at every step. On two slow cores the whole test exceeds the default timeout of go
// test; XRUN_SMOLLM2_ONLY=f32/output (or another part of a subtest's name) selects subtests.
func TestSmolLM2(t *testing.T) {
	dir := smollm2(t)
	text, err := os.ReadFile(reference(t, "smollm2", "sft.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Tokens  [][]int32
		Prompts []int
		Log     map[string][]struct {
			Loss, LR float64
			GradNorm float64 `json:"grad_norm"`
			Targets  int
		}
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	rows := alpacaRows(t, dir, 120)
	for i := range want.Tokens {
		if !slices.Equal(want.Tokens[i], rows[i].Tokens) || want.Prompts[i] != rows[i].Prompt {
			t.Fatalf("row %d is not tokenized as in the reference", i)
		}
	}
	for _, p := range precisions {
		// In bf16 a token's loss is off by some 0.02, and a step's is a mean over
		// a few hundred: step 0 lies within 5e-3. Afterwards updates of 5e-5 meet
		// weights whose bf16 neighbours are ten times as far apart: part of them
		// is not seen by a product until more have added up. After two steps the
		// loss here is 2.0807 in bf16 and 2.0445 in float32 with equal weights;
		// torch's, in float32 with matrices rounded to bf16, is 2.0804.
		limits := map[kernels.DType][2]float64{kernels.F32: {1e-3, 1e-3}, kernels.BF16: {5e-3, 3e-2}}[p]
		for _, labels := range []string{"output", "all"} {
			t.Run(fmt.Sprint(p, "/", labels), func(t *testing.T) {
				if only := os.Getenv("XRUN_SMOLLM2_ONLY"); !strings.Contains(fmt.Sprint(p, "/", labels), only) {
					t.Skip("not chosen by XRUN_SMOLLM2_ONLY")
				}
				m := load(t, engine(t, 2), dir, p)
				recipe := modeltest.Recipe(model.PadRight, labels)
				recipe.LR, recipe.WeightDecay, recipe.Schedule = 5e-5, 0, model.Schedule{Name: "linear", Steps: 30}
				tr := newTrainer(t, m, recipe)
				worst, worstNorm, tokens, began := 0.0, 0.0, 0, time.Now()
				log := want.Log[labels]
				if p == kernels.BF16 {
					log = log[:10]
				}
				for s, w := range log {
					got := step(t, tr, rows[4*s:4*s+4])
					tokens += got.Tokens
					d, limit := relative(got.Loss, w.Loss), limits[min(s, 1)]
					worst, worstNorm = max(worst, d), max(worstNorm, relative(got.GradNorm, w.GradNorm))
					if d > limit || got.Targets != w.Targets || got.LR != w.LR {
						t.Errorf("step %d: loss %.6f, %d targets, lr %v; want %.6f within %.0e, %d, %v", s, got.Loss, got.Targets, got.LR, w.Loss, limit, w.Targets, w.LR)
					}
				}
				t.Logf("worst loss %.1e, worst norm %.1e, %.1f tokens/s", worst, worstNorm, float64(tokens)/time.Since(began).Seconds())
			})
		}
	}
}
