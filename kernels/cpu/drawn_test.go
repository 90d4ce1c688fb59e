package cpu_test

import (
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/enginetest"
)

// TestDrawnShapes holds the engine to its properties at drawn shapes, on one
// thread and on several. XRUN_DRAWS says how many shapes of each.
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
