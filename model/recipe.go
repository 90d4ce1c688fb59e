package model

import (
	"fmt"
	"math"
)

// Side is the side on which shorter rows are padded. There are no actual pads; the side
// only determines the positions of a row's tokens.
type Side string

// The sides. With PadRight the positions of a row start at 0; with PadLeft they start at
// the length of the longest row padded together with it minus its own.
const (
	PadLeft  Side = "left"
	PadRight Side = "right"
)

// Decay selects the parameters to which weight decay applies.
type Decay string

// DecayAll applies weight decay to all parameters, like torch.optim.AdamW with a single
// group. DecayMatrices leaves out biases and norm weights, like transformers' Trainer.
const (
	DecayAll      Decay = "all"
	DecayMatrices Decay = "matrices"
)

// Recipe describes how a model is trained. Everything but MicroTokens and Recompute
// affects results.
type Recipe struct {
	// PromptWeight is the loss weight of prompt tokens, from 0 (output only) to 1 (all
	// tokens). Output tokens have weight 1.
	PromptWeight float64
	Padding      Side
	// Batch is the number of rows padded together; the last group of a step may be
	// smaller. It only matters with PadLeft.
	Batch int

	// LR is the peak learning rate. The others are as in torch.optim.AdamW.
	LR, Beta1, Beta2, Eps, WeightDecay float64
	Decay                              Decay
	// Clip bounds the global gradient norm; 0 means no bound.
	Clip     float64
	Schedule Schedule

	// MicroTokens bounds the tokens computed at once (a longer row is computed alone);
	// 0 means a whole step. It trades memory, and on an engine that is
	// MicroBatchInvariant it does not change a bit of the results.
	MicroTokens int
	// Recompute is the number of blocks, from the first, that keep only their input and
	// recompute the rest in the backward pass. It is at most all blocks but the last,
	// whose activations are few. It saves memory for up to a third more time and does
	// not change a bit of the results.
	Recompute int
}

// Validate returns an error for the first value that is out of range.
func (r Recipe) Validate() error {
	for _, v := range []struct {
		name    string
		v       float64
		min     float64
		max     float64
		maxOpen bool
	}{
		{"the prompt weight", r.PromptWeight, 0, 1, false},
		{"the learning rate", r.LR, 0, math.MaxFloat64, false},
		{"beta1", r.Beta1, 0, 1, true},
		{"beta2", r.Beta2, 0, 1, true},
		{"eps", r.Eps, 0, math.MaxFloat64, false},
		{"the weight decay", r.WeightDecay, 0, math.MaxFloat64, false},
		{"the clipping norm", r.Clip, 0, math.MaxFloat64, false},
	} {
		if !(v.v >= v.min && v.v <= v.max) || v.maxOpen && v.v == v.max {
			return fmt.Errorf("checking the recipe: %s is %v; want %v to %v", v.name, v.v, v.min, v.max)
		}
	}
	if r.Padding != PadLeft && r.Padding != PadRight {
		return fmt.Errorf("checking the recipe: padding is %q; want left or right", string(r.Padding))
	}
	if r.Decay != DecayAll && r.Decay != DecayMatrices {
		return fmt.Errorf("checking the recipe: decay is %q; want all or matrices", string(r.Decay))
	}
	if r.Batch < 1 {
		return fmt.Errorf("checking the recipe: batch is %d; want at least 1", r.Batch)
	}
	if r.MicroTokens < 0 {
		return fmt.Errorf("checking the recipe: the micro-batch is %d tokens; want at least 0", r.MicroTokens)
	}
	if r.Recompute < 0 {
		return fmt.Errorf("checking the recipe: %d blocks to recompute; want at least 0", r.Recompute)
	}
	return r.Schedule.Validate(r.LR)
}
