package model_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/kernels"
	"xrun/model"
	"xrun/model/modeltest"
)

func TestStepWithoutTargets(t *testing.T) {
	m := modeltest.Random(t, engine(t, 1), small(model.Qwen2), kernels.F32)
	tr := newTrainer(t, m, smallRecipe(0, 0))
	before := m.Digest()
	got := step(t, tr, []model.Row{{Tokens: []int32{1, 2, 3}, Prompt: 3}, {Tokens: []int32{4}}, {}})
	want := model.StepResult{Step: 0, LR: 1e-2, Tokens: 4, Skipped: true}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("result (-want +got):\n%s", d)
	}
	if m.Digest() != before {
		t.Error("a skipped step changed the weights")
	}
	if next := step(t, tr, modeltest.Rows(8, 1)); next.Step != 1 || next.LR >= 1e-2 || next.Skipped {
		t.Errorf("the schedule did not go on: %+v", next)
	}
}

// A row without targets changes nothing but the count of tokens.
func TestRowWithoutTarget(t *testing.T) {
	recipe := smallRecipe(0, 0)
	recipe.Padding = model.PadRight
	var results []model.StepResult
	var digests []uint64
	for _, extra := range [][]model.Row{nil, {{Tokens: []int32{7, 8, 9}, Prompt: 3}}} {
		m := modeltest.Random(t, engine(t, 1), small(model.Qwen2), kernels.BF16)
		res := step(t, newTrainer(t, m, recipe), append(append([]model.Row{}, extra...), modeltest.Rows(7, 1)...))
		res.Tokens -= 3 * len(extra)
		results, digests = append(results, res), append(digests, m.Digest())
	}
	if d := cmp.Diff(results[0], results[1]); d != "" || digests[0] != digests[1] {
		t.Errorf("digests %x; results (-without +with):\n%s", digests, d)
	}
}

// The loss is a mean over all targets of the step, not over rows or batches.
func TestLossOverStep(t *testing.T) {
	for _, weight := range []float64{0, 0.3, 1} {
		m := modeltest.Random(t, engine(t, 2), small(model.Llama), kernels.F32)
		recipe := smallRecipe(weight, 40)
		recipe.Padding = model.PadRight
		data := modeltest.Rows(9, 2)
		losses, err := m.HeldOut(data)
		if err != nil {
			t.Fatal(err)
		}
		var sum, weights float64
		targets := 0
		for _, l := range losses {
			sum += weight*l.PromptCE + l.OutputCE
			weights += weight*float64(l.PromptTokens) + float64(l.OutputTokens)
			targets += l.OutputTokens
			if weight > 0 {
				targets += l.PromptTokens
			}
		}
		got := step(t, newTrainer(t, m, recipe), data)
		if relative(got.Loss, sum/weights) > 1e-12 || relative(got.WeightSum, weights) > 1e-12 || got.Targets != targets {
			t.Errorf("weight %v: loss %v over %v, %d targets; want %v over %v, %d", weight, got.Loss, got.WeightSum, got.Targets, sum/weights, weights, targets)
		}
	}
}

func TestNonFinite(t *testing.T) {
	m := modeltest.Random(t, engine(t, 1), small(model.Qwen2), kernels.F32)
	p := m.Params()[1]
	m.Engine().Write(p.Tensor, make([]float32, p.Elements()))
	v := modeltest.Values(m, p)
	v[3] = float32(math.Inf(1))
	m.Engine().Write(p.Tensor, v)
	tr := newTrainer(t, m, smallRecipe(1, 0))
	_, err := tr.Step(modeltest.Rows(8, 1))
	var bad *model.NonFiniteError
	if !errors.As(err, &bad) || bad.Step != 0 || bad.What != "loss" {
		t.Errorf("got %v, want a NonFiniteError of step 0's loss", err)
	}
}

