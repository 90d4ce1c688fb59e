package enginetest

// CPU holds the bounds of kernels/cpu. A chain of n fused operations errs by at
// most n·2^-24 of the sum of magnitudes, and by about √n·2^-24/2 for the random
// terms of the tests, whose longest chain has some thousand: 16·2^-24.
// Elementwise formulas have at most a dozen roundings, and a row's 16 lanes keep
// sums of squares near one. A rounding to bfloat16 is 2^-8, and is applied to a
// value that already errs a little.
var CPU = Tolerance{Chain: 0x1p-20, Element: 0x1p-21, Round: 0x1.02p-8, Loss: 0x1p-20}

// CUDA holds the bounds of kernels/cuda. Products add in float32, on tensor
// cores in an order that no document states and with at least truncation: of
// some thousand terms within 2^-18 of the sum of magnitudes. Elementwise
// formulas are the CPU engine's, with exponentials that the hardware
// approximates.
var CUDA = Tolerance{Chain: 0x1p-19, Element: 0x1p-20, Round: 0x1.02p-8, Loss: 0x1p-19}
