package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// study is a run's tables put in order: its figures, cells, arms and the
// comparisons that answer its question.
type study struct {
	run     *Run
	figures []*figure
	bases   []string // base models' names in results order
	cells   []*cell
	arms    []*arm
	axes    []string // axes that vary, in order
	seeds   int      // most seeds of an arm
	items   map[string]map[figureKey]*scores
}

// figure is one row of the report's tables.
type figure struct {
	figureKey
	Result                    // of the first model that has it
	byCell map[string]*Result // every model's
}

// counts tells whether the figure is one of the report's figures: a leaf or an
// average. Others, such as contamination splits of a suite that counts whole,
// look at the same items again.
func (f *figure) counts() bool { return f.Leaf || len(f.Members) > 0 }

func (f *figure) value(cell string) float64 {
	if r := f.byCell[cell]; r != nil {
		return r.Value
	}
	return math.NaN()
}

// cell is a point of the matrix.
type cell struct {
	name   string
	axes   map[string]string
	model  string
	steps  []Step
	points []LogPoint
	failed []string // why it, or a part of it, is missing
}

// arm is the cells that differ in their seed only.
type arm struct {
	name  string
	axes  map[string]string
	cells []*cell
	base  string // base model's name in the tables, "" if it was not scored
}

func (a *arm) names() []string {
	names := make([]string, len(a.cells))
	for i, c := range a.cells {
		names[i] = c.name
	}
	return names
}

const basePrefix = "base:"

func newStudy(run *Run) *study {
	s := &study{run: run}
	s.collectCells()
	s.collectFigures()
	s.collectArms()
	continuous := map[figureKey]bool{}
	for _, f := range s.figures {
		continuous[f.figureKey] = f.Unit != "%"
	}
	s.items = indexItems(run.Items, continuous)
	return s
}

func (s *study) collectCells() {
	find := func(name string) *cell {
		for _, c := range s.cells {
			if c.name == name {
				return c
			}
		}
		c := &cell{name: name, axes: map[string]string{}}
		s.cells = append(s.cells, c)
		return c
	}
	base := func(name string) bool {
		if !strings.HasPrefix(name, basePrefix) {
			return false
		}
		if !slices.Contains(s.bases, name) {
			s.bases = append(s.bases, name)
		}
		return true
	}
	var axes []string
	for _, f := range s.facts("cells") {
		c := find(f.Cell)
		c.axes[f.Key] = f.Value
		if !slices.Contains(axes, f.Key) {
			axes = append(axes, f.Key)
		}
	}
	for _, r := range s.run.Results {
		if !base(r.Cell) {
			find(r.Cell).model = r.Model
		}
	}
	for _, h := range s.run.HeldOut {
		if !base(h.Cell) {
			find(h.Cell)
		}
	}
	for _, smp := range s.run.Samples {
		if !base(smp.Cell) {
			find(smp.Cell)
		}
	}
	for i := range s.run.Steps {
		c := find(s.run.Steps[i].Cell)
		c.steps = append(c.steps, s.run.Steps[i])
	}
	for _, f := range s.facts("failure") {
		if f.Cell == "" || base(f.Cell) {
			continue
		}
		c := find(f.Cell)
		c.failed = append(c.failed, f.Value)
	}
	for _, c := range s.cells {
		c.points = LogPoints(c.steps)
		if m := c.axes["model"]; m != "" {
			c.model = m
		}
	}
	for _, axis := range axes {
		if axis != "seed" && s.varies(axis) {
			s.axes = append(s.axes, axis)
		}
	}
}

func (s *study) varies(axis string) bool {
	for _, c := range s.cells {
		if c.axes[axis] != s.cells[0].axes[axis] {
			return true
		}
	}
	return false
}

// collectFigures merges the models' figures into one order. A suite that failed
// for a model shifts its later rows up, so a figure's place is its largest Order.
func (s *study) collectFigures() {
	at := map[figureKey]*figure{}
	for i := range s.run.Results {
		r := &s.run.Results[i]
		k := figureKey{r.Suite, r.Figure}
		f := at[k]
		if f == nil {
			f = &figure{figureKey: k, Result: *r, byCell: map[string]*Result{}}
			at[k] = f
			s.figures = append(s.figures, f)
		}
		f.byCell[r.Cell] = r
		f.Order = max(f.Order, r.Order)
	}
	slices.SortStableFunc(s.figures, func(a, b *figure) int { return int(a.Order) - int(b.Order) })
}

