package model_test

import (
	"testing"

	"xrun/model"
	"xrun/model/modeltest"
)

// A step allocates the views of its buffers and its plan, some objects a block,
// however long its rows are; the engine's operations allocate nothing.
func TestStepAllocations(t *testing.T) {
	for _, p := range precisions {
		c := small(model.Qwen2)
		m := modeltest.Random(t, engine(t, 2), c, p)
		tr := newTrainer(t, m, smallRecipe(0.5, 0))
		rows := modeltest.Rows(8, 1)
		step(t, tr, rows)
		if n, most := testing.AllocsPerRun(20, func() { step(t, tr, rows) }), float64(100+20*c.Layers); n > most {
			t.Errorf("%v: %v allocations a step, want at most %v", p, n, most)
		}
	}
}
