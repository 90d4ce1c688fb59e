package cpu_test

import (
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/enginetest"
)

// tolerance holds the bounds of this engine. A chain of n fused operations
// errs by at most n·2^-24 of the sum of magnitudes, and by about √n·2^-24/2
// for the random terms of the tests, whose longest chain has some thousand:
// 16·2^-24. Elementwise formulas have at most a dozen roundings, and a row's
// 16 lanes keep sums of squares near one. A rounding to bfloat16 is 2^-8, and
// is applied to a value that already errs a little.
var tolerance = enginetest.Tolerance{Chain: 0x1p-20, Element: 0x1p-21, Round: 0x1.02p-8, Loss: 0x1p-20}

func newEngine(t testing.TB) kernels.Engine {
	e, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) { enginetest.Run(t, newEngine, tolerance) }
