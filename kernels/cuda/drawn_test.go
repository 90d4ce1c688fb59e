package cuda_test

import (
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/cuda/emulated"
	"xrun/kernels/enginetest"
	"xrun/kernels/ptx"
)

// sized returns the driver of a device with n multiprocessors, whose warps, blocks and streams
// run in an order drawn from seed.
func sized(seed uint64, n int) *emulated.Driver {
	return emulated.Open(emulated.Options{Config: ptx.Config{Seed: seed, Memory: 4 << 30, Multiprocessors: n}})
}

// TestDrawnShapes checks the engine's properties at random shapes. Every tensor has an
// allocation of its own, so that accesses beyond it are detected. A device with one
// multiprocessor exercises grid-stride loops, and other devices reuse memory cut from segments.
// XRUN_DRAWS sets the number of shapes for each.
func TestDrawnShapes(t *testing.T) {
	enginetest.RunDrawn(t, func(t testing.TB, seed uint64) kernels.Engine {
		e, err := cuda.New(sized(seed, []int{1, 16, 108}[seed%3]), arenas[seed%5/4])
		if err != nil {
			t.Fatal(err)
		}
		return e
	}, enginetest.CUDA, 6)
}

func FuzzShapes(f *testing.F) {
	enginetest.Fuzz(f, func(t testing.TB) kernels.Engine { return newEngine(t, 0, cuda.Options{}) }, enginetest.CUDA)
}
