package reports_test

import (
	"fmt"
	"math"
	"testing"

	"xrun/reports"
)

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > tol {
		t.Errorf("%s = %.12g; want %.12g ± %g", what, got, want, tol)
	}
}

// Oracle: scipy 1.17.1 stats.binomtest(b, b+c, 0.5).pvalue.
func TestMcNemarMatchesBinomialTest(t *testing.T) {
	for _, c := range []struct {
		b, c int
		p    float64
	}{
		{0, 0, 1}, {1, 0, 1}, {5, 0, 0.0625}, {6, 0, 0.03125}, {10, 3, 0.09228515625},
		{25, 12, 0.04703102743951604}, {700, 620, 0.02963642932538485}, {3000, 2900, 0.19743902484357673},
		{0, 3000, 0},
	} {
		near(t, fmt.Sprintf("McNemar(%d, %d)", c.b, c.c), reports.McNemar(c.b, c.c), c.p, 1e-12)
		near(t, fmt.Sprintf("McNemar(%d, %d)", c.c, c.b), reports.McNemar(c.c, c.b), c.p, 1e-12)
	}
}

// Oracle: all 2ⁿ sign patterns, counted.
func TestSignFlipCountsEveryPattern(t *testing.T) {
	count := func(d []int) float64 {
		sum, hits := 0, 0
		for _, x := range d {
			sum += x
		}
		for pattern := range 1 << len(d) {
			s := 0
			for i, x := range d {
				if pattern>>i&1 == 1 {
					x = -x
				}
				s += x
			}
			if max(s, -s) >= max(sum, -sum) {
				hits++
			}
		}
		return float64(hits) / float64(int(1)<<len(d))
	}
	for _, d := range [][]int{nil, {0}, {3}, {2, 2, 2, 2, 2, 2}, {1, 2, 3, -1, 2, 1, -2, 4}, {1, 1, 2, 3, 3, -1, 0, 5, -4, 2}, {-7, 7}, {-1, -1, -1, -1, -1, -9}} {
		near(t, fmt.Sprintf("SignFlip(%v)", d), reports.SignFlip(d), count(d), 1e-14)
	}
}

// Oracle: statsmodels 0.14 multipletests(method="holm").
func TestHolm(t *testing.T) {
	got := reports.Holm([]float64{0.01, 0.04, math.NaN(), 0.03, 0.005, 0.5})
	for i, want := range []float64{0.04, 0.09, math.NaN(), 0.09, 0.025, 0.5} {
		near(t, fmt.Sprintf("Holm[%d]", i), got[i], want, 1e-15)
	}
}

// Oracle: the same score inverted with scipy (bounded maximum of the likelihood
// under the hypothesis, brentq), 1e-6 is the oracle's own error.
func TestTangoInterval(t *testing.T) {
	for _, c := range []struct {
		b, c, n   int
		low, high float64
	}{
		{12, 2, 50, 0.061112, 0.344709}, {0, 0, 20, -0.161125, 0.161125}, {5, 0, 20, 0.048594, 0.468701},
		{10, 3, 40, -0.001852, 0.348337}, {700, 620, 10042, 0.000877, 0.015071}, {0, 7, 30, -0.409283, -0.093333},
		{1, 1, 567, -0.008298, 0.008298},
	} {
		low, high := reports.TangoInterval(c.b, c.c, c.n)
		near(t, fmt.Sprintf("low of %d, %d of %d", c.b, c.c, c.n), low, c.low, 2e-6)
		near(t, fmt.Sprintf("high of %d, %d of %d", c.b, c.c, c.n), high, c.high, 2e-6)
	}
	if low, high := reports.TangoInterval(0, 0, 0); !math.IsNaN(low) || !math.IsNaN(high) {
		t.Errorf("no item: [%g, %g]; want NaN", low, high)
	}
}

// By hand: p = 3/4 of 4 items: √(0.75·0.25/3); clusters {1,1}, {1,0}: deviations
// 0.5 and −0.5, √(2/1·0.5)/4.
func TestStdErr(t *testing.T) {
	x := []float64{1, 1, 1, 0}
	near(t, "independent", reports.StdErr(x, nil), math.Sqrt(0.75*0.25/3), 1e-15)
	near(t, "clustered", reports.StdErr(x, []string{"a", "a", "b", "b"}), 0.25, 1e-15)
	near(t, "empty names are no cluster", reports.StdErr(x, make([]string, 4)), math.Sqrt(0.75*0.25/3), 1e-15)
	near(t, "one item", reports.StdErr(x[:1], nil), math.NaN(), 0)
	near(t, "no item", reports.StdErr(nil, nil), math.NaN(), 0)
}
