package num

import "math"

const (
	signBit64   = 1 << 63
	minNormal32 = 0x3810000000000000 // float64 bits of 2^-126
	tinyBelow   = 0x380ffffff0000000 // float64 bits of 2^-126 - 2^-151
)

// FMA32 returns a*b+c rounded once to float32, keeping denormals, like the processors' fused
// multiply-add.
//
// The product of two float32 is exact in float64, so only the addition rounds. Rounding its
// result again to float32 is wrong only if the first rounding produced (or hid) a tie of the
// second. That requires a float64 whose low 29 bits are 1 followed by zeros, or one in the
// denormal range of float32, where more than 29 bits are dropped.
func FMA32(a, b, c float32) float32 {
	s := float64(float64(a)*float64(b)) + float64(c)
	if u := math.Float64bits(s); u&0x1fffffff == 0x10000000 || u&^signBit64 < minNormal32 {
		return float32(addOdd(a, b, c))
	}
	return float32(s)
}

// FMA32Flush is [FMA32] with x86's FTZ and DAZ: denormal operands count as zeros of the same
// sign, and a result that is below 2^-126 after rounding to 24 bits with unbounded exponent
// becomes a zero of the same sign.
func FMA32Flush(a, b, c float32) float32 {
	a, b, c = flush(a), flush(b), flush(c)
	s := float64(float64(a)*float64(b)) + float64(c)
	if u := math.Float64bits(s); u&0x1fffffff == 0x10000000 || u&^signBit64 < minNormal32 {
		return fmaFlushSlow(a, b, c)
	}
	return float32(s)
}

func fmaFlushSlow(a, b, c float32) float32 {
	s := addOdd(a, b, c)
	u := math.Float64bits(s)
	switch {
	case u&^signBit64 >= minNormal32:
		return float32(s)
	case u&^signBit64 < tinyBelow:
		return math.Float32frombits(uint32(u >> 32 & (1 << 31)))
	}
	// At least 2^-126 - 2^-151, the tie, which goes to the even 2^-126.
	return math.Float32frombits(uint32(u>>32&(1<<31)) | 0x00800000)
}

// addOdd returns a*b+c rounded to odd in float64: the exact value if it is a float64,
// otherwise the neighbour with an odd last bit, which is never a tie or an end point of a
// later rounding to fewer bits. (Boldo & Melquiond, "Emulation of a FMA and correctly rounded
// sums: proved algorithms using rounding to odd", 2008; the error term is Knuth's two-sum.)
func addOdd(a, b, c float32) float64 {
	p, d := float64(float64(a)*float64(b)), float64(c)
	s := p + d
	v := s - p
	e := (p - (s - v)) + (d - v)
	u := math.Float64bits(s)
	if e == 0 || e != e || u&1 == 1 {
		return s
	}
	if (e > 0) == (s > 0) {
		return math.Float64frombits(u + 1)
	}
	return math.Float64frombits(u - 1)
}

// flush returns x, or a zero of its sign if x is denormal.
func flush(x float32) float32 {
	u := math.Float32bits(x)
	if u&0x7f800000 == 0 {
		return math.Float32frombits(u & (1 << 31))
	}
	return x
}
