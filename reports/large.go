package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A report of many arms shows what holds in the mean over the others first: each
// axis' main effects, then the arms in order. What is said of each arm is folded,
// and what is said of each two of them left to comparisons.parquet.

// mostArms is how many arms have a column each, and tables of every two.
const mostArms = 4

// large tells whether the arms are too many for that.
func (s *study) large() bool { return len(s.arms) > mostArms }

// shortName is an arm's name without its axes' names, where there are many.
func (s *study) shortName(a *arm) string {
	if !s.large() || len(s.axes) < 2 {
		return a.name
	}
	parts := slices.DeleteFunc(axisValues(a.cells[0].name), func(p string) bool { return strings.HasPrefix(p, "seed=") })
	if len(parts) != len(s.axes) {
		return a.name
	}
	for i, p := range parts {
		value, ok := strings.CutPrefix(p, s.axes[i]+"=")
		if !ok {
			return a.name
		}
		parts[i] = value
	}
	return strings.Join(parts, ", ")
}

// cellName is shortName of a cell, with its seed where arms have several.
func (s *study) cellName(name string) string {
	for _, a := range s.arms {
		for _, c := range a.cells {
			switch {
			case c.name != name:
			case len(a.cells) == 1:
				return s.shortName(a)
			case s.shortName(a) != a.name:
				return s.shortName(a) + ", seed " + c.axes["seed"]
			}
		}
	}
	return name
}

// shortContext says a comparison's setting without the axes' names, where they are
// known by their order.
func (r *renderer) shortContext(c *contrast) string {
	if !r.large() {
		return c.context
	}
	var values []string
	for _, axis := range r.axes {
		if axis != c.axis {
			values = append(values, c.bArm.axes[axis])
		}
	}
	return strings.Join(values, ", ")
}

// naming says how cells are named where that is not by their whole name.
func (r *renderer) naming() {
	if len(r.arms) == 0 || r.shortName(r.arms[0]) == r.arms[0].name {
		return
	}
	var axes []string
	for _, axis := range r.axes {
		axes = append(axes, fmt.Sprintf("%s (%d)", inCode(axis), len(r.values(axis))))
	}
	seeds := ""
	if r.seeds > 1 {
		seeds = fmt.Sprintf(", of up to %d seeds each", r.seeds)
	}
	first := r.arms[0]
	r.md.para("%d combinations of %s%s. They are named by their values in this order: %s stands for %s.",
		len(r.arms), strings.Join(axes, " × "), seeds, inCode(r.shortName(first)), inCode(first.name))
}

