package model_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/kernels"
	"xrun/kernels/num"
	"xrun/model"
	"xrun/model/modeltest"
)

func small(arch string) model.Config { return modeltest.Small(arch, 3) }

var precisions = []kernels.DType{kernels.F32, kernels.BF16}

func smallRecipe(promptWeight float64, micro int) model.Recipe {
	r := modeltest.Recipe(model.PadLeft, "output")
	r.PromptWeight, r.MicroTokens, r.Decay = promptWeight, micro, model.DecayMatrices
	r.Schedule = model.Schedule{Name: "cosine", Steps: 8}
	return r
}

// train runs some steps and returns their results and the digest of the final weights.
func train(t testing.TB, m *model.Model, r model.Recipe, steps int) ([]model.StepResult, uint64) {
	tr := newTrainer(t, m, r)
	defer tr.Close()
	var log []model.StepResult
	for s := range steps {
		log = append(log, step(t, tr, modeltest.Rows(8, uint64(s))))
	}
	return log, m.Digest()
}

// Training gives the same bits for every micro-batch, number of threads and number of
// recomputed blocks.
func TestTrainingBits(t *testing.T) {
	for _, arch := range []string{model.Qwen2, model.Qwen3, model.Llama} {
		for _, p := range precisions {
			for _, weight := range []float64{0, 0.25, 1} {
				t.Run(fmt.Sprint(arch, "/", p, "/", weight), func(t *testing.T) {
					wantLog, want := train(t, modeltest.Random(t, engine(t, 1), small(arch), p), smallRecipe(weight, 0), 3)
					for _, how := range []struct{ threads, micro, again int }{{1, 1, 0}, {1, 75, 1}, {2, 0, 2}, {2, 1, 9}, {3, 40, 0}, {7, 33, 0}} {
						r := smallRecipe(weight, how.micro)
						r.Recompute = how.again
						log, got := train(t, modeltest.Random(t, engine(t, how.threads), small(arch), p), r, 3)
						if got != want {
							t.Errorf("threads %d, micro-batch %d, %d blocks again: digest %x, want %x", how.threads, how.micro, how.again, got, want)
						}
						if d := cmp.Diff(wantLog, log); d != "" {
							t.Errorf("threads %d, micro-batch %d, %d blocks again: steps differ (-want +got):\n%s", how.threads, how.micro, how.again, d)
						}
					}
				})
			}
		}
	}
}

// The bits of training belong to the engine's numerics version. If this test fails, either a
// change altered results by mistake, or the version must be incremented before the file is
// updated with XRUN_UPDATE=1.
func TestGoldenDigests(t *testing.T) {
	got := map[string]string{}
	for _, arch := range []string{model.Qwen2, model.Qwen3, model.Llama} {
		for _, p := range precisions {
			e := engine(t, 2)
			log, digest := train(t, modeltest.Random(t, e, small(arch), p), smallRecipe(0.5, 0), 3)
			got[fmt.Sprint(e.Numerics(), " ", arch, " ", p)] = fmt.Sprintf("%016x %016x", digest, math.Float64bits(log[2].Loss))
		}
	}
	path := filepath.Join("testdata", "digests.json")
	if os.Getenv("XRUN_UPDATE") != "" {
		b, _ := json.MarshalIndent(got, "", "  ")
		if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("digests differ (-want +got):\n%s", d)
	}
}

// A trainer that continues from a written state gives the bits of one that never stopped.
func TestResume(t *testing.T) {
	for _, p := range precisions {
		t.Run(p.String(), func(t *testing.T) {
			e, c := engine(t, 2), small(model.Qwen2)
			whole := modeltest.Random(t, e, c, p)
			_, want := train(t, whole, smallRecipe(0.5, 0), 5)

			first := modeltest.Random(t, e, c, p)
			tr := newTrainer(t, first, smallRecipe(0.5, 0))
			snapshot := tr.NewSnapshot()
			defer snapshot.Free()
			if err := snapshot.Take(); err != nil { // the next one takes the same memory
				t.Fatal(err)
			}
			for s := range 2 {
				step(t, tr, modeltest.Rows(8, uint64(s)))
			}
			if err := snapshot.Take(); err != nil {
				t.Fatal(err)
			}
			var state, again bytes.Buffer
			if err := tr.WriteState(&state); err != nil {
				t.Fatal(err)
			}
			step(t, tr, modeltest.Rows(8, 7)) // the snapshot must not follow
			if err := snapshot.Write(&again); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(state.Bytes(), again.Bytes()) {
				t.Error("a snapshot's bytes differ from WriteState's")
			}

			second, err := model.New(e, c, p)
			if err != nil {
				t.Fatal(err)
			}
			defer second.Close()
			tr2 := newTrainer(t, second, smallRecipe(0.5, 33))
			if err := tr2.ReadState(bytes.NewReader(state.Bytes()), int64(state.Len())); err != nil {
				t.Fatal(err)
			}
			for s := 2; s < 5; s++ {
				if got := step(t, tr2, modeltest.Rows(8, uint64(s))).Step; got != s {
					t.Errorf("resumed at step %d, want %d", got, s)
				}
			}
			if got := second.Digest(); got != want {
				t.Errorf("digest after resuming %x, want %x", got, want)
			}
		})
	}
}

