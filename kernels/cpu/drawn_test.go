package cpu_test

import (
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/enginetest"
)

// TestDrawnShapes checks the engine's properties at random shapes, on one thread and on several.
// XRUN_DRAWS sets the number of shapes for each.
func TestDrawnShapes(t *testing.T) {
	enginetest.RunDrawn(t, func(t testing.TB, seed uint64) kernels.Engine {
		e, err := cpu.New(cpu.Options{Threads: 1 + int(seed%3)})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}, enginetest.CPU, 12)
}

func FuzzShapes(f *testing.F) { enginetest.Fuzz(f, newEngine, enginetest.CPU) }
