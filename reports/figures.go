package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// block is the figures of one heading. Long ones are folded.
type block struct {
	suite, group string
	rows         []int // places in study.figures
	leaves       int
}

// longBlock is the number of leaf figures above which a group is folded.
const longBlock = 8

func (b *block) folded() bool { return b.leaves > longBlock }

// blocks gathers the figures by suite and heading, in the order of each
// heading's first figure: a suite may list its subjects in another order.
func (r *renderer) blocks() []*block {
	var out []*block
	at := map[[2]string]*block{}
	for i, f := range r.figures {
		k := [2]string{f.Suite, f.Group}
		b := at[k]
		if b == nil {
			b = &block{suite: f.Suite, group: f.Group}
			at[k] = b
			out = append(out, b)
		}
		b.rows = append(b.rows, i)
		if f.Leaf {
			b.leaves++
		}
	}
	return out
}

// split lists the figures that tables show and those that they fold away.
// Figures that look at other figures' items again are in neither.
func (r *renderer) split() (open, folded []int) {
	for _, b := range r.blocks() {
		for _, i := range b.rows {
			switch f := r.figures[i]; {
			case !f.counts():
			case b.folded() && f.Leaf:
				folded = append(folded, i)
			default:
				open = append(open, i)
			}
		}
	}
	return open, folded
}

func (r *renderer) figuresSection() {
	open, folded := r.split()
	if len(open)+len(folded) == 0 {
		return
	}
	r.md.para("## Figures")
	leaves := 0
	for _, f := range r.figures {
		if f.Leaf {
			leaves++
		}
	}
	text := count(len(open)+len(folded), "figure", "figures")
	if n := len(open) + len(folded); n > leaves {
		text += fmt.Sprintf(": %d leaf figures and %s of them", leaves, count(n-leaves, "average", "averages"))
	}
	text += "; ± is the standard error"
	if r.seeds > 1 {
		text += ", over seeds where a column has several and else over items"
	}
	text += "."
	if len(r.between)+len(r.base) > 0 {
		text += " Differences are paired, in percentage points, with their 95 % interval. `+` and `-`: the data can tell, p after Holm's correction over " + r.familyWords() + "." +
			" `~`: they cannot; the number behind it is the smallest difference that " + r.asked() + " would have told with some 80 % power, whatever the column's other figures say. `=`: every score is equal. `?`: not comparable."
	}
	if t := r.fact("study", "eval template"); t != "" {
		text += fmt.Sprintf(" Every model was asked under the template %s, the one that the cells were tuned with; suites whose candidates are whole sentences were asked bare.", inCode(t))
	}
	if r.large() && r.grid() && len(r.mains) > 0 {
		text += " The columns before them are means over the settings of the other axes."
	}
	r.md.para("%s", text)
	notes := &footnotes{}
	r.figureTables(open, notes)
	notes.write(&r.md)
	shown := false
	for _, p := range r.pictures(open, "") {
		shown = r.show(p.name, p.alt) || shown
	}
	if shown {
		r.md.para("Filled marks: the data can tell. Hollow: they cannot. Thick lines: averages.")
	}
	for _, b := range r.blocks() {
		if !b.folded() {
			continue
		}
		rows := slices.DeleteFunc(slices.Clone(b.rows), func(i int) bool { return !r.figures[i].Leaf })
		r.md.details(r.foldedSummary(b, rows), func() {
			inner := &footnotes{}
			r.figureTables(rows, inner)
			inner.write(&r.md)
		})
	}
	if len(folded) > 0 && len(r.between)+len(r.base) > 0 {
		r.md.details(fmt.Sprintf("Pictures of the %d folded figures", len(folded)), func() {
			for _, p := range r.pictures(folded, "_subjects") {
				r.show(p.name, p.alt)
			}
		})
	}
	r.cellValues(open)
	r.statistics()
	r.seedTable()
}

// familyWords says over what Holm's correction goes.
func (r *renderer) familyWords() string {
	if !r.joint() {
		return "the column's leaf figures"
	}
	return "the leaf figures of all comparisons along one axis in one setting, and over those of an arm with its base model"
}

// joint tells whether a family has several comparisons.
func (r *renderer) joint() bool {
	seen := map[string]bool{}
	for _, c := range slices.Concat(r.mains, r.between) {
		if seen[c.family()] {
			return true
		}
		seen[c.family()] = true
	}
	return false
}

