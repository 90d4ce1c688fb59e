package reports

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"
)

// Of a study with many cells of long names, each entry of the legend has a line
// of its own above the plot, and none leaves the picture.
func TestLegendOfManyLongNames(t *testing.T) {
	run := syntheticRun(1)
	var steps []Step
	for cell := range 15 {
		name := fmt.Sprintf("padding=left,labels=output,schedule=cosine_with_min_lr(minLrRate=0.1),train.lr=%de-5,train.accumulate=2,data.source=instructions/of/a/long/name.json", cell+1)
		for _, v := range [][2]string{{"model", "m"}, {"seed", "1"}, {"train.lr", fmt.Sprintf("%de-5", cell+1)}} {
			run.Facts = append(run.Facts, Fact{Section: "cells", Cell: name, Key: v[0], Value: v[1]})
		}
		for i := range 3 {
			steps = append(steps, Step{Cell: name, Step: int32(i + 1), Loss: float64(10 + cell - i), LogPoint: i == 2})
		}
	}
	run.Steps = steps
	study := newStudy(run)
	var groups []group
	for _, a := range study.arms {
		groups = append(groups, group{a.name, a.cells})
	}
	svg, err := study.lossPlot(groups)
	if err != nil {
		t.Fatal(err)
	}
	number := func(pattern string) (out []float64) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(svg), -1) {
			x, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, x)
		}
		return out
	}
	names := number(`<text x="37" y="-([0-9.]+)"[^>]*>padding=left`)
	if len(names) != 15 {
		t.Fatalf("%d names of 15 begin a line", len(names))
	}
	bottom := math.Inf(1)
	for i, y := range names {
		if y >= bottom-10 {
			t.Errorf("entry %d at %g is not below the one before at %g", i, y, bottom)
		}
		bottom = y
	}
	height := number(`<svg width="[0-9.]+pt" height="([0-9.]+)pt"`)[0]
	if plot := bottom; plot < 250 || height-bottom < 15*13 {
		t.Errorf("the legend ends at %g of %g: no room for the plot", bottom, height)
	}
	for _, m := range regexp.MustCompile(`>(padding=left[^<]*)<`).FindAllStringSubmatch(string(svg), -1) {
		if width := sans(9.5, false).Width(m[1]); width > plotWidth-45 || !strings.Contains(m[1], "…") {
			t.Errorf("%q is %g wide", m[1], width)
		}
	}
}

// Text keeps its place in a viewer whose letters are wider than those it was laid
// out with: names end where the viewer puts their end, and have room to the left.
func TestTextKeepsItsPlaceInAnyFont(t *testing.T) {
	run := studyRun()
	r, err := Render(run)
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`<text x="([-0-9.]+)"[^>]*style="(?:text-anchor:(\w+);)?[^>]*>([^<]+)<`)
	label := sans(8.5, false)
	names, middles := 0, 0
	for _, m := range text.FindAllStringSubmatch(string(r.Plots["against_base.svg"]), -1) {
		x, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.Contains(m[3], " accuracy") || strings.Contains(m[3], "average"):
			names++
			if m[2] != "end" {
				t.Errorf("%s: anchored at its %q, not at its end", m[3], m[2])
			}
			face := label.Handler.Cache().Lookup(label.Font, label.Font.Size)
			if width := float64(face.Width(m[3])); x < 1.15*width {
				t.Errorf("%s: begins at %g in Liberation Sans: a font wider by 15 %% leaves the picture", m[3], x-width)
			}
		case m[2] == "middle":
			middles++
		}
	}
	if names < 10 || middles < 4 {
		t.Errorf("%d names of figures and %d centred texts", names, middles)
	}
	for name, svg := range r.Plots {
		if n := strings.Count(string(svg), "font-family"); n != 1 {
			t.Errorf("%s names its fonts %d times", name, n)
		}
	}
}

