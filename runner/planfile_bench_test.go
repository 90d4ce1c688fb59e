package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"xrun/runner/disk"
)

// bigStudy writes a study of 1,000 cells and 100 suites: some 100,000 stages.
func bigStudy(tb testing.TB, cells int) string {
	tb.Helper()
	var b strings.Builder
	b.WriteString("question: \"How far does planning go?\"\nmatrix: {model: [\"builtin:tiny\"], seed: [")
	for i := range cells {
		fmt.Fprintf(&b, "%d, ", i+1)
	}
	b.WriteString("]}\ndata: {source: \"builtin:tiny/instruct.json\", maxLength: 96}\n")
	b.WriteString("train: {epochs: 1, precision: \"f32\"}\neval: {root: \"builtin:tiny/suites\", suites: [\n")
	for i := range 98 {
		fmt.Fprintf(&b, "\t{suite: \"arc-e\", name: \"arc-e-%d\", limit: %d},\n", i+1, i+1)
	}
	b.WriteString("]}\nsamples: [{instruction: \"Where?\"}]\n")
	path := filepath.Join(tb.TempDir(), "big.cue")
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		tb.Fatal(err)
	}
	return path
}

// BenchmarkPlanFile lays out 100,000 stages, writes their plan and asks for the
// state of each: what a matrix of 1,000 cells costs before any work. heap-MB is
// what is live at the end, sys-MB what the process has taken of the system.
func BenchmarkPlanFile(b *testing.B) {
	spec, dir := bigStudy(b, 1000), b.TempDir()
	for b.Loop() {
		s, err := openStudy(disk.OS, spec, nil, filepath.Join(dir, ".store"))
		if err != nil {
			b.Fatal(err)
		}
		if err := s.writePlan(filepath.Join(dir, "big")); err != nil {
			b.Fatal(err)
		}
		plan, err := readPlan(filepath.Join(dir, "big"))
		if err != nil {
			b.Fatal(err)
		}
		if n := countState(statusOf(s.store, plan), stateWaiting); n != len(s.stages) {
			b.Fatalf("%d of %d stages wait", n, len(s.stages))
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(len(s.stages)), "stages")
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "heap-MB")
		b.ReportMetric(float64(m.Sys)/1e6, "sys-MB")
		runtime.KeepAlive(s)
	}
}
