package enginetest

// CPU holds the bounds of kernels/cpu. The error of a chain of n fused operations is at most
// n·2^-24 of the sum of magnitudes, and about √n·2^-24/2 for the random terms of the tests,
// whose longest chain has about a thousand: 16·2^-24. Elementwise formulas have at most a
// dozen roundings, and a row's 16 lanes keep sums of squares near one. A rounding to bfloat16
// is 2^-8, applied to a value that already has a small error.
var CPU = Tolerance{Chain: 0x1p-20, Element: 0x1p-21, Round: 0x1.02p-8, Loss: 0x1p-20}

// CUDA holds the bounds of kernels/cuda. Products are added in float32; tensor cores use an
// undocumented order and may truncate, so sums of about a thousand terms are within 2^-18 of
// the sum of magnitudes. Elementwise formulas are the CPU engine's, with exponentials that the
// hardware approximates.
var CUDA = Tolerance{Chain: 0x1p-19, Element: 0x1p-20, Round: 0x1.02p-8, Loss: 0x1p-19}
