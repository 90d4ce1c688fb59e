package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"xrun/kernels"
	"xrun/model"
	"xrun/reports"
	"xrun/runner/data"
	"xrun/runner/lock"
	"xrun/runner/store"
	"xrun/schema"
)

// Tables and files of the stages.
const (
	stepsTable   = "steps.parquet"
	heldoutTable = "heldout.parquet"
	itemsTable   = "items.parquet"
	samplesTable = "samples.parquet"
	stateFile    = "state.safetensors"
)

// training is one cell being trained.
type training struct {
	x     *execution
	stage *stage
	base  *modelInput
	cell  schema.Cell
	prep  *preparation
	key   trainKey

	model    *model.Model
	trainer  *model.Trainer
	perEpoch int
	steps    []reports.Step
	heldout  []reports.HeldOut

	checkpoints *checkpoints
}

func runTrain(c schema.Cell, m *modelInput, p *preparation, k trainKey) func(*execution, *stage) error {
	return func(x *execution, st *stage) (err error) {
		x.unload()
		t := &training{x: x, stage: st, base: m, cell: c, prep: p, key: k}
		defer t.close()
		if err := t.open(); err != nil {
			return err
		}
		if err := t.loop(); err != nil {
			return err
		}
		t.checkpoints.close()
		return t.store()
	}
}

// open loads the base weights, or the newest checkpoint of this very stage.
func (t *training) open() (err error) {
	if t.checkpoints, err = openCheckpoints(t.x, t.stage); err != nil {
		return err
	}
	if err := t.load(); err != nil {
		return err
	}
	t.perEpoch, _ = stepsOf(t.cell.Train, len(t.prep.Rows))
	return t.resume()
}

// load loads the base weights, in the place of any loaded before.
func (t *training) load() (err error) {
	t.unload()
	if t.model, err = model.Load(t.x.engine, t.base.dir.FS, precisionOf(t.cell.Train.Precision)); err != nil {
		return fmt.Errorf("loading %s: %w", t.cell.Model, err)
	}
	t.trainer, err = model.NewTrainer(t.model, t.recipe())
	return err
}

func (t *training) unload() {
	if t.trainer != nil {
		t.trainer.Close()
	}
	if t.model != nil {
		t.model.Close()
	}
	t.trainer, t.model = nil, nil
}

func (t *training) close() {
	if t.checkpoints != nil {
		t.checkpoints.close()
	}
	t.unload()
}

func (t *training) recipe() model.Recipe {
	c := t.cell
	plan := planTraining(t.x.spec.Run, t.model.Config, c, t.prep.Rows)
	return model.Recipe{
		PromptWeight: float64(c.Labels), Padding: model.Side(c.Padding), Batch: c.Train.Batch,
		LR: c.Train.LR, Beta1: c.Train.Beta1, Beta2: c.Train.Beta2, Eps: c.Train.Eps,
		WeightDecay: c.Train.WeightDecay, Decay: model.Decay(c.Train.Decay), Clip: c.Train.Clip,
		Schedule: t.key.Schedule, MicroTokens: microTokens(t.x.spec.Run, t.model.Config, c), Recompute: plan.recompute,
	}
}

// loop runs the remaining steps.
func (t *training) loop() error {
	c := t.cell
	if len(t.steps) == 0 && len(t.heldout) == 0 {
		if err := t.measure(0); err != nil {
			return err
		}
	}
	order, orderEpoch := []int(nil), -1
	var tokens int64
	for step := len(t.steps); step < t.key.Steps; step++ {
		if err := t.x.ctx.Err(); err != nil {
			if context.Cause(t.x.ctx) != lock.ErrLost && t.checkpoints.now(t) == nil {
				t.x.progress.line("%s: stopped after step %d of %d, with a checkpoint", t.stage.title, step, t.key.Steps)
			}
			return err
		}
		epoch := step / t.perEpoch
		if epoch != orderEpoch {
			order, orderEpoch = epochOrder(len(t.prep.Rows), c.Seed, epoch, c.Data.Shuffle), epoch
		}
		items := stepItems(order, step%t.perEpoch, c.Train)
		r, err := t.trainer.Step(modelRows(t.prep.Rows, items))
		if err != nil {
			return t.stepError(step, items, err)
		}
		tokens += int64(r.Tokens)
		t.steps = append(t.steps, reports.Step{
			Step: int32(step + 1), Epoch: float64(step+1) / float64(t.perEpoch), Loss: r.Loss, LR: r.LR, GradNorm: r.GradNorm,
			Tokens: int32(r.Tokens), Targets: int32(r.Targets), WeightSum: r.WeightSum, Skipped: r.Skipped,
		})
		if every := t.key.HoldoutEvery; every > 0 && ((step+1)%every == 0 || step+1 == t.key.Steps) {
			if err := t.measure(step + 1); err != nil {
				return err
			}
		}
		t.x.progress.step(step+1, t.key.Steps, tokens, fmt.Sprintf("loss %.4f", r.Loss))
		if step+1 < t.key.Steps {
			t.checkpoints.maybe(t)
		}
	}
	return nil
}

