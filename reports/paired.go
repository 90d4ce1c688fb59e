package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Difference is a paired comparison of one figure between two models, B minus A:
// a row of comparisons.parquet. It is computed from the items alone, so it can
// be made again from the other tables.
type Difference struct {
	Comparison string  `parquet:"comparison"` // "B - A", by name
	A          string  `parquet:"a"`          // the reference: a base model, a cell, an arm of several seeds, or a value of an axis
	B          string  `parquet:"b"`
	Family     string  `parquet:"family"`   // rows of one family and one leaf are adjusted together
	Settings   int32   `parquet:"settings"` // of the other axes, over which a main effect is the mean; else 1
	Suite      string  `parquet:"suite"`
	Figure     string  `parquet:"figure"`
	Group      string  `parquet:"group"`
	Leaf       bool    `parquet:"leaf"`
	Order      int32   `parquet:"order"`
	Unit       string  `parquet:"unit"`
	ValueA     float64 `parquet:"value_a"` // as in results.parquet, the mean over seeds
	ValueB     float64 `parquet:"value_b"`
	Delta      float64 `parquet:"delta"` // B − A over the paired items, points for percentages
	Low        float64 `parquet:"low"`   // 95 % interval of Delta from the choice of items; NaN if undefined
	High       float64 `parquet:"high"`
	P          float64 `parquet:"p"`           // NaN for averages
	Holm       float64 `parquet:"p_holm"`      // the larger of P and SeedP, adjusted over the family's leaf figures, or over its figures that split their items again
	Detectable float64 `parquet:"detectable"`  // smallest difference told with some 80 % power whatever the family's other figures say; infinite if none
	Items      int32   `parquet:"items"`       // paired items
	OnlyA      int32   `parquet:"only_a"`      // items on which A is better
	OnlyB      int32   `parquet:"only_b"`      // items on which B is better
	Units      int32   `parquet:"units"`       // what is drawn and flipped: items, clusters, or members of an average
	Method     string  `parquet:"method"`      // of P and of the interval
	Seeds      int32   `parquet:"seeds"`       // seeds on both sides
	SeedStdErr float64 `parquet:"seed_stderr"` // of the mean difference over seeds; NaN for one seed
	SeedLow    float64 `parquet:"seed_low"`    // 95 % interval from the choice of seeds; NaN for one seed
	SeedHigh   float64 `parquet:"seed_high"`
	SeedP      float64 `parquet:"seed_p"` // Student's t over the seeds' differences; NaN for one seed
	// Sign is "+" or "-" where B is better or worse and the data can tell, "~"
	// where they cannot, "=" where every item has the same scores, "?" where the
	// figure cannot be compared.
	Sign  string   `parquet:"sign"`
	Notes []string `parquet:"notes,list"`
}

// fill computes everything of a leaf figure that its items tell. factor is 100
// for percentages.
func (p *paired) fill(d *Difference, factor float64) power {
	d.Items, d.OnlyA, d.OnlyB, d.Units = int32(p.items), int32(p.onlyA), int32(p.onlyB), int32(len(p.units))
	if p.missing > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%s not on both sides; left out", count(p.missing, "item is", "items are")))
	}
	if p.changed > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%s another text; left out", count(p.changed, "item has", "items have")))
	}
	if p.items == 0 {
		d.Sign = "?"
		d.Notes = append(d.Notes, "no paired item")
		return power{se: math.NaN()}
	}
	if p.broken > 0 {
		d.Sign = "?"
		d.Notes = append(d.Notes, fmt.Sprintf("%s a score that is no finite number", count(p.broken, "item has", "items have")))
		return power{se: math.NaN()}
	}
	d.Delta = factor * mean(p.units)
	name := d.Suite + "/" + d.Figure
	var low, high float64
	switch {
	case p.binary && p.single && p.scale == 1:
		d.Method = "exact McNemar; score interval"
		low, high = TangoInterval(p.onlyB, p.onlyA, p.items)
	case p.binary && p.alike():
		// A bootstrap of equal differences has no length; the score interval of as
		// many items as there are independent units has.
		d.Method = "exact sign-flip; score interval"
		share, n := mean(p.units), float64(len(p.units))
		low, high = tangoInterval(float64(max(0, share)*n), float64(max(0, -share)*n), n)
	case p.binary && p.single:
		d.Method = "exact sign-flip; bootstrap"
		low, high = bootstrap(p.units, name, Resamples)
	case p.binary:
		d.Method = "exact sign-flip over clusters; bootstrap over clusters"
		low, high = bootstrap(p.units, name, Resamples)
	case p.single:
		d.Method = "sampled sign-flip; bootstrap"
		low, high = bootstrap(p.units, name, Resamples)
	default:
		d.Method = "sampled sign-flip over clusters; bootstrap over clusters"
		low, high = bootstrap(p.units, name, Resamples)
	}
	d.Low, d.High = within(d.Unit, factor*low, factor*high)
	switch {
	case p.binary && p.single && p.scale == 1:
		d.P = McNemar(p.onlyB, p.onlyA)
	case p.binary:
		d.P = SignFlip(p.whole)
	default:
		sums := make([]float64, len(p.units))
		for i, u := range p.units {
			sums[i] = u.sum
		}
		d.P = signFlipSampled(sums, name)
	}
	w := power{se: nullStdErr(p.units), items: p.items, factor: factor}
	if p.binary {
		w.units, w.size = len(p.units), cmp.Or(p.size(), 1)
	}
	if k := fewest(0.05); w.units > 0 && w.units < k {
		d.Notes = append(d.Notes, fmt.Sprintf("needs at least %d independent items to tell any difference at 0.05", k))
	}
	return w
}

