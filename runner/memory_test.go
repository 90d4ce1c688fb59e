package runner

import (
	"testing"

	"xrun/runner/data"
	"xrun/schema"
)

// A plan keeps activations while they fit, then computes as few blocks again as
// it must, and never more than run.recompute allows.
func TestPlanTraining(t *testing.T) {
	c := shapes["SmolLM2-135M"]
	rows := make([]data.Row, 40)
	for i := range rows {
		rows[i] = data.Row{Tokens: make([]int32, 60+i), Prompt: 20}
	}
	cell := schema.Cell{Seed: 1}
	cell.Data.MaxLength, cell.Data.Shuffle = 128, true
	cell.Train = schema.Train{Batch: 4, Accumulate: 2, Epochs: 2, Precision: "f32"}
	plan := func(memory, recompute string) trainPlan {
		return planTraining(schema.Run{Memory: memory, Recompute: recompute}, c, cell, rows)
	}
	all, none := plan("", "all"), plan("1MiB", "none")
	if all.recompute != c.Layers-1 || none.recompute != 0 {
		t.Errorf("all computes %d blocks again, none %d", all.recompute, none.recompute)
	}
	if kept := plan("", "auto"); kept.recompute != 0 || kept.Step < 8*60 || kept.Step > 8*99 || kept.Longest != 98 {
		t.Errorf("with memory to spare: %+v", kept)
	}
	last := 0
	for _, memory := range []string{"2GiB", "128MiB", "64MiB", "32MiB", "1MiB"} {
		p := plan(memory, "")
		budget, err := parseBytes(memory)
		if err != nil {
			t.Fatal(err)
		}
		fits := p.bytes.Activations <= budget
		if !fits && p.recompute < c.Layers-1 {
			t.Errorf("%s: %d blocks computed again take %d bytes", memory, p.recompute, p.bytes.Activations)
		}
		if p.recompute > 0 && fits {
			less := p
			less.recompute--
			if less.memory(c, cell).Activations <= budget {
				t.Errorf("%s: %d blocks computed again, one less would do", memory, p.recompute)
			}
		}
		if p.recompute < last && p.Tokens == 128 {
			t.Errorf("%s: fewer blocks computed again than with more memory", memory)
		}
		last = p.recompute
	}
	if last != c.Layers-1 {
		t.Errorf("1MiB: %d blocks computed again, want all but the last", last)
	}
}
