package cuda_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"xrun/kernels/cuda"
)

// TestPTXIsOfTheSources compiles the kernels again.
func TestPTXIsOfTheSources(t *testing.T) {
	if os.Getenv("XRUN_CLANG") == "" {
		t.Skip("SKIPPED: set XRUN_CLANG=clang-19 (Debian's package of that name) to compile the kernels again and compare")
	}
	dir := t.TempDir()
	if out, err := exec.Command("./build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	committed := cuda.PTX()
	built, err := filepath.Glob(filepath.Join(dir, "*.ptx"))
	if err != nil || len(built) != len(committed) {
		t.Errorf("%d files are compiled and %d committed; run go generate ./kernels/cuda", len(built), len(committed))
	}
	for _, path := range built {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path[:len(path)-len(".ptx")])
		if !bytes.Equal(got, committed[name]) {
			t.Errorf("ptx/%s.ptx is not what clang-19 makes of %s.cu now; run go generate ./kernels/cuda", name, name)
		}
	}
}

// TestPTXRoundsEachOperation refuses additions and products that the assembler
// may fuse: a GPU would compute other bits than the interpreter.
func TestPTXRoundsEachOperation(t *testing.T) {
	open := regexp.MustCompile(`(?m)^\s*(@\S+\s+)?((add|sub|mul|mad)(\.ftz|\.sat)*\.f(16|32|64)|mad\.\S*\.f32)\s.*$`)
	for name, ptx := range cuda.PTX() {
		for _, line := range open.FindAll(ptx, -1) {
			t.Errorf("%s: %s has no rounding", name, bytes.TrimSpace(line))
		}
	}
}
