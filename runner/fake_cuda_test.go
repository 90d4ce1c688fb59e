//go:build cuda && cgo && linux && fakecuda

package runner_test

import (
	"testing"

	_ "xrun/kernels/cuda/nvidia/fake"
)

// TestStudyThroughCU is TestStudyOnInterpreter over gorgonia.org/cu and the fake
// libcuda.
func TestStudyThroughCU(t *testing.T) { studyTwice(t, "cuda", "fake CUDA device") }
