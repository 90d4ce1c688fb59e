package suites_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/reports"
	"xrun/runner/suites"
	"xrun/schema"
)

// The 270 items that OpenCompass answered have 86,295 tokens, of which prefix
// sharing leaves 18,455: counted with its tokenizer, outside this program.
func TestTokensOfReference(t *testing.T) {
	needShared(t, sharedData)
	needShared(t, reference)
	tok, err := tokenizer.Load(os.DirFS(reference))
	if err != nil {
		t.Fatal(err)
	}
	var tokens, distinct, items int
	for name, s := range openCompassSuites {
		s.Limit = 40
		if len(s.Subjects) > 0 {
			s.Limit = 10
		}
		n, err := open(t, rootAt(sharedData), s).Count(tok, suites.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %+v", name, n)
		items += n.Items
		tokens += n.Tokens
		distinct += n.Distinct
	}
	if items != 270 || tokens != 86295 || distinct != 18455 {
		t.Errorf("%d items, %d tokens, %d of them distinct; want 270, 86295, 18455", items, tokens, distinct)
	}
}

// smolLM2 loads the real model, named by XRUN_SMOLLM2.
func smolLM2(t *testing.T) (*model.Model, *tokenizer.Tokenizer) {
	t.Helper()
	dir := os.Getenv("XRUN_SMOLLM2")
	if dir == "" {
		t.Skip("SKIPPED: XRUN_SMOLLM2 names no directory of SmolLM2-135M-Instruct; ../shared/tools/smollm2.sh makes one")
	}
	tok, err := tokenizer.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := cpu.New(cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	m, err := model.Load(engine, os.DirFS(dir), kernels.F32)
	if err != nil {
		t.Fatal(err)
	}
	return m, tok
}

// modelScorer is a model as suites see it.
type modelScorer struct {
	m     *model.Model
	apart bool
}

func (s modelScorer) LogProbs(_ context.Context, seqs []suites.Sequence) ([][]float64, error) {
	ask := make([]model.ScoreSeq, len(seqs))
	for i, q := range seqs {
		ask[i] = model.ScoreSeq(q)
	}
	together := len(ask)
	if s.apart {
		together = 1
	}
	var out [][]float64
	for some := range slices.Chunk(ask, max(1, together)) {
		scores, _, err := s.m.LogProbs(some, model.ScoreOptions{})
		if err != nil {
			return nil, err
		}
		for i := range scores {
			out = append(out, scores[i].LogProb)
		}
	}
	return out, nil
}

// byItem gathers rows by row number and suite.
func byItem(rows []reports.Item) map[string][]reports.Item {
	m := map[string][]reports.Item{}
	for _, r := range rows {
		key := fmt.Sprint(r.Suite, " ", r.Row)
		m[key] = append(m[key], r)
	}
	return m
}

// OpenCompass' own scores, in float32 at batch size 1: every one within 2e-4
// (float32 sums of up to a thousand terms of about 10 nats), and the same
// prediction wherever its two best scores differ by more than 4e-4.
func TestOpenCompassScores(t *testing.T) {
	m, tok := smolLM2(t)
	var ref struct {
		Suites map[string][]referenceItem `json:"suites"`
	}
	readReference(t, "opencompass.json", &ref)
	worst := 0.0
	for name, want := range ref.Suites {
		t.Run(name, func(t *testing.T) {
			s := openCompassSuites[name]
			s.Limit = len(want)
			suite := open(t, rootAt(sharedData), s)
			rows, err := suite.Score(t.Context(), tok, modelScorer{m: m}, suites.Options{MaxLength: m.Config.MaxPositions})
			if err != nil {
				t.Fatal(err)
			}
			per := len(rows) / len(want)
			equal := 0
			for _, w := range want {
				mine := rows[w.Item*per : (w.Item+1)*per]
				best, second := math.Inf(1), math.Inf(1)
				for _, r := range mine {
					ref := w.Choices[r.Choice].Score
					if d := math.Abs(r.Score - ref); d > 2e-4 {
						t.Errorf("item %d, choice %s: score %.6f, want %.6f", w.Item, r.Choice, r.Score, ref)
					} else {
						worst = max(worst, d)
					}
					if suite.Definition().Scores[0] == "ll" {
						ref = -ref
					}
					best, second = min(best, ref), min(second, max(best, ref))
				}
				switch {
				case mine[0].Prediction == text(w.Prediction):
					equal++
				case second-best > 4e-4:
					t.Errorf("item %d: predicts %s, want %s by a margin of %.6f", w.Item, mine[0].Prediction, text(w.Prediction), second-best)
				}
			}
			t.Logf("%d of %d predictions equal; largest difference so far %.2e", equal, len(want), worst)
		})
	}
}

// lm-evaluation-harness' own log-probabilities within 2e-3, acc and acc_norm of
// each item equal.
func TestLMEvalScores(t *testing.T) {
	m, tok := smolLM2(t)
	var ref lmReference
	readReference(t, "lmeval.json", &ref)
	eos, _, _ := tok.EOS()
	worst := 0.0
	for name, task := range ref.Tasks {
		t.Run(name, func(t *testing.T) {
			s := lmEvalSuites[name]
			s.Limit = len(task.Items)
			suite := open(t, rootAt(sharedData), s)
			rows, err := suite.Score(t.Context(), tok, modelScorer{m: m}, suites.Options{MaxLength: m.Config.MaxPositions, Empty: []int32{eos}})
			if err != nil {
				t.Fatal(err)
			}
			items := byItem(rows)
			for _, w := range task.Items {
				acc := items[fmt.Sprint(suite.Name(), " ", w.DocID)]
				if len(acc) != len(w.LogProbs) {
					t.Fatalf("item %d: %d choices, want %d", w.DocID, len(acc), len(w.LogProbs))
				}
				for i, r := range acc {
					if d := math.Abs(r.LogProb - w.LogProbs[i]); d > 2e-3 {
						t.Errorf("item %d, choice %s: log-probability %.5f, want %.5f", w.DocID, r.Choice, r.LogProb, w.LogProbs[i])
					} else {
						worst = max(worst, d)
					}
				}
				if acc[0].Correct != (w.Acc == 1) {
					t.Errorf("item %d: acc %v, want %v", w.DocID, acc[0].Correct, w.Acc)
				}
				norm := items[fmt.Sprint(suite.Name(), " (acc_norm) ", w.DocID)]
				if (len(norm) > 0) != (w.AccNorm != nil) || len(norm) > 0 && norm[0].Correct != (*w.AccNorm == 1) {
					t.Errorf("item %d: acc_norm differs", w.DocID)
				}
			}
			results, _ := suite.Figures(rows)
			if got, want := results[0].Value, 100*task.Metrics["acc,none"]; math.Abs(got-want) > 1e-9 {
				t.Errorf("acc %v, want %v", got, want)
			}
			t.Logf("largest difference so far %.2e", worst)
		})
	}
}

// The embedded model's rows are the same to the bit whether each sequence is
// scored alone, all share prefixes, or few go at a time.
func TestSharingKeepsBits(t *testing.T) {
	const dir = "../../experiments/tiny"
	if _, err := os.Stat(dir + "/model/model.safetensors"); err != nil {
		t.Skipf("SKIPPED: %s/model is not here", dir)
	}
	tok, err := tokenizer.Load(os.DirFS(dir + "/model"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	m, err := model.Load(engine, os.DirFS(dir+"/model"), kernels.F32)
	if err != nil {
		t.Fatal(err)
	}
	root := suites.Root{FS: os.DirFS(dir + "/suites"), Name: "builtin:tiny/suites"}
	eos, _, _ := tok.EOS()
	for _, protocol := range []string{"opencompass", "lm-eval"} {
		for _, name := range []string{"mmlu", "hellaswag", "winogrande", "arc-e", "arc-c", "boolq"} {
			s := schema.Suite{Suite: name, Protocol: protocol, Limit: 4}
			if protocol == "lm-eval" && name == "arc-e" {
				s.Variant = "dev"
			}
			suite := open(t, root, s)
			opt := suites.Options{MaxLength: m.Config.MaxPositions, Empty: []int32{eos}}
			want, err := suite.Score(t.Context(), tok, modelScorer{m: m}, opt)
			if err != nil {
				t.Fatal(err)
			}
			opt.Batch = 100
			got, err := suite.Score(t.Context(), tok, modelScorer{m: m, apart: true}, opt)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s (-shared +alone)\n%s", protocol, name, diff)
			}
		}
	}
}

// The embedded suites open, and none of their items is odd.
func TestEmbeddedSuites(t *testing.T) {
	const dir = "../../experiments/tiny/suites"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: %s is not here", dir)
	}
	root := suites.Root{FS: os.DirFS(dir), Name: "builtin:tiny/suites"}
	for _, name := range []string{"mmlu", "hellaswag", "winogrande", "arc-e", "arc-c", "boolq"} {
		s := open(t, root, schema.Suite{Suite: name})
		if s.Len() < 20 {
			t.Errorf("%s has %d items", name, s.Len())
		}
		t.Logf("%s: %d items; %q", name, s.Len(), s.Notes())
	}
}
