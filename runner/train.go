package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"xrun/kernels"
	"xrun/model"
	"xrun/reports"
	"xrun/runner/data"
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
	cell  schema.Cell
	prep  *preparation
	key   trainKey

	model    *model.Model
	trainer  *model.Trainer
	perEpoch int
	steps    []reports.Step
	heldout  []reports.HeldOut

	checkpoints *store.Store
	saved       time.Time
	log         *os.File
}

func runTrain(c schema.Cell, m *modelInput, p *preparation, k trainKey) func(*execution, *stage) error {
	return func(x *execution, st *stage) (err error) {
		x.unload()
		t := &training{x: x, stage: st, cell: c, prep: p, key: k}
		if err := t.open(m); err != nil {
			return err
		}
		defer t.close()
		if err := t.loop(); err != nil {
			fmt.Fprintf(t.log, "%s stopped: %v\n", time.Now().UTC().Format(time.RFC3339), err)
			return err
		}
		return t.store()
	}
}

// open loads the base weights, or the newest checkpoint of this very stage.
func (t *training) open(m *modelInput) (err error) {
	work, err := t.x.store.Work(t.stage.key)
	if err != nil {
		return err
	}
	if t.log, err = os.OpenFile(filepath.Join(work, store.LogName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666); err != nil {
		return err
	}
	if t.checkpoints, err = store.Open(filepath.Join(work, "checkpoints")); err != nil {
		return err
	}
	if t.model, err = model.Load(t.x.engine, m.dir.FS, precisionOf(t.cell.Train.Precision)); err != nil {
		return fmt.Errorf("loading %s: %w", t.cell.Model, err)
	}
	if t.trainer, err = model.NewTrainer(t.model, t.recipe()); err != nil {
		return err
	}
	t.perEpoch, _ = stepsOf(t.cell.Train, len(t.prep.Rows))
	t.saved = time.Now()
	return t.resume()
}

func (t *training) close() {
	t.log.Close()
	t.trainer.Close()
	t.model.Close()
}

func (t *training) recipe() model.Recipe {
	c := t.cell
	return model.Recipe{
		PromptWeight: float64(c.Labels), Padding: model.Side(c.Padding), Batch: c.Train.Batch,
		LR: c.Train.LR, Beta1: c.Train.Beta1, Beta2: c.Train.Beta2, Eps: c.Train.Eps,
		WeightDecay: c.Train.WeightDecay, Decay: model.Decay(c.Train.Decay), Clip: c.Train.Clip,
		Schedule: t.key.Schedule, MicroTokens: microTokens(t.x.spec.Run, t.model.Config, c),
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
			if serr := t.save(); serr != nil {
				return serr
			}
			return err
		}
		epoch, at := step/t.perEpoch, step%t.perEpoch*c.Train.Batch*c.Train.Accumulate
		if epoch != orderEpoch {
			order, orderEpoch = epochOrder(len(t.prep.Rows), c.Seed, epoch, c.Data.Shuffle), epoch
		}
		rows := t.rows(order[at:min(at+c.Train.Batch*c.Train.Accumulate, len(order))])
		r, err := t.trainer.Step(rows)
		if err != nil {
			return fmt.Errorf("step %d (items %s): %w", step+1, t.items(order[at:min(at+c.Train.Batch*c.Train.Accumulate, len(order))]), err)
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
		if err := t.maybeSave(step + 1); err != nil {
			return err
		}
	}
	return nil
}

func (t *training) rows(indices []int) []model.Row {
	rows := make([]model.Row, len(indices))
	for i, j := range indices {
		r := t.prep.Rows[j]
		rows[i] = model.Row{Tokens: r.Tokens, Prompt: r.Prompt}
	}
	return rows
}

// items names the data items of a step, for an error.
func (t *training) items(indices []int) string {
	names := make([]string, len(indices))
	for i, j := range indices {
		names[i] = fmt.Sprint(t.prep.Rows[j].Item)
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

// checkpointInterval is how often a checkpoint is written when the spec does
// not say.
const checkpointInterval = 10 * time.Minute

func (t *training) maybeSave(step int) error {
	if every := t.x.spec.Run.CheckpointEvery; every > 0 {
		if step%every != 0 {
			return nil
		}
	} else if time.Since(t.saved) < checkpointInterval {
		return nil
	}
	if step == t.key.Steps {
		return nil
	}
	return t.save()
}

func checkpointKey(step int) store.Key { return store.Key(fmt.Sprintf("step-%010d", step)) }

// save writes a checkpoint and drops all but the last two.
func (t *training) save() error {
	k := checkpointKey(len(t.steps))
	if len(t.steps) == 0 || t.checkpoints.Has(k) {
		return nil
	}
	_, err := t.checkpoints.Put(k, t.stage.input, func(dir string) error {
		if err := writeRows(dir, stepsTable, t.steps); err != nil {
			return err
		}
		if err := writeRows(dir, heldoutTable, t.heldout); err != nil {
			return err
		}
		return reports.WriteFile(filepath.Join(dir, stateFile), t.trainer.WriteState)
	})
	if err != nil {
		return fmt.Errorf("writing checkpoint: %w", err)
	}
	t.saved = time.Now()
	fmt.Fprintf(t.log, "%s checkpoint at step %d\n", t.saved.UTC().Format(time.RFC3339), len(t.steps))
	names, err := checkpointNames(t.checkpoints)
	if err != nil {
		return err
	}
	for _, n := range names[:max(0, len(names)-2)] {
		if err := os.RemoveAll(filepath.Join(t.checkpoints.Root(), n)); err != nil {
			return err
		}
	}
	return nil
}

func checkpointNames(s *store.Store) ([]string, error) {
	entries, err := os.ReadDir(s.Root())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "step-") && s.Has(store.Key(e.Name())) {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// resume continues from the newest whole checkpoint, if there is one.
func (t *training) resume() error {
	names, err := checkpointNames(t.checkpoints)
	if err != nil {
		return err
	}
	for i := len(names) - 1; i >= 0; i-- {
		if err := t.restore(store.Key(names[i])); err == nil {
			fmt.Fprintf(t.log, "%s resumed at step %d\n", time.Now().UTC().Format(time.RFC3339), len(t.steps))
			t.x.progress.line("%s: resuming after step %d", t.stage.title, len(t.steps))
			return nil
		} else {
			t.x.progress.line("%s: checkpoint %s is not usable: %v", t.stage.title, names[i], err)
			if err := t.checkpoints.SetAside(store.Key(names[i])); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *training) restore(k store.Key) error {
	o, err := t.checkpoints.Get(k)
	if err != nil {
		return err
	}
	if err := o.Verify(); err != nil {
		return err
	}
	steps, err := readRows[reports.Step](t.checkpoints, k, stepsTable)
	if err != nil {
		return err
	}
	heldout, err := readRows[reports.HeldOut](t.checkpoints, k, heldoutTable)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(o.Dir(), stateFile))
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.trainer.ReadState(f, st.Size()); err != nil {
		return err
	}
	t.steps, t.heldout = steps, heldout
	return nil
}

// store writes the finished cell: weights in f32, configuration, tables.
func (t *training) store() error {
	return t.x.put(t.stage, func(dir string) error {
		if err := writeRows(dir, stepsTable, t.steps); err != nil {
			return err
		}
		if err := writeRows(dir, heldoutTable, t.heldout); err != nil {
			return err
		}
		return t.model.Save(dir, kernels.F32)
	})
}
