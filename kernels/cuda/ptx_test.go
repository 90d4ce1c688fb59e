package cuda_test

import (
	"bytes"
	"regexp"
	"testing"

	"xrun/kernels/cuda"
)

// TestPTXRoundsEachOperation rejects additions and products that the assembler may fuse, because
// a GPU would then give other bits than the interpreter.
func TestPTXRoundsEachOperation(t *testing.T) {
	open := regexp.MustCompile(`(?m)^\s*(@\S+\s+)?((add|sub|mul|mad)(\.ftz|\.sat)*\.f(16|32|64)|mad\.\S*\.f32)\s.*$`)
	for name, ptx := range cuda.PTX() {
		for _, line := range open.FindAll(ptx, -1) {
			t.Errorf("%s: %s has no rounding", name, bytes.TrimSpace(line))
		}
	}
}
