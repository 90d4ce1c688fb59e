package reports

import (
	"fmt"
	"io"
	"sort"
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
	names := make([]string, 0, len(r.Plots))
	for n := range r.Plots {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
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
	r.between, r.base = s.contrasts()
	for _, c := range append(append([]*contrast(nil), r.between...), r.base...) {
		r.report.Comparisons = append(r.report.Comparisons, c.rows...)
	}
	if err := r.plots(); err != nil {
		return nil, err
	}
	r.report.Verdict = r.verdict()
	for _, section := range []func(){
		r.top, r.answer, r.failures, r.figuresSection, r.curves, r.trainedOn, r.samples, r.contamination, r.overlap, r.structure, r.deviations, r.notes, r.howToRead, r.reproduce,
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
}

// The names of the plots. Figures that tables fold away have their own.
const (
	betweenPlot       = "differences.svg"
	betweenFoldedPlot = "differences_subjects.svg"
	basePlot          = "against_base.svg"
	baseFoldedPlot    = "against_base_subjects.svg"
	lossPlot          = "loss.svg"
	heldoutPlot       = "heldout.svg"
)

func (r *renderer) plots() error {
	open, folded := r.split()
	forest := func(list []*contrast, rows []int, label string) func() ([]byte, error) {
		return func() ([]byte, error) { return r.forestPlot(list, rows, label) }
	}
	const (
		between = "difference in percentage points (right of 0: the first named is better)"
		base    = "difference in percentage points (right of 0: better than the base model)"
	)
	for _, p := range []struct {
		name string
		draw func() ([]byte, error)
	}{
		{betweenPlot, forest(r.between, open, between)},
		{betweenFoldedPlot, forest(r.between, folded, between)},
		{basePlot, forest(r.base, open, base)},
		{baseFoldedPlot, forest(r.base, folded, base)},
		{lossPlot, r.lossPlot},
		{heldoutPlot, r.heldOutPlot},
	} {
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

func (r *renderer) picture(name, alt string) {
	if r.report.Plots[name] != nil {
		r.md.para("![%s](plots/%s)", alt, name)
	}
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
		out = append(out, column{a.name, a.names()})
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
