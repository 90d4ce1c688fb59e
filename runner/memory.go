package runner

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/model"
	"xrun/runner/bench"
	"xrun/runner/data"
	"xrun/schema"
)

// defaultMemory bounds a run's activations when the spec's run.memory does not.
const defaultMemory = 4 << 30

// microTokens is how many tokens are in flight at once in training: as many as
// the memory budget holds, at least one full-length row, at most the step. It is
// a choice of memory only, and depends on the spec alone, because some engines'
// results depend on it.
func microTokens(r schema.Run, c model.Config, cell schema.Cell) int {
	step := cell.Data.MaxLength * cell.Train.Batch * cell.Train.Accumulate
	tokens := step
	fits := func() bool {
		e := model.Extent{Tokens: tokens, Labels: tokens, Longest: tokens, Step: step}
		return model.TrainMemory(c, precisionOf(cell.Train.Precision), 0, e).Activations <= activationBudget(r)
	}
	for tokens > cell.Data.MaxLength && !fits() {
		tokens /= 2
	}
	return max(tokens, cell.Data.MaxLength)
}

// parseBytes reads a size such as "8GiB", "500MB" or a number of bytes; "" is 0.
func parseBytes(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	units := []struct {
		suffix string
		size   float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || v < 0 || v*u.size > 1<<62 {
			break
		}
		return int64(v * u.size), nil
	}
	return 0, fmt.Errorf("%q is not a size; write 8GiB or 500MB", s)
}

func activationBudget(r schema.Run) int64 {
	budget, err := parseBytes(r.Memory)
	if err != nil || budget == 0 {
		return defaultMemory
	}
	return budget
}

// tableMemory is what a run's tables take while they are written: pages of
// parquet, zstd's windows, and the collected heap's slack; measured.
const tableMemory = 24 << 20

// trainPlan is how a cell's training uses memory.
type trainPlan struct {
	model.Extent
	recompute int // blocks
	bytes     model.TrainBytes
}

// planTraining looks at every step of a training. Activations are kept, or, as
// run.recompute says, computed again: by "auto" of as few blocks as the budget
// asks for.
func planTraining(r schema.Run, c model.Config, cell schema.Cell, rows []data.Row) trainPlan {
	recipe := model.Recipe{PromptWeight: float64(cell.Labels), MicroTokens: microTokens(r, c, cell)}
	var p trainPlan
	perEpoch, steps := stepsOf(cell.Train, len(rows))
	order, orderEpoch := []int(nil), -1
	for step := range steps {
		if epoch := step / perEpoch; epoch != orderEpoch {
			order, orderEpoch = epochOrder(len(rows), cell.Seed, epoch, cell.Data.Shuffle), epoch
		}
		p.Extent = p.Extent.Max(recipe.Extent(modelRows(rows, stepItems(order, step%perEpoch, cell.Train))))
	}
	switch r.Recompute {
	case "none":
	case "all":
		p.recompute = c.Layers - 1
	default:
		for p.recompute < c.Layers-1 && p.memory(c, cell).Activations > activationBudget(r) {
			p.recompute++
		}
	}
	p.bytes = p.memory(c, cell)
	return p
}

func (p *trainPlan) memory(c model.Config, cell schema.Cell) model.TrainBytes {
	return model.TrainMemory(c, precisionOf(cell.Train.Precision), p.recompute, p.Extent)
}

// memory predicts the most memory that the trainings to come take, on the CPU
// engine with what this process has resident now and what the engine needs
// beside its tensors; and how much more checkpoints in the background take, which
// keep a copy of weights and moments.
func (s *study) memory(engine kernels.Engine) (peak, checkpoint int64) {
	for _, c := range s.cells {
		m, prep := s.models[c.Model], s.prepares[c.Name]
		if m == nil || prep == nil || s.trains[c.Name] == nil || !s.left(s.trains[c.Name]) {
			continue
		}
		p := planTraining(s.spec.Run, m.config, c, prep.Rows)
		bytes, labels := p.bytes.Total(), p.Labels
		if len(prep.HeldOut) > 0 {
			n := model.HeldOutTokens(modelRows(prep.HeldOut, identity(len(prep.HeldOut))))
			bytes += model.InferMemory(m.config, precisionOf(c.Train.Precision), n, n, 0)
			labels = max(labels, n)
		}
		if e, ok := engine.(*cpu.Engine); ok {
			bytes += e.Overhead(overheadOf(m.config, p.Extent, labels))
		}
		peak, checkpoint = max(peak, bytes), max(checkpoint, 3*p.bytes.Weights)
	}
	if engine.Name() == "cpu" && peak > 0 {
		debug.FreeOSMemory()
		peak += bench.Resident() + tableMemory
	}
	return peak, checkpoint
}

// overheadOf says what the CPU engine must know of a training.
func overheadOf(c model.Config, e model.Extent, labels int) cpu.Training {
	return cpu.Training{Vocab: c.Vocab, Hidden: c.Hidden, HeadDim: c.HeadDim, Inner: c.Intermediate, Tokens: e.Tokens, Labels: labels, Longest: e.Longest}
}

func identity(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// stepItems returns the items of step at of an epoch.
func stepItems(order []int, at int, t schema.Train) []int {
	n := t.Batch * t.Accumulate
	return order[at*n : min((at+1)*n, len(order))]
}

func modelRows(rows []data.Row, items []int) []model.Row {
	out := make([]model.Row, len(items))
	for i, j := range items {
		out[i] = model.Row{Tokens: rows[j].Tokens, Prompt: rows[j].Prompt}
	}
	return out
}
