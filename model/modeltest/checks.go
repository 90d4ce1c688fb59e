package modeltest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"xrun/kernels"
	"xrun/model"
)

// Tolerance bounds the relative distance of results from those in float64: for tensors the
// norm of the difference, for numbers the difference.
type Tolerance struct{ Logits, Loss, Grad float64 }

// Bounds holds the tolerances of the element types, and those of training in float32, for the
// norms of the gradients and for the weights after ten steps.
type Bounds struct {
	F32, BF16     Tolerance
	Norm, Weights float64
}

func (b Bounds) of(p kernels.DType) Tolerance {
	if p == kernels.BF16 {
		return b.BF16
	}
	return b.F32
}

// Run makes all comparisons as subtests, each on an engine of its own.
func Run(t *testing.T, newEngine func(t testing.TB) kernels.Engine, b Bounds) {
	run(t, newEngine, b, []string{"left.output", "left.all", "right.output", "right.all"}, Models, []string{"output", "all"})
}

// RunQuick is Run for slow engines: it compares gradients for two of the four combinations of
// sides and labels, and training of two models on outputs only.
func RunQuick(t *testing.T, newEngine func(t testing.TB) kernels.Engine, b Bounds) {
	run(t, newEngine, b, []string{"left.output", "right.all"}, Models[:2], []string{"output"})
}

// run compares gradients for the given keys, and training of the models in trained with the
// labels in trajectories.
func run(t *testing.T, newEngine func(t testing.TB) kernels.Engine, b Bounds, keys, trained, trajectories []string) {
	for _, name := range Models {
		for _, p := range []kernels.DType{kernels.F32, kernels.BF16} {
			t.Run(fmt.Sprint(name, "/logits/", p), func(t *testing.T) { logits(t, newEngine(t), name, p, b.of(p)) })
			for _, key := range keys {
				side, labels, _ := strings.Cut(key, ".")
				t.Run(fmt.Sprint(name, "/gradients/", p, "/", key), func(t *testing.T) {
					gradients(t, newEngine(t), name, p, model.Side(side), labels, b.of(p))
				})
			}
		}
		for _, labels := range trajectories {
			if slices.Contains(trained, name) {
				t.Run(name+"/trajectory/"+labels, func(t *testing.T) { trajectory(t, newEngine(t), name, labels, b) })
			}
		}
		t.Run(name+"/greedy", func(t *testing.T) { greedy(t, newEngine(t), name) })
	}
	const scaled = "tiny-llama3"
	t.Run(scaled+"/logits", func(t *testing.T) { logits(t, newEngine(t), scaled, kernels.F32, b.F32) })
	t.Run(scaled+"/greedy", func(t *testing.T) { greedy(t, newEngine(t), scaled) })
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

func logits(t *testing.T, e kernels.Engine, name string, p kernels.DType, tol Tolerance) {
	f := open(t, name)
	m := load(t, e, f.dir, p)
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
		d := Distance(got, f.floats(side+".logits"))
		t.Logf("%s: %.2e", side, d)
		if !(d <= tol.Logits) {
			t.Errorf("%s: logits are %.2e from float64's, want at most %.0e", side, d, tol.Logits)
		}
	}
}

// Recipe returns the recipe of the reference trajectories. labels is "output" or "all".
func Recipe(side model.Side, labels string) model.Recipe {
	r := model.Recipe{
		Padding: side, Batch: 4, LR: 1e-2, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01, Decay: model.DecayAll, Clip: 1,
		Schedule: model.Schedule{Name: "linear", Warmup: 2, Steps: 10},
	}
	if labels == "all" {
		r.PromptWeight = 1
	}
	return r
}

func train(t testing.TB, m *model.Model, r model.Recipe) *model.Trainer {
	t.Helper()
	tr, err := model.NewTrainer(m, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// gradients compares the loss and the gradient of every parameter, by its name
// in transformers.
func gradients(t *testing.T, e kernels.Engine, name string, p kernels.DType, side model.Side, labels string, tol Tolerance) {
	f := open(t, name)
	m := load(t, e, f.dir, p)
	tr := train(t, m, Recipe(side, labels))
	res, err := tr.Step(f.rows(""))
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("%s.%s", side, labels)
	if d := relative(res.Loss, f.losses[key]); !(d <= tol.Loss) {
		t.Errorf("loss %.9f, want %.9f within %.0e", res.Loss, f.losses[key], tol.Loss)
	}
	worst, where := 0.0, ""
	for _, g := range tr.Grads() {
		d := Distance(Values(m, g), f.floats(key+".grad."+g.Name))
		if !(d <= tol.Grad) {
			t.Errorf("gradient of %s is %.2e from float64's, want at most %.0e", g.Name, d, tol.Grad)
		}
		if d > worst {
			worst, where = d, g.Name
		}
	}
	t.Logf("loss %.2e, worst gradient %.2e (%s)", relative(res.Loss, f.losses[key]), worst, where)
}

// trajectory makes ten AdamW steps of two micro-batches.
func trajectory(t *testing.T, e kernels.Engine, name, labels string, b Bounds) {
	f := open(t, name)
	m := load(t, e, f.dir, kernels.F32)
	tr := train(t, m, Recipe(model.PadLeft, labels))
	worst := 0.0
	for s, want := range f.json.Trajectory[labels] {
		got, err := tr.Step(append(f.rows(fmt.Sprintf("train.%d.0.", s)), f.rows(fmt.Sprintf("train.%d.1.", s))...))
		if err != nil {
			t.Fatal(err)
		}
		if got.Step != s || got.Targets != want.Targets || got.LR != want.LR {
			t.Errorf("step %d: got step %d, %d targets, lr %v; want %d, %v", s, got.Step, got.Targets, got.LR, want.Targets, want.LR)
		}
		d, n := relative(got.Loss, want.Loss), relative(got.GradNorm, want.GradNorm)
		worst = max(worst, d)
		if !(d <= b.F32.Loss && n <= b.Norm) {
			t.Errorf("step %d: loss %.9f, norm %.9f; want %.9f within %.0e, %.9f within %.0e", s, got.Loss, got.GradNorm, want.Loss, b.F32.Loss, want.GradNorm, b.Norm)
		}
	}
	worstW, where := 0.0, ""
	for _, p := range m.Params() {
		d, limit := Distance(Values(m, p), f.floats("train."+labels+".final."+p.Name)), b.Weights
		// Its gradient is nearly zero, and Adam turns the sign of the rounding error into
		// a full step.
		if strings.HasSuffix(p.Name, "k_proj.bias") {
			limit *= 20
		} else if d > worstW {
			worstW, where = d, p.Name
		}
		if !(d <= limit) {
			t.Errorf("final %s is %.2e from float64's, want at most %.0e", p.Name, d, limit)
		}
	}
	t.Logf("worst loss %.2e, worst weights %.2e (%s)", worst, worstW, where)
}

func greedy(t *testing.T, e kernels.Engine, name string) {
	f := open(t, name)
	m := load(t, e, f.dir, kernels.F32)
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
}