// alike reports whether every unit has the same mean difference, so that a
// bootstrap over them knows one value only.
func (p *paired) alike() bool {
	for i, u := range p.units {
		if float64(p.whole[i])*p.units[0].count != float64(p.whole[0])*u.count {
			return false
		}
	}
	return len(p.units) > 1 || p.whole[0] == 0
}

// size is how much a unit that differs does so on average, at most by a whole item:
// less than that only where scores are means over cells. 0 if none differs there.
func (p *paired) size() float64 {
	if p.scale == 1 {
		return 1
	}
	sum, n := 0.0, 0
	for _, u := range p.units {
		if u.sum != 0 {
			sum += math.Abs(u.sum)
			n++
		}
	}
	return min(1, sum/float64(max(1, n)))
}

// nullStdErr is the standard error of the mean difference if the true one is 0.
func nullStdErr(units []unit) float64 {
	var squares, n float64
	for _, u := range units {
		squares += float64(u.sum * u.sum)
		n += u.count
	}
	return math.Sqrt(squares) / n
}

// FewMembers is the number of members below which the uncertainty of an average
// comes from the items within its members, not from the choice of members.
const FewMembers = 6

// fillAverage computes an average's difference from its members' items. Members
// weigh the same where weights is nil.
func fillAverage(d *Difference, members []*paired, weights []float64, factor float64) power {
	none := power{se: math.NaN()}
	if len(weights) == 0 {
		weights = slices.Repeat([]float64{1}, len(members))
	}
	if len(weights) != len(members) {
		d.Sign = "?"
		d.Notes = append(d.Notes, "its weights are not those of its members")
		return none
	}
	units := make([]unit, len(members))
	strata := make([][]unit, len(members))
	same, binary := true, true
	for i, m := range members {
		if m == nil || m.items == 0 || m.broken > 0 {
			d.Sign = "?"
			d.Notes = append(d.Notes, "a member of the average cannot be compared")
			return none
		}
		units[i] = unit{sum: float64(weights[i] * mean(m.units)), count: weights[i]}
		strata[i] = m.units
		d.Items += int32(m.items)
		d.OnlyA += int32(m.onlyA)
		d.OnlyB += int32(m.onlyB)
		same, binary = same && m.same, binary && m.binary
	}
	estimate := mean(units)
	d.Delta = factor * estimate
	d.Units = int32(len(units))
	name := d.Suite + "/" + d.Figure
	var low, high, se float64
	switch {
	case d.OnlyA+d.OnlyB == 0 && binary:
		// As for one figure: a bootstrap of zeros has no length.
		n := independent(strata, weights)
		d.Method = "score interval"
		low, high = TangoInterval(0, 0, n)
	case len(members) >= FewMembers:
		d.Method = "bootstrap over members"
		low, high = bootstrap(units, name, Resamples)
		dev := make([]unit, len(units))
		for i, u := range units {
			dev[i] = unit{u.sum - float64(estimate*u.count), u.count}
		}
		se = meanStdErr(dev)
	default:
		d.Method = "bootstrap within members"
		low, high = stratified(strata, weights, name, Resamples)
		se = stratifiedStdErr(strata, weights)
	}
	d.Low, d.High = within(d.Unit, factor*low, factor*high)
	d.Sign = signOf(d.Low, d.High)
	if same {
		d.Sign = "="
	}
	return power{se: se, share: largestShare(members, weights), factor: factor}
}

// independent is the number of units whose plain mean is as certain as the
// weighted mean of members: (Σ w)²/Σ w²/n over members of n units.
func independent(members [][]unit, weights []float64) int {
	var sum, squares float64
	for i, units := range members {
		sum += weights[i]
		squares += float64(weights[i]*weights[i]) / float64(len(units))
	}
	return int(float64(sum*sum)/squares + 0.5)
}

// largestShare is the most that one item that differs weighs in an average of 0/1
// scores, 0 for continuous ones: no difference is finer.
func largestShare(members []*paired, weights []float64) float64 {
	total, share, whole := 0.0, 0.0, 0.0
	for i, m := range members {
		if !m.binary {
			return 0
		}
		total += weights[i]
		share = max(share, float64(weights[i]*m.size())/float64(m.items))
		whole = max(whole, weights[i]/float64(m.items))
	}
	return cmp.Or(share, whole) / total
}

// signOf is the sign of a difference with this interval.
func signOf(low, high float64) string {
	switch {
	case low > 0:
		return "+"
	case high < 0:
		return "-"
	}
	return "~"
}

func stratifiedStdErr(strata [][]unit, weights []float64) float64 {
	var squares, total float64
	for i, units := range strata {
		se := float64(weights[i] * nullStdErr(units))
		squares += float64(se * se)
		total += weights[i]
	}
	return math.Sqrt(squares) / total
}
