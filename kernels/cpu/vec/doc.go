// Package vec holds the loops over float32 slices that the CPU engine's
// operations are made of: exponentials, reductions over a row, elementwise
// updates, rounding to bfloat16.
//
// It is not a general vector library: every function exists because an
// operation of kernels/cpu needs it, and each states its arithmetic to the
// rounding. Each has one definition in portable Go; where assembly exists it
// gives the same bits, which the tests compare.
//
// Most readers need two calls: [ExpSum], one softmax row, and [Round], which
// rounds to bfloat16.
//
// # Arithmetic
//
// All values are float32 and every written operation rounds once, to nearest
// even; denormals are kept. fma is one fused multiply-add (num.FMA32 in software). A tree is
// the 16-lane reduction of kernels.Lanes: element i goes to lane i mod 16,
// lanes add in ascending i from +0, then lanes (l, l+8), (l, l+4), (l, l+2),
// (l, l+1) are added. The payload of a NaN is not defined.
package vec