func (s *study) collectArms() {
	at := map[string]*arm{}
	for _, c := range s.cells {
		key := ""
		for _, axis := range s.axes {
			key += fmt.Sprintf("%q=%q,", axis, c.axes[axis])
		}
		if len(c.axes) == 0 {
			key = "cell " + c.name
		}
		a := at[key]
		if a == nil {
			a = &arm{axes: c.axes}
			at[key] = a
			s.arms = append(s.arms, a)
		}
		a.cells = append(a.cells, c)
		s.seeds = max(s.seeds, len(a.cells))
	}
	for _, a := range s.arms {
		a.name = a.cells[0].name
		if len(a.cells) > 1 {
			a.name = s.armName(a)
		}
		for _, b := range s.bases {
			if b == basePrefix+a.cells[0].model || a.cells[0].model == "" && len(s.bases) == 1 {
				a.base = b
			}
		}
	}
}

func (s *study) armName(a *arm) string {
	var parts []string
	for _, axis := range s.axes {
		parts = append(parts, axis+"="+a.axes[axis])
	}
	if len(parts) == 0 {
		return "tuned"
	}
	return strings.Join(parts, ",")
}

// facts lists a section's facts in their order.
func (s *study) facts(section string) []Fact {
	var out []Fact
	for _, f := range s.run.Facts {
		if f.Section == section {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b Fact) int { return int(a.Order) - int(b.Order) })
	return out
}

func (s *study) fact(section, key string) string {
	for _, f := range s.facts(section) {
		if f.Key == key {
			return f.Value
		}
	}
	return ""
}

// compare makes one comparison's rows, a figure each, in the report's order; their
// adjusted p and signs are settle's.
func (s *study) compare(c *contrast) {
	pairs := map[figureKey]*paired{}
	c.rows, c.powers = make([]Difference, len(s.figures)), make([]power, len(s.figures))
	for i, f := range s.figures {
		d := &c.rows[i]
		*d = Difference{
			Comparison: c.name, A: c.aName, B: c.bName, Family: c.family(), Settings: 1,
			Suite: f.Suite, Figure: f.Figure, Group: f.Group, Leaf: f.Leaf, Order: f.Order, Unit: f.Unit,
			Delta: math.NaN(), Low: math.NaN(), High: math.NaN(), P: math.NaN(), Holm: math.NaN(), Detectable: math.NaN(),
		}
		c.powers[i].se = math.NaN()
		x := s.scored(f, c.sides)
		if c.settings != nil {
			d.Settings = int32(distinct(x.setting))
			if n := len(c.settings) - int(d.Settings); n > 0 {
				d.Notes = append(d.Notes, fmt.Sprintf("%d of %d settings left out: the figure is not there for every seed on both sides", n, len(c.settings)))
			}
		}
		d.ValueA, d.ValueB = meanValue(f, x.a), meanValue(f, x.b)
		fillSeeds(d, perSeed(f, x))
		switch {
		case len(x.a) == 0 || len(x.b) == 0:
			d.Sign = "?"
			d.Notes = append(d.Notes, "missing on one side")
		case len(f.Members) == 0: // a leaf, or a split of items beside the leaves
			c.powers[i] = s.fillLeaf(d, f, x.a, x.b, pairs)
		}
	}
	// Averages come second: the layout may list them before their members.
	for i, f := range s.figures {
		if d := &c.rows[i]; len(f.Members) > 0 && d.Sign == "" {
			c.powers[i] = fillMembers(d, f, pairs)
		}
	}
}

func fillMembers(d *Difference, f *figure, pairs map[figureKey]*paired) power {
	members := make([]*paired, len(f.Members))
	for i, m := range f.Members {
		members[i] = pairs[figureKey{f.Suite, m}]
	}
	return fillAverage(d, members, f.Weights, factorOf(f.Unit))
}

func (s *study) fillLeaf(d *Difference, f *figure, as, bs []string, pairs map[figureKey]*paired) power {
	collect := func(names []string) (list []*scores) {
		for _, n := range names {
			if sc := s.items[n][f.figureKey]; sc != nil {
				list = append(list, sc)
			}
		}
		return list
	}
	x, y := collect(as), collect(bs)
	if len(x) < len(as) || len(y) < len(bs) {
		d.Sign, d.Delta = "?", d.ValueB-d.ValueA
		d.Notes = append(d.Notes, "no item rows to pair")
		return power{se: math.NaN()}
	}
	p := pair(x, y, f.Unit != "%")
	pairs[f.figureKey] = p
	w := p.fill(d, factorOf(f.Unit))
	if d.Sign == "" && p.same && p.missing+p.changed == 0 {
		d.Sign = "="
	}
	return w
}

func meanValue(f *figure, cells []string) float64 {
	sum := 0.0
	for _, c := range cells {
		sum += f.value(c)
	}
	return sum / float64(len(cells)) // 0/0 is NaN
}

func factorOf(unit string) float64 {
	if unit == "%" {
		return 100
	}
	return 1
}