// A curve that falls from 6 to 0.06 is shown on a logarithmic axis, where the
// later half of its fall is half of its height; one from 3 to 1.5 is not, and
// what lies far off the curves does not stretch the axis.
func TestLossAxis(t *testing.T) {
	axis := func(curves, noise span, points ...float64) (label string, at []float64) {
		p := newPlot("", "step", "loss")
		var xys plotter.XYs
		for _, y := range points {
			xys = append(xys, plotter.XY{Y: y})
		}
		for _, q := range lossAxis(p, curves, noise)(xys) {
			at = append(at, (q.Y-p.Y.Min)/(p.Y.Max-p.Y.Min))
		}
		return p.Y.Label.Text, at
	}
	label, at := axis(span{0.06, 6}, span{0.06, 6}, 6, 0.6, 0.06, 0, -1)
	if label != "loss, log scale" || math.Abs(at[1]-0.5) > 1e-9 || math.Abs(at[0]+at[2]-1) > 1e-9 || at[0] < 0.9 || at[0] > 1 || at[3] >= 0 || at[4] >= 0 {
		t.Errorf("%s: %v", label, at)
	}
	if _, at = axis(span{0.06, 6}, span{1e-6, 7}, 0.06); at[0] > 0.25 {
		t.Errorf("one step at 1e-6 moves the foot of the curves to %g of the height", at[0])
	}
	if label, at = axis(span{1.5, 3}, span{1, 4}, 2.5); label != "loss" || math.Abs(at[0]-0.5) > 1e-9 {
		t.Errorf("%s: %v", label, at)
	}
	if label, _ = axis(span{0, 3}, span{0, 3}); label != "loss" {
		t.Errorf("a loss of 0: %s", label)
	}
}

func TestContrastLabel(t *testing.T) {
	for name, want := range map[string]string{
		"labels=all - labels=output": "labels=all − labels=output",
		"labels=all - base":          "labels=all − base",
		"padding=right,labels=0.5,train.lr=0.1 - padding=left,labels=0.5,train.lr=0.1":                      "padding=right − padding=left (labels=0.5, train.lr=0.1)",
		"schedule=polynomial(power=2,lrEnd=0),labels=all - schedule=polynomial(power=1,lrEnd=0),labels=all": "schedule=polynomial(power=2,lrEnd=0) − schedule=polynomial(power=1,lrEnd=0) (labels=all)",
	} {
		if got := contrastLabel(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// What 24 items of an overlap show: 4 better and none worse leave 0 out of their
// interval, and the exact test has p = 0.125.
func TestSplitsByOverlapGoByTheirTest(t *testing.T) {
	none := math.NaN()
	rows := []Difference{
		{Figure: "leaf", Leaf: true, P: 0.03, Delta: 3, Low: 1, High: 5, SeedLow: none, SeedHigh: none},
		{Figure: "four of 22 better", P: 0.125, Delta: 18.2, Low: 0.6, High: 38.5, SeedLow: none, SeedHigh: none},
		{Figure: "nine of ten better", P: 0.02, Delta: 30, Low: 5, High: 50, SeedLow: none, SeedHigh: none},
		{Figure: "average", P: none, Delta: -9, Low: -17, High: -1, SeedLow: none, SeedHigh: none},
	}
	settle([]*contrast{{rows: rows, powers: make([]power, len(rows))}}, 0.05)
	for i, want := range []struct {
		sign string
		holm float64
	}{{"+", 0.03}, {"~", 0.125}, {"+", 0.04}, {"-", none}} {
		if got := rows[i]; got.Sign != want.sign || got.Holm != want.holm && !math.IsNaN(want.holm) {
			t.Errorf("%s: %s with p %g, want %s with %g", got.Figure, got.Sign, got.Holm, want.sign, want.holm)
		}
	}
}

// Seeds that agree less than items do are what the correction counts: of three
// figures on which items leave no doubt, the seeds tell one, though every interval
// over seeds leaves out 0.
func TestHolmTakesTheLargerOfItemsAndSeeds(t *testing.T) {
	var rows []Difference
	for _, p := range []float64{0.03, 0.004, 0.04} {
		rows = append(rows, Difference{Leaf: true, P: 1e-9, SeedP: p, Seeds: 3, SeedStdErr: 1, Delta: 5, SeedLow: 1, SeedHigh: 9})
	}
	settle([]*contrast{{rows: rows, powers: make([]power, len(rows))}}, 0.05)
	for i, want := range []string{"~", "+", "~"} {
		if rows[i].Sign != want {
			t.Errorf("seeds' p %g: %s with p %g, want %s", rows[i].SeedP, rows[i].Sign, rows[i].Holm, want)
		}
		// scipy: t.isf(0.05/3/2, 2) + t.isf(0.2, 2)
		if want := 7.648804 + 1.060660; math.Abs(rows[i].Detectable-want) > 1e-5 {
			t.Errorf("detectable %g, want %g", rows[i].Detectable, want)
		}
	}
}
