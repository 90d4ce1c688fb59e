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

// settle adjusts the p-values of one comparison for their number and gives each
// figure its sign: told apart are those below alpha. With several seeds a figure's
// p is the larger of that over items and that over seeds, since its hypothesis is
// that either would take the difference away (an intersection-union test: Berger,
// Technometrics 24, 1982). The leaf figures are one family; figures that split
// their items again, by overlap or published class, another. Averages have no
// p-value and go by their own intervals.
func settle(rows []Difference, powers []power, alpha float64) {
	for _, leaf := range []bool{true, false} {
		p := make([]float64, len(rows))
		family := 0
		for i, d := range rows {
			p[i] = d.P
			if d.SeedP > d.P {
				p[i] = d.SeedP
			}
			if d.Leaf != leaf {
				p[i] = math.NaN()
			}
			if !math.IsNaN(p[i]) {
				family++
			}
		}
		for i, adjusted := range Holm(p) {
			d := &rows[i]
			if d.Leaf != leaf {
				continue
			}
			d.Holm = adjusted
			level := alpha
			if !math.IsNaN(adjusted) {
				level = alpha / float64(family)
			}
			d.Detectable = powers[i].detectable(level)
			if d.Seeds > 1 {
				d.Detectable = max(d.Detectable, seedDetectable(level, d.SeedStdErr, int(d.Seeds)))
			}
		}
	}
	for i := range rows {
		d := &rows[i]
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
}
