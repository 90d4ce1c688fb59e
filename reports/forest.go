package reports

import (
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// forestPlot draws differences with their intervals, a line a figure and a mark
// a comparison; marks are filled where the data can tell. rows picks the figures.
// nil if there is nothing to draw.
func (s *study) forestPlot(contrasts []*contrast, rows []int, xLabel string) ([]byte, error) {
	f := &forest{}
	xs := emptySpan()
	xs.add(0)
	var legend []entry
	looks := s.looks(contrasts)
	for j, c := range contrasts {
		solid := look{color: looks[j].color, glyph: looks[j].glyph} // as intervals are drawn
		legend = append(legend, entry{name: contrastLabel(c.name), look: solid, line: true, mark: true})
	}
	var last *figure
	for _, i := range rows {
		fig := s.figures[i]
		drawable := false
		row := forestRow{label: fig.Figure, average: !fig.Leaf}
		for j, c := range contrasts {
			d := c.rows[i]
			m := forestMark{look: looks[j], at: d.Delta, low: d.Low, high: d.High, told: d.Sign == "+" || d.Sign == "-"}
			if !math.IsNaN(d.Delta) && fig.Unit == "%" {
				drawable = true
				xs.add(d.Delta)
				xs.add(d.Low)
				xs.add(d.High)
			} else {
				m.at = math.NaN()
			}
			row.marks = append(row.marks, m)
		}
		if !drawable {
			continue
		}
		if last != nil && (last.Suite != fig.Suite || last.Leaf != fig.Leaf || last.Leaf && last.Group != fig.Group && strings.HasPrefix(fig.Group, fig.Suite+" ") && len(rows) > 2*longBlock) {
			f.breaks = append(f.breaks, len(f.rows))
		}
		last = fig
		f.rows = append(f.rows, row)
	}
	if len(f.rows) == 0 {
		return nil, nil
	}
	p := newPlot("", xLabel, "")
	f.place(len(contrasts))
	p.Y.Tick.Marker = plot.TickerFunc(func(_, _ float64) []plot.Tick { return f.labels() })
	p.Y.Tick.Length = 0
	p.Y.LineStyle.Width = 0
	p.Y.Min, p.Y.Max = -f.height, 0
	p.X.Min, p.X.Max = xs.padded(0.04)
	p.X.Tick.Marker = plot.TickerFunc(func(lo, hi float64) []plot.Tick { return ticksOf(10, lo, hi) })
	p.Y.Tick.Label.Font.Size = 8.5
	for i := range f.rows {
		r := &f.rows[i]
		r.label = shortened(r.label, func(s string) bool { return p.Y.Tick.Label.Width(s) <= plotWidth/2 })
	}
	addGrid(p, false) // the intervals are the horizontal lines
	p.Add(f)
	return drawSVG(plotWidth, vg.Length(f.height*f.unit())+62, legend, p)
}

// contrastLabel says a comparison's name shortly: what two cells share is said
// once, behind what they differ in.
func contrastLabel(name string) string {
	b, a, ok := strings.Cut(name, " - ")
	if !ok {
		return name
	}
	bs, as := axisValues(b), axisValues(a)
	var differ [2][]string
	var shared []string
	for i := range bs {
		switch {
		case len(as) != len(bs):
			return b + " − " + a
		case as[i] == bs[i]:
			shared = append(shared, as[i])
		default:
			differ[0], differ[1] = append(differ[0], bs[i]), append(differ[1], as[i])
		}
	}
	label := strings.Join(differ[0], ",") + " − " + strings.Join(differ[1], ",")
	if len(shared) > 0 {
		label += " (" + strings.Join(shared, ", ") + ")"
	}
	return label
}

// axisValues cuts a cell's name at the commas that are in no parentheses.
func axisValues(name string) []string {
	depth := 0
	return strings.FieldsFunc(name, func(r rune) bool {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		return r == ',' && depth == 0
	})
}

// looks gives each comparison the look of its arm, or, where an arm stands in
// several, one of its own.
func (s *study) looks(contrasts []*contrast) []look {
	out := make([]look, len(contrasts))
	used := map[int]bool{}
	for j, c := range contrasts {
		i := slices.Index(s.arms, c.bArm)
		if used[i] {
			for k := range out {
				out[k] = lookOf(k)
			}
			return out
		}
		used[i] = true
		out[j] = lookOf(i)
	}
	return out
}

// forest is the plotter: rows from the top down, y in row heights below 0.
type forest struct {
	rows   []forestRow
	breaks []int // rows that begin a group
	height float64
	marks  int
}

type forestRow struct {
	label   string
	average bool
	y       float64
	marks   []forestMark
}

type forestMark struct {
	look          look
	at, low, high float64
	told          bool
}

// unit is the height of a row in points.
func (f *forest) unit() float64 { return 8 + float64(6*float64(f.marks)) }

func (f *forest) place(marks int) {
	f.marks = marks
	y, next := 0.0, 0
	for i := range f.rows {
		if next < len(f.breaks) && f.breaks[next] == i {
			y += 0.5
			next++
		}
		f.rows[i].y = -(y + 0.5)
		y++
	}
	f.height = y
}

func (f *forest) labels() []plot.Tick {
	var out []plot.Tick
	for _, r := range f.rows {
		out = append(out, plot.Tick{Value: r.y, Label: r.label})
	}
	return out
}

// Plot implements plot.Plotter.
func (f *forest) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	for _, b := range f.breaks {
		y := ty(f.rows[b].y + 0.75)
		c.StrokeLine2(draw.LineStyle{Color: faint, Width: 0.8}, c.Min.X, y, c.Max.X, y)
	}
	zero := tx(0)
	c.StrokeLine2(draw.LineStyle{Color: grey, Width: 0.9}, zero, c.Min.Y, zero, c.Max.Y)
	step := vg.Length(6)
	for _, r := range f.rows {
		for i, m := range r.marks {
			if math.IsNaN(m.at) {
				continue
			}
			y := ty(r.y) + step*(vg.Length(len(r.marks)-1)/2-vg.Length(i))
			line := draw.LineStyle{Color: m.look.color, Width: 1}
			if r.average {
				line.Width = 1.8
			}
			if !math.IsNaN(m.low) && !math.IsNaN(m.high) {
				c.StrokeLine2(line, tx(m.low), y, tx(m.high), y)
			}
			at := vg.Point{X: tx(m.at), Y: y}
			c.DrawGlyph(draw.GlyphStyle{Color: m.look.color, Radius: 2.9, Shape: m.look.glyph}, at)
			if !m.told {
				c.DrawGlyph(draw.GlyphStyle{Color: color.White, Radius: 1.7, Shape: m.look.glyph}, at)
			}
		}
	}
}
