package reports

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Colours of Okabe and Ito ("Color universal design", 2008): told apart by
// readers who do not see all colours; with the dashes, in grey print as well.
var (
	palette = []color.Color{
		color.RGBA{0x00, 0x72, 0xB2, 0xff}, color.RGBA{0xD5, 0x5E, 0x00, 0xff}, color.RGBA{0x00, 0x9E, 0x73, 0xff},
		color.RGBA{0xCC, 0x79, 0xA7, 0xff}, color.RGBA{0xE6, 0x9F, 0x00, 0xff}, color.RGBA{0x56, 0xB4, 0xE9, 0xff},
	}
	dashes = [][]vg.Length{nil, {7, 3}, {2, 2}, {8, 3, 2, 3}, {12, 3}, {4, 2, 1, 2}}
	glyphs = []draw.GlyphDrawer{
		draw.CircleGlyph{},
		polygon{{X: -0.85, Y: -0.85}, {X: 0.85, Y: -0.85}, {X: 0.85, Y: 0.85}, {X: -0.85, Y: 0.85}}, // square
		polygon{{X: 0, Y: 1.2}, {X: 1.05, Y: -0.75}, {X: -1.05, Y: -0.75}},                          // triangle
		polygon{{X: 0, Y: 1.3}, {X: 1.1, Y: 0}, {X: 0, Y: -1.3}, {X: -1.1, Y: 0}},                   // diamond
		polygon{{X: 0, Y: -1.2}, {X: 1.05, Y: 0.75}, {X: -1.05, Y: 0.75}},                           // triangle down
		polygon{{X: -0.5, Y: 1.05}, {X: 0.5, Y: 1.05}, {X: 1.1, Y: 0}, {X: 0.5, Y: -1.05}, {X: -0.5, Y: -1.05}, {X: -1.1, Y: 0}},
	}
	ink   = color.RGBA{0x22, 0x22, 0x22, 0xff}
	faint = color.RGBA{0xe4, 0xe4, 0xe4, 0xff}
	grey  = color.RGBA{0x70, 0x70, 0x70, 0xff}
)

// look is how one arm is drawn, the same in every plot.
type look struct {
	color color.Color
	dash  []vg.Length
	glyph draw.GlyphDrawer
}

// lookOf is the look of arm i; beyond the colours there are, other dashes come
// with them.
func lookOf(i int) look {
	n := len(palette)
	return look{palette[i%n], dashes[(i+i/n)%len(dashes)], glyphs[(i+i/n)%len(glyphs)]}
}

// pale mixes a colour with white.
func pale(c color.Color, share float64) color.Color {
	r, g, b, _ := c.RGBA()
	mix := func(v uint32) uint8 {
		return uint8(float64(255*(1-share)) + float64(float64(v>>8)*share) + 0.5)
	}
	return color.RGBA{mix(r), mix(g), mix(b), 0xff}
}

// newPlot returns an empty plot in the house style: sans serif and thin axes.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	style := func(dst *text.Style, size vg.Length, bold bool) {
		s := sans(size, bold)
		s.XAlign, s.YAlign, s.Rotation = dst.XAlign, dst.YAlign, dst.Rotation
		*dst = s
	}
	p.Title.Text = title
	style(&p.Title.TextStyle, 11, true)
	p.Title.Padding = 6
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		style(&a.Label.TextStyle, 10, false)
		style(&a.Tick.Label, 9, false)
		a.LineStyle.Width, a.LineStyle.Color = 0.6, grey
		a.Tick.LineStyle.Width, a.Tick.LineStyle.Color = 0.6, grey
		a.Tick.Length = 3
		a.Padding = 4
		a.Tick.Marker = plot.TickerFunc(ticks)
	}
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.X.Label.Padding, p.Y.Label.Padding = 3, 3
	return p
}

// addGrid puts light lines under what is added later.
func addGrid(p *plot.Plot, horizontal bool) {
	grid := plotter.NewGrid()
	for _, l := range []*draw.LineStyle{&grid.Vertical, &grid.Horizontal} {
		l.Color, l.Width, l.Dashes = faint, 0.5, nil
	}
	if !horizontal {
		grid.Horizontal.Color = nil
	}
	p.Add(grid)
}

// polygon is a filled glyph with its corners on a circle of radius 1.
type polygon []vg.Point

// DrawGlyph implements draw.GlyphDrawer.
func (g polygon) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	var path vg.Path
	for i, v := range g {
		q := vg.Point{X: at.X + style.Radius*v.X, Y: at.Y + style.Radius*v.Y}
		if i == 0 {
			path.Move(q)
		} else {
			path.Line(q)
		}
	}
	path.Close()
	c.SetColor(style.Color)
	c.Fill(path)
}

// ticks places three to seven ticks at round numbers.
func ticks(min, max float64) []plot.Tick { return ticksOf(6, min, max) }

// ticksOf places ticks at round numbers, at most so many steps apart.
func ticksOf(steps, min, max float64) []plot.Tick {
	step := roundStep((max - min) / steps)
	if !(step > 0) || math.IsInf(step, 0) {
		return []plot.Tick{{Value: min, Label: short(min)}}
	}
	decimals := 0
	for s := step; decimals < 12 && math.Abs(s-math.Floor(s+0.5)) > 1e-9*s; decimals++ {
		s *= 10
	}
	var out []plot.Tick
	for k := math.Floor(min/step - 1e-9); ; k++ {
		v := k * step
		if v > max+1e-9*step {
			return out
		}
		if v < min-1e-9*step {
			continue
		}
		label := fixed(v, decimals)
		if decimals == 0 && math.Abs(v) < 1e15 {
			label = grouped(int64(v))
		}
		out = append(out, plot.Tick{Value: v, Label: label})
	}
}

