package cuda_test

import (
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/cuda"
	"xrun/model"
	"xrun/model/modeltest"
)

// bounds are those of the CPU engine in model's tests, adjusted for tensor cores, whose order of
// addition is unknown. float32 results differ in the last bits of sums of at most a few hundred
// terms, by 1e-6 relative, and by 1e-5 after the layers of a model. bf16 operands have errors of
// 2^-9 = 0.002 each, and the errors of several layers add up as a random walk.
var bounds = modeltest.Bounds{
	F32:  modeltest.Tolerance{Logits: 1e-5, Loss: 1e-5, Grad: 1e-5},
	BF16: modeltest.Tolerance{Logits: 2e-2, Loss: 1e-3, Grad: 5e-2},
	Norm: 1e-4, Weights: 1e-4,
}

// TestReference runs the cases of modeltest.RunQuick, or all with XRUN_SLOW=1.
func TestReference(t *testing.T) {
	run := modeltest.RunQuick
	if os.Getenv("XRUN_SLOW") != "" {
		run = modeltest.Run
	}
	run(t, func(t testing.TB) kernels.Engine {
		t.(*testing.T).Parallel()
		e := newEngine(t, 1, cuda.Options{})
		t.Cleanup(func() { e.Close() })
		return e
	}, bounds)
}

// training holds the results of some steps and the digest of the final weights.
type training struct {
	Log    []model.StepResult
	Digest uint64
}

func train(t testing.TB, e kernels.Engine, c model.Config, p kernels.DType, micro, steps int) training {
	t.Helper()
	m := modeltest.Random(t, e, c, p)
	defer m.Close()
	r := modeltest.Recipe(model.PadLeft, "output")
	r.PromptWeight, r.MicroTokens = 0.5, micro
	tr, err := model.NewTrainer(m, r)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	var out training
	for s := range steps {
		res, err := tr.Step(modeltest.Rows(6, uint64(s)))
		if err != nil {
			t.Fatal(err)
		}
		out.Log = append(out.Log, res)
	}
	out.Digest = m.Digest()
	return out
}

// TestTrainingIsReproducible trains with two orders of warps, blocks and streams, and with memory
// in segments and in single allocations. The bits must be the same.
func TestTrainingIsReproducible(t *testing.T) {
	t.Parallel()
	for _, p := range []kernels.DType{f32, bf16} {
		var runs []training
		for i, o := range arenas {
			e, err := cuda.New(exact(uint64(10+i)), o)
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, train(t, e, modeltest.Small(model.Qwen2, 2), p, 60, 3))
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(runs[0], runs[1]); d != "" {
			t.Errorf("%v: two runs differ:\n%s", p, d)
		}
	}
}

// TestTrainingFollowsTheCPU compares ten steps with the CPU engine.
func TestTrainingFollowsTheCPU(t *testing.T) {
	t.Parallel()
	host, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	for p, bound := range map[kernels.DType]float64{f32: 2e-5, bf16: 2e-2} {
		e := newEngine(t, 2, cuda.Options{})
		got, want := train(t, e, modeltest.Small(model.Llama, 2), p, 0, 10), train(t, host, modeltest.Small(model.Llama, 2), p, 0, 10)
		worst := 0.0
		for i, w := range want.Log {
			g := got.Log[i]
			d := max(math.Abs(g.Loss-w.Loss)/w.Loss, math.Abs(g.GradNorm-w.GradNorm)/w.GradNorm)
			worst = max(worst, d)
			if !(d <= bound) {
				t.Errorf("%v: step %d: loss %.7f, norm %.7f; the CPU engine's are %.7f, %.7f", p, i, g.Loss, g.GradNorm, w.Loss, w.GradNorm)
			}
		}
		t.Logf("%v: worst %.1e", p, worst)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNeighboursChangeNothing scores and continues sequences together, alone, and in passes of
// other sizes. The bits must be the same.
func TestNeighboursChangeNothing(t *testing.T) {
	t.Parallel()
	for _, p := range []kernels.DType{f32, bf16} {
		e := newEngine(t, 3, cuda.Options{})
		m := modeltest.Random(t, e, modeltest.Small(model.Qwen2, 2), p)
		var seqs []model.ScoreSeq
		rows := modeltest.Rows(5, 4)
		for _, r := range rows[1:] {
			tokens := append(append([]int32{7, 8, 9}, rows[0].Tokens...), r.Tokens...) // of a common start
			seqs = append(seqs, model.ScoreSeq{Tokens: tokens, From: 3})
		}
		score := func(o model.ScoreOptions, seqs ...model.ScoreSeq) []model.Score {
			s, _, err := m.LogProbs(seqs, o)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		want := score(model.ScoreOptions{}, seqs...)
		small := model.ScoreOptions{Tokens: 19}
		if d := cmp.Diff(want, score(small, seqs...)); d != "" {
			t.Errorf("%v: in small passes:\n%s", p, d)
		}
		for i, s := range seqs {
			for name, o := range map[string]model.ScoreOptions{"alone": {}, "alone in small passes": small} {
				if d := cmp.Diff(want[i:i+1], score(o, s)); d != "" {
					t.Errorf("%v: sequence %d %s:\n%s", p, i, name, d)
				}
			}
		}

		prompts := [][]int32{{1, 2, 3}, {5}, {9, 8, 7, 6, 5, 4, 3}}
		together, err := m.Generate(prompts, model.GenerateOptions{MaxNew: 5})
		if err != nil {
			t.Fatal(err)
		}
		for i, prompt := range prompts {
			alone, err := m.Generate([][]int32{prompt}, model.GenerateOptions{MaxNew: 5})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(together[i], alone[0]); d != "" {
				t.Errorf("%v: prompt %d continues otherwise alone:\n%s", p, i, d)
			}
		}
		m.Close()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMemoryIsAsPlanned compares the predicted memory of training with the memory that the engine
// used.
func TestMemoryIsAsPlanned(t *testing.T) {
	t.Parallel()
	for i, name := range modeltest.Models {
		p := []kernels.DType{bf16, f32, bf16}[i]
		e := newEngine(t, 1, cuda.Options{})
		m, err := model.Load(e, os.DirFS(modeltest.Dir(t, name)), p)
		if err != nil {
			t.Fatal(err)
		}
		const micro = 50
		r := modeltest.Recipe(model.PadRight, "all")
		r.MicroTokens = micro
		tr, err := model.NewTrainer(m, r)
		if err != nil {
			t.Fatal(err)
		}
		row := model.Row{Tokens: make([]int32, micro+1)}
		for i := range row.Tokens {
			row.Tokens[i] = int32(i)
		}
		if _, err := tr.Step([]model.Row{row}); err != nil {
			t.Fatal(err)
		}
		c := m.Config
		o := cuda.Training{DType: p, Matrices: c.Matrices(), Vocab: c.Vocab, Heads: c.Heads, HeadDim: c.HeadDim, Tokens: micro, Labels: micro}.Overhead()
		want := float64(model.TrainMemory(c, p, 0, model.Extent{Tokens: micro, Labels: micro, Longest: micro, Step: micro}).Total() + o.Rounded + o.Logits + o.Scratch)
		if _, peak, _ := e.Memory(); math.Abs(float64(peak)-want) > 0.01*want {
			t.Errorf("%s, %v: %d bytes were held, planned were %.0f: %+v", name, p, peak, want, o)
		} else {
			t.Logf("%s, %v: %.2f MiB held, %.2f planned", name, p, float64(peak)/(1<<20), want/(1<<20))
		}
		tr.Close()
		m.Close()
		e.Close()
	}
}
