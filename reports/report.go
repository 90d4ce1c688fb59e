package reports

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// ComparisonsFile holds the report's paired comparisons. It is made from the
// other tables, by Render.
const ComparisonsFile = "comparisons.parquet"

// Report is a rendered report.
type Report struct {
	// Verdict answers the study's question in plain text, a line for each
	// two values of an axis.
	Verdict string
	// Markdown is report.md; it shows the plots by their names under plots/.
	Markdown []byte
	// Plots holds SVG pictures by file name.
	Plots map[string][]byte
	// Comparisons are the rows behind the differences shown.
	Comparisons []Difference
}

// Write writes comparisons.parquet, plots/*.svg and report.md into a run
// directory. Pictures of an earlier report are the caller's to remove.
func (r *Report) Write(dir Directory) error {
	if err := writeTable(dir, ComparisonsFile, r.Comparisons); err != nil {
		return err
	}
	for _, n := range slices.Sorted(maps.Keys(r.Plots)) {
		if err := writeBytes(dir, "plots/"+n, r.Plots[n]); err != nil {
			return err
		}
	}
	return writeBytes(dir, ReportFile, r.Markdown)
}

func writeBytes(dir Directory, name string, b []byte) error {
	return dir.WriteFile(name, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// Render writes up a run. The same rows give the same bytes.
func Render(run *Run) (*Report, error) {
	s := newStudy(run)
	r := &renderer{study: s, report: &Report{Plots: map[string][]byte{}}}
	r.between, r.mains, r.base = s.contrasts()
	for _, c := range slices.Concat(r.mains, r.between, r.base) {
		r.report.Comparisons = append(r.report.Comparisons, c.rows...)
	}
	if err := r.plots(); err != nil {
		return nil, err
	}
	r.report.Verdict = r.verdict()
	for _, section := range []func(){
		r.top, r.answer, r.failures, r.figuresSection, r.curves, r.trainedOn, r.samples, r.contamination, r.overlap, r.structure, r.deviations, r.suiteTable, r.notes, r.howToRead, r.reproduce,
	} {
		section()
	}
	r.report.Markdown = append([]byte(strings.TrimRight(r.md.String(), "\n")), '\n')
	return r.report, nil
}

// renderer writes the sections of a report, in the order of Render.
type renderer struct {
	*study
	md            markdown
	report        *Report
	between, base []*contrast
	mains         []*contrast // what between says in the mean over the settings
}

// The names of the plots of losses; see pictures for those of differences.
const (
	lossPlot    = "loss.svg"
	heldoutPlot = "heldout.svg"
)

// picture is a plot of differences.
type picture struct {
	name, alt, label string
	contrasts        []*contrast
	rows             []int
}

// pictures lists the plots of differences of some figures: one of the cells among
// themselves and one against the base models, or where the arms are many one of
// each axis. Figures that tables fold away have their own, with folded in the name.
func (r *renderer) pictures(rows []int, folded string) (out []picture) {
	const (
		between = "difference in percentage points (right of 0: the first named is better)"
		base    = "difference in percentage points (right of 0: better than the base model)"
	)
	if !r.large() {
		list := slices.Concat(r.mains, r.between)
		return []picture{
			{"differences" + folded + ".svg", "Differences between the cells with 95 % intervals, a line a figure", between, list, rows},
			{"against_base" + folded + ".svg", "Differences from the base model with 95 % intervals, a line a figure", base, r.base, rows},
		}
	}
	for _, list := range byAxis(r.headlines()) {
		if axis := list[0].axis; len(list) <= mostMarks {
			out = append(out, picture{"differences_" + fileName(axis) + folded + ".svg", "Differences along " + axis + " with 95 % intervals, a line a figure", between, list, rows})
		}
	}
	return out
}

// mostMarks is how many comparisons a picture can show of each figure.
const mostMarks = 8

// byAxis cuts comparisons where the axis changes.
func byAxis(list []*contrast) (out [][]*contrast) {
	for i, c := range list {
		if i == 0 || c.axis != list[i-1].axis {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], c)
	}
	return out
}

func (r *renderer) plots() error {
	type plot struct {
		name string
		draw func() ([]byte, error)
	}
	var plots []plot
	for _, l := range r.lossPictures() {
		plots = append(plots, plot{l.loss, func() ([]byte, error) { return r.lossPlot(l.groups) }}, plot{l.heldout, func() ([]byte, error) { return r.heldOutPlot(l.groups) }})
	}
	open, folded := r.split()
	for _, p := range append(r.pictures(open, ""), r.pictures(folded, "_subjects")...) {
		plots = append(plots, plot{p.name, func() ([]byte, error) { return r.forestPlot(p.contrasts, p.rows, p.label) }})
	}
	for _, p := range plots {
		svg, err := p.draw()
		if err != nil {
			return fmt.Errorf("drawing %s: %w", p.name, err)
		}
		if svg != nil {
			r.report.Plots[p.name] = svg
		}
	}
	return nil
}

// show puts a plot into the report and says whether there is one.
func (r *renderer) show(name, alt string) bool {
	if r.report.Plots[name] == nil {
		return false
	}
	r.md.para("![%s](plots/%s)", escape(alt), name)
	return true
}

func (r *renderer) top() {
	name, question := r.fact("study", "name"), r.fact("study", "question")
	if name == "" {
		name = "study"
	}
	r.md.para("# %s", escape(name))
	if question != "" {
		r.md.para("*%s*", escape(question))
	}
}

// column is one model of the value tables; an arm's cells differ in their seed.
type column struct {
	name  string
	cells []string
}

// columns lists the base models, then the arms.
func (r *renderer) columns() (out []column) {
	for _, b := range r.bases {
		out = append(out, column{baseName(r.bases, b), []string{b}})
	}
	for _, a := range r.arms {
		out = append(out, column{r.shortName(a), a.names()})
	}
	return out
}

func (r *renderer) failures() {
	list := r.facts("failure")
	if len(list) == 0 {
		return
	}
	r.md.para("## What is missing")
	for _, f := range list {
		cell := f.Cell
		if cell == "" {
			cell = "the run"
		}
		r.md.line("- %s: %s", inCode(cell), escape(f.Value))
	}
	r.md.line("")
}
