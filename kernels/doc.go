// Package kernels defines the numeric operations that training, scoring and
// generation need, as one interface, [Engine], and the rules that every engine
// follows.
//
// It is not a tensor library: there is no broadcasting, no autograd, and no
// operation that a decoder-only transformer does not use. The engines are
// separate packages, kernels/cpu and kernels/cuda; the conformance tests that
// each must pass are in kernels/enginetest.
//
// Most readers need two calls: cpu.New, which makes an engine, and
// [Engine.Linear], whose conventions the other operations share.
//
// # Precision
//
// An operation computes in float32. If its destination is [BF16] it rounds
// once, to nearest even. The bf16 mode is therefore defined by which tensors are
// BF16; see package model. Weights are float32 masters: a matrix product rounds
// its weight operand to the type of its other operand. Weights that are not
// trained may be stored in BF16, for the same bits in half the memory: in an
// operation that computes no gradient, w, wGate, wUp or table may be BF16 if x,
// or operand, is.
//
// # Order
//
// Results must not depend on the number of threads, the micro-batch, the
// neighbours in a batch or the vector width, so each operation states its order
// of summation. A "chain" is one sequence of fused multiply-adds in ascending
// index order, starting from +0 or from a carried value. A "tree" is a reduction
// over [Lanes] lanes: element i is added to lane i mod 16, each lane adds its
// elements in ascending order from +0, and the lanes are then added pairwise as
// (l, l+8), (l, l+4), (l, l+2), (l, l+1).
//
// In a BF16 matrix product the chain takes indices in pairs (2i, 2i+1), the odd
// element first. Denormal inputs and results are flushed to zero, keeping their
// sign; tininess is detected after rounding, as on x86. If the length is odd, the
// last element is paired with zero. This is what the VDPBF16PS instruction
// computes. Where the index counts tokens, pairs are counted from the start of
// each sequence. Attention uses the plain chain in both types.
//
// # Gradients
//
// Operations that compute a parameter's gradient take a carry flag. False
// overwrites the gradient: the chain starts at +0. True continues the chain from
// the stored value. So gradients never need to be zeroed.
package kernels
