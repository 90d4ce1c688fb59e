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

// lossPlot draws the training losses of every cell: the means of the logEvery
// windows, behind them every step. nil if no cell has a step with a loss.
func (s *study) lossPlot() ([]byte, error) {
	p := newPlot("", "optimizer step", "training loss (nats per target)")
	addGrid(p, true)
	p.X.Tick.Marker = plot.TickerFunc(wholeTicks)
	xs, ys := emptySpan(), emptySpan()
	var legend []entry
	type curve struct {
		points plotter.XYs
		look   look
		width  vg.Length
	}
	var curves []curve
	for i, a := range s.arms {
		drawn := false
		for _, c := range a.cells {
			var raw plotter.XYs
			for _, st := range c.steps {
				if !math.IsNaN(st.Loss) && !math.IsInf(st.Loss, 0) {
					raw = append(raw, plotter.XY{X: float64(st.Step), Y: st.Loss})
				}
			}
			if len(raw) == 0 {
				continue
			}
			drawn = true
			xs.add(raw[0].X)
			xs.add(raw[len(raw)-1].X)
			var means plotter.XYs
			for _, pt := range c.points {
				if !math.IsNaN(pt.Loss) {
					means = append(means, plotter.XY{X: float64(pt.Step), Y: pt.Loss})
					ys.add(pt.Loss)
				}
			}
			for _, y := range middle(raw, 0.98) {
				ys.add(y)
			}
			if err := addLine(p, thin(raw, 500), look{color: pale(lookOf(i).color, 0.3)}, 0.6); err != nil {
				return nil, err
			}
			curves = append(curves, curve{means, lookOf(i), 1.7})
		}
		if drawn {
			legend = append(legend, entry{name: a.name, look: lookOf(i), line: true})
		}
	}
	if len(legend) == 0 {
		return nil, nil
	}
	for _, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		if err := addLine(p, c.points, c.look, c.width); err != nil {
			return nil, err
		}
		if len(c.points) <= 20 {
			addMarks(p, c.points, c.look)
		}
	}
	p.X.Min, p.X.Max = min(xs.min, 0), max(xs.max, 1)
	p.Y.Min, p.Y.Max = ys.padded(0.05)
	if ys.min >= 0 {
		p.Y.Min = max(p.Y.Min, 0)
	}
	return drawSVG(plotWidth, 330, legend, p)
}

// heldOutPlot draws the losses on the held-out items, output left and prompt
// right. nil if nothing was held out.
func (s *study) heldOutPlot() ([]byte, error) {
	out := newPlot("loss on the output", "optimizer step", "nats per token")
	prompt := newPlot("loss on the prompt", "optimizer step", "")
	addGrid(out, true)
	addGrid(prompt, true)
	xs, ysOut, ysPrompt := emptySpan(), emptySpan(), emptySpan()
	var legend []entry
	add := func(cell string, l look, width vg.Length) bool {
		var o, q plotter.XYs
		for _, h := range s.run.HeldOut {
			if h.Cell != cell {
				continue
			}
			x := float64(h.Step)
			xs.add(x)
			if !math.IsNaN(h.OutputLoss) && !math.IsInf(h.OutputLoss, 0) {
				o = append(o, plotter.XY{X: x, Y: h.OutputLoss})
				ysOut.add(h.OutputLoss)
			}
			if !math.IsNaN(h.PromptLoss) && !math.IsInf(h.PromptLoss, 0) {
				q = append(q, plotter.XY{X: x, Y: h.PromptLoss})
				ysPrompt.add(h.PromptLoss)
			}
		}
		for _, part := range []struct {
			p   *plot.Plot
			pts plotter.XYs
		}{{out, o}, {prompt, q}} {
			if len(part.pts) > 0 {
				if addLine(part.p, part.pts, l, width) == nil && len(part.pts) <= 30 {
					addMarks(part.p, part.pts, l)
				}
			}
		}
		return len(o)+len(q) > 0
	}
	for i, a := range s.arms {
		drawn := false
		for _, c := range a.cells {
			drawn = add(c.name, lookOf(i), 1.5) || drawn
		}
		if drawn {
			legend = append(legend, entry{name: a.name, look: lookOf(i), line: true, mark: true})
		}
	}
	if len(legend) == 0 {
		return nil, nil
	}
	xs.add(0)
	for i, name := range s.bases {
		for _, h := range s.run.HeldOut {
			if h.Cell == name {
				l := look{color: grey, dash: dashes[(2+i)%len(dashes)]}
				for _, part := range []struct {
					p    *plot.Plot
					y    float64
					span *span
				}{{out, h.OutputLoss, &ysOut}, {prompt, h.PromptLoss, &ysPrompt}} {
					if math.IsNaN(part.y) || math.IsInf(part.y, 0) {
						continue
					}
					part.span.add(part.y)
					if err := addLine(part.p, plotter.XYs{{X: 0, Y: part.y}, {X: xs.max, Y: part.y}}, l, 1.1); err != nil {
						return nil, err
					}
				}
				legend = append(legend, entry{name: baseName(s.bases, name), look: l, line: true})
				break
			}
		}
	}
	for _, part := range []struct {
		p *plot.Plot
		y span
	}{{out, ysOut}, {prompt, ysPrompt}} {
		part.p.X.Min, part.p.X.Max = 0, max(xs.max, 1)
		part.p.X.Tick.Marker = plot.TickerFunc(wholeTicks)
		part.p.Y.Min, part.p.Y.Max = part.y.padded(0.06)
		if part.y.min >= 0 {
			part.p.Y.Min = max(part.p.Y.Min, 0)
		}
	}
	return drawSVG(plotWidth, 290, legend, out, prompt)
}

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