// candidates returns sequences as from a suite: a shared start, questions, and choices. One
// sequence is a prefix of another, and one occurs twice.
func candidates() []model.ScoreSeq {
	g := num.NewPhilox(1, 98, 0)
	draw := func(n int) []int32 {
		t := make([]int32, n)
		for i := range t {
			t[i] = int32(g.Below(101))
		}
		return t
	}
	join := func(parts ...[]int32) (out []int32) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	shots := draw(70)
	var out []model.ScoreSeq
	for i := range 14 {
		question := draw(3 + i)
		for j := range 4 {
			s := join(shots, question, draw(1+j*i%5))
			from := len(shots) + len(question)
			if i%3 == 0 {
				from = 1
			}
			out = append(out, model.ScoreSeq{Tokens: s, From: from})
		}
	}
	out = append(out, model.ScoreSeq{Tokens: shots, From: 3}, out[5], model.ScoreSeq{Tokens: draw(2), From: 1}, model.ScoreSeq{Tokens: draw(1), From: 1})
	return out
}

// Scores have the same bits with and without shared prefixes, for every
// budget, order and number of threads, and they are those of the logits.
func TestScoringBits(t *testing.T) {
	for _, p := range precisions {
		t.Run(p.String(), func(t *testing.T) {
			e := engine(t, 2)
			m := modeltest.Random(t, e, small(model.Qwen2), p)
			seqs := candidates()
			var want []model.Score
			apart := 0
			for _, s := range seqs {
				alone, stats, err := m.LogProbs([]model.ScoreSeq{s}, model.ScoreOptions{})
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, alone...)
				apart += stats.Computed
			}
			for _, threads := range []int{1, 3} {
				for _, tokens := range []int{0, 1, 7, 64} {
					m := modeltest.Random(t, engine(t, threads), small(model.Qwen2), p)
					got, shared, err := m.LogProbs(seqs, model.ScoreOptions{Tokens: tokens})
					if err != nil {
						t.Fatal(err)
					}
					if d := cmp.Diff(want, got); d != "" {
						t.Fatalf("threads %d, %d tokens at once: scores differ (-apart +shared):\n%s", threads, tokens, d)
					}
					if shared.Computed*4 > apart {
						t.Errorf("%d tokens at once: computed %d of %d, apart %d", tokens, shared.Computed, shared.Given, apart)
					}
					if tokens == 7 && shared.PeakKV > 70+7*4 {
						t.Errorf("held keys and values of %d tokens", shared.PeakKV)
					}
				}
			}
			reversed := make([]model.ScoreSeq, len(seqs))
			for i, s := range seqs {
				reversed[len(seqs)-1-i] = s
			}
			back, _, err := m.LogProbs(reversed, model.ScoreOptions{Tokens: 40})
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				if d := cmp.Diff(want[i], back[len(want)-1-i]); d != "" {
					t.Fatalf("sequence %d in reverse order differs:\n%s", i, d)
				}
			}
			for i, s := range seqs[:9] {
				logits, err := m.Logits(s.Tokens, 0)
				if err != nil {
					t.Fatal(err)
				}
				for j := s.From; j < len(s.Tokens); j++ {
					lp, greedy := logSoftmax(logits[j-1], s.Tokens[j])
					if got := want[i].LogProb[j-s.From]; math.Abs(got-lp) > 1e-5 || want[i].Greedy[j-s.From] != greedy {
						t.Errorf("sequence %d, token %d: %v, %v; want %v, %v from the logits", i, j, got, want[i].Greedy[j-s.From], lp, greedy)
					}
				}
			}
		})
	}
}

func logSoftmax(logits []float32, target int32) (float64, bool) {
	best := 0
	for i, v := range logits {
		if v > logits[best] {
			best = i
		}
	}
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - float64(logits[best]))
	}
	return float64(logits[target]) - float64(logits[best]) - math.Log(sum), best == int(target)
}