// cellValues folds the values of every arm, where there are many.
func (r *renderer) cellValues(rows []int) {
	if !r.large() {
		return
	}
	r.md.details(fmt.Sprintf("The figures of each of the %d", len(r.arms)), func() {
		for columns := range slices.Chunk(r.columns(), wideValues) {
			r.figureTable(rows, columns, nil, &footnotes{})
		}
	})
}

// asked says what a difference could have been seen with.
func (r *renderer) asked() string {
	if r.seeds > 1 {
		return "this many items and seeds"
	}
	return "this many items"
}

func (r *renderer) foldedSummary(b *block, rows []int) string {
	parts := []string{fmt.Sprintf("%s: %s", b.group, count(len(rows), "figure", "figures"))}
	if r.large() {
		return parts[0]
	}
	for _, c := range r.base {
		n := 0
		for _, i := range rows {
			if c.rows[i].Delta > 0 {
				n++
			}
		}
		parts = append(parts, fmt.Sprintf("%s better than base on %d", c.bArm.name, n))
	}
	return strings.Join(parts, "; ")
}

// The most columns of differences beside the values, and of values in a table.
const wide, wideValues = 3, 6

// figureTables writes values and differences of some figures: one table where
// the columns fit, else values first and then the differences axis by axis.
func (r *renderer) figureTables(rows []int, notes *footnotes) {
	if r.large() {
		r.axisTables([]string{"figure"}, rows, func(f *figure) []string { return []string{figureName(f) + notes.mark(r.figureNotes(f)...)} }, notes)
		return
	}
	contrasts := slices.Concat(r.mains, r.between, r.base)
	if len(contrasts) <= wide {
		r.figureTable(rows, r.columns(), contrasts, notes)
		return
	}
	for columns := range slices.Chunk(r.columns(), wideValues) {
		r.figureTable(rows, columns, nil, notes)
	}
	for _, list := range byAxis(contrasts) {
		for some := range slices.Chunk(list, wide) {
			r.figureTable(rows, nil, some, notes)
		}
	}
}

func (r *renderer) figureTable(rows []int, columns []column, contrasts []*contrast, notes *footnotes) {
	head, align := []string{"figure"}, "<"
	if columns != nil {
		head, align = append(head, "items"), align+">"
	}
	for _, c := range columns {
		head, align = append(head, escape(c.name)), align+">"
	}
	for _, c := range contrasts {
		head, align = append(head, escape(contrastLabel(c.name))), align+"<"
	}
	var body [][]string
	for _, i := range rows {
		f := r.figures[i]
		line := []string{figureName(f)}
		if columns != nil {
			line[0] += notes.mark(r.figureNotes(f)...)
			line = append(line, grouped(int64(f.Items)))
		}
		for _, c := range columns {
			line = append(line, valueText(f, c.cells))
		}
		for _, c := range contrasts {
			line = append(line, deltaText(&c.rows[i])+notes.mark(c.rows[i].Notes...))
		}
		body = append(body, line)
	}
	r.md.table(align, head, body)
}

// figureNotes are the notes of a figure's results, said once if they agree.
func (r *renderer) figureNotes(f *figure) []string {
	var notes []string
	for _, res := range r.run.Results {
		if res.Suite == f.Suite && res.Figure == f.Figure && res.Note != "" && !slices.Contains(notes, res.Note) {
			notes = append(notes, res.Note)
		}
	}
	return notes
}

// valueText is a figure's value with its standard error: over items, or over
// seeds where there are several.
func valueText(f *figure, cells []string) string {
	var have []string
	var values []float64
	for _, c := range cells {
		if res := f.byCell[c]; res != nil {
			have, values = append(have, c), append(values, res.Value)
		}
	}
	switch len(have) {
	case 0:
		return "–"
	case 1:
		return fixed(values[0], 2) + plusMinus(f.byCell[have[0]].StdErr)
	}
	return fixed(meanValue(f, have), 2) + plusMinus(StdErr(values, nil))
}

func plusMinus(se float64) string {
	if math.IsNaN(se) {
		return ""
	}
	return " ± " + fixed(se, 2)
}

// deltaText is a difference as tables show it: `+` and `-` where the data can
// tell, with the adjusted p-value; else `~` with the detectable difference.
func deltaText(d *Difference) string {
	switch {
	case d.Sign == "=":
		return "`=`"
	case d.Sign == "?" && math.IsNaN(d.Delta):
		return "`?`"
	case d.Sign == "?":
		return signed(d.Delta, 2) + " `?`"
	}
	text := signed(d.Delta, 2)
	if d.Sign != "~" {
		text = "**" + text + "**"
	}
	if !math.IsNaN(d.Low) {
		text += fmt.Sprintf(" [%s, %s]", signed(d.Low, 1), signed(d.High, 1))
	}
	text += " `" + d.Sign + "`"
	switch {
	case d.Sign != "~" && !math.IsNaN(d.Holm):
		text += " p " + pValue(d.Holm)
	case d.Sign == "~" && !math.IsNaN(d.Detectable):
		text += " " + detectableText(d, 1)
	}
	return text
}

