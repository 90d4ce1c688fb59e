package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// Comparison is what Diff found: how run B differs from run A.
type Comparison struct {
	// Rows are the paired differences, B minus A, a figure of a model each; A and
	// B of a row name the model.
	Rows []Difference
	// Curves compares the training losses of the cells in both runs.
	Curves []CurveDifference
	// Settings says in words in what the two were told otherwise.
	Settings []string
	// OnlyA and OnlyB are the models that one run alone has.
	OnlyA, OnlyB []string
}

// CurveDifference compares two training runs of a cell step by step.
type CurveDifference struct {
	Cell           string
	StepsA, StepsB int
	// Largest is the greatest difference of a step's loss over the common
	// steps (infinite where one of them is NaN), FinalA and FinalB the means of
	// the last log windows, HeldOutA and HeldOutB the last losses on held-out
	// outputs; NaN where there is none.
	Largest            float64
	LargestStep        int32
	FinalA, FinalB     float64
	HeldOutA, HeldOutB float64
}

// Diff compares two runs item by item. Models are matched by name: a base model
// with itself, a cell with the cell of the same name. Where each run has one
// base model, or one cell, the two are matched whatever their names.
func Diff(a, b *Run) (*Comparison, error) {
	c := &Comparison{}
	left, right := modelsOf(a), modelsOf(b)
	pairs := c.match(left, right)
	c.Settings = settings(a, b, pairs)
	merged := &Run{}
	mergeInto(merged, a, "A ")
	mergeInto(merged, b, "B ")
	s := newStudy(merged)
	for _, p := range pairs {
		name := p[0]
		if p[0] != p[1] {
			name = p[0] + " → " + p[1]
		}
		one := &contrast{name: name, aName: p[0], bName: p[1], sides: sides{a: []string{"A " + p[0]}, b: []string{"B " + p[1]}}}
		s.compare(one)
		settle([]*contrast{one}, 0.05)
		for _, d := range one.rows {
			if math.IsNaN(d.ValueA) && math.IsNaN(d.ValueB) {
				continue // a figure of other models only
			}
			c.Rows = append(c.Rows, d)
		}
		c.curve(a, b, p[0], p[1])
	}
	if len(pairs) == 0 {
		return nil, fmt.Errorf("comparing runs: no model in common; A has %s, B has %s", listed(left), listed(right))
	}
	return c, nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// modelsOf lists a run's models in order: base models and cells.
func modelsOf(r *Run) (names []string) {
	add := func(n string) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for _, x := range r.Results {
		add(x.Cell)
	}
	for _, x := range r.Steps {
		add(x.Cell)
	}
	return names
}

func (c *Comparison) match(left, right []string) (pairs [][2]string) {
	split := func(names []string) (bases, cells []string) {
		for _, n := range names {
			if strings.HasPrefix(n, basePrefix) {
				bases = append(bases, n)
			} else {
				cells = append(cells, n)
			}
		}
		return bases, cells
	}
	leftBases, leftCells := split(left)
	rightBases, rightCells := split(right)
	for _, side := range [][2][]string{{leftBases, rightBases}, {leftCells, rightCells}} {
		x, y := side[0], side[1]
		if len(x) == 1 && len(y) == 1 {
			pairs = append(pairs, [2]string{x[0], y[0]})
			continue
		}
		for _, n := range x {
			if slices.Contains(y, n) {
				pairs = append(pairs, [2]string{n, n})
			} else {
				c.OnlyA = append(c.OnlyA, n)
			}
		}
		for _, n := range y {
			if !slices.Contains(x, n) {
				c.OnlyB = append(c.OnlyB, n)
			}
		}
	}
	return pairs
}

// mergeInto adds a run's figures and items to another under prefixed names.
func mergeInto(to, from *Run, prefix string) {
	for _, r := range from.Results {
		r.Cell = prefix + r.Cell
		to.Results = append(to.Results, r)
	}
	for _, it := range from.Items {
		it.Cell = prefix + it.Cell
		to.Items = append(to.Items, it)
	}
}

func (c *Comparison) curve(a, b *Run, aName, bName string) {
	of := func(r *Run, name string) (steps []Step) {
		for _, s := range r.Steps {
			if s.Cell == name {
				steps = append(steps, s)
			}
		}
		return steps
	}
	x, y := of(a, aName), of(b, bName)
	if len(x) == 0 || len(y) == 0 {
		return
	}
	d := CurveDifference{Cell: aName, StepsA: len(x), StepsB: len(y), FinalA: finalLoss(x), FinalB: finalLoss(y),
		HeldOutA: lastHeldOut(a, aName), HeldOutB: lastHeldOut(b, bName)}
	for i := range min(len(x), len(y)) {
		diff := math.Abs(x[i].Loss - y[i].Loss)
		switch {
		case math.IsNaN(x[i].Loss) != math.IsNaN(y[i].Loss):
			diff = math.Inf(1)
		case x[i].Loss == y[i].Loss || math.IsNaN(diff):
			continue
		}
		if diff > d.Largest {
			d.Largest, d.LargestStep = diff, x[i].Step
		}
	}
	c.Curves = append(c.Curves, d)
}

func finalLoss(steps []Step) float64 {
	points := LogPoints(steps)
	if len(points) == 0 {
		return math.NaN()
	}
	return points[len(points)-1].Loss
}

func lastHeldOut(r *Run, cell string) float64 {
	last := math.NaN()
	for _, h := range r.HeldOut {
		if h.Cell == cell {
			last = h.OutputLoss
		}
	}
	return last
}

// unmatched says which models could not be compared.
func (c *Comparison) unmatched() (lines []string) {
	for _, n := range c.OnlyA {
		lines = append(lines, n+" is in A only")
	}
	for _, n := range c.OnlyB {
		lines = append(lines, n+" is in B only")
	}
	return lines
}

// Lost are the figures of A that B does not have.
func (c *Comparison) Lost() (out []Difference) {
	for _, d := range c.Rows {
		if math.IsNaN(d.ValueB) {
			out = append(out, d)
		}
	}
	return out
}

// Regressions are the figures on which B is worse and the data can tell.
func (c *Comparison) Regressions() []Difference { return c.withSign("-") }

// Differences are the figures whose items do not all have equal scores, and
// those that could not be compared.
func (c *Comparison) Differences() []Difference { return c.withSign("+", "-", "~", "?") }

func (c *Comparison) withSign(signs ...string) (out []Difference) {
	for _, d := range c.Rows {
		if slices.Contains(signs, d.Sign) {
			out = append(out, d)
		}
	}
	return out
}

// Summary says in a sentence what the comparison found, over the leaf figures of
// all models.
func (c *Comparison) Summary() string {
	t := tallyOf(c.Rows, func(i int) bool { return c.Rows[i].Leaf })
	if t.equal == t.all && t.missing == 0 {
		return fmt.Sprintf("A and B give every item of %s the same scores.", count(t.all, "figure", "figures"))
	}
	text := fmt.Sprintf("B is better on %d and worse on %d of %s; on %d the data cannot tell, on %d every score is equal",
		t.toldBetter, t.toldWorse, count(t.all, "figure", "figures"), t.all-t.toldBetter-t.toldWorse-t.equal, t.equal)
	if t.missing > 0 {
		text += fmt.Sprintf("; %s be compared", count(t.missing, "figure cannot", "figures cannot"))
	}
	return text + "."
}

var diffHead = []string{"model", "figure", "items", "A", "B", "B − A [95 %]"}

// Text lays the comparison out for a terminal.
func (c *Comparison) Text() string {
	var b strings.Builder
	var notes footnotes
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(diffHead, "\t"))
	for i := range c.Rows {
		d := &c.Rows[i]
		delta := strings.NewReplacer("`", "", "**", "").Replace(deltaText(d))
		fmt.Fprintln(t, strings.Join([]string{d.Comparison, d.Figure, grouped(int64(d.Items)), fixed(d.ValueA, 2), fixed(d.ValueB, 2), delta + notes.plain(d.Notes...)}, "\t"))
	}
	t.Flush()
	for i, n := range notes.texts {
		fmt.Fprintf(&b, "[%d] %s\n", i+1, n)
	}
	for _, line := range c.lines() {
		fmt.Fprintln(&b, visible(line))
	}
	fmt.Fprintln(&b, c.Summary())
	return b.String()
}

