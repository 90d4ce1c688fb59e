package num_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"xrun/kernels/num"
)

// exactFMA is a*b+c in exact arithmetic, rounded once to float32, for finite
// operands.
func exactFMA(a, b, c float32) float32 {
	z := func(x float32) *big.Float { return new(big.Float).SetPrec(1000).SetFloat64(float64(x)) }
	s := z(0).Mul(z(a), z(b))
	neg := s.Signbit() && z(c).Signbit() // the sign of an exact zero: -0 only from -0 + -0
	s.Add(s, z(c))
	if s.Sign() == 0 {
		if neg {
			return float32(math.Copysign(0, -1))
		}
		return 0
	}
	f, _ := s.Float32()
	return f
}

// exactFMAFlush is exactFMA with FTZ and DAZ: a result is flushed if it is below 2^-126 after
// rounding to 24 bits with unbounded exponent.
func exactFMAFlush(a, b, c float32) float32 {
	daz := func(x float32) float32 {
		if math.Abs(float64(x)) < 0x1p-126 {
			return float32(math.Copysign(0, float64(x)))
		}
		return x
	}
	a, b, c = daz(a), daz(b), daz(c)
	z := func(x float32) *big.Float { return new(big.Float).SetPrec(1000).SetFloat64(float64(x)) }
	s := z(0).Mul(z(a), z(b))
	s.Add(s, z(c))
	r := new(big.Float).SetPrec(24).SetMode(big.ToNearestEven).Set(s)
	if r.Sign() != 0 && new(big.Float).Abs(r).Cmp(big.NewFloat(0x1p-126)) < 0 {
		return float32(math.Copysign(0, float64(r.Sign())))
	}
	return exactFMA(a, b, c)
}

// cases calls f with operands chosen to hit ties, cancellation, the denormal
// range and the border of flushing.
func cases(n int, f func(a, b, c float32)) {
	r := rand.New(rand.NewPCG(21, 22))
	any := func() float32 {
		for {
			if x := math.Float32frombits(r.Uint32()); x-x == 0 {
				return x
			}
		}
	}
	short := func(e int) float32 { // few bits, so that sums tie often
		return float32(math.Ldexp(float64(r.IntN(512)-256), e))
	}
	for range n {
		f(any(), any(), any())
		e := r.IntN(200) - 100
		f(short(e), short(-e), short(r.IntN(40)-20))
		f(float32(r.NormFloat64()), float32(r.NormFloat64()), float32(r.NormFloat64()))
		a, b := float32(r.NormFloat64()), float32(math.Ldexp(r.NormFloat64(), -r.IntN(30)-100))
		f(a, b, float32(math.Ldexp(r.NormFloat64(), -126-r.IntN(20))))
		f(a, b, -float32(float64(a)*float64(b)))
		f(short(-70), short(-70), short(-140+r.IntN(20)))
	}
	// 2^-126 ± 2^-148 … 2^-160, reached from above and from below, by sums whose
	// terms are all normal or not.
	for e := -148; e >= -160; e-- {
		for _, sign := range []float32{1, -1} {
			d := float32(math.Ldexp(1, e/2))
			d2 := float32(math.Ldexp(1, e-e/2))
			for _, c := range []float32{0x1p-126, 0x1p-126 + 0x1p-149, 0x1p-126 - 0x1p-149, 0x1p-125} {
				f(d, d2, sign*c)
				f(-d, d2, sign*c)
				f(3*d, d2, sign*c)
				f(-3*d, d2, sign*c)
			}
			// Both terms normal: 1.5·2^-126 - (2^-127 ± 2^e) cannot be, but 2^-125 - x can.
			x := 0x1p-126 + math.Ldexp(1, e)
			for _, y := range []float64{x, 0x1p-126 - math.Ldexp(1, e)} {
				p := float32(y * 0x1p63)
				f(sign*p, 0x1p-63, 0)
				f(sign*p, -0x1p-63, sign*0x1p-125)
			}
		}
	}
	// (1+m·2^-23)(1-n·2^-23)·2^-126 lies within 2^-148 … 2^-172 of 2^-126.
	for m := range 40 {
		for n := range 40 {
			a := math.Float32frombits(0x3f800000 + uint32(m))
			b := math.Float32frombits(0x3f800000 - uint32(n))
			f(a*0x1p-60, b*0x1p-66, 0)
			f(-a*0x1p-60, b*0x1p-66, 0)
			f(a*0x1p-60, b*0x1p-66, float32(math.Copysign(0, -1)))
			f(a*0x1p-60, -b*0x1p-65, 0x1p-126)
			f(a*0x1p-60, -b*0x1p-66, 0x1p-125)
		}
	}
}

func TestFMA32IsExact(t *testing.T) {
	cases(20000, func(a, b, c float32) {
		want, got := exactFMA(a, b, c), num.FMA32(a, b, c)
		if math.Float32bits(want) != math.Float32bits(got) {
			t.Fatalf("FMA32(%x, %x, %x) = %x, want %x", a, b, c, got, want)
		}
		want, got = exactFMAFlush(a, b, c), num.FMA32Flush(a, b, c)
		if math.Float32bits(want) != math.Float32bits(got) {
			t.Fatalf("FMA32Flush(%x, %x, %x) = %x, want %x", a, b, c, got, want)
		}
	})
}

func TestFMA32SpecialValues(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	negZero := float32(math.Copysign(0, -1))
	for _, c := range []struct{ a, b, c, plain, flush float32 }{
		{inf, 1, 2, inf, inf},
		{inf, 0, 2, nan, nan},
		{inf, 1, -inf, nan, nan},
		{3e38, 3e38, -inf, -inf, -inf},
		{3e38, 3e38, 0, inf, inf},
		{nan, 1, 1, nan, nan},
		{1, 1, nan, nan, nan},
		{0, 0, negZero, 0, 0},
		{negZero, 1, negZero, negZero, negZero},
		{0x1p-149, inf, 0, inf, nan}, // a denormal counts as zero, and 0·Inf is NaN
		{0x1p-149, 1, 0, 0x1p-149, 0},
		{-0x1p-149, 1, negZero, -0x1p-149, negZero},
		{0x1.fffffep127, 1, 0x1p103, inf, inf},                              // the tie above the largest number
		{0x1.fffffep127, 1, 0x1.fffffep102, 0x1.fffffep127, 0x1.fffffep127}, // just below it
	} {
		for _, f := range []struct {
			name      string
			got, want float32
		}{{"FMA32", num.FMA32(c.a, c.b, c.c), c.plain}, {"FMA32Flush", num.FMA32Flush(c.a, c.b, c.c), c.flush}} {
			if math.Float32bits(f.got) != math.Float32bits(f.want) && !(f.got != f.got && f.want != f.want) {
				t.Errorf("%s(%g, %g, %g) = %g, want %g", f.name, c.a, c.b, c.c, f.got, f.want)
			}
		}
	}
}