// A prompt is continued the same way alone and in a batch, greedy and sampled, and with the
// cache as when the whole text is recomputed.
func TestGenerateBits(t *testing.T) {
	for _, p := range precisions {
		t.Run(p.String(), func(t *testing.T) {
			m := modeltest.Random(t, engine(t, 2), small(model.Qwen2), p)
			var prompts [][]int32
			for _, r := range modeltest.Rows(40, 3) {
				prompts = append(prompts, r.Tokens)
			}
			for _, o := range []model.GenerateOptions{
				{MaxNew: 9, EOS: []int32{2, 5}},
				{MaxNew: 9, EOS: []int32{2, 5}, Temperature: 0.8, TopK: 20, TopP: 0.9, Seed: 4},
			} {
				together, err := m.Generate(prompts, o)
				if err != nil {
					t.Fatal(err)
				}
				for i := range prompts {
					alone, err := m.Generate(prompts[i:i+1], o)
					if err != nil {
						t.Fatal(err)
					}
					if d := cmp.Diff(alone[0], together[i]); d != "" {
						t.Errorf("prompt %d (-alone +together):\n%s", i, d)
					}
				}
			}
			greedy, err := m.Generate(prompts[:3], model.GenerateOptions{MaxNew: 6})
			if err != nil {
				t.Fatal(err)
			}
			for i, prompt := range prompts[:3] {
				text := append([]int32{}, prompt...)
				for range 6 {
					logits, err := m.Logits(text, 0)
					if err != nil {
						t.Fatal(err)
					}
					last, best := logits[len(logits)-1], 0
					for id, v := range last {
						if v > last[best] {
							best = id
						}
					}
					text = append(text, int32(best))
				}
				if d := cmp.Diff(text[len(prompt):], greedy[i]); d != "" {
					t.Errorf("prompt %d without a cache (-want +got):\n%s", i, d)
				}
			}
		})
	}
}

// A model that stores its matrices in bf16 scores and generates like one that rounds its
// masters. It cannot be trained.
func TestFrozenBits(t *testing.T) {
	for _, p := range precisions {
		t.Run(p.String(), func(t *testing.T) {
			e := engine(t, 2)
			m := modeltest.Random(t, e, small(model.Qwen2), p)
			frozen, err := model.NewFrozen(e, m.Config, p)
			if err != nil {
				t.Fatal(err)
			}
			defer frozen.Close()
			if err := frozen.InitRandom(5); err != nil { // as Random does
				t.Fatal(err)
			}
			if want := m.GenerationBytes() * int64(p.Size()) / 4; frozen.GenerationBytes() != want {
				t.Errorf("a token reads %d bytes, want %d", frozen.GenerationBytes(), want)
			}
			run := func(m *model.Model) (out [3]any) {
				t.Helper()
				scores, _, err := m.LogProbs(candidates(), model.ScoreOptions{})
				if err != nil {
					t.Fatal(err)
				}
				var prompts [][]int32
				for _, r := range modeltest.Rows(12, 3) {
					prompts = append(prompts, r.Tokens)
				}
				out[0] = scores
				for i, heat := range []float64{0, 0.8} {
					if out[1+i], err = m.Generate(prompts, model.GenerateOptions{MaxNew: 9, Temperature: heat, Seed: 4}); err != nil {
						t.Fatal(err)
					}
				}
				return out
			}
			if d := cmp.Diff(run(m), run(frozen)); d != "" {
				t.Errorf("(-masters +frozen):\n%s", d)
			}
			if _, err := model.NewTrainer(frozen, smallRecipe(0, 0)); err == nil || !strings.Contains(err.Error(), "frozen") {
				t.Errorf("training it: got %v, want an error", err)
			}
		})
	}
}

// Held-out losses are the log-probabilities of the targets, by part.
func TestHeldOut(t *testing.T) {
	m := modeltest.Random(t, engine(t, 2), small(model.Llama), kernels.F32)
	data := modeltest.Rows(150, 6)
	got, err := m.HeldOut(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range data {
		scores, _, err := m.LogProbs([]model.ScoreSeq{{Tokens: r.Tokens, From: 1}}, model.ScoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var want model.RowLoss
		for j, lp := range scores[0].LogProb {
			if j+1 < r.Prompt {
				want.PromptCE, want.PromptTokens = want.PromptCE-lp, want.PromptTokens+1
			} else {
				want.OutputCE, want.OutputTokens = want.OutputCE-lp, want.OutputTokens+1
			}
		}
		if got[i] != want {
			t.Fatalf("row %d: got %+v, want %+v", i, got[i], want)
		}
	}
}
