package reports

import "math"

// StdErr returns the standard error of the mean of values. Values that share a
// non-empty cluster are not taken as independent: the sandwich estimate
// √(G/(G−1)·Σ_g (Σ_{i∈g} (xᵢ−x̄))²)/n over the G clusters (Liang and Zeger,
// Biometrika 73, 1986; for evaluations: Miller, arXiv:2411.00640, 2024). Where
// every value stands alone it is the sample deviation over √n, which for 0/1
// values is √(p(1−p)/(n−1)). clusters may be nil. NaN with fewer than two clusters.
func StdErr(values []float64, clusters []string) float64 {
	n := len(values)
	sum := 0.0
	for _, x := range values {
		sum += x
	}
	avg := sum / float64(n)
	units := clustered(n, func(i int) string {
		if clusters == nil {
			return ""
		}
		return clusters[i]
	}, func(i int) float64 { return values[i] - avg })
	return meanStdErr(units)
}

// meanStdErr is the sandwich estimate from each unit's sum of deviations.
func meanStdErr(units []unit) float64 {
	g := float64(len(units))
	if g < 2 {
		return math.NaN()
	}
	var squares, n float64
	for _, u := range units {
		squares += float64(u.sum * u.sum)
		n += u.count
	}
	return math.Sqrt(g/(g-1)*squares) / n
}

// clustered sums value(i) over the items of each cluster, clusters in order of
// their first item; an item without one is its own.
func clustered(n int, cluster func(int) string, value func(int) float64) []unit {
	at := map[string]int{}
	var units []unit
	for i := range n {
		c := cluster(i)
		j, ok := at[c]
		if c == "" || !ok {
			j = len(units)
			units = append(units, unit{})
			if c != "" {
				at[c] = j
			}
		}
		units[j].sum += value(i)
		units[j].count++
	}
	return units
}
