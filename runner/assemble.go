package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"xrun/reports"
	"xrun/runner/disk"
	"xrun/runner/store"
	"xrun/runner/suites"
)

// assemble makes the tables of a run from the stored stages. What is missing is
// said in the failure section, with the reason in failures if there is one.
func (s *study) assemble(failures map[*stage]error) (*reports.Run, error) {
	a := &assembly{study: s, failures: failures, run: &reports.Run{}}
	a.fact("study", "", "name", s.spec.Name)
	a.fact("study", "", "question", s.spec.Question)
	if s.spec.Scale != "" {
		a.fact("study", "", "scale", s.spec.Scale)
	}
	a.fact("study", "", "numerics", s.numerics)
	a.fact("study", "", "eval precision", s.spec.Eval.Precision)
	if s.spec.Eval.Template == "data" {
		a.fact("study", "", "eval template", s.spec.Data.Template)
	}
	if s.spec.Eval.Overlap && len(s.suites) > 0 {
		o, err := s.compareSets()
		if err != nil {
			return nil, err
		}
		a.overlaps = o
		a.overlapFacts(o)
	}
	for _, name := range s.spec.Matrix.Model {
		if s.spec.Eval.Base {
			a.measures(baseName(name), name)
		}
		a.structure(name)
	}
	for _, c := range s.cells {
		for _, v := range c.Values {
			a.fact("cells", c.Name, v.Axis, v.Value)
		}
		a.training(c.Name)
		a.measures(c.Name, c.Model)
	}
	for _, v := range s.cells[0].Values {
		if ref, ok := s.spec.Compare.Reference[v.Axis]; ok {
			a.fact("reference", "", v.Axis, fmt.Sprint(ref))
		}
		if slices.Contains(s.spec.Compare.Pairs, v.Axis) {
			a.fact("pairs", "", v.Axis, "every two values")
		}
	}
	a.training0()
	a.ledgers()
	for _, v := range s.spec.Recipe() {
		a.fact("recipe", "", v.Axis, v.Value)
	}
	a.suiteFacts()
	a.stageFacts()
	a.reproduce()
	if a.spec.Scale == "paper" {
		for _, d := range deviations {
			a.fact("deviation", "", "", d)
		}
	}
	return a.run, a.err
}

// deviations are what a run of the study at paper scale does otherwise than the
// published one, and why its figures need not agree to the last digit.
var deviations = []string{
	"Scores are OpenCompass' formulas at batch size 1. The published run padded batches of 8 on the left, which adds a meaningless term to every shorter row's score and moves some predictions of HellaSwag, ARC and WinoGrande.",
	"Evaluation is in the spec's eval.precision; the published run's was float16.",
	"A row's first token is never a target. transformers, with left padding and labels on every token, makes it one, predicted from a pad.",
	"HellaSwag's clean figure counts unlabeled items too unless the official annotation file is given; its name says so.",
	"WinoGrande is scored in its log-likelihood form, the likeliest of three candidates for the published figure.",
}

// assembly accumulates a run's tables; the first error stops it.
type assembly struct {
	*study
	failures map[*stage]error
	run      *reports.Run
	order    map[string]int32
	overlaps *overlaps // nil: not compared
	err      error
}

func (a *assembly) fact(section, cell, key, value string) { a.number(section, cell, key, value, 0) }

func (a *assembly) number(section, cell, key, value string, n float64) {
	if a.order == nil {
		a.order = map[string]int32{}
	}
	at := a.order[section]
	a.order[section]++
	a.run.Facts = append(a.run.Facts, reports.Fact{Section: section, Cell: cell, Key: key, Order: at, Value: value, Number: n})
}

// table reads a stage's table, or notes why it is not there.
func table[T any](a *assembly, cell string, st *stage, name string) []T {
	if st == nil || a.err != nil {
		return nil
	}
	rows, err := readRows[T](a.store, st.key, name)
	if errors.Is(err, store.ErrAbsent) {
		why := "not run"
		if f := a.failures[st]; f != nil {
			why = f.Error()
		}
		a.fact("failure", cell, st.kind, st.title+": "+why)
		return nil
	}
	if err != nil {
		a.err = err
		return nil
	}
	return rows
}

func (a *assembly) training(cell string) {
	st := a.trains[cell]
	if st == nil {
		return
	}
	steps := table[reports.Step](a, cell, st, stepsTable)
	every := max(1, a.spec.Train.LogEvery)
	for i := range steps {
		steps[i].Cell = cell
		steps[i].LogPoint = int(steps[i].Step)%every == 0 || i == len(steps)-1
	}
	a.run.Steps = append(a.run.Steps, steps...)
	if steps == nil {
		return
	}
	for _, h := range table[reports.HeldOut](a, cell, st, heldoutTable) {
		h.Cell = cell
		a.run.HeldOut = append(a.run.HeldOut, h)
	}
}

// training0 adds the base models' held-out losses.
func (a *assembly) training0() {
	for _, name := range a.spec.Matrix.Model {
		for _, h := range table[reports.HeldOut](a, baseName(name), a.heldouts[baseName(name)], heldoutTable) {
			h.Cell, h.Model = baseName(name), name
			a.run.HeldOut = append(a.run.HeldOut, h)
		}
	}
}

