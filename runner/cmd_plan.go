package runner

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"xrun/kernels/cuda"
	"xrun/runner/store"
	"xrun/schema"
)

var planCommand = &command{
	name: "plan", args: "SPEC", summary: "cells, keys, what is done, mask ledger and cost, before any work", min: 1, max: 1,
	help: `
Prints the cells of SPEC's matrix, its stages with their content keys and
whether they are done, the mask ledger (what is trained on), and the cost of what
is left: tokens, FLOPs, memory, disk, and the time at the speed just measured on
this machine. Nothing is run. Inputs that are not here are named with where to
get them.`,
	define: func(f *flags) {
		f.defineTags()
		f.defineRuns()
		f.defineEngine()
		f.set.BoolVar(&f.json, "json", false, "print JSON, with the input of each key")
	},
	run: func(e *env, f *flags, args []string) error {
		tags, err := f.tagMap()
		if err != nil {
			return err
		}
		spec, err := schema.Load(args[0], schema.Options{Tags: tags})
		if err != nil {
			return err
		}
		engine, err := newPlanningEngine(f, spec.Run.Threads)
		if err != nil {
			return err
		}
		defer engine.Close()
		s, err := newStudy(e.disk, spec, storeDir(f.runs), identityOf(engine))
		if err != nil {
			return err
		}
		if err := s.estimate(); err != nil {
			return err
		}
		if f.json {
			err = e.printJSON(s.plannedStages())
		} else {
			s.printPlan(e.stdout, engine)
		}
		if err != nil {
			return err
		}
		if err := s.missingError(); err != nil {
			return fmt.Errorf("this study cannot run yet:\n%w", err)
		}
		return nil
	},
}

// plannedStage is one stage in `xrun plan -json`.
type plannedStage struct {
	Kind  string `json:"kind"`
	Title string `json:"title"`
	Key   string `json:"key"`
	Done  bool   `json:"done"`
	// Again: the stage was done, its weights were dropped, and it trains again.
	Again  bool            `json:"again,omitempty"`
	Input  json.RawMessage `json:"input"`
	Tokens int64           `json:"tokens"`
	FLOPs  float64         `json:"flops"`
}

func (s *study) plannedStages() []plannedStage {
	stages := make([]plannedStage, len(s.stages))
	for i, st := range s.stages {
		stages[i] = plannedStage{st.kind, st.title, string(st.key), !s.left(st), s.again(st), st.input, st.tokens, st.flops}
	}
	return stages
}

func (s *study) printPlan(w io.Writer, engine *engine) {
	fmt.Fprintf(w, "%s: %s\n\nengine %v\n\n", s.spec.Name, s.spec.Question, engine)
	s.printCells(w)
	s.printStages(w)
	s.printLedgers(w)
	if list := s.cautions(); len(list) > 0 {
		fmt.Fprintf(w, "perhaps not meant\n  %s\n\n", strings.Join(list, "\n  "))
	}
	s.printSuites(w)
	s.printCost(w, engine)
	switch e := engine.Engine.(type) {
	case *cuda.Engine:
		s.printDeviceMemory(w, e.Device())
	case elsewhere:
		s.printDeviceMemory(w, cuda.Device{})
	}
}

func (s *study) printCells(w io.Writer) {
	fmt.Fprintf(w, "%s\n", plural(len(s.cells), "cell"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, c := range s.cells {
		if i == 20 && len(s.cells) > 25 {
			fmt.Fprintf(t, "  ... and %d more\n", len(s.cells)-i)
			break
		}
		fmt.Fprintf(t, "  %s", c.Name)
		for _, v := range c.Values {
			fmt.Fprintf(t, "\t%s %s", v.Axis, v.Value)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	fmt.Fprintln(w)
}

func (s *study) printStages(w io.Writer) {
	done := 0
	for _, st := range s.stages {
		if !s.left(st) {
			done++
		}
	}
	fmt.Fprintf(w, "%s, %d done\n", plural(len(s.stages), "stage"), done)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, st := range s.stages {
		state := "done"
		switch {
		case s.again(st):
			state = "again"
		case s.left(st):
			state = "to do"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s", state, st.key.Short(), st.title)
		if st.tokens > 0 {
			fmt.Fprintf(t, "\t%s tokens\t%s", thousands(st.tokens), flopText(st.flops))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	fmt.Fprintln(w)
}

func (s *study) printLedgers(w io.Writer) {
	seen := map[store.Key]bool{}
	for _, c := range s.cells {
		p := s.prepares[c.Name]
		if p == nil || seen[p.key] {
			continue
		}
		seen[p.key] = true
		perEpoch, steps := stepsOf(c.Train, len(p.Rows))
		fmt.Fprintf(w, "mask ledger of %s (template %s)\n", c.Data.Source, c.Data.Template)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, e := range p.Ledger.Entries() {
			fmt.Fprintf(t, "  %s\t%s\n", e.Name, e.Text)
		}
		fmt.Fprintf(t, "  steps\t%s (%s an epoch, %d × %d rows a step)\n", thousands(int64(steps)), thousands(int64(perEpoch)), c.Train.Batch, c.Train.Accumulate)
		t.Flush()
		fmt.Fprintln(w)
	}
}

// cautions are what a spec may say and is seldom meant to.
func (s *study) cautions() (list []string) {
	for _, c := range s.cells {
		p, m := s.prepares[c.Name], s.models[c.Model]
		if p == nil || m == nil {
			continue
		}
		var said []string
		_, steps := stepsOf(c.Train, len(p.Rows))
		if warmup := scheduleOf(c, steps).Warmup; warmup >= steps && c.Schedule.Name != "constant" {
			said = append(said, fmt.Sprintf("the warm-up of %s steps takes all %s of the training", thousands(int64(warmup)), thousands(int64(steps))))
		}
		if most := m.config.MaxPositions; p.Ledger.Longest > most {
			said = append(said, fmt.Sprintf("rows of %s reach up to %s tokens, and %s was made for %s (data.maxLength)", c.Data.Source, thousands(int64(p.Ledger.Longest)), c.Model, thousands(int64(most))))
		}
		for _, text := range said {
			if len(s.cells) > 1 {
				text = c.Name + ": " + text
			}
			list = append(list, text)
		}
	}
	const most = 10
	if n := len(list) - most; n > 0 {
		list = append(list[:most], fmt.Sprintf("... and %d more", n))
	}
	return list
}

func (s *study) printSuites(w io.Writer) {
	if len(s.suites) == 0 {
		return
	}
	fmt.Fprintln(w, plural(len(s.suites), "suite"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range s.counts {
		fmt.Fprintf(t, "  %s\t%s\t%s tokens, %s with shared prefixes\n", c.suite, plural(c.Items, "item"), thousands(int64(c.Tokens)), thousands(int64(c.Distinct)))
	}
	t.Flush()
	for _, suite := range s.suites {
		for _, n := range s.notes[suite] {
			fmt.Fprintf(w, "  %s: %s\n", suite.name, n)
		}
	}
	fmt.Fprintln(w)
}
