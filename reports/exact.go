package reports

import (
	"math"
	"slices"
)

// McNemar returns the exact two-sided p-value of McNemar's test: b items only
// the one model has right, c only the other. Under the null hypothesis b is
// binomial(b+c, 1/2), and the distribution is symmetric, so p is twice the
// smaller tail, at most 1 (McNemar, Psychometrika 12, 1947; the exact form:
// Fay, The R Journal 2(1), 2010).
func McNemar(b, c int) float64 {
	d := make([]int, b+c)
	for i := range d {
		d[i] = 1
		if i >= b {
			d[i] = -1
		}
	}
	return SignFlip(d)
}

// SignFlip returns the exact two-sided p-value of the paired sign-flip test:
// under the null hypothesis every difference is as likely to have either sign,
// so p is the share of the 2ⁿ sign patterns whose sum is at least as far from 0
// as the observed one (Fisher, The Design of Experiments, 1935, section 21).
//
// With differences of ±1 this is McNemar's exact test. Where items come in
// clusters, the sum over a cluster is one difference, and the test stays exact
// however alike the items of a cluster are.
//
// The distribution is computed, not sampled: differences of the same size have a
// binomial sum, and these are convolved.
func SignFlip(d []int) float64 {
	sum := 0
	sizes := map[int]int{}
	for _, x := range d {
		sum += x
		if x != 0 {
			sizes[max(x, -x)]++
		}
	}
	var order []int
	for v := range sizes {
		order = append(order, v)
	}
	slices.Sort(order)
	// dist[i] is the probability that the sum so far is i − reach.
	dist, reach := []float64{1}, 0
	for _, v := range order {
		n := sizes[v]
		w := binomialHalf(n)
		next := make([]float64, len(dist)+2*n*v)
		for i, p := range dist {
			if p == 0 {
				continue
			}
			for k, q := range w { // k of n positive: v·(2k − n)
				next[i+2*k*v] += float64(p * q)
			}
		}
		dist, reach = next, reach+n*v
	}
	far := max(sum, -sum)
	tail := 0.0
	for i := range dist { // outside in: small terms first
		if i > reach-far {
			break
		}
		tail += dist[i]
		if j := len(dist) - 1 - i; j != i {
			tail += dist[j]
		}
	}
	return min(1, tail)
}

// binomialHalf returns C(n,k)/2ⁿ for k = 0…n: ratios outward from the middle, so
// that nothing overflows and far tails go to 0, then divided by their sum.
func binomialHalf(n int) []float64 {
	w := make([]float64, n+1)
	mid := n / 2
	w[mid] = 1
	for k := mid; k > 0; k-- {
		w[k-1] = float64(w[k]*float64(k)) / float64(n-k+1)
	}
	for k := mid; k < n; k++ {
		w[k+1] = float64(w[k]*float64(n-k)) / float64(k+1)
	}
	total := 0.0
	for k := 0; k < mid; k++ { // from both ends inward
		total += w[k] + w[n-k]
	}
	if n%2 == 1 {
		total += w[mid] + w[n-mid]
	} else {
		total += w[mid]
	}
	for k := range w {
		w[k] /= total
	}
	return w
}

// Holm returns p-values adjusted for the size of their family (Holm, A simple
// sequentially rejective multiple test procedure, Scand. J. Statistics 6, 1979):
// rejecting where the result is at most α keeps the chance of any false
// rejection at α, whatever the dependence. NaN is no member of the family and
// stays NaN.
func Holm(p []float64) []float64 {
	var order []int
	out := make([]float64, len(p))
	for i, x := range p {
		if math.IsNaN(x) {
			out[i] = x
			continue
		}
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case p[i] < p[j]:
			return -1
		case p[i] > p[j]:
			return 1
		}
		return 0
	})
	worst := 0.0
	for rank, i := range order {
		worst = max(worst, min(1, p[i]*float64(len(order)-rank)))
		out[i] = worst
	}
	return out
}