func (a *assembly) measures(name, modelName string) {
	order := int32(0)
	for i, st := range a.evaluates[name] {
		items := table[reports.Item](a, name, st, itemsTable)
		if items == nil {
			continue
		}
		for j := range items {
			items[j].Cell = name
		}
		suite := a.open(a.suites[i])
		if suite == nil {
			return
		}
		figures, notes := suite.Figures(items)
		if a.overlaps != nil {
			figures = append(figures, suite.OverlapRows(items, a.overlaps.Overlap, a.overlaps.first[i])...)
		}
		a.run.Items = append(a.run.Items, items...)
		for _, n := range notes {
			a.fact("warning", name, suite.Name(), n)
		}
		for _, r := range figures {
			r.Cell, r.Model, r.Order = name, modelName, order
			order++
			a.run.Results = append(a.run.Results, r)
		}
	}
	for _, smp := range table[reports.Sample](a, name, a.samples[name], samplesTable) {
		smp.Cell, smp.Model = name, modelName
		a.run.Samples = append(a.run.Samples, smp)
	}
}

// open parses a suite's files; nil if the assembly has failed.
func (a *assembly) open(from *suiteInput) *suites.Suite {
	if a.err != nil {
		return nil
	}
	suite, err := from.open()
	if err != nil {
		a.err = err
		return nil
	}
	return suite
}

func (a *assembly) structure(name string) {
	m := a.models[name]
	if m == nil {
		return
	}
	for _, line := range strings.Split(strings.TrimRight(m.config.Describe(), "\n"), "\n") {
		a.fact("model", name, "", line)
	}
}

func (a *assembly) ledgers() {
	seen := map[store.Key]bool{}
	for _, c := range a.cells {
		p := a.prepares[c.Name]
		if p == nil || seen[p.key] {
			continue
		}
		seen[p.key] = true
		for _, e := range p.Ledger.Entries() {
			a.number("ledger", c.Name, e.Name, e.Text, e.Value)
		}
		prompt, target, end := p.Rows[0].Text(p.model.tokenizer)
		a.fact("example", c.Name, "prompt", prompt)
		a.fact("example", c.Name, "target", target)
		a.fact("example", c.Name, "end", end)
	}
}

func (a *assembly) suiteFacts() {
	for _, from := range a.suites {
		s := a.open(from)
		if s == nil {
			return
		}
		a.fact("asked", "", s.Name(), asked(s))
		for _, n := range s.Notes() {
			a.fact("suite", "", s.Name(), n)
		}
	}
}

// asked says in what form a suite is put to the models.
func asked(s *suites.Suite) string {
	d := s.Definition()
	parts := []string{d.Protocol}
	if d.Variant != "" {
		parts = append(parts, "variant "+d.Variant)
	}
	if d.Shots != nil {
		parts = append(parts, plural(len(d.Shots.Rows), "example")+" before each question")
	}
	return strings.Join(append(parts, "scored by "+strings.Join(d.Scores, ", ")), "; ")
}

// stageFacts are the stages in the order of the plan: what determines each, and
// what each made.
func (a *assembly) stageFacts() {
	for _, st := range a.stages {
		a.fact("keys", "", st.title, string(st.key))
	}
	// What each stage made, so that verify can tell which was the first to make
	// something else.
	for _, st := range a.stages {
		if o, err := a.store.Get(st.key); err == nil {
			a.fact("digests", "", st.title, o.Digest)
		}
	}
}

func (a *assembly) reproduce() {
	// Names only: where the spec lay and what it was run with are run.json's.
	run := "xrun " + quoted(a.spec.Name+".cue")
	if a.spec.Scale != "" {
		run += " -t " + quoted("scale="+a.spec.Scale)
	}
	dir := quoted("runs/" + a.spec.Name)
	a.fact("reproduce", "", "run", run)
	a.fact("reproduce", "", "check", "xrun verify "+dir)
	a.fact("reproduce", "", "remake", "xrun report "+dir)
}

// writeRun writes the run directory: tables, report, plots, events and the spec
// as given and as resolved. Each file appears whole. It returns the verdict.
func (s *study) writeRun(dir string, run *reports.Run) (verdict string, err error) {
	out := disk.Dir{FS: s.disk, Path: dir}
	if err := reports.WriteTables(out, run); err != nil {
		return "", err
	}
	rep, err := reports.Render(run)
	if err != nil {
		return "", err
	}
	if err := writeReport(s.disk, dir, rep); err != nil {
		return "", err
	}
	return rep.Verdict, reports.WriteEvents(out, run)
}

// writeReport writes the report's files and removes pictures of an earlier one.
func writeReport(fsys disk.FS, dir string, rep *reports.Report) error {
	old, err := filepath.Glob(filepath.Join(dir, "plots", "*.svg"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if rep.Plots[filepath.Base(path)] == nil {
			if err := fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("removing an old plot: %w", err)
			}
		}
	}
	return rep.Write(disk.Dir{FS: fsys, Path: dir})
}

func writeBytes(fsys disk.FS, path string, b []byte) error {
	return disk.WriteFile(fsys, path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// copySpec keeps the spec as given beside its report.
func copySpec(fsys disk.FS, dir, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return writeBytes(fsys, filepath.Join(dir, "spec"+filepath.Ext(path)), b)
}
