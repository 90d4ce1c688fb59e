// Package num holds the elementary functions whose bits reach results: exp,
// log, pow, cosine and the like in float64, exp in float32, and fused
// multiply-add of float32 in software.
//
// It is not a replacement for package math: it exists because math.Exp,
// math.Cos and their kin are assembly on some architectures and fused
// differently by the compiler on others, so that their last bits differ. Here
// only additions, products, FMA, square roots and bit operations are used,
// and every rounding is written out, so that results are equal everywhere.
//
// Most readers need [Cos] or [Exp], which work in double-double arithmetic
// (two float64, about 100 bits) and round once: their results are the
// correctly rounded ones unless the exact value lies within 2^-90 or so of a
// tie, which nobody will meet. glibc rounds the same way in all but some
// hundredths of a percent of cases, so schedules agree with Python's. They
// cost a few hundred nanoseconds; inner loops use [Exp32].
package num
