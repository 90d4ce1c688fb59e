package model_test

import (
	"testing"

	"xrun/model"
	"xrun/model/modeltest"
)

// A step whose micro-batches have the same sizes as before does not allocate, although the
// runtime may when threads sleep and wake. A step of other sizes makes new views of its
// buffers, a few objects of about a hundred bytes for each block.
func TestStepAllocations(t *testing.T) {
	for _, p := range precisions {
		for _, promptWeight := range []float64{0, 0.5} {
			c := small(model.Qwen2)
			m := modeltest.Random(t, engine(t, 2), c, p)
			tr := newTrainer(t, m, smallRecipe(promptWeight, 0))
			rows, others := modeltest.Rows(8, 1), modeltest.Rows(7, 2)
			step(t, tr, others)
			step(t, tr, rows)
			step(t, tr, rows)
			if n := testing.AllocsPerRun(20, func() { step(t, tr, rows) }); n > 2 {
				t.Errorf("%v, prompt weight %v: %v allocations a step, want none", p, promptWeight, n)
			}
			n := testing.AllocsPerRun(20, func() { step(t, tr, others); step(t, tr, rows) })
			if most := float64(100 + 60*c.Layers); n > most {
				t.Errorf("%v, prompt weight %v: %v allocations in two steps of different sizes, want at most %v", p, promptWeight, n, most)
			}
		}
	}
}
