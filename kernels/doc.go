// Package kernels defines the numeric operations that training, scoring and
// generation need, as one interface, [Engine], and the rules every engine
// obeys.
//
// It is not a tensor library: there is no broadcasting, no autograd and no
// operation that a decoder-only transformer does not use. Engines live in
// their own packages (kernels/cpu, kernels/cuda); kernels/enginetest holds the
// conformance tests that each must pass.
//
// Most readers need two calls: cpu.New, which makes an engine, and
// [Engine.Linear], whose conventions the other operations share.
//
// # Precision
//
// An operation computes in float32 and rounds once, to nearest even, when its
// destination is [BF16]. Which tensors are BF16 is therefore the whole
// definition of the bf16 mode; see model. Weights are float32 masters: a
// matrix product rounds its weight operand to the type of its other operand.
// Where nothing is trained, weight matrices may be kept in BF16 instead, which
// is the same bits in half the memory: the w, wGate, wUp and table of an
// operation that computes no gradient may be BF16 if its x, or operand, is.
//
// # Order
//
// Results must not depend on thread count, micro-batch, batch neighbours or
// vector width. Each operation below states its order of summation. "Chain"
// means one sequence of fused multiply-adds in ascending index order that
// starts from +0 or from the carried value; "tree" means the 16-lane reduction
// of [Lanes]: element i goes to lane i mod 16, lanes are chains of additions in
// ascending i from +0, and lanes are added pairwise as (l, l+8), (l, l+4),
// (l, l+2), (l, l+1).
//
// In a BF16 matrix product the chain takes its index in pairs (2i, 2i+1), the
// odd element first, then the even one, with denormal inputs and results
// flushed to zero of the same sign (tininess detected after rounding, as x86
// does); an odd end is paired with a zero. This is what the VDPBF16PS
// instruction computes. Where the index counts tokens, pairs are counted from
// the start of each sequence. Attention uses the plain chain in both types.
//
// # Gradients
//
// Parameters' gradients have a carry flag: false overwrites (the chain starts
// at +0), true continues the chain from the stored value. Nobody zeroes a
// gradient.
package kernels
