package cuda_test

import (
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/enginetest"
)

// tolerance holds the bounds of this engine. Products add in float32, on
// tensor cores in an order that no document states and with at least
// truncation: of some thousand terms within 2^-18 of the sum of magnitudes.
// Elementwise formulas are the CPU engine's. A rounding to bfloat16 is 2^-8,
// applied to a value that errs a little already.
var tolerance = enginetest.Tolerance{Chain: 0x1p-19, Element: 0x1p-20, Round: 0x1.02p-8, Loss: 0x1p-19}

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB) kernels.Engine { return newEngine(t, 0, cuda.Options{}) }, tolerance)
}
