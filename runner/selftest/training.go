package selftest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/model"
	"xrun/runner/bench"
)

// small is a model with every part of a Qwen2: grouped queries, biases, tied
// embeddings, sizes that are not multiples of a tile.
var small = model.Config{
	Architecture: model.Qwen2, Vocab: 307, Hidden: 72, Intermediate: 200, Layers: 2, Heads: 6, KVHeads: 2, HeadDim: 12,
	MaxPositions: 64, RopeTheta: 1e4, NormEps: 1e-6, Tied: true, QKVBias: true, InitRange: 0.05, BOS: -1, Pad: -1,
}

// normed is small as a Qwen3: with norms of wider heads, and without biases.
func normed() model.Config {
	c := small
	c.Architecture, c.QKVBias, c.HeadDim = model.Qwen3, false, 20
	return c
}

var recipe = model.Recipe{
	PromptWeight: 0.5, Padding: model.PadRight, Batch: 3, LR: 2e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1,
	Decay: model.DecayAll, Clip: 1, Schedule: model.Schedule{Name: "constant"},
}

const steps, rowLength = 5, 24

// How far a loss may be from the CPU engine's, as a share of it. In f32 both
// follow the same formulas and differ in the order of sums: some 2^-20 a loss,
// which five steps of AdamW multiply by what the update's division by √v makes
// of a small gradient. In bf16 operands are rounded to 2^-9 and a sum that falls
// on the other side of a tie moves a value by 2^-8; over the row's tokens such
// differences average out, and 2^-7 stays above them.
var lossBounds = map[kernels.DType]float64{kernels.F32: 1e-4, kernels.BF16: 0x1p-7}

// training trains the same steps twice on the engine and once on the CPU engine.
func (t *tester) training() {
	for _, trained := range []struct {
		name   string
		config model.Config
		p      kernels.DType
	}{{"f32", small, kernels.F32}, {"bf16", small, kernels.BF16}, {"qwen3", normed(), kernels.BF16}} {
		config, p := trained.config, trained.p
		t.check("training/"+trained.name, func() (string, []string) {
			c, err := cpu.New(cpu.Options{Threads: t.Threads})
			if err != nil {
				return "", []string{err.Error()}
			}
			defer c.Close()
			want, err := losses(c, config, p)
			if err != nil {
				return "", []string{err.Error()}
			}
			var got [2][]float64
			var note string
			for i := range got {
				e, counts, err := t.engine()
				if err != nil {
					return "", []string{err.Error()}
				}
				if got[i], err = losses(e, config, p); err == nil {
					note = counted(counts)
					err = e.Close()
				}
				if err != nil {
					return "", []string{err.Error()}
				}
			}
			problems := compare(want, got[0], lossBounds[p])
			if !slices.Equal(got[0], got[1]) {
				problems = append(problems, fmt.Sprintf("two trainings differ: %v and %v", got[0], got[1]))
			}
			return strings.TrimSpace("loss " + texts(got[0]) + " " + note), problems
		})
	}
}

func losses(e kernels.Engine, c model.Config, p kernels.DType) ([]float64, error) {
	m, err := model.New(e, c, p)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := m.InitRandom(1); err != nil {
		return nil, err
	}
	trainer, err := model.NewTrainer(m, recipe)
	if err != nil {
		return nil, err
	}
	defer trainer.Close()
	rows := bench.SyntheticRows(recipe.Batch, c.Vocab, rowLength)
	var out []float64
	for range steps {
		r, err := trainer.Step(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r.Loss)
	}
	return out, nil
}

func compare(want, got []float64, bound float64) (problems []string) {
	for i := range want {
		if d := math.Abs(got[i]-want[i]) / want[i]; !(d <= bound) {
			problems = append(problems, fmt.Sprintf("step %d: loss %.9g, the CPU engine's is %.9g: off by %.2g, more than %.2g", i+1, got[i], want[i], d, bound))
		}
	}
	if got[len(got)-1] >= got[0] {
		problems = append(problems, fmt.Sprintf("the loss does not fall: %v", got))
	}
	return problems
}

func texts(x []float64) string {
	s := make([]string, len(x))
	for i := range x {
		s[i] = fmt.Sprintf("%.4f", x[i])
	}
	return strings.Join(s, " ")
}
