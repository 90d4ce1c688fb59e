package reports

import (
	"bytes"
	"regexp"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// stack is the fonts of a picture, the first of which the viewer has. It holds
// none itself, so a reader may see letters wider than those it was laid out with.
const stack = "Helvetica Neue,Helvetica,Arial,Liberation Sans,DejaVu Sans,sans-serif"

// widest is how much wider than Liberation Sans, which is as wide as Helvetica
// and Arial, a viewer's letters may be: DejaVu Sans and Verdana are up to a fifth.
const widest = 1.2

// lettering is text that keeps its place whatever the viewer's font: room is left
// for a wide one, and text that ends or has its middle at a point is anchored
// there by the viewer, not by a width computed here.
type lettering struct{ text.Plain }

func sans(size vg.Length, bold bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = 3 // x/image/font.WeightBold
	}
	return text.Style{Color: ink, Font: f, Handler: lettering{text.Plain{Fonts: plot.DefaultTextHandler.Cache()}}}
}

// Box implements text.Handler.
func (l lettering) Box(txt string, f font.Font) (width, height, depth vg.Length) {
	width, height, depth = l.Plain.Box(txt, f)
	return width * widest, height, depth
}

// Draw implements text.Handler for a line of text.
func (l lettering) Draw(c vg.Canvas, txt string, sty text.Style, at vg.Point) {
	if txt == "" {
		return
	}
	face := l.Fonts.Lookup(sty.Font, sty.Font.Size)
	// vgsvg has no word for the anchor, but writes this one into the text's style.
	switch sty.XAlign {
	case draw.XCenter:
		face.Font.Variant = "normal;text-anchor:middle"
	case draw.XRight:
		face.Font.Variant = "normal;text-anchor:end"
	}
	c.Push()
	c.SetColor(sty.Color)
	if sty.Rotation != 0 {
		c.Translate(at)
		c.Rotate(sty.Rotation)
		at = vg.Point{}
	}
	at.Y += sty.Height(txt)*vg.Length(sty.YAlign) - face.Extents().Ascent + sty.Font.Size
	c.FillString(face, at, txt)
	c.Pop()
}

var styleOfText = regexp.MustCompile(`style="font-family:[^;"]*;font-variant:normal;(text-anchor:\w+;)?(font-weight:bold;)?(?:font-weight:normal;)?font-style:normal;`)

// oneStack says the fonts once for the whole picture instead of with every text.
func oneStack(svg []byte) []byte {
	svg = styleOfText.ReplaceAll(svg, []byte(`style="$1$2`))
	return bytes.Replace(svg, []byte("\n\txmlns="), []byte("\n\tfont-family=\""+stack+"\"\n\txmlns="), 1)
}
