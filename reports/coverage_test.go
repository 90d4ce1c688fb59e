package reports

import (
	"fmt"
	"math"
	"slices"
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

// Oracle: scipy 1.17.1, stats.t.isf(p/2, n), 2·stats.t.sf(t, n), stats.norm.isf(p/2).
func TestStudentAndNormal(t *testing.T) {
	near := func(what string, got, want, tol float64) {
		t.Helper()
		if math.IsNaN(got) || math.Abs(got-want) > tol {
			t.Errorf("%s = %.14g; want %.14g", what, got, want)
		}
	}
	for _, c := range []struct {
		nu                 int
		half, deep, beyond float64 // t of p = 0.05, of 0.05/69; p of t = 2.5
	}{
		{1, 12.706204736175, 878.534906447827, 0.242237883181687}, {2, 4.302652729749, 37.128158872008, 0.129611720221511},
		{3, 3.182446305284, 14.408649977646, 0.0877066470080656}, {10, 2.228138851986, 4.799075104699, 0.0314468442366088},
		{199, 1.971956544252, 3.433597739673, 0.0132272599665077}, {201, 1.971836506780, 3.433057759521, 0.0132191264538021},
		{14041, 1.960132952011, 3.380831577568, 0.0124306459307234},
	} {
		near(fmt.Sprintf("t975(%d)", c.nu), t975(c.nu), c.half, 1e-9)
		near(fmt.Sprintf("studentT(0.05/69, %d)", c.nu), studentT(0.05/69, c.nu), c.deep, 1e-9*c.deep)
		near(fmt.Sprintf("studentP(2.5, %d)", c.nu), studentP(2.5, c.nu), c.beyond, 1e-13)
	}
	near("normalZ(0.4)", normalZ(0.4), z800, 1e-12)
	near("normalZ(0.05)", normalZ(0.05), z975, 1e-12)
	near("normalZ(0.05/200)", normalZ(0.05/200), 3.6622599308877, 1e-9)
	if p := studentP(math.Inf(1), 1); p != 0 {
		t.Errorf("p of an infinite t is %g", p)
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

// An effect of the stated size is found in 80 of 100 repetitions or a little more,
// at the level of a family of figures too, where few items must all differ one way,
// and over clusters.
func TestDetectableEffectHasItsPower(t *testing.T) {
	rng := newPhilox("power")
	for _, c := range []struct {
		n          int
		discordant float64
		family     int
		least      float64
		most       float64
	}{{400, 0.2, 1, 0.74, 0.88}, {400, 0.2, 13, 0.74, 0.88}, {60, 0, 13, 0.76, 0.84}, {24, 0, 1, 0.76, 0.84}, {24, 0.1, 69, 0.76, 0.84}, {2000, 0.1, 69, 0.74, 0.86}} {
		level := 0.05 / float64(c.family)
		effect := power{se: math.Sqrt(c.discordant / float64(c.n)), units: c.n, size: 1, items: c.n, factor: 1}.detectable(level)
		discordant := max(c.discordant, effect)
		found, studies := 0, 1000
		for range studies {
			b, k := 0, 0
			for range c.n {
				switch u := float64(rng.uint32()) / (1 << 32); {
				case u < (discordant+effect)/2:
					b++
				case u < discordant:
					k++
				}
			}
			if McNemar(b, k) <= level {
				found++
			}
		}
		share := float64(found) / float64(studies)
		t.Logf("%+v: %.4f found in %.3f", c, effect, share)
		if share < c.least || share > c.most {
			t.Errorf("%+v: an effect of %.4f was found in %.3f of the studies; want 0.80", c, effect, share)
		}
	}
	if d := (power{units: 5, size: 1, items: 5, factor: 100}).detectable(0.05); !math.IsInf(d, 1) {
		t.Errorf("five items tell %g points at 0.05; no outcome of theirs does", d)
	}
}

// Of studies in which no value of an axis makes a difference, at most one in twenty
// marks a leaf figure along it: here main effects of four values over three
// settings, whose cells answer alike in part, of two figures.
func TestMainEffectsKeepTheLevelOfTheirFamily(t *testing.T) {
	const studies, items = 120, 24
	rng := newPhilox("family")
	uniform := func() float64 { return (float64(rng.uint32()) + 0.5) / (1 << 32) }
	marked := 0
	for range studies {
		s := &study{run: &Run{Facts: []Fact{{Section: "reference", Key: "schedule", Value: "none of them"}}}, axes: []string{"schedule", "train.lr"}, items: map[string]map[figureKey]*scores{}}
		for k := range 2 {
			s.figures = append(s.figures, &figure{figureKey: figureKey{"s", fmt.Sprint("f", k)}, Result: Result{Suite: "s", Figure: fmt.Sprint("f", k), Unit: "%", Leaf: true}, byCell: map[string]*Result{}})
		}
		hard := make([]float64, 2*items)
		for i := range hard {
			hard[i] = uniform()
		}
		for _, schedule := range []string{"a", "b", "c"} {
			for _, lr := range []string{"1", "2", "3", "4"} {
				c := &cell{name: schedule + lr, axes: map[string]string{"schedule": schedule, "train.lr": lr}}
				s.arms = append(s.arms, &arm{name: c.name, axes: c.axes, cells: []*cell{c}})
				s.items[c.name] = map[figureKey]*scores{}
				for k, f := range s.figures {
					f.byCell[c.name] = &Result{}
					sc := &scores{at: map[string]int{}}
					for i := range items {
						key, value := fmt.Sprint(i), 0.0
						if 0.6*hard[k*items+i]+float64(0.4*uniform()) < 0.5 {
							value = 1
						}
						sc.at[key], sc.keys = i, append(sc.keys, key)
						sc.list = append(sc.list, score{value: value, print: uint64(value)})
					}
					s.items[c.name][f.figureKey] = sc
				}
			}
		}
		_, mains, _ := s.contrasts()
		if slices.ContainsFunc(mains, func(c *contrast) bool {
			return slices.ContainsFunc(c.rows, func(d Difference) bool { return d.Sign == "+" || d.Sign == "-" })
		}) {
			marked++
		}
	}
	share := float64(marked) / studies
	t.Logf("marked: %.3f", share)
	if share > 0.11 {
		t.Errorf("main effects mark a figure in %.3f of the studies; want at most 0.05", share)
	}
}
