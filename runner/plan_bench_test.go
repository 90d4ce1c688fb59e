package runner

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"xrun/runner/disk"
	"xrun/schema"
)

// manyCells is a study of n cells with eight measurements each.
func manyCells(n int) string {
	seeds := make([]string, n)
	for i := range seeds {
		seeds[i] = fmt.Sprint(i + 1)
	}
	return `question: "How long does planning take?"
matrix: {model: ["builtin:tiny"], seed: [` + strings.Join(seeds, ",") + `]}
data: {source: "builtin:tiny/instruct.json", maxLength: 96, limit: 40}
train: {epochs: 3, batch: 2, precision: "f32"}
eval: {root: "builtin:tiny/suites", suites: [
	{suite: "hellaswag", limit: 1}, {suite: "winogrande", limit: 1}, {suite: "arc-e", limit: 1}, {suite: "arc-c", limit: 1},
	{suite: "boolq", limit: 1}, {suite: "mmlu", limit: 1, subjects: ["formal_logic"]}, {suite: "boolq", name: "b", limit: 2},
]}
samples: [{instruction: "Where?", maxNew: 4}]
`
}

// BenchmarkPlan plans studies of 1,000 cells and of 100,000 stages from a spec in
// memory: what xrun plan and every Slurm task do first. It reports the stages,
// and the memory that is live after planning.
func BenchmarkPlan(b *testing.B) {
	for _, cells := range []int{1000, 11111} {
		b.Run(fmt.Sprintf("cells=%d", cells), func(b *testing.B) {
			text := []byte(manyCells(cells))
			spec, err := schema.Load("many.cue", schema.Options{Read: func(string) ([]byte, error) { return text, nil }})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				s, err := newStudy(disk.OS, spec, filepath.Join(b.TempDir(), ".store"), planned)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapAlloc)/1e6, "live-MB")
				b.ReportMetric(float64(len(s.stages)), "stages")
				runtime.KeepAlive(s)
				b.StartTimer()
			}
		})
	}
}
