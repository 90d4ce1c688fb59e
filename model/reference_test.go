package model_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/model"
	"xrun/model/safetensors"
)

// reference returns a path of ../shared/reference, or of the directory that
// XRUN_REFERENCE names, and skips the test where it is absent.
func reference(t testing.TB, path ...string) string {
	t.Helper()
	root := os.Getenv("XRUN_REFERENCE")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "reference")
	}
	p := filepath.Join(append([]string{root}, path...)...)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("SKIPPED, NOT CHECKED: no reference values: %v", err)
	}
	return p
}

func engine(t testing.TB, threads int) kernels.Engine {
	t.Helper()
	e, err := cpu.New(cpu.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func load(t testing.TB, e kernels.Engine, dir string, p kernels.DType) *model.Model {
	t.Helper()
	m, err := model.Load(e, os.DirFS(dir), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// fixture is one of the tiny models with what transformers computes for it in
// float64.
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

var tinyModels = []string{"tiny-qwen2", "tiny-llama"}

func openFixture(t testing.TB, name string) *fixture {
	f := &fixture{t: t, dir: reference(t, name)}
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

// distance is the norm of a-b relative to that of b.
func distance(a []float32, b []float64) float64 {
	var d, n float64
	for i := range b {
		x := float64(a[i]) - b[i]
		d, n = d+x*x, n+b[i]*b[i]
	}
	return math.Sqrt(d) / max(math.Sqrt(n), 1e-30)
}

func relative(got, want float64) float64 { return math.Abs(got-want) / math.Abs(want) }

func readParam(m *model.Model, p model.Param) []float32 {
	v := make([]float32, p.Elements())
	m.Engine().Read(v, p.Tensor)
	return v
}

// tolerance is how far a result may lie from float64's: float32 sums of a few
// hundred terms err by some 1e-7; bf16 operands have 8 bits, so each carries
// 2^-9 = 0.002, and errors of several layers add up as a random walk.
type tolerance struct{ logits, loss, grad float64 }

var tolerances = map[kernels.DType]tolerance{
	kernels.F32:  {logits: 1e-5, loss: 1e-5, grad: 1e-5},
	kernels.BF16: {logits: 2e-2, loss: 1e-3, grad: 5e-2},
}

func TestReferenceLogits(t *testing.T) {
	for _, name := range tinyModels {
		for _, p := range []kernels.DType{kernels.F32, kernels.BF16} {
			t.Run(fmt.Sprint(name, "/", p), func(t *testing.T) {
				f := openFixture(t, name)
				m := load(t, engine(t, 2), f.dir, p)
				rows, longest := f.rows(""), 0
				for _, r := range rows {
					longest = max(longest, len(r.Tokens))
				}
				for _, side := range []string{"left", "right"} {
					var got []float32
					for _, r := range rows {
						position := 0
						if side == "left" {
							position = longest - len(r.Tokens)
						}
						logits, err := m.Logits(r.Tokens, position)
						if err != nil {
							t.Fatal(err)
						}
						for _, l := range logits {
							got = append(got, l...)
						}
					}
					d := distance(got, f.floats(side+".logits"))
					t.Logf("%s: %.2e", side, d)
					if d > tolerances[p].logits {
						t.Errorf("%s: logits are %.2e from float64's, want at most %.0e", side, d, tolerances[p].logits)
					}
				}
			})
		}
	}
}

// recipeFor is the recipe of the reference trajectories.
func recipeFor(side model.Side, labels string) model.Recipe {
	r := model.Recipe{
		Padding: side, Batch: 4, LR: 1e-2, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01, Decay: model.DecayAll, Clip: 1,
		Schedule: model.Schedule{Name: "linear", Warmup: 2, Steps: 10},
	}
	if labels == "all" {
		r.PromptWeight = 1
	}
	return r
}

func newTrainer(t testing.TB, m *model.Model, r model.Recipe) *model.Trainer {
	t.Helper()
	tr, err := model.NewTrainer(m, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func step(t testing.TB, tr *model.Trainer, rows []model.Row) model.StepResult {
	t.Helper()
	res, err := tr.Step(rows)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// The loss and the gradient of every parameter, by its name in transformers.
func TestReferenceGradients(t *testing.T) {
	for _, name := range tinyModels {
		for _, p := range []kernels.DType{kernels.F32, kernels.BF16} {
			for _, side := range []model.Side{model.PadLeft, model.PadRight} {
				for _, labels := range []string{"output", "all"} {
					key := fmt.Sprintf("%s.%s", side, labels)
					t.Run(fmt.Sprint(name, "/", p, "/", key), func(t *testing.T) {
						f := openFixture(t, name)
						m := load(t, engine(t, 2), f.dir, p)
						tr := newTrainer(t, m, recipeFor(side, labels))
						res := step(t, tr, f.rows(""))
						if d := relative(res.Loss, f.losses[key]); d > tolerances[p].loss {
							t.Errorf("loss %.9f, want %.9f within %.0e", res.Loss, f.losses[key], tolerances[p].loss)
						}
						worst, where := 0.0, ""
						for _, g := range tr.Grads() {
							d := distance(readParam(m, g), f.floats(key+".grad."+g.Name))
							limit := tolerances[p].grad
							if d > limit {
								t.Errorf("gradient of %s is %.2e from float64's, want at most %.0e", g.Name, d, limit)
							}
							if d > worst {
								worst, where = d, g.Name
							}
						}
						t.Logf("loss %.2e, worst gradient %.2e (%s)", relative(res.Loss, f.losses[key]), worst, where)
					})
				}
			}
		}
	}
}

// Ten AdamW steps of two micro-batches.
func TestReferenceTrajectory(t *testing.T) {
	for _, name := range tinyModels {
		for _, labels := range []string{"output", "all"} {
			t.Run(name+"/"+labels, func(t *testing.T) {
				f := openFixture(t, name)
				m := load(t, engine(t, 2), f.dir, kernels.F32)
				tr := newTrainer(t, m, recipeFor(model.PadLeft, labels))
				worst := 0.0
				for s, want := range f.json.Trajectory[labels] {
					rows := append(f.rows(fmt.Sprintf("train.%d.0.", s)), f.rows(fmt.Sprintf("train.%d.1.", s))...)
					got := step(t, tr, rows)
					if got.Step != s || got.Targets != want.Targets || got.LR != want.LR {
						t.Errorf("step %d: got step %d, %d targets, lr %v; want %d, %v", s, got.Step, got.Targets, got.LR, want.Targets, want.LR)
					}
					d, n := relative(got.Loss, want.Loss), relative(got.GradNorm, want.GradNorm)
					worst = max(worst, d)
					if d > 1e-5 || n > 1e-4 {
						t.Errorf("step %d: loss %.9f, norm %.9f; want %.9f within 1e-5, %.9f within 1e-4", s, got.Loss, got.GradNorm, want.Loss, want.GradNorm)
					}
				}
				worstW, where := 0.0, ""
				for _, p := range m.Params() {
					d := distance(readParam(m, p), f.floats("train."+labels+".final."+p.Name))
					limit := 1e-4
					// Its gradient is nearly zero, and Adam turns the sign of what
					// rounding leaves into a full step.
					if len(p.Name) > 11 && p.Name[len(p.Name)-11:] == "k_proj.bias" {
						limit = 2e-3
					}
					if d > limit {
						t.Errorf("final %s is %.2e from float64's, want at most %.0e", p.Name, d, limit)
					}
					if d > worstW && limit == 1e-4 {
						worstW, where = d, p.Name
					}
				}
				t.Logf("worst loss %.2e, worst weights %.2e (%s)", worst, worstW, where)
			})
		}
	}
}

func TestReferenceGreedy(t *testing.T) {
	for _, name := range tinyModels {
		t.Run(name, func(t *testing.T) {
			f := openFixture(t, name)
			m := load(t, engine(t, 2), f.dir, kernels.F32)
			var prompts [][]int32
			for _, g := range f.json.Greedy {
				prompts = append(prompts, g.Prompt)
			}
			got, err := m.Generate(prompts, model.GenerateOptions{MaxNew: 24})
			if err != nil {
				t.Fatal(err)
			}
			for i, g := range f.json.Greedy {
				if fmt.Sprint(got[i]) != fmt.Sprint(g.New) {
					t.Errorf("prompt %d: got %v, want %v", i, got[i], g.New)
				}
			}
		})
	}
}

// The nine schedules of transformers, to the last bit.
func TestReferenceSchedules(t *testing.T) {
	text, err := os.ReadFile(reference(t, "schedules.json"))
	if err != nil {
		t.Fatal(err)
	}
	var curves map[string]struct {
		Kwargs json.RawMessage
		Peak   float64
		Steps  int
		LR     []float64
	}
	if err := json.Unmarshal(text, &curves); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for key, c := range curves {
		var s model.Schedule
		if err := json.Unmarshal(c.Kwargs, &s); err != nil {
			t.Fatal(err)
		}
		var name string
		for i := range key {
			if key[i] == '/' {
				name = key[:i]
				if _, err := fmt.Sscanf(key[i:], "/warmup=%d", &s.Warmup); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.Name, s.Steps = name, c.Steps
		names[name] = true
		if err := s.Validate(c.Peak); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		for i, want := range c.LR {
			if got := s.LR(i, c.Peak); math.Float64bits(got) != math.Float64bits(want) {
				t.Errorf("%s: step %d: got %v, want %v", key, i, got, want)
			}
		}
	}
	if len(names) != len(model.ScheduleNames) {
		t.Errorf("the file covers %d schedules of %d", len(names), len(model.ScheduleNames))
	}
}
