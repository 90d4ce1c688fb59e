//go:build cuda && cgo && linux && fakecuda

package runner_test

import (
	"bytes"
	"strings"
	"testing"

	_ "xrun/kernels/cuda/nvidia/fake"
	"xrun/runner"
)

// TestStudyThroughCU is TestStudyOnInterpreter over gorgonia.org/cu and the fake
// libcuda.
func TestStudyThroughCU(t *testing.T) { studyTwice(t, "cuda", "fake CUDA device") }

// TestSelftestThroughCU runs the part of the selftest that trains: five steps in
// f32 and in bf16, each twice, beside the CPU engine. The driver's and the
// engine's checks run there too, in the tests of their packages.
func TestSelftestThroughCU(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := runner.Main([]string{"selftest", "-engine", "cuda", "-run", `^training/b?f(16|32)$`}, strings.NewReader(""), &stdout, &stderr); status != 0 {
		t.Fatalf("status %d\n%s%s", status, &stdout, &stderr)
	}
	for _, want := range []string{"- device fake CUDA device:", "ok    training/f32 ", "ok    training/bf16 ", "2 checks, 0 failed"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &stdout)
		}
	}
}
