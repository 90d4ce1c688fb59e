package num

import "math"

// Pow returns x**y, correctly rounded in practice. Special cases are as in C99 and math.Pow:
// Pow(x, ±0) = 1, Pow(1, y) = 1, Pow(-1, ±Inf) = 1, a negative x with a finite y that is not
// an integer gives NaN, and so on.
func Pow(x, y float64) float64 {
	switch {
	case y == 0 || x == 1:
		return 1
	case x != x || y != y:
		return math.NaN()
	case x == 0 || math.IsInf(x, 0) || math.IsInf(y, 0):
		return powLimit(x, y)
	}
	sign := 1.0
	if x < 0 {
		switch {
		case !isInteger(y):
			return math.NaN()
		case isOdd(y):
			sign = -1
		}
		x = -x
	}
	if p, ok := powExact(x, y); ok {
		return float64(sign * p)
	}
	s := logSum(x).mulFloat(y)
	switch {
	case s.hi > 710:
		return sign * math.Inf(1)
	case s.hi < -746:
		return float64(sign * 0)
	}
	return float64(sign * expSum(s))
}

// powExact computes small integer powers by multiplication, as long as products are exact.
// Only these can lie on a tie.
func powExact(x, y float64) (float64, bool) {
	if y != math.Floor(y) || y < 1 || y > 64 {
		return 0, false
	}
	p := x
	for n := 1; n < int(y); n++ {
		q := twoProd(p, x)
		if q.hi > 0x1p900 || q.hi < 0x1p-900 {
			return 0, false
		}
		if q.lo != 0 && n != int(y)-1 {
			return 0, false
		}
		p = q.hi
	}
	return p, true
}

func powLimit(x, y float64) float64 {
	a := math.Abs(x)
	if a == 1 { // y is infinite
		return 1
	}
	if (a > 1) != (y > 0) { // |x|**y is 0
		if x < 0 || x == 0 && math.Signbit(x) {
			if isOdd(y) {
				return math.Copysign(0, -1)
			}
		}
		return 0
	}
	if math.Signbit(x) && isOdd(y) {
		return math.Inf(-1)
	}
	return math.Inf(1)
}

func isInteger(y float64) bool { return math.Abs(y) >= 0x1p52 || math.Floor(y) == y }

func isOdd(y float64) bool {
	return math.Abs(y) < 0x1p53 && math.Floor(y) == y && int64(y)&1 == 1
}
