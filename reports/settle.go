package reports

import "math"

// fillSeeds computes the uncertainty from the choice of seeds: the differences
// per seed are taken as independent draws (Student's t).
func fillSeeds(d *Difference, perSeed []float64) {
	d.Seeds = int32(len(perSeed))
	d.SeedStdErr, d.SeedLow, d.SeedHigh, d.SeedP = math.NaN(), math.NaN(), math.NaN(), math.NaN()
	if len(perSeed) < 2 {
		return
	}
	d.SeedStdErr = StdErr(perSeed, nil)
	avg := 0.0
	for _, x := range perSeed {
		avg += x
	}
	avg /= float64(len(perSeed))
	half := float64(t975(len(perSeed)-1) * d.SeedStdErr)
	d.SeedLow, d.SeedHigh = within(d.Unit, avg-half, avg+half)
	d.SeedP = 1
	if avg != 0 {
		d.SeedP = studentP(avg/d.SeedStdErr, len(perSeed)-1)
	}
}

// settle adjusts the p-values of a family of comparisons for their number and
// gives each figure its sign: told apart are those below alpha. With several seeds
// a figure's p is the larger of that over items and that over seeds, since its
// hypothesis is that either would take the difference away (an intersection-union
// test: Berger, Technometrics 24, 1982). The leaf figures of all the comparisons
// are one family; figures that split their items again, by overlap or published
// class, another. Averages have no p-value and go by their own intervals.
func settle(list []*contrast, alpha float64) {
	for _, leaf := range []bool{true, false} {
		var p []float64
		family := 0
		for _, c := range list {
			for _, d := range c.rows {
				x := d.P
				if d.SeedP > d.P {
					x = d.SeedP
				}
				if d.Leaf != leaf {
					x = math.NaN()
				}
				if !math.IsNaN(x) {
					family++
				}
				p = append(p, x)
			}
		}
		adjusted := Holm(p)
		for _, c := range list {
			for i := range c.rows {
				d := &c.rows[i]
				holm := adjusted[0]
				adjusted = adjusted[1:]
				if d.Leaf != leaf {
					continue
				}
				d.Holm = holm
				level := alpha
				if !math.IsNaN(holm) {
					level = alpha / float64(family)
				}
				d.Detectable = c.powers[i].detectable(level)
				if d.Seeds > 1 {
					d.Detectable = max(d.Detectable, seedDetectable(level, d.SeedStdErr, int(d.Seeds)))
				}
			}
		}
	}
	for _, c := range list {
		for i := range c.rows {
			c.rows[i].mark(alpha)
		}
	}
}

// mark gives a difference its sign, unless it has one.
func (d *Difference) mark(alpha float64) {
	switch {
	case d.Sign != "":
	case math.IsNaN(d.P):
		d.Sign = signOf(d.Low, d.High)
	case !(d.Holm < alpha) || d.Delta == 0:
		d.Sign = "~"
	case d.Delta > 0:
		d.Sign = "+"
	default:
		d.Sign = "-"
	}
	if d.Sign == "+" && d.SeedLow <= 0 || d.Sign == "-" && d.SeedHigh >= 0 {
		d.Sign = "~"
	}
}