// roundStep returns the smallest of 1, 2, 2.5, 5 times a power of ten that is at least x.
func roundStep(x float64) float64 {
	if !(x > 0) || math.IsInf(x, 0) {
		return 0
	}
	for e := -15; e < 16; e++ {
		for _, m := range []string{"1", "2", "2.5", "5"} {
			step, err := strconv.ParseFloat(m+"e"+strconv.Itoa(e), 64)
			if err == nil && step >= x*(1-1e-9) {
				return step
			}
		}
	}
	return 0
}

// wholeTicks is ticks at whole numbers only, for steps.
func wholeTicks(min, max float64) []plot.Tick {
	return slices.DeleteFunc(ticks(min, max), func(t plot.Tick) bool { return t.Value != math.Floor(t.Value) })
}

// logTicks places ticks on an axis of decimal logarithms: at powers of ten, over
// few of them at twice and five times those too.
func logTicks(min, max float64) []plot.Tick {
	digits := []string{"1", "2", "5"}
	if max-min > 3 {
		digits = digits[:1]
	}
	var out []plot.Tick
	for e := math.Floor(min); e <= max; e++ {
		for _, d := range digits {
			v, err := strconv.ParseFloat(d+"e"+strconv.Itoa(int(e)), 64)
			if at := math.Log10(v); err == nil && at >= min && at <= max {
				out = append(out, plot.Tick{Value: at, Label: short(v)})
			}
		}
	}
	return out
}

// entry is a line of the legend.
type entry struct {
	name string
	look look
	line bool
	mark bool
	at   vg.Point // of its left end, from the legend's upper left corner
}

// drawSVG draws plots side by side under one legend and returns the picture,
// whose height includes one line of legend and grows with further ones.
func drawSVG(width, height vg.Length, legend []entry, plots ...*plot.Plot) ([]byte, error) {
	const margin = 8
	height += max(0, layLegend(legend, width-2*margin)-legendLine)
	canvas := vgsvg.NewWith(vgsvg.UseWH(width, height))
	c := draw.New(canvas)
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	c = draw.Crop(c, margin, -margin, margin, -margin)
	used := drawLegend(c, legend)
	body := draw.Crop(c, 0, 0, 0, -used)
	w := (body.Max.X - body.Min.X) / vg.Length(len(plots))
	for i, p := range plots {
		gap := vg.Length(0)
		if i > 0 {
			gap = 12
		}
		p.BackgroundColor = nil
		p.Draw(draw.Crop(body, w*vg.Length(i)+gap, -w*vg.Length(len(plots)-1-i), 0, 0))
	}
	var buf bytes.Buffer
	if _, err := canvas.WriteTo(&buf); err != nil {
		return nil, fmt.Errorf("drawing: %w", err)
	}
	return oneStack(buf.Bytes()), nil
}

// The legend's measures: of a sample of the look, between entries and of a line.
const legendSample, legendGap, legendLine vg.Length = 24, 16, 14

// layLegend places the entries in as many lines as they need, those of a legend
// with long names each in its own, shortens what is longer than a line, and
// returns the height.
func layLegend(legend []entry, width vg.Length) vg.Length {
	style := sans(9.5, false)
	room := width - legendSample - 5
	long := slices.ContainsFunc(legend, func(e entry) bool { return style.Width(e.name) > width/3 })
	var x, y vg.Length
	for i := range legend {
		e := &legend[i]
		e.name = shortened(e.name, func(s string) bool { return style.Width(s) <= room })
		w := legendSample + 5 + style.Width(e.name)
		if x > 0 && (long || x+w > width) {
			x, y = 0, y+legendLine
		}
		e.at = vg.Point{X: x, Y: -y - legendLine/2}
		x += w + legendGap
	}
	return y + legendLine
}

// shortened takes characters out of the middle of a text until it fits.
func shortened(s string, fits func(string) bool) string {
	chars := []rune(s)
	for n := len(chars) - 1; !fits(s) && n > 0; n-- {
		s = string(chars[:(n+1)/2]) + "…" + string(chars[len(chars)-n/2:])
	}
	return s
}

// drawLegend draws the entries where layLegend placed them below the top, and
// returns the height used.
func drawLegend(c draw.Canvas, legend []entry) vg.Length {
	if len(legend) == 0 {
		return 0
	}
	height := layLegend(legend, c.Max.X-c.Min.X)
	style := sans(9.5, false)
	style.YAlign = draw.YCenter
	for _, e := range legend {
		x, y := c.Min.X+e.at.X, c.Max.Y+e.at.Y
		if e.line {
			c.StrokeLine2(draw.LineStyle{Color: e.look.color, Width: 1.6, Dashes: e.look.dash}, x, y, x+legendSample, y)
		}
		if e.mark {
			c.DrawGlyph(draw.GlyphStyle{Color: e.look.color, Radius: 3, Shape: e.look.glyph}, vg.Point{X: x + legendSample/2, Y: y})
		}
		c.FillText(style, vg.Point{X: x + legendSample + 5, Y: y + 1}, e.name)
	}
	return height + 6
}

// span is a range of values with room around it.
type span struct{ min, max float64 }

func emptySpan() span { return span{math.Inf(1), math.Inf(-1)} }

func (s *span) add(x float64) {
	if !math.IsNaN(x) && !math.IsInf(x, 0) {
		s.min, s.max = min(s.min, x), max(s.max, x)
	}
}

// padded widens the range by a share on both sides; an empty one is 0 to 1.
func (s span) padded(share float64) (lo, hi float64) {
	if s.min > s.max {
		return 0, 1
	}
	d := (s.max - s.min) * share
	if d == 0 {
		d = max(math.Abs(s.max)*0.1, 0.1)
	}
	return s.min - d, s.max + d
}