// detectableText is the smallest difference that the data would tell; ">100"
// where not even all of the percentage points would do.
func detectableText(d *Difference, decimals int) string {
	if d.Unit == "%" && d.Detectable > 100 {
		return ">100"
	}
	return fixed(d.Detectable, decimals)
}

// figureName is a figure in the first column of a table.
func figureName(f *figure) string {
	if !f.Leaf {
		return "*" + escape(f.Figure) + "*"
	}
	return escape(f.Figure)
}

// detailed lists the comparisons whose statistics the report shows.
func (r *renderer) detailed() []*contrast {
	if r.large() {
		return r.shown()
	}
	return slices.Concat(r.mains, r.between, r.base)
}

// statistics shows what the marks rest on, comparison by comparison.
func (r *renderer) statistics() {
	if n := len(r.mains) + len(r.between) + len(r.base) - len(r.detailed()); n > 0 {
		r.md.para("The statistics of %d more comparisons, of two cells or of a cell and its base model, stand in %s: in DuckDB `SELECT comparison, figure, delta, low, high, p_holm, sign FROM 'comparisons.parquet' WHERE settings = 1`.", n, inCode(ComparisonsFile))
	}
	for _, c := range r.detailed() {
		r.md.details("Statistics of "+contrastLabel(c.name), func() {
			head, align := []string{"figure", "items", "units", "items better", "items worse", "difference", "95 % interval", "p", "p (Holm)", "detectable", ""}, "<>>>>>>>>>:"
			if c.settings != nil {
				head, align = append(head, "single settings"), align+">"
			}
			var rows [][]string
			for i, d := range c.rows {
				row := []string{escape(d.Figure), grouped(int64(d.Items)), grouped(int64(d.Units)), grouped(int64(d.OnlyB)), grouped(int64(d.OnlyA)),
					signed(d.Delta, 2), fmt.Sprintf("%s to %s", signed(d.Low, 2), signed(d.High, 2)), pValue(d.P), pValue(d.Holm), detectableText(&d, 2), strings.ReplaceAll(d.Sign, "-", "−")}
				if c.settings != nil {
					row = append(row, c.settingsText(i))
				}
				rows = append(rows, row)
			}
			r.md.table(align, head, rows)
		})
	}
}

// settingsText says between what the differences of a main effect's settings lie.
func (c *contrast) settingsText(figure int) string {
	all := emptySpan()
	for _, s := range c.settings {
		all.add(s.rows[figure].Delta)
	}
	if all.min > all.max {
		return "–"
	}
	return fmt.Sprintf("%s to %s", signed(all.min, 2), signed(all.max, 2))
}

// seedTable shows the uncertainty from the choice of seeds beside that from the
// choice of items.
func (r *renderer) seedTable() {
	if r.seeds < 2 {
		return
	}
	r.md.para("### Seeds")
	r.md.para("Two kinds of uncertainty, kept apart: had other *items* been asked (the seeds as they are), and had other *seeds* been drawn (the items as they are; Student's t)." +
		" A difference counts as told only if both say so: Holm's correction takes the larger of the two p-values; of an average, both intervals lie on one side of 0.")
	for _, c := range r.detailed() {
		var rows [][]string
		for i, d := range c.rows {
			if d.Seeds < 2 || !r.figures[i].counts() {
				continue
			}
			rows = append(rows, []string{escape(d.Figure), fmt.Sprint(d.Seeds), signed(d.Delta, 2),
				fmt.Sprintf("%s to %s", signed(d.Low, 2), signed(d.High, 2)), fixed(d.SeedStdErr, 2), fmt.Sprintf("%s to %s", signed(d.SeedLow, 2), signed(d.SeedHigh, 2)), pValue(d.P), pValue(d.SeedP), strings.ReplaceAll(d.Sign, "-", "−")})
		}
		if len(rows) > 0 {
			r.md.details(contrastLabel(c.name)+", by items and by seeds", func() {
				r.md.table("<>>>>>>>:", []string{"figure", "seeds", "difference", "by items", "s.e. over seeds", "by seeds", "p, items", "p, seeds", ""}, rows)
			})
		}
	}
}
