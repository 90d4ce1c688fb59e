package reports

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const plotWidth vg.Length = 620

// curve is a line to draw over the steps.
type curve struct {
	points plotter.XYs
	look   look
	width  vg.Length
	marked int // a curve of at most so many points shows them
}

// addCurves draws curves, each loss where the axis of losses has it. The axes stay
// as they are: gonum would widen them.
func addCurves(p *plot.Plot, place func(plotter.XYs) plotter.XYs, curves []curve) error {
	x, y := p.X, p.Y
	for _, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		at := place(c.points)
		if err := addLine(p, at, c.look, c.width); err != nil {
			return err
		}
		if len(at) <= c.marked {
			addMarks(p, at, c.look)
		}
	}
	p.X, p.Y = x, y
	return nil
}

// lossPlot draws the training losses of every cell: the means of the logEvery
// windows, behind them every step; where a group is many arms its mean, behind it
// theirs. nil if no cell has a step with a loss.
func (s *study) lossPlot(groups []group) ([]byte, error) {
	p := newPlot("", "optimizer step", "training loss (nats per target)")
	addGrid(p, true)
	p.X.Tick.Marker = plot.TickerFunc(wholeTicks)
	xs, strong, most := emptySpan(), emptySpan(), emptySpan()
	var legend []entry
	var behind, means []curve
	for i, g := range groups {
		var each []plotter.XYs
		for _, c := range g.cells {
			var raw plotter.XYs
			for _, st := range c.steps {
				if finite(st.Loss) {
					raw = append(raw, plotter.XY{X: float64(st.Step), Y: st.Loss})
				}
			}
			if len(raw) == 0 {
				continue
			}
			xs.add(raw[0].X)
			xs.add(raw[len(raw)-1].X)
			var of plotter.XYs
			for _, pt := range c.points {
				if finite(pt.Loss) {
					of = append(of, plotter.XY{X: float64(pt.Step), Y: pt.Loss})
				}
			}
			each = append(each, of)
			if s.large() {
				raw = of
			}
			for _, y := range middle(raw, 0.98) {
				most.add(y)
			}
			behind = append(behind, curve{thin(raw, 500), look{color: pale(lookOf(i).color, 0.3)}, 0.6, 0})
		}
		if len(each) == 0 {
			continue
		}
		legend = append(legend, entry{name: g.name, look: lookOf(i), line: true})
		if s.large() {
			each = []plotter.XYs{meanCurve(each)}
		}
		for _, of := range each {
			for _, pt := range of {
				strong.add(pt.Y)
			}
			means = append(means, curve{of, lookOf(i), 1.7, 20})
		}
	}
	if len(legend) == 0 {
		return nil, nil
	}
	p.X.Min, p.X.Max = min(xs.min, 0), max(xs.max, 1)
	place := lossAxis(p, strong, most)
	if err := addCurves(p, place, append(behind, means...)); err != nil {
		return nil, err
	}
	return drawSVG(plotWidth, 330, legend, p)
}

// meanOf is the mean of the curves that have points.
func meanOf(curves []curve) plotter.XYs {
	var list []plotter.XYs
	for _, c := range curves {
		if len(c.points) > 0 {
			list = append(list, c.points)
		}
	}
	return meanCurve(list)
}

// meanCurve is the mean of several curves where all have a point.
func meanCurve(list []plotter.XYs) (out plotter.XYs) {
	if len(list) == 0 {
		return nil
	}
	sums, n := map[float64]float64{}, map[float64]int{}
	for _, points := range list {
		for _, pt := range points {
			sums[pt.X] += pt.Y
			n[pt.X]++
		}
	}
	for _, pt := range list[0] {
		if n[pt.X] == len(list) {
			out = append(out, plotter.XY{X: pt.X, Y: sums[pt.X] / float64(len(list))})
		}
	}
	return out
}