// Markdown lays the comparison out for a pull request: what differs in the open,
// equal figures folded.
func (c *Comparison) Markdown() string {
	var m markdown
	m.para("**%s**", escape(c.Summary()))
	var notes footnotes
	var differ, equal [][]string
	for i := range c.Rows {
		d := &c.Rows[i]
		row := []string{escape(d.Comparison), escape(d.Figure), grouped(int64(d.Items)), fixed(d.ValueA, 2), fixed(d.ValueB, 2), deltaText(d) + notes.mark(d.Notes...)}
		if d.Sign == "=" {
			equal = append(equal, row)
		} else {
			differ = append(differ, row)
		}
	}
	m.table("<<>>><", diffHead, differ)
	notes.write(&m)
	lines := c.lines()
	for _, line := range lines {
		m.line("- %s", escape(line))
	}
	if len(lines) > 0 {
		m.line("")
	}
	if len(equal) > 0 {
		m.details(count(len(equal), "figure", "figures")+" with equal scores on every item", func() { m.table("<<>>><", diffHead, equal) })
	}
	return m.String()
}

// lines are what stands beside the figures: what was told otherwise, the losses,
// and what could not be compared.
func (c *Comparison) lines() (lines []string) {
	for _, s := range c.Settings {
		lines = append(lines, "not the same: "+s)
	}
	return append(append(lines, c.curveLines()...), c.unmatched()...)
}

func (c *Comparison) curveLines() (lines []string) {
	for _, d := range c.Curves {
		name := d.Cell
		switch {
		case d.Largest == 0 && d.StepsA == d.StepsB:
			lines = append(lines, fmt.Sprintf("training losses of %s: equal at all %s", name, count(d.StepsA, "step", "steps")))
		default:
			lines = append(lines, fmt.Sprintf("training losses of %s: %d and %d steps, last window %s and %s, largest difference %s at step %d",
				name, d.StepsA, d.StepsB, fixed(d.FinalA, 4), fixed(d.FinalB, 4), short(d.Largest), d.LargestStep))
		}
		if !math.IsNaN(d.HeldOutA) || !math.IsNaN(d.HeldOutB) {
			lines = append(lines, fmt.Sprintf("held-out output loss of %s at the end: %s and %s", name, fixed(d.HeldOutA, 4), fixed(d.HeldOutB, 4)))
		}
	}
	return lines
}
