package cuda_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/enginetest"
)

// TestConformanceOfNVCC compiles the same sources with NVIDIA's compiler, named by XRUN_NVCC (the
// PyPI wheels nvidia-cuda-nvcc, -nvvm, -crt and nvidia-cuda-runtime 13 contain one), and runs the
// conformance tests on its PTX. A mistake that one compiler hides, such as an order that the
// sources do not specify, the other may reveal.
func TestConformanceOfNVCC(t *testing.T) {
	nvcc := os.Getenv("XRUN_NVCC")
	if nvcc == "" {
		t.Skip("SKIPPED: XRUN_NVCC does not name nvcc")
	}
	conformanceOf(t, nvcc, "-ptx", "-arch=sm_80", "-fmad=false", "-std=c++17", "-I", filepath.Join(filepath.Dir(nvcc), "../include"))
}

// TestConformanceOfClang does the same with the versions of clang listed in XRUN_CLANGS.
func TestConformanceOfClang(t *testing.T) {
	list := strings.Fields(os.Getenv("XRUN_CLANGS"))
	if len(list) == 0 {
		t.Skip("SKIPPED: XRUN_CLANGS does not name any clang, such as clang-16")
	}
	for _, clang := range list {
		t.Run(filepath.Base(clang), func(t *testing.T) {
			conformanceOf(t, clang, "-x", "cuda", "--cuda-gpu-arch=sm_80", "--cuda-device-only", "-nocudainc", "-nocudalib", "-Xclang", "-target-feature", "-Xclang", "+ptx70",
				"-O3", "-std=c++17", "-ffp-contract=off", "-S")
		})
	}
}

// conformanceOf compiles the sources with a command and runs the conformance
// tests.
func conformanceOf(t *testing.T, compiler string, args ...string) {
	sources, err := filepath.Glob("*.cu")
	if err != nil || len(sources) == 0 {
		t.Fatal("no sources: ", err)
	}
	dir, modules := t.TempDir(), map[string][]byte{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, s := range sources {
		wg.Go(func() {
			name := strings.TrimSuffix(s, ".cu")
			out := filepath.Join(dir, name+".ptx")
			if text, err := exec.Command(compiler, append(args, s, "-o", out)...).CombinedOutput(); err != nil {
				t.Errorf("compiling %s: %v\n%s", s, err, text)
				return
			}
			b, err := os.ReadFile(out)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			modules[name] = b
		})
	}
	wg.Wait()
	if t.Failed() {
		return
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
