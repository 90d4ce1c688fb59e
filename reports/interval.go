package reports

import (
	"math"
	"slices"
)

// Resamples is the number of bootstrap resamples behind every interval, and of
// sign patterns behind the p-value of a continuous score.
const Resamples = 10_000

// Quantiles of the standard normal distribution: two-sided 95 %, and 80 % power.
const (
	z975 = 1.959963984540054
	z800 = 0.8416212335729143
)

// TangoInterval returns the 95 % score interval of a difference of paired
// proportions, (b − c)/n for b items that only the second model has right and c
// that only the first has (Tango, Equivalence test and confidence interval for
// the difference in proportions for the paired-sample design, Statistics in
// Medicine 17, 1998). Unlike b̂ ± 1.96·se it has its coverage at small counts and
// keeps a length where no item is discordant. NaN for n = 0.
func TangoInterval(b, c, n int) (low, high float64) {
	if n == 0 {
		return math.NaN(), math.NaN()
	}
	return tangoInterval(float64(b), float64(c), float64(n))
}

// tangoInterval is [TangoInterval] for counts that are means over seeds.
func tangoInterval(b, c, n float64) (low, high float64) {
	edge := func(lo, hi, z float64) float64 { // the score falls from lo to hi
		for range 80 {
			mid := lo + float64((hi-lo)/2)
			if tangoScore(b, c, n, mid) > z {
				lo = mid
			} else {
				hi = mid
			}
		}
		return lo + float64((hi-lo)/2)
	}
	delta := (b - c) / n
	return edge(-1, delta, z975), edge(delta, 1, -z975)
}

// tangoScore is the score statistic of the hypothesis that the difference is d.
func tangoScore(B, C, N, d float64) float64 {
	// The restricted estimate q of the probability of c: the larger root of
	// 2n·q² + e·q − c·d·(1 − d) = 0.
	e := float64(d*(2*N-B+C)) - B - C
	f := float64(C*d) * (1 - d)
	q := (math.Sqrt(max(0, float64(e*e)+float64(8*N*f))) - e) / (4 * N)
	variance := N * (2*q + float64(d*(1-d)))
	num := B - C - float64(N*d)
	if variance <= 0 {
		switch {
		case num > 0:
			return math.Inf(1)
		case num < 0:
			return math.Inf(-1)
		}
		return 0
	}
	return num / math.Sqrt(variance)
}

// unit is what is drawn together: an item, a cluster of items, or a member of an
// average: its sum of differences and its number of items (or its weight).
type unit struct{ sum, count float64 }

// within keeps an interval of percentage points inside what a difference can be;
// stretched percentiles of few units, and Student's t of few seeds, reach beyond.
func within(unit string, low, high float64) (float64, float64) {
	if unit != "%" {
		return low, high
	}
	return max(low, -100), min(high, 100)
}

// bootstrap returns the 95 % interval of Σ sums / Σ counts when units are drawn
// with replacement, resamples times (Efron, Annals of Statistics 7, 1979):
// the 2.5 and 97.5 percentiles, their distance from the estimate stretched by
// √(n/(n−1))·t/z for n units, without which the interval is too short when units are few
// (Hesterberg, What teachers should know about the bootstrap, The American
// Statistician 69, 2015). name picks the stream of random numbers. With fewer than
// two units there is no interval: NaN.
func bootstrap(units []unit, name string, resamples int) (low, high float64) {
	if len(units) < 2 {
		return math.NaN(), math.NaN()
	}
	rng := newPhilox("bootstrap " + name)
	stats := make([]float64, resamples)
	for r := range stats {
		var sum, count float64
		for range units {
			u := &units[rng.index(len(units))]
			sum += u.sum
			count += u.count
		}
		stats[r] = sum / count
	}
	return stretch(percentiles(stats, mean(units), len(units)))
}

// stratified is bootstrap for an average of few members: units are drawn within
// each member, whose weights stay.
func stratified(members [][]unit, weights []float64, name string, resamples int) (low, high float64) {
	rng := newPhilox("stratified " + name)
	stats := make([]float64, resamples)
	estimate, total, fewest := 0.0, 0.0, math.MaxInt
	for m, units := range members {
		if len(units) < 2 {
			return math.NaN(), math.NaN()
		}
		estimate += float64(weights[m] * mean(units))
		total += weights[m]
		fewest = min(fewest, len(units))
	}
	for r := range stats {
		all := 0.0
		for m, units := range members {
			var sum, count float64
			for range units {
				u := &units[rng.index(len(units))]
				sum += u.sum
				count += u.count
			}
			all += float64(weights[m] * (sum / count))
		}
		stats[r] = all / total
	}
	return stretch(percentiles(stats, estimate/total, fewest))
}

func mean(units []unit) float64 {
	var sum, count float64
	for _, u := range units {
		sum += u.sum
		count += u.count
	}
	return sum / count
}

func percentiles(stats []float64, estimate float64, n int) (low, high, at float64, units int) {
	slices.Sort(stats)
	k := len(stats) / 40
	return stats[k-1], stats[len(stats)-k], estimate, n
}

func stretch(low, high, estimate float64, n int) (float64, float64) {
	f := math.Sqrt(float64(n)/float64(n-1)) * t975(n-1) / z975
	return estimate + float64((low-estimate)*f), estimate + float64((high-estimate)*f)
}

// signFlipSampled is [SignFlip] for differences that are no small integers: of
// Resamples random sign patterns and the observed one, the share at least as far
// from 0. No p-value is below 1/(Resamples+1).
func signFlipSampled(d []float64, name string) float64 {
	rng := newPhilox("sign flip " + name)
	observed := 0.0
	for _, x := range d {
		observed += x
	}
	// Sums of the same numbers in another order of signs may differ from the
	// observed one in the last bits only; those count as equal.
	far := math.Abs(observed) * (1 - 1e-12)
	reached := 1
	var word uint32
	for range Resamples {
		sum := 0.0
		for i, x := range d {
			if i%32 == 0 {
				word = rng.uint32()
			}
			if word&1 == 0 {
				x = -x
			}
			word >>= 1
			sum += x
		}
		if math.Abs(sum) >= far {
			reached++
		}
	}
	return float64(reached) / (Resamples + 1)
}
