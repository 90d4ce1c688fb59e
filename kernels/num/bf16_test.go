package num_test

import (
	"math"
	"testing"

	"xrun/kernels/num"
)

// TestRoundBF16 compares every upper half of a float32, with lower halves around
// the tie, with the nearer of its two neighbours in float64.
func TestRoundBF16(t *testing.T) {
	for hi := range uint32(1 << 16) {
		for _, lo := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff} {
			x := math.Float32frombits(hi<<16 | lo)
			got := num.RoundBF16(x)
			if x != x {
				if v := num.WidenBF16(got); v == v {
					t.Fatalf("RoundBF16(NaN %#x) = %#x, not a NaN", hi<<16|lo, got)
				}
				continue
			}
			if want := nearestBF16(x, hi); got != want {
				t.Fatalf("RoundBF16(%g) = %#x, want %#x", x, got, want)
			}
		}
	}
}

// nearestBF16 chooses between hi, the upper half of x, and the next number away
// from zero; the even one if both are equally near.
func nearestBF16(x float32, hi uint32) uint16 {
	below, above := value(hi), value(hi+1)
	if hi&0x7fff == 0x7f7f { // above is infinity: rounding takes it for 2^128
		above = math.Copysign(0x1p128, below)
	}
	d, u := math.Abs(float64(x)-below), math.Abs(above-float64(x))
	if math.IsInf(float64(x), 0) || d < u || d == u && hi&1 == 0 {
		return uint16(hi)
	}
	return uint16(hi + 1)
}

func value(half uint32) float64 { return float64(math.Float32frombits(half << 16)) }
