package reports

import "math"

// power is what the detectable difference of a figure is computed from.
type power struct {
	se     float64 // of the mean difference if the true one is 0; NaN where nothing is paired
	units  int     // that a 0/1 score flips; 0 for other scores and averages
	size   float64 // of a unit that differs, in items
	items  int
	share  float64 // the most that one item weighs in an average of 0/1 scores; else 0
	factor float64 // 100 for percentages
}

// detectable returns the smallest difference that a two-sided test at level alpha
// finds in about 80 of 100 repetitions: (z_alpha + 0.84)·se (Connor, Biometrics
// 43, 1987). A difference in 0/1 scores needs as much discordance as it is large,
// so it is never below that of units which all differ the same way, enough of
// them for the exact test, each by as much as those seen. Infinite where no outcome
// reaches alpha.
func (w power) detectable(alpha float64) float64 {
	z := normalZ(alpha) + z800
	d := float64(z * w.se)
	if w.units > 0 {
		d = max(d, float64(w.size*least(w.units, alpha)*float64(w.units)/float64(w.items)))
	}
	return w.factor * max(d, float64(z*z)*w.share)
}

// fewest is the least number of units that the exact sign-flip test calls a
// difference when all of them point the same way: 2·2⁻ᵏ ≤ alpha.
func fewest(alpha float64) int {
	k := 1
	for p := 1.0; p > alpha; p /= 2 {
		k++
	}
	return k
}

// least returns the probability q with which each of n units must point one way
// so that fewest(alpha) of them do in 80 of 100 repetitions.
func least(n int, alpha float64) float64 {
	k := fewest(alpha)
	if k > n {
		return math.Inf(1)
	}
	return root(0.2, func(q float64) float64 { // P(fewer than k of n)
		if q >= 1 {
			return 0
		}
		term, sum := raised(1-q, n), 0.0
		for j := range k {
			sum += term
			term = float64(term * float64(n-j) / float64(j+1) * q / (1 - q))
		}
		return sum
	})
}

// raised is xⁿ by squaring.
func raised(x float64, n int) float64 {
	y := 1.0
	for ; n > 0; n /= 2 {
		if n%2 == 1 {
			y = float64(y * x)
		}
		x = float64(x * x)
	}
	return y
}

// seedDetectable is detectable for the choice of seeds, given the standard error
// of the mean difference over them.
func seedDetectable(alpha, se float64, seeds int) float64 {
	return float64((studentT(alpha, seeds-1) + studentT(0.4, seeds-1)) * se)
}
