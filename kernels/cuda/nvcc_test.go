package cuda_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/enginetest"
)

// TestConformanceOfNVCC compiles the same sources with NVIDIA's compiler, named
// by XRUN_NVCC (the PyPI wheels nvidia-cuda-nvcc, -nvvm, -crt and
// nvidia-cuda-runtime 13 hold one), and runs the conformance tests on its PTX:
// what one compiler hides, such as an order that the sources do not state, the
// other may show.
func TestConformanceOfNVCC(t *testing.T) {
	nvcc := os.Getenv("XRUN_NVCC")
	if nvcc == "" {
		t.Skip("SKIPPED: XRUN_NVCC does not name nvcc")
	}
	sources, err := filepath.Glob("*.cu")
	if err != nil || len(sources) == 0 {
		t.Fatal("no sources: ", err)
	}
	dir, modules := t.TempDir(), map[string][]byte{}
	for _, s := range sources {
		name := s[:len(s)-len(".cu")]
		out := filepath.Join(dir, name+".ptx")
		c := exec.Command(nvcc, "-ptx", "-arch=sm_80", "-fmad=false", "-std=c++17", "-I", filepath.Join(filepath.Dir(nvcc), "../include"), s, "-o", out)
		if text, err := c.CombinedOutput(); err != nil {
			t.Fatalf("compiling %s: %v\n%s", s, err, text)
		}
		if modules[name], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	enginetest.Run(t, func(t testing.TB) kernels.Engine {
		t.(*testing.T).Parallel()
		e, err := cuda.NewWith(emulate(0), cuda.Options{}, modules)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}, enginetest.CUDA)
}