// stepError says what went wrong in a step, with what it was made of. Where the
// numbers went wrong and the weights before the step are sound, they are kept as
// a checkpoint: the last good one.
func (t *training) stepError(step int, indices []int, err error) error {
	var bad *model.NonFiniteError
	if !errors.As(err, &bad) {
		return fmt.Errorf("step %d (items %s): %w", step+1, t.items(indices), err)
	}
	if step > 0 && t.finite() {
		t.checkpoints.now(t)
	}
	good := "the base weights"
	if keys, err := t.checkpoints.names(); err == nil && len(keys) > 0 {
		good = fmt.Sprintf("the checkpoint after step %d", stepOf(keys[len(keys)-1]))
	}
	return fmt.Errorf("step %d of %d: the %s is %v; its items are %s; the last good state is %s; a lower learning rate, a warm-up or clipping may help",
		step+1, t.key.Steps, bad.What, bad.Value, t.items(indices), good)
}

// finite reports whether every weight is a finite number.
func (t *training) finite() bool {
	e := t.model.Engine()
	for _, p := range t.model.Params() {
		rows := max(1, 1<<20/p.Tensor.Cols())
		for lo := 0; lo < p.Tensor.Rows(); lo += rows {
			part := p.Tensor.Slice(lo, min(lo+rows, p.Tensor.Rows()))
			values := make([]float32, part.Rows()*part.Cols())
			e.Read(values, part)
			if e.Sync() != nil {
				return false
			}
			for _, v := range values {
				if v-v != 0 {
					return false
				}
			}
		}
	}
	return true
}

// items names the data items of a step, for an error, by their number from 1.
func (t *training) items(indices []int) string {
	names := make([]string, len(indices))
	for i, j := range indices {
		names[i] = fmt.Sprint(t.prep.Rows[j].Item + 1)
	}
	return strings.Join(names, ", ")
}

// measure adds the losses on the held-out items after step steps.
func (t *training) measure(step int) error {
	if t.key.HoldoutEvery == 0 {
		return nil
	}
	h, err := heldoutLoss(t.model, t.prep.Prepared)
	if err != nil {
		return err
	}
	h.Step, h.Model = int32(step), t.cell.Model
	t.heldout = append(t.heldout, h)
	return nil
}

// heldoutLoss is the mean loss over the output and the prompt tokens of the
// held-out items.
func heldoutLoss(m *model.Model, p *data.Prepared) (reports.HeldOut, error) {
	rows := make([]model.Row, len(p.HeldOut))
	for i, r := range p.HeldOut {
		rows[i] = model.Row{Tokens: r.Tokens, Prompt: r.Prompt}
	}
	losses, err := m.HeldOut(rows)
	if err != nil {
		return reports.HeldOut{}, err
	}
	var h reports.HeldOut
	var output, prompt float64
	for _, l := range losses {
		output += l.OutputCE
		prompt += l.PromptCE
		h.OutputTokens += int32(l.OutputTokens)
		h.PromptTokens += int32(l.PromptTokens)
	}
	h.OutputLoss = output / float64(h.OutputTokens)
	h.PromptLoss = prompt / float64(h.PromptTokens)
	return h, nil
}

// store writes the finished cell: weights in f32, configuration, tables.
func (t *training) store() error {
	return t.x.put(t.stage, func(out *store.Writer) error {
		if err := writeRows(out, stepsTable, t.steps); err != nil {
			return err
		}
		if err := writeRows(out, heldoutTable, t.heldout); err != nil {
			return err
		}
		return t.model.Save(out, kernels.F32)
	})
}
