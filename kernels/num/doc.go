// Package num holds the elementary functions whose bits affect results: exp,
// log, pow, cosine and a few others in float64, exp in float32, and the float32
// fused multiply-add in software.
//
// It is not a general replacement for package math. It exists because math.Exp,
// math.Cos and others are assembly on some architectures and are fused
// differently by the compiler on others, so their last bits differ. This package
// uses only additions, products, FMA, square roots and bit operations, and writes
// every rounding out, so that results are the same everywhere.
//
// Most readers need [Cos] or [Exp]. They compute in double-double arithmetic (two
// float64, about 100 bits) and round once, so results are correctly rounded
// unless the exact value lies within about 2^-90 of a tie, which does not happen
// in practice. glibc rounds the same way in all but a few hundredths of a percent
// of cases, so schedules agree with Python's. A call costs a few hundred
// nanoseconds; inner loops use [Exp32].
package num