// values lists what stands on an axis, in the order of the arms.
func (s *study) values(axis string) (values []string) {
	for _, a := range s.arms {
		if v := a.axes[axis]; !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// headlines lists the comparisons that answer the question: the main effects, and
// what is compared in one setting only.
func (r *renderer) headlines() (out []*contrast) {
	for _, m := range r.matches() {
		if c := m.headline(); c.axis != "" {
			out = append(out, c)
		}
	}
	return out
}

// shown lists the headlines whose differences the report shows: not those of an axis
// along which they are many.
func (r *renderer) shown() (out []*contrast) {
	for _, list := range byAxis(r.headlines()) {
		if len(list) <= mostMarks {
			out = append(out, list...)
		}
	}
	return out
}

// mainTable counts the headlines' figures.
func (r *renderer) mainTable() {
	var rows [][]string
	for _, c := range r.headlines() {
		t := tallyOf(c.rows, r.leaves)
		row := []string{escape(contrastLabel(c.name)), fmt.Sprint(max(1, len(c.settings))), fmt.Sprint(t.toldBetter), fmt.Sprint(t.toldWorse), cannotTell(t),
			fmt.Sprint(t.better), fmt.Sprint(t.worse), fmt.Sprint(t.tied)}
		rows = append(rows, row)
	}
	name := "main effect"
	if len(r.mains) == 0 {
		name = "comparison"
	}
	r.md.table("<>>>>>>>", []string{name, "settings", "better on", "worse on", "cannot tell", "ahead by sign alone", "behind", "level"}, rows)
}

// mostRanked is how many arms a ranking shows unfolded.
const mostRanked = 10

// ranking lists the arms by the mean of their suites.
func (r *renderer) ranking() {
	against := map[*arm]*contrast{}
	for _, c := range r.base {
		against[c.bArm] = c
	}
	type place struct {
		row  []string
		mean float64
	}
	var list []place
	suites, measured := 0, false
	row := func(name string, cells []string, c *contrast) place {
		mean, n := r.suiteMean(cells)
		suites = max(suites, n)
		cols := []string{inCode(name), fixed(mean, 2), "", "", ""}
		if c != nil {
			t := tallyOf(c.rows, r.leaves)
			cols[2], cols[3], cols[4] = fmt.Sprint(t.toldBetter), fmt.Sprint(t.toldWorse), cannotTell(t)
		}
		loss := "–"
		if h := r.heldOutEnd(cells); h != nil {
			loss, measured = fixed(h.OutputLoss, 4), true
		}
		return place{append(cols, loss), mean}
	}
	for _, a := range r.arms {
		list = append(list, row(r.shortName(a), a.names(), against[a]))
	}
	slices.SortStableFunc(list, func(x, y place) int {
		switch {
		case x.mean > y.mean || math.IsNaN(y.mean) && !math.IsNaN(x.mean):
			return -1
		case x.mean < y.mean || math.IsNaN(x.mean) && !math.IsNaN(y.mean):
			return 1
		}
		return 0
	})
	var rows [][]string
	for _, b := range r.bases {
		rows = append(rows, row(baseName(r.bases, b), []string{b}, nil).row)
	}
	for _, p := range list {
		rows = append(rows, p.row)
	}
	head, align := []string{"model", "mean of suites", "better than base", "worse", "cannot tell", "held-out loss"}, "<>>>>>"
	if !measured {
		head, align = head[:5], align[:5]
		for i := range rows {
			rows[i] = rows[i][:5]
		}
	}
	open := min(len(rows), len(r.bases)+mostRanked)
	r.md.table(align, head, rows[:open])
	if n := len(rows) - open; n > 0 {
		r.md.details("The other "+fmt.Sprint(n), func() { r.md.table(align, head, rows[open:]) })
	}
	note := fmt.Sprintf("In order of the mean of %s, in each of which every item weighs the same. The order is a description, no test: of many alike, the first owes its place to chance.", count(suites, "suite", "suites"))
	if len(r.base) > 0 {
		note += " Better, worse, cannot tell: what the data tell on the figures that are no averages."
	}
	if axes := r.dataAxes(); measured && axes != "" {
		note += fmt.Sprintf(" Held-out loss: nats per output token of each cell's own held-out items, not to be compared between cells that differ in %s.", axes)
	} else if measured {
		note += " Held-out loss: nats per token on the outputs of the held-out items at the end."
	}
	r.md.para("%s", note)
}

// suiteMean is the mean over suites of the mean of their leaf figures, weighted by
// items, where all cells have them all; and the number of suites.
func (s *study) suiteMean(cells []string) (mean float64, suites int) {
	var sums, weights []float64
	at := map[string]int{}
	for _, f := range s.figures {
		if !f.Leaf || f.Unit != "%" {
			continue
		}
		i, ok := at[f.Suite]
		if !ok {
			i = len(sums)
			at[f.Suite], sums, weights = i, append(sums, 0), append(weights, 0)
		}
		sums[i] += float64(meanValue(f, cells) * float64(f.Items))
		weights[i] += float64(f.Items)
	}
	for i := range sums {
		mean += sums[i] / weights[i]
	}
	return mean / float64(len(sums)), len(sums)
}

// axisTables writes an axis' values, in the mean over the settings that have them
// all, and its headlines' differences, for some figures. names cuts a figure's
// name into the cells of head; a figure it refuses has no row.
func (r *renderer) axisTables(head []string, rows []int, names func(f *figure) []string, notes *footnotes) {
	for _, list := range byAxis(r.headlines()) {
		axis := list[0].axis
		values := r.values(axis)
		if !r.grid() {
			values = nil
		}
		if len(values) <= wideValues && len(list) <= wide {
			r.axisTable(head, axis, values, list, rows, names, notes)
			continue
		}
		for some := range slices.Chunk(values, wideValues) {
			r.axisTable(head, axis, some, nil, rows, names, notes)
		}
		if len(list) > mostMarks {
			continue
		}
		for some := range slices.Chunk(list, wide) {
			r.axisTable(head, axis, nil, some, rows, names, notes)
		}
	}
}

func (r *renderer) axisTable(head []string, axis string, values []string, list []*contrast, rows []int, names func(f *figure) []string, notes *footnotes) {
	head, align := append(slices.Clone(head), "items"), strings.Repeat("<", len(head))+">"
	if values != nil && len(r.bases) == 1 {
		head, align = append(head, "base"), align+">"
	}
	for _, v := range values {
		head, align = append(head, escape(axis+"="+v)), align+">"
	}
	for _, c := range list {
		head, align = append(head, escape(contrastLabel(c.name))), align+"<"
	}
	var body [][]string
	for _, i := range rows {
		f := r.figures[i]
		line := names(f)
		if line == nil {
			continue
		}
		line = append(line, grouped(int64(f.Items)))
		if values != nil && len(r.bases) == 1 {
			line = append(line, valueText(f, r.bases))
		}
		for _, v := range values {
			line = append(line, r.axisValue(f, axis, v))
		}
		for _, c := range list {
			line = append(line, deltaText(&c.rows[i])+notes.mark(c.rows[i].Notes...))
		}
		body = append(body, line)
	}
	r.md.table(align, head, body)
}

// grid tells whether no combination of values is left out, so that the means of two
// values are over like settings.
func (s *study) grid() bool {
	n := 1
	for _, axis := range s.axes {
		n *= len(s.values(axis))
	}
	return n == len(s.arms)
}

// axisValue is a figure in the mean over the settings in which every value of the
// axis has it for all its seeds; of a single setting, with its standard error.
func (s *study) axisValue(f *figure, axis, value string) string {
	if len(s.axes) == 1 {
		for _, a := range s.arms {
			if a.axes[axis] == value {
				return valueText(f, a.names())
			}
		}
	}
	lacks := map[string]bool{}
	for _, a := range s.arms {
		for _, c := range a.cells {
			if f.byCell[c.name] == nil {
				lacks[s.context(a, axis)] = true
			}
		}
	}
	sum, n := 0.0, 0
	for _, a := range s.arms {
		if a.axes[axis] == value && !lacks[s.context(a, axis)] {
			sum += meanValue(f, a.names())
			n++
		}
	}
	return fixed(sum/float64(n), 2) // 0/0 is NaN
}
