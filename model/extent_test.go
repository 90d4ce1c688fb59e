package model

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/kernels/num"
)

// An extent matches the actual micro-batches of a step.
func TestExtent(t *testing.T) {
	g := num.NewPhilox(3, 97, 0)
	var p stepPlan
	for i := range 300 {
		r := Recipe{Padding: PadLeft, Batch: 4, MicroTokens: int(g.Below(3)) * 20, PromptWeight: float64(i%2) / 2}
		var rows []Row
		for range 1 + g.Below(9) {
			n := 1 + int(g.Below(30))
			rows = append(rows, Row{Tokens: make([]int32, n), Prompt: int(g.Below(uint64(n + 1)))})
		}
		var want Extent
		p.lay(rows, &r, -1)
		var b microBatch
		for rest := p.rows; len(rest) > 0; {
			rest = b.fill(rest, &p, r.MicroTokens)
			want = want.Max(Extent{Tokens: len(b.ids), Labels: len(b.labels)})
			for _, s := range b.seqs {
				want.Longest = max(want.Longest, s.Len)
			}
			want.Step += len(b.ids)
		}
		if d := cmp.Diff(want, r.Extent(rows)); d != "" {
			t.Fatalf("case %d (-want +got):\n%s", i, d)
		}
	}
}
