package model_test

import (
	"math"
	"testing"

	"xrun/model"
)

// The estimate of training on every token, from tokens and pairs, equals the sum over its rows
// without the last token of each: forward, twice that backward, and attention's scores once
// more. In long rows attention dominates.
func TestTrainFLOPsOfLongRows(t *testing.T) {
	c := small(model.Qwen2)
	for _, tokens := range []int{200, 20_000, 600_000} {
		pairs := float64(tokens) * float64(tokens+1) / 2
		n := float64(tokens - 1)
		got := model.TrainFLOPs(c, int64(tokens), pairs)
		want := 3*c.ForwardFLOPs(tokens-1, 0, tokens-1) + n*(n+1)*float64(c.Heads*c.HeadDim*c.Layers)
		if math.Abs(got/want-1) > 0.02 {
			t.Errorf("a row of %d tokens: %g, want %g", tokens, got, want)
		}
	}
}
