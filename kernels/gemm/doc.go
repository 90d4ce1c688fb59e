// Package gemm multiplies matrices with a fixed order of summation.
//
// It is not a BLAS: there are only the three products of a linear layer
// ([Forward], [GradInput], [GradWeight]) and the small one of attention
// ([MulChain]), each defined to the bit. Most readers need the first three,
// which take the worker pool to run on.
//
// # Order
//
// Each element of a result is one chain of fused multiply-adds over the inner
// index k, ascending, from +0 or from a carried value. Vectors go over
// columns of the result, registers over a tile of it, never over k, and a
// block of k stores its chains and the next one reloads them. So tiles,
// threads and vector width may be anything: the bits are the same.
//
// With bf16 operands k goes in pairs (2i, 2i+1), the odd element first, then
// the even one, denormal operands and results flushed to zeros of their sign
// (x86's FTZ and DAZ: a result is tiny if it is below 2^-126 after rounding).
// This is what VDPBF16PS computes. An odd end is paired with a zero, which is
// executed: it turns -0 into +0.
//
// [num.FMA32] and [num.FMA32Flush] define the two steps in software.
package gemm
