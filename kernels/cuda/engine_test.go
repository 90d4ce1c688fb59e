package cuda_test

import (
	"testing"

	"xrun/kernels/cuda"
	"xrun/kernels/cuda/emulated"
	"xrun/kernels/ptx"
)

// emulate returns the driver of a device on the interpreter, with all its
// checks, whose warps, blocks and streams run in the order that seed draws and
// whose approximate instructions err as much as NVIDIA says they may.
func emulate(seed uint64) *emulated.Driver {
	return emulated.Open(emulated.Options{Config: ptx.Config{Seed: seed, Perturb: true, Memory: 4 << 30}})
}

// exact is emulate without errors of approximate instructions, which are drawn
// from the seed as if each were another GPU.
func exact(seed uint64) *emulated.Driver {
	return emulated.Open(emulated.Options{Config: ptx.Config{Seed: seed, Memory: 4 << 30}})
}

func newEngine(t testing.TB, seed uint64, o cuda.Options) *cuda.Engine {
	t.Helper()
	e, err := cuda.New(emulate(seed), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// arenas are the ways to hold memory: a tensor an allocation, so that accesses
// beyond it are seen; and segments and staging small enough to be reused
// within a check.
var arenas = []cuda.Options{{}, {SegmentBytes: 1 << 20, StagingBytes: 8 << 10}}
