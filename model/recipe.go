package model

import (
	"fmt"
	"math"
)

// Side is where the pads of a shorter row would stand. There are none: the
// side only says which positions the row's tokens take.
type Side string

// The sides. With PadLeft the positions of a row start at the length of the
// longest row padded together with it minus its own, with PadRight at 0.
const (
	PadLeft  Side = "left"
	PadRight Side = "right"
)

// Decay says which parameters weight decay applies to.
type Decay string

// DecayAll is what torch.optim.AdamW does to one group of all parameters;
// DecayMatrices leaves out biases and norm weights, as transformers' Trainer
// does.
const (
	DecayAll      Decay = "all"
	DecayMatrices Decay = "matrices"
)

// Recipe is how a model is trained. All of it but MicroTokens changes results.
type Recipe struct {
	// PromptWeight is the loss weight of prompt tokens, from 0 (output only)
	// to 1 (all tokens). Output tokens weigh 1.
	PromptWeight float64
	Padding      Side
	// Batch is the number of rows padded together; the last group of a step
	// may be smaller. It matters to PadLeft only.
	Batch int

	// LR is the peak learning rate. The others are torch.optim.AdamW's.
	LR, Beta1, Beta2, Eps, WeightDecay float64
	Decay                              Decay
	// Clip bounds the global gradient norm; 0 means no bound.
	Clip     float64
	Schedule Schedule

	// MicroTokens bounds the tokens computed at once (a longer row is computed
	// alone); 0 means a whole step. It is a memory choice and, on an engine
	// that is MicroBatchInvariant, changes no bit of any result.
	MicroTokens int
	// Recompute is the number of blocks, from the first, that keep only their
	// input and compute the rest again in the backward pass; at most all but the
	// last, whose activations are few. It too is a memory choice that changes no
	// bit: it takes up to a third more time.
	Recompute int
}

// Validate reports the first value out of range.
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
		return fmt.Errorf("checking the recipe: %d tokens for a micro-batch; want at least 0", r.MicroTokens)
	}
	if r.Recompute < 0 {
		return fmt.Errorf("checking the recipe: %d blocks to compute again; want at least 0", r.Recompute)
	}
	return r.Schedule.Validate(r.LR)
}
