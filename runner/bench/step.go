package bench

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/num"
	"xrun/model"
)

// Step is the speed of training steps.
type Step struct {
	Precision string `json:"precision"`
	Steps     int    `json:"steps"`
	Rows      int    `json:"rows"` // of a step
	// Tokens are those of the rows given, Padded what they would be with each
	// step's rows padded to its longest.
	Tokens int `json:"tokens"`
	Padded int `json:"padded_tokens"`
	// Seconds are those of the measured steps; the first step, which takes
	// memory from the system, goes before them.
	Seconds         float64 `json:"seconds"`
	FirstSeconds    float64 `json:"first_seconds"`
	TokensPerSecond float64 `json:"tokens_per_s"`
	PaddedPerSecond float64 `json:"padded_tokens_per_s"`
	// GFLOPS is what matrix products and attention did over the whole time.
	GFLOPS float64   `json:"gflops"`
	Share  float64   `json:"share_of_limit,omitempty"`
	Losses []float64 `json:"losses"` // of the first step too
	Ops    []*OpTime `json:"ops"`
	// Kernels are what a GPU's kernels took in one more step, with events between
	// them; Ops are there the time that the host took to queue them.
	Kernels []cuda.KernelTime `json:"kernels,omitempty"`
	// PeakBytes is the most memory the process had resident meanwhile, 0 where
	// the system does not tell, and of a GPU what was taken there; PlannedBytes is
	// what the plan said.
	PeakBytes    int64 `json:"peak_bytes"`
	PlannedBytes int64 `json:"planned_bytes"`
}

// StepOptions say what is trained.
type StepOptions struct {
	Precision kernels.DType
	Recipe    model.Recipe
	Steps     int // measured ones; one more goes before them
	// Planned is what the steps are said to take: of a GPU's memory, or of the
	// processor's beside what the process has already.
	Planned int64
}

// MeasureSteps trains Recipe.Batch rows a step, from the first on, and measures
// all steps but the first.
func MeasureSteps(e kernels.Engine, load Loader, rows []model.Row, o StepOptions) (*Step, error) {
	batch := o.Recipe.Batch
	if len(rows) < batch*(o.Steps+1) {
		return nil, fmt.Errorf("measuring steps: %d rows, want at least %d for %d × %d", len(rows), batch*(o.Steps+1), o.Steps+1, batch)
	}
	debug.FreeOSMemory()
	ResetPeakMemory()
	gpu, _ := e.(*cuda.Engine)
	planned := o.Planned
	if gpu == nil {
		planned += Resident()
	}
	t := newTimed(e)
	m, err := load(t, o.Precision, false)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	trainer, err := model.NewTrainer(m, o.Recipe)
	if err != nil {
		return nil, err
	}
	defer trainer.Close()
	s := &Step{Precision: o.Precision.String(), Steps: o.Steps, Rows: batch}
	for i := range o.Steps + 1 {
		group := rows[i*batch : (i+1)*batch]
		if i == 1 {
			t.reset()
		}
		start := time.Now()
		r, err := trainer.Step(group)
		took := time.Since(start).Seconds()
		if err != nil {
			return nil, err
		}
		s.Losses = append(s.Losses, r.Loss)
		if i == 0 {
			s.FirstSeconds = took
			continue
		}
		s.Seconds += took
		longest := 0
		for _, row := range group {
			s.Tokens += len(row.Tokens)
			longest = max(longest, len(row.Tokens))
		}
		s.Padded += longest * len(group)
	}
	s.PeakBytes, s.PlannedBytes = PeakMemory(), planned
	s.finish(t.order)
	if gpu != nil {
		_, _, s.PeakBytes = gpu.Memory()
		s.Kernels, err = gpu.Profile(func() error {
			_, err := trainer.Step(rows[o.Steps*batch : (o.Steps+1)*batch])
			return err
		})
	}
	return s, err
}

// finish computes rates.
func (s *Step) finish(ops []*OpTime) {
	flops := 0.0
	for _, op := range ops {
		flops += op.FLOPs
	}
	slices.SortFunc(ops, func(a, b *OpTime) int { return cmp.Compare(b.Seconds, a.Seconds) })
	s.Ops = ops
	s.GFLOPS = flops / s.Seconds / 1e9
	s.TokensPerSecond = float64(s.Tokens) / s.Seconds
	s.PaddedPerSecond = float64(s.Padded) / s.Seconds
}

// SyntheticRows makes n rows of random tokens with the lengths of Alpaca's
// first rows.
func SyntheticRows(n, vocab, maxLength int) []model.Row {
	rows := make([]model.Row, n)
	for i := range rows {
		g := num.NewPhilox(1, 0x62656e63, uint64(i))
		l := alpacaLengths[i%len(alpacaLengths)]
		rows[i] = model.Row{Tokens: make([]int32, min(l[0]+l[1], maxLength)), Prompt: min(l[0], maxLength)}
		for j := range rows[i].Tokens {
			rows[i].Tokens[j] = int32(g.Below(uint64(vocab)))
		}
	}
	return rows
}

// alpacaLengths are prompt and output lengths of the first items of Alpaca
// (Taori et al. 2023) in SmolLM2's tokens.
var alpacaLengths = [][2]int{
	{83, 2}, {56, 6}, {65, 7}, {76, 34}, {41, 56}, {37, 125}, {57, 56}, {37, 90}, {58, 5}, {42, 170}, {38, 36}, {51, 71},
	{76, 13}, {49, 25}, {40, 68}, {36, 28}, {94, 52}, {85, 24}, {66, 50}, {54, 87}, {43, 6}, {59, 122}, {41, 28}, {43, 23},
	{64, 12}, {63, 18}, {64, 9}, {39, 166}, {60, 9}, {40, 123}, {35, 5}, {43, 36}, {77, 17}, {41, 28}, {41, 14}, {66, 35},
}
