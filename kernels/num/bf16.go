package num

import "math"

// RoundBF16 returns x rounded to bfloat16, to nearest, ties to even. Denormals
// are rounded like other numbers; a NaN stays one.
func RoundBF16(x float32) uint16 {
	u := math.Float32bits(x)
	if u&^(1<<31) > 0xff<<23 {
		return uint16(u>>16) | 1<<6
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// WidenBF16 returns the value of the bfloat16 b, exactly.
func WidenBF16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }
