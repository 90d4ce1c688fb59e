package reports

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Known answers of Random123's kat_vectors for philox4x32-10.
func TestPhiloxKnownAnswers(t *testing.T) {
	check := func(key [2]uint32, counter, want [4]uint32) {
		t.Helper()
		if d := cmp.Diff(want, philoxBlock(key, counter)); d != "" {
			t.Error(d)
		}
	}
	const f = 0xffffffff
	check([2]uint32{}, [4]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8})
	check([2]uint32{f, f}, [4]uint32{f, f, f, f}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd})
	check([2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
		[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1})
}

// Oracle: scipy 1.17.1 stats.t.ppf(0.975, n).
func TestStudentQuantile(t *testing.T) {
	for nu, want := range map[int]float64{1: 12.7062047, 2: 4.3026527, 3: 3.1824463, 4: 2.7764451, 5: 2.5705818, 6: 2.4469119, 11: 2.2009852, 30: 2.0422725, 100: 1.9839715} {
		if got := t975(nu); math.Abs(got-want) > 0.002 {
			t.Errorf("t975(%d) = %g; want %g", nu, got, want)
		}
	}
}

// Intervals must hold the true difference about 95 times in 100: simulated
// studies with a known effect, among them few clusters of very unequal size,
// where the plain percentile interval holds it some 90 times. 800 studies give
// the share a standard error of 0.8 points. A study's interval comes from 1,000
// resamples, not 10,000: its ends are the 25th from either side, in expectation
// 25/1,001 of the distribution lies beyond each, and 250/10,001 of the other's, so
// that the shares of the two differ by less than 0.01 points.
func TestIntervalsCover(t *testing.T) {
	const studies, resamples = 800, 1000
	rng := newPhilox("coverage")
	uniform := func() float64 { return (float64(rng.uint32()) + 0.5) / (1 << 32) }
	check := func(name string, least float64, effect float64, study func(i int) (low, high float64)) {
		t.Helper()
		held := 0
		for i := range studies {
			if low, high := study(i); low <= effect && effect <= high {
				held++
			}
		}
		share := float64(held) / studies
		t.Logf("%s: %.3f", name, share)
		if share < least || share > 0.995 {
			t.Errorf("%s: interval holds the effect in %.3f of the studies; want at least %.3f", name, share, least)
		}
	}
	for _, n := range []int{30, 300} {
		check(fmt.Sprintf("tango n=%d", n), 0.93, 0.05, func(int) (float64, float64) {
			b, c := 0, 0
			for range n {
				switch u := uniform(); {
				case u < 0.15:
					b++
				case u < 0.25:
					c++
				}
			}
			return TangoInterval(b, c, n)
		})
	}
	for _, g := range []int{8, 60} {
		check(fmt.Sprintf("bootstrap over %d clusters", g), 0.91, 0, func(i int) (float64, float64) {
			units := make([]unit, g)
			for j := range units {
				n := 1 + rng.index(9)
				shift := uniform() - 0.5 // shared by the cluster's items
				for range n {
					units[j].sum += shift + uniform() - 0.5
				}
				units[j].count = float64(n)
			}
			return bootstrap(units, fmt.Sprint(i), resamples)
		})
	}
	check("stratified, 3 members of 25", 0.93, 0, func(i int) (float64, float64) {
		members := make([][]unit, 3)
		for m := range members {
			for range 25 {
				members[m] = append(members[m], unit{uniform() - 0.5, 1})
			}
		}
		return stratified(members, []float64{1, 2, 3}, fmt.Sprint(i), resamples)
	})
}

// Under the null hypothesis p ≤ 0.05 comes at most 5 times in 100, and near
// that for a continuous score.
func TestSignFlipSampledKeepsItsLevel(t *testing.T) {
	const studies = 600
	rng := newPhilox("level")
	rejected := 0
	for i := range studies {
		d := make([]float64, 20)
		for j := range d {
			d[j] = float64(rng.uint32())/(1<<32) - 0.5
		}
		if signFlipSampled(d, fmt.Sprint(i)) <= 0.05 {
			rejected++
		}
	}
	if share := float64(rejected) / studies; share < 0.025 || share > 0.075 {
		t.Errorf("rejected %.3f of the null studies; want 0.05", share)
	}
}

// An effect of the stated size is found in 80 of 100 repetitions, ± 6 for the
// normal approximation.
func TestDetectableEffectHasItsPower(t *testing.T) {
	const n, discordant = 400, 0.2
	effect := detectable(math.Sqrt(discordant/n), 1.0/n)
	rng := newPhilox("power")
	found, studies := 0, 500
	for range studies {
		b, c := 0, 0
		for range n {
			switch u := float64(rng.uint32()) / (1 << 32); {
			case u < (discordant+effect)/2:
				b++
			case u < discordant:
				c++
			}
		}
		if McNemar(b, c) <= 0.05 {
			found++
		}
	}
	if share := float64(found) / float64(studies); share < 0.74 || share > 0.88 {
		t.Errorf("an effect of %.4f was found in %.3f of the studies; want 0.80", effect, share)
	}
}