func TestTrainingErrors(t *testing.T) {
	m := modeltest.Random(t, engine(t, 1), small(model.Qwen2), kernels.F32)
	tr := newTrainer(t, m, smallRecipe(1, 0))
	for want, rows := range map[string][]model.Row{
		"row 1: token 2 has id 101, outside the vocabulary of 101": {{Tokens: []int32{1, 2}}, {Tokens: []int32{1, 2, 101}}},
		"row 0: token 0 has id -1":                                 {{Tokens: []int32{-1, 2}}},
		"row 0: its prompt is 3 tokens of 2":                       {{Tokens: []int32{1, 2}, Prompt: 3}},
	} {
		if _, err := tr.Step(rows); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	good := smallRecipe(0, 0)
	for want, change := range map[string]func(*model.Recipe){
		"the prompt weight is 1.5":         func(r *model.Recipe) { r.PromptWeight = 1.5 },
		"the learning rate is NaN":         func(r *model.Recipe) { r.LR = math.NaN() },
		"beta2 is 1;":                      func(r *model.Recipe) { r.Beta2 = 1 },
		`padding is "middle"`:              func(r *model.Recipe) { r.Padding = "middle" },
		`decay is ""`:                      func(r *model.Recipe) { r.Decay = "" },
		"batch is 0":                       func(r *model.Recipe) { r.Batch = 0 },
		`unknown name "cosinus"`:           func(r *model.Recipe) { r.Schedule.Name = "cosinus" },
		"cosine: it has no argument power": func(r *model.Recipe) { r.Schedule.Power = new(float64) },
	} {
		r := good
		change(&r)
		if _, err := model.NewTrainer(m, r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestStateErrors(t *testing.T) {
	e := engine(t, 1)
	tr := newTrainer(t, modeltest.Random(t, e, small(model.Qwen2), kernels.F32), smallRecipe(0, 0))
	other := newTrainer(t, modeltest.Random(t, e, small(model.Llama), kernels.F32), smallRecipe(0, 0))
	var state, weights bytes.Buffer
	if err := other.WriteState(&state); err != nil {
		t.Fatal(err)
	}
	m := modeltest.Random(t, e, small(model.Qwen2), kernels.F32)
	if err := m.WriteWeights(&weights, kernels.F32); err != nil {
		t.Fatal(err)
	}
	for want, b := range map[string][]byte{
		"belongs to another model":       state.Bytes(),
		"has no valid xrun.step":         weights.Bytes(),
		"the file ends inside tensor":    state.Bytes()[:state.Len()-5],
		"truncated or not a safetensors": state.Bytes()[:5],
	} {
		if err := tr.ReadState(bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// counting adds up the memory allocated from an engine.
type counting struct {
	kernels.Engine
	bytes int64
}

func (c *counting) New(t kernels.DType, rows, cols int) kernels.Tensor {
	c.bytes += int64(t.Size()) * int64(rows) * int64(cols)
	return c.Engine.New(t, rows, cols)
}

// The predicted memory equals what training allocates.
func TestTrainMemory(t *testing.T) {
	for i, p := range []kernels.DType{kernels.F32, kernels.BF16, kernels.F32, kernels.BF16} {
		recompute := i / 2 * 2
		c := &counting{Engine: engine(t, 1)}
		m := modeltest.Random(t, c, small(model.Llama), p)
		recipe := smallRecipe(1, 0)
		recipe.Padding, recipe.Recompute = model.PadRight, recompute
		rows := modeltest.Rows(8, 1)
		e := recipe.Extent(rows)
		step(t, newTrainer(t, m, recipe), rows)
		distinct := map[int32]bool{}
		for _, r := range rows {
			for _, id := range r.Tokens[:max(len(r.Tokens)-1, 0)] {
				distinct[id] = true
			}
		}
		e.Step = len(distinct)
		if got := model.TrainMemory(m.Config, p, recompute, e).Total(); got != c.bytes {
			t.Errorf("%v, %d blocks again: predicted %d bytes, allocated %d", p, recompute, got, c.bytes)
		}
	}
}

// The lookup of the pad token has no gradient, as with torch's padding_idx, even inside a row.
// As a target it has one.
func TestPadTokenGradient(t *testing.T) {
	for _, arch := range []string{model.Qwen2, model.Qwen3, model.Llama} {
		c := small(arch)
		c.Pad = 9
		m := modeltest.Random(t, engine(t, 1), c, kernels.F32)
		tr := newTrainer(t, m, smallRecipe(1, 0))
		step(t, tr, []model.Row{{Tokens: []int32{4, 9, 5, 9, 6}}})
		embed := modeltest.Values(m, tr.Grads()[0])
		row := func(id int) (sum float64) {
			for _, v := range embed[id*c.Hidden : (id+1)*c.Hidden] {
				sum += math.Abs(float64(v))
			}
			return sum
		}
		if row(4) == 0 || row(5) == 0 || (row(9) == 0) == c.Tied {
			t.Errorf("%s: gradients of tokens 4, 5 and the pad: %v, %v, %v", arch, row(4), row(5), row(9))
		}
	}
}
