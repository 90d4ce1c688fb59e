// Package vec holds the loops over float32 slices from which the CPU engine's
// operations are built: exponentials, reductions over a row, elementwise updates
// and rounding to bfloat16.
//
// It is not a general vector library: each function exists because an operation
// of kernels/cpu needs it, and documents its arithmetic down to the rounding.
// Portable Go defines each function; where there is assembly it gives the same
// bits, and the tests compare the two.
//
// Most readers need two calls: [ExpSum], for one softmax row, and [Round], which
// rounds to bfloat16.
//
// # Arithmetic
//
// All values are float32. Every operation written in a formula rounds once, to
// nearest even, and denormals are kept. fma is one fused multiply-add (num.FMA32
// in software). A tree is the 16-lane reduction of kernels.Lanes: element i is
// added to lane i mod 16, each lane adds its elements in ascending order from +0,
// and then lanes (l, l+8), (l, l+4), (l, l+2), (l, l+1) are added. NaN payloads
// are not defined.
package vec