// heldOutPlot draws the losses on the held-out items, output left and prompt
// right; where a group is many arms its mean, behind it theirs. nil if nothing was
// held out.
func (s *study) heldOutPlot(groups []group) ([]byte, error) {
	type half struct {
		plot          *plot.Plot
		of            func(HeldOut) float64
		curves, means []curve
		losses        span
	}
	out := &half{plot: newPlot("loss on the output", "optimizer step", "nats per token"), of: func(h HeldOut) float64 { return h.OutputLoss }, losses: emptySpan()}
	prompt := &half{plot: newPlot("loss on the prompt", "optimizer step", ""), of: func(h HeldOut) float64 { return h.PromptLoss }, losses: emptySpan()}
	last := 1.0
	var legend []entry
	add := func(cell string, c curve) bool {
		drawn := false
		for _, part := range []*half{out, prompt} {
			c.points = nil
			for _, h := range s.run.HeldOut {
				if loss := part.of(h); h.Cell == cell && finite(loss) {
					c.points = append(c.points, plotter.XY{X: float64(h.Step), Y: loss})
					part.losses.add(loss)
					last = max(last, float64(h.Step))
				}
			}
			if drawn = drawn || len(c.points) > 0; c.marked == 0 && len(c.points) > 0 { // a base model's one measurement
				c.points = plotter.XYs{{X: 0, Y: c.points[0].Y}, {X: last, Y: c.points[0].Y}}
			}
			part.curves = append(part.curves, c)
		}
		return drawn
	}
	for i, g := range groups {
		c := curve{look: lookOf(i), width: 1.5, marked: 30}
		if s.large() {
			c = curve{look: look{color: pale(lookOf(i).color, 0.3)}, width: 0.6, marked: -1}
		}
		drawn, before := false, len(out.curves)
		for _, cell := range g.cells {
			drawn = add(cell.name, c) || drawn
		}
		if !drawn {
			continue
		}
		legend = append(legend, entry{name: g.name, look: lookOf(i), line: true, mark: true})
		for _, part := range []*half{out, prompt} {
			if s.large() {
				part.means = append(part.means, curve{meanOf(part.curves[before:]), lookOf(i), 1.7, 30})
			}
		}
	}
	if len(legend) == 0 {
		return nil, nil
	}
	for i, name := range s.bases {
		l := look{color: grey, dash: dashes[(2+i)%len(dashes)]}
		if add(name, curve{look: l, width: 1.1}) {
			legend = append(legend, entry{name: baseName(s.bases, name), look: l, line: true})
		}
	}
	for _, part := range []*half{out, prompt} {
		addGrid(part.plot, true)
		part.plot.X.Min, part.plot.X.Max = 0, last
		part.plot.X.Tick.Marker = plot.TickerFunc(wholeTicks)
		place := lossAxis(part.plot, part.losses, part.losses)
		if err := addCurves(part.plot, place, append(part.curves, part.means...)); err != nil {
			return nil, err
		}
	}
	return drawSVG(plotWidth, 290, legend, out.plot, prompt.plot)
}

// lossAxis fits the axis of losses to curves and to the noise around them, and
// returns where points lie on it. Where the highest point of the curves is far
// above the lowest, the axis is logarithmic: on a linear one the later part of
// every curve would lie along its foot.
func lossAxis(p *plot.Plot, curves, noise span) func(plotter.XYs) plotter.XYs {
	const far = 20
	if !(curves.min > 0 && curves.max >= far*curves.min) {
		curves.add(noise.min)
		curves.add(noise.max)
		p.Y.Min, p.Y.Max = curves.padded(0.05)
		if curves.min >= 0 {
			p.Y.Min = max(p.Y.Min, 0)
		}
		return func(points plotter.XYs) plotter.XYs { return points }
	}
	// The data are logarithms: gonum misplaces a label beside its logarithmic axis.
	all := emptySpan()
	for _, y := range []float64{curves.min, max(noise.min, curves.min/2), curves.max, noise.max} {
		all.add(math.Log10(y))
	}
	p.Y.Min, p.Y.Max = all.padded(0.04)
	p.Y.Tick.Marker = plot.TickerFunc(logTicks)
	if p.Y.Label.Text != "" {
		p.Y.Label.Text += ", log scale"
	}
	return func(points plotter.XYs) plotter.XYs {
		out := slices.Clone(points)
		for i := range out {
			if y := &out[i].Y; *y > 0 {
				*y = max(math.Log10(*y), p.Y.Min-1)
			} else {
				*y = p.Y.Min - 1 // below the picture
			}
		}
		return out
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func addLine(p *plot.Plot, pts plotter.XYs, l look, width vg.Length) error {
	line, err := plotter.NewLine(pts)
	if err != nil {
		return err
	}
	line.LineStyle = draw.LineStyle{Color: l.color, Width: width, Dashes: l.dash}
	p.Add(line)
	return nil
}

func addMarks(p *plot.Plot, pts plotter.XYs, l look) {
	p.Add(marks{pts, draw.GlyphStyle{Color: l.color, Radius: 2.2, Shape: l.glyph}})
}

// marks draws a glyph at each point inside the axes.
type marks struct {
	points plotter.XYs
	style  draw.GlyphStyle
}

// Plot implements plot.Plotter.
func (m marks) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	for _, pt := range m.points {
		if at := (vg.Point{X: tx(pt.X), Y: ty(pt.Y)}); c.Contains(at) {
			c.DrawGlyph(m.style, at)
		}
	}
}

// middle returns the values without the outermost (1−share) of them, so that one
// spike does not flatten a curve.
func middle(pts plotter.XYs, share float64) []float64 {
	ys := make([]float64, len(pts))
	for i, p := range pts {
		ys[i] = p.Y
	}
	slices.Sort(ys)
	cut := int(float64(len(ys)) * (1 - share) / 2)
	return ys[cut : len(ys)-cut]
}

// thin keeps the lowest and the highest point of each of n stretches, in order,
// which looks the same and bounds the picture's size.
func thin(pts plotter.XYs, n int) plotter.XYs {
	if len(pts) <= 2*n {
		return pts
	}
	var out plotter.XYs
	for i := range n {
		part := pts[i*len(pts)/n : (i+1)*len(pts)/n]
		lo, hi := 0, 0
		for j, p := range part {
			if p.Y < part[lo].Y {
				lo = j
			}
			if p.Y > part[hi].Y {
				hi = j
			}
		}
		out = append(out, part[min(lo, hi)])
		if lo != hi {
			out = append(out, part[max(lo, hi)])
		}
	}
	return out
}

// baseName is a base model's name in a legend: "base" where there is one only.
func baseName(bases []string, name string) string {
	if len(bases) == 1 {
		return "base"
	}
	return name
}
