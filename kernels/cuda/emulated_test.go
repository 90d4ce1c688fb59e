package cuda_test

import (
	"testing"

	"xrun/kernels/cuda"
	"xrun/kernels/cuda/emulated"
	"xrun/kernels/ptx"
)

// productBound is how far an element may be from the exact product, as a share
// of the sum of its terms' magnitudes: float32 chains of some hundred terms.
const productBound = 0x1p-19

// emulatedEngine returns an engine on the interpreter, with all its checks on.
// seed draws the order of warps.
func emulatedEngine(t testing.TB, seed uint64) *cuda.Engine {
	t.Helper()
	e, err := cuda.New(emulated.Open(emulated.Options{Config: ptx.Config{Seed: seed, Perturb: seed%2 == 1}}), cuda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}
