package reports

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"sort"
	"strings"
)

// ComparisonsFile holds the report's paired comparisons. It is made from the
// other tables, by Render.
const ComparisonsFile = "comparisons.parquet"

// Report is a rendered report.
type Report struct {
	// Verdict answers the study's question in a sentence of plain text.
	Verdict string
	// Markdown is report.md; it shows the plots by their names under plots/.
	Markdown []byte
	// Plots holds SVG pictures by file name.
	Plots map[string][]byte
	// Comparisons are the rows behind the differences shown.
	Comparisons []Difference
}

// Write writes report.md, plots/*.svg and comparisons.parquet into a run
// directory, each whole or not at all.
func (r *Report) Write(dir string) error {
	if err := WriteTable(filepath.Join(dir, ComparisonsFile), r.Comparisons); err != nil {
		return err
	}
	names := make([]string, 0, len(r.Plots))
	for n := range r.Plots {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if err := writeBytes(filepath.Join(dir, "plots", n), r.Plots[n]); err != nil {
			return err
		}
	}
	return writeBytes(filepath.Join(dir, "report.md"), r.Markdown)
}

func writeBytes(path string, b []byte) error {
	return WriteFile(path, func(w io.Writer) error {
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
		r.top, r.failures, r.figureTable, r.baseTable, r.contamination, r.curves, r.trainedOn, r.samples, r.deviations, r.notes, r.structure, r.reproduce, r.howToRead,
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

// The names of the plots.
const (
	differencesPlot = "differences.svg"
	basePlot        = "against_base.svg"
	lossesPlot      = "loss.svg"
	heldoutPlot     = "heldout.svg"
)

func (r *renderer) plots() error {
	for _, p := range []struct {
		name string
		draw func() ([]byte, error)
	}{
		{differencesPlot, func() ([]byte, error) {
			return r.forestPlot(r.between, "difference in points, with its 95 % interval")
		}},
		{basePlot, func() ([]byte, error) {
			return r.forestPlot(r.base, "difference from the base model in points, with its 95 % interval")
		}},
		{lossesPlot, r.lossPlot},
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

// tally counts what a comparison's leaf figures say.
type tally struct{ better, worse, unclear, equal, missing int }

func tallyOf(rows []Difference) (t tally) {
	for _, d := range rows {
		if !d.Leaf {
			continue
		}
		switch d.Sign {
		case "+":
			t.better++
		case "-":
			t.worse++
		case "=":
			t.equal++
		case "?":
			t.missing++
		default:
			t.unclear++
		}
	}
	return t
}

func (t tally) figures() int { return t.better + t.worse + t.unclear + t.equal }

// sentence says how b compares with a.
func (t tally) sentence(b, a string) string {
	n := t.figures()
	switch {
	case n == 0:
		return fmt.Sprintf("%s and %s have no figure in common", b, a)
	case t.better+t.worse == 0 && t.equal == n:
		return fmt.Sprintf("%s and %s agree on every item of %s", b, a, count(n, "figure", "figures"))
	case t.better+t.worse == 0:
		return fmt.Sprintf("%s and %s cannot be told apart on any of %s", b, a, count(n, "figure", "figures"))
	}
	text := fmt.Sprintf("%s beats %s on %d and loses on %d of %s", b, a, t.better, t.worse, count(n, "figure", "figures"))
	if rest := t.unclear + t.equal; rest > 0 {
		text += fmt.Sprintf("; on the other %d the data cannot tell", rest)
	}
	return text
}

// scope says what a verdict holds for.
func (r *renderer) scope() string {
	switch {
	case r.seeds > 1:
		return fmt.Sprintf(" (over %d seeds)", r.seeds)
	case len(r.cells) > 0:
		return " (for this seed)"
	}
	return ""
}

func (r *renderer) verdict() string {
	if len(r.cells) == 0 {
		return "No cell was trained: there is nothing to compare."
	}
	done := 0
	for _, c := range r.cells {
		if len(c.failed) == 0 {
			done++
		}
	}
	if done < len(r.cells) {
		return fmt.Sprintf("No answer yet: %d of %s are incomplete; what failed is listed first.", len(r.cells)-done, count(len(r.cells), "cell", "cells"))
	}
	list := r.between
	if len(list) == 0 {
		list = r.base
	}
	if len(list) == 0 || len(r.figures) == 0 {
		return "Nothing was evaluated on both sides of a comparison."
	}
	c := list[0]
	text := tallyOf(c.rows).sentence(c.bArm.name, c.aName) + r.scope()
	if d := largest(c.rows); d != nil {
		text += fmt.Sprintf(". The largest difference that holds: %s %s points on %s (95 %% interval %s to %s)", c.bArm.name, signed(d.Delta, 1), d.Figure, signed(d.Low, 1), signed(d.High, 1))
	}
	return text + "."
}

// largest returns the clear difference of the greatest size among leaf figures.
func largest(rows []Difference) (best *Difference) {
	for i := range rows {
		d := &rows[i]
		if d.Leaf && d.Unit == "%" && (d.Sign == "+" || d.Sign == "-") && (best == nil || math.Abs(d.Delta) > math.Abs(best.Delta)) {
			best = d
		}
	}
	return best
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
	r.md.para("**%s**", escape(r.report.Verdict))
	if len(r.between) > 1 {
		for _, c := range r.between {
			r.md.line("- %s%s", escape(tallyOf(c.rows).sentence(c.bArm.name, c.aName)), inContext(c))
		}
		r.md.line("")
	}
	for _, c := range r.base {
		t := tallyOf(c.rows)
		if t.figures() > 0 {
			up, n := r.above(c.rows)
			r.md.line("- %s. Its value is above base's on %d of %d figures, averages included.", escape(t.sentence(c.bArm.name, c.aName)), up, n)
		}
	}
	r.md.line("")
	r.picture(differencesPlot, "Differences between the cells, figure by figure, with 95 % intervals")
}

func inContext(c *contrast) string {
	if c.context == "" {
		return ""
	}
	return " (" + escape(c.context) + ")"
}

// above counts the figures of the layout, leaves and averages, whose value is
// greater, told apart or not.
func (r *renderer) above(rows []Difference) (up, n int) {
	for i, d := range rows {
		if d.Sign == "?" || !d.Leaf && len(r.figures[i].Members) == 0 {
			continue
		}
		n++
		if d.ValueB > d.ValueA {
			up++
		}
	}
	return up, n
}

func (r *renderer) failures() {
	list := r.facts("failure")
	if len(list) == 0 {
		return
	}
	r.md.para("## What is missing")
	for _, f := range list {
		r.md.line("- %s: %s", escape(f.Cell), escape(f.Value))
	}
	r.md.line("")
}
