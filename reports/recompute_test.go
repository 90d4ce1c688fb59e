package reports

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// extremes is a run whose suites are what statistics stumble over: no item that
// differs, one item, one cluster, every item differing the same way, many items,
// items and seeds that one side lacks, scores that are no numbers.
func extremes() *Run {
	e := &extremeRun{run: &Run{}, rng: newPhilox("extremes"), suite: "s"}
	for _, labels := range []string{"output", "all"} {
		for seed := 1; seed <= 3; seed++ {
			name := fmt.Sprintf("labels=%s,seed=%d", labels, seed)
			for k, v := range map[string]string{"model": "m", "labels": labels, "seed": fmt.Sprint(seed)} {
				e.run.Facts = append(e.run.Facts, Fact{Section: "cells", Cell: name, Key: k, Value: v})
			}
			e.cells = append(e.cells, name)
		}
	}
	e.cells = append([]string{"base:m"}, e.cells...)
	alone := func(int) string { return "" }
	by := func(p func(i, cell int) bool) func(i, cell int) float64 {
		return func(i, cell int) float64 {
			if p(i, cell) {
				return 1
			}
			return 0
		}
	}
	random := func(base, shift float64) func(i, cell int) float64 {
		return by(func(i, cell int) bool { return e.uniform() < base+float64(shift*float64(cell/4)) })
	}
	e.figure("ties", 20, alone, by(func(i, _ int) bool { return i%3 == 0 }))
	e.figure("one item", 1, alone, by(func(_, c int) bool { return c > 3 }))
	e.figure("one way", 30, alone, by(func(_, c int) bool { return c > 3 }))
	e.figure("five", 5, alone, by(func(_, c int) bool { return c > 3 }))
	e.figure("one cluster", 8, func(int) string { return "p" }, random(0.5, 0.2))
	e.figure("three passages", 24, func(i int) string { return fmt.Sprint("p", i/8) }, by(func(i, c int) bool { return (i/8 == 0) == (c > 3) }))
	e.figure("clusters", 250, func(i int) string { return fmt.Sprint("p", i*i%151) }, random(0.5, 0.1))
	e.figure("some clusters", 90, func(i int) string { return []string{"", fmt.Sprint("p", i/9)}[i/3%2] }, random(0.3, 0.1))
	e.figure("many items", 500, alone, random(0.6, 0.01))
	e.figure("seeds differ", 120, alone, by(func(_, c int) bool { return e.uniform() < 0.4+float64(0.1*float64((c*5)%7-3)) }))
	e.figure("other items", 12, alone, random(0.5, 0.1))
	e.figure("no item in common", 12, alone, random(0.5, 0.1))
	e.figure("a seed is missing", 50, alone, random(0.5, 0.2))
	for _, n := range []int{3, 8} {
		var members []string
		var weights []float64
		for i := range n {
			name := fmt.Sprintf("member %d of %d", i, n)
			e.figure(name, 12+7*i, alone, random(0.4, 0.02*float64(i)))
			members, weights = append(members, name), append(weights, float64(100-9*i))
		}
		e.average(fmt.Sprintf("mean of %d", n), members, nil)
		e.average(fmt.Sprintf("weighted mean of %d", n), members, weights)
	}
	e.average("mean of ties", []string{"ties"}, nil)
	e.suite, e.unit = "t", "nats"
	e.figure("continuous", 40, func(i int) string { return fmt.Sprint("p", i/2) }, func(i, c int) float64 { return e.uniform() + 0.1*float64(c/4) })
	e.figure("not a number", 9, alone, func(i, c int) float64 {
		if i == 3 && c == 1 {
			return math.NaN()
		}
		return e.uniform()
	})
	e.figure("infinite", 9, alone, func(i, c int) float64 {
		if i == 3 && c == 5 {
			return math.Inf(-1)
		}
		return e.uniform()
	})
	return e.run
}

// grid is a run of three labels, three schedules and two seeds, with a reference on
// one axis and every pair of the other; a cell has failed. Where it is not whole,
// one combination is left out and nothing is said of what is compared.
func grid(whole bool) *Run {
	e := &extremeRun{run: &Run{}, rng: newPhilox("grid"), suite: "s"}
	fact := func(section, cell, key, value string) {
		e.run.Facts = append(e.run.Facts, Fact{Section: section, Cell: cell, Key: key, Value: value, Order: int32(len(e.run.Facts))})
	}
	if whole {
		fact("reference", "", "labels", "all")
		fact("pairs", "", "schedule", "every two values")
	}
	e.cells = []string{"base:m"}
	for _, labels := range []string{"output", "0.5", "all"} {
		for _, schedule := range []string{"linear", "cosine", "constant"} {
			for _, seed := range []string{"1", "2"} {
				if !whole && labels == "output" && schedule != "linear" {
					continue
				}
				name := "labels=" + labels + ",schedule=" + schedule + ",seed=" + seed
				for _, v := range [][2]string{{"model", "m"}, {"labels", labels}, {"schedule", schedule}, {"seed", seed}} {
					fact("cells", name, v[0], v[1])
				}
				for i, loss := range []float64{5, 4, 3, 2} {
					e.run.Steps = append(e.run.Steps, Step{Cell: name, Step: int32(i + 1), Loss: loss + e.uniform(), Tokens: 9, Targets: 3, LogPoint: i%2 == 1})
				}
				e.run.HeldOut = append(e.run.HeldOut, HeldOut{Cell: name, Model: "m", Step: 4, OutputLoss: e.uniform(), PromptLoss: 2, OutputTokens: 5, PromptTokens: 7})
				e.cells = append(e.cells, name)
			}
		}
	}
	alone := func(int) string { return "" }
	random := func(items int, shift float64) func(i, cell int) float64 {
		return func(i, cell int) float64 {
			hard := float64(uint32(i+1)*2654435761%1000) / 1000
			if hard+float64(0.3*e.uniform()) < 0.5+float64(shift*float64(cell/6)) {
				return 1
			}
			return 0
		}
	}
	e.figure("ties", 20, alone, func(i, _ int) float64 { return float64(i % 2) })
	e.figure("shift", 60, alone, random(60, 0.15))
	e.figure("passages", 40, func(i int) string { return fmt.Sprint("p", i/3) }, random(40, 0.05))
	e.figure("a seed is missing", 30, alone, random(30, 0.1))
	e.figure("one", 14, alone, random(14, 0.1))
	e.figure("two", 11, alone, random(11, -0.1))
	e.average("mean of two", []string{"one", "two"}, []float64{14, 11})
	if whole {
		e.suite, e.unit = "t", "nats"
		e.figure("continuous", 12, alone, func(i, c int) float64 { return e.uniform() + float64(0.1*float64(c/6)) })
	}
	return e.run
}

type extremeRun struct {
	run   *Run
	rng   *philox
	cells []string
	suite string
	unit  string
	order int32
}

func (e *extremeRun) uniform() float64 { return (float64(e.rng.uint32()) + 0.5) / (1 << 32) }

func (e *extremeRun) figure(name string, items int, cluster func(i int) string, value func(i, cell int) float64) {
	unit, factor := "%", 100.0
	if e.unit != "" {
		unit, factor = e.unit, 1
	}
	for c, cell := range e.cells {
		if name == "a seed is missing" && (cell == "labels=output,seed=2" || cell == "labels=0.5,schedule=linear,seed=2") {
			continue
		}
		var values []float64
		var clusters []string
		for i := range items {
			id, prompt := fmt.Sprint(i), "the same"
			switch {
			case name == "other items" && c > 3 && i == 1:
				continue
			case name == "other items" && c > 3 && i == 2:
				prompt = "another"
			case name == "other items" && i >= 10:
				id = "twice"
			case name == "no item in common" && c > 3:
				id = fmt.Sprint("other ", i)
			}
			x := value(i, c)
			values, clusters = append(values, x), append(clusters, cluster(i))
			it := Item{Cell: cell, Suite: e.suite, ID: id, Row: int32(i), Subset: name, Prompt: prompt, Tokens: 9, Scored: 3, LogProb: -1,
				Cluster: cluster(i), Figures: []string{name}, Prediction: "A", Gold: "A", Correct: true}
			if unit != "%" {
				it.Score = x
				e.run.Items = append(e.run.Items, it)
				continue
			}
			if x == 0 {
				it.Prediction, it.Correct = "B", false
			}
			for k, choice := range []string{"A", "B"} {
				it.Choice, it.Score = choice, -2
				if (k == 0) == it.Correct {
					it.Score = -1 - 1e-3*float64(c%4)
				}
				e.run.Items = append(e.run.Items, it)
			}
		}
		mean := 0.0
		for _, x := range values {
			mean += x
		}
		e.run.Results = append(e.run.Results, Result{Cell: cell, Model: "m", Suite: e.suite, Figure: name, Group: e.suite, Leaf: true, Order: e.order,
			Items: int32(len(values)), Value: factor * mean / float64(len(values)), StdErr: factor * StdErr(values, clusters), Unit: unit})
	}
	e.order++
}

func (e *extremeRun) average(name string, members []string, weights []float64) {
	for _, cell := range e.cells {
		r := Result{Cell: cell, Model: "m", Suite: "s", Figure: name, Group: "s", Order: e.order, Unit: "%", Members: members, Weights: weights}
		var sum, total float64
		var units []unit
		squares := 0.0
		for i, m := range members {
			for _, x := range e.run.Results {
				if x.Cell == cell && x.Figure == m {
					w := 1.0
					if weights != nil {
						w = weights[i]
					}
					sum, total = sum+float64(w*x.Value), total+w
					units = append(units, unit{float64(w * x.Value), w})
					squares += math.Pow(w*x.StdErr, 2)
					r.Items += x.Items
				}
			}
		}
		r.Value = sum / total
		r.StdErr = math.Sqrt(squares) / total
		if len(members) >= FewMembers {
			for i := range units {
				units[i].sum -= r.Value * units[i].count
			}
			r.StdErr = meanStdErr(units)
		}
		e.run.Results = append(e.run.Results, r)
	}
	e.order++
}

// directory writes a run's files below itself.
type directory string

func (d directory) WriteFile(name string, write func(io.Writer) error) error {
	path := filepath.Join(string(d), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return write(f)
}

// recompute.py, which shares no code with this package, agrees with every number
// of a run of extremes. XRUN_PYTHON names a Python with pandas, pyarrow and scipy.
func TestRecomputedByOtherCode(t *testing.T) {
	python := os.Getenv("XRUN_PYTHON")
	if python == "" {
		t.Skip("XRUN_PYTHON does not name a Python with pandas, pyarrow and scipy, so statistics are not recomputed")
	}
	check := func(run *Run, spoil func(*Report)) (string, error) {
		t.Helper()
		r, err := Render(run)
		if err != nil {
			t.Fatal(err)
		}
		spoil(r)
		dir := directory(t.TempDir())
		if err := errors.Join(WriteTables(dir, run), r.Write(dir)); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(python, "recompute.py", string(dir)).CombinedOutput()
		return string(out), err
	}
	run, unmeasured := extremes(), extremes()
	unmeasured.Results, unmeasured.Items = nil, nil
	for _, run := range []*Run{run, grid(true), grid(false), unmeasured} {
		out, err := check(run, func(*Report) {})
		t.Log(out)
		if err != nil {
			t.Fatal(err)
		}
	}
	// It must be able to say no: to another p, to an item lost, to a number of the report.
	run.Results = slices.DeleteFunc(run.Results, func(r Result) bool { return r.Figure != "one way" })
	run.Items = slices.DeleteFunc(run.Items, func(it Item) bool { return it.Subset != "one way" })[2:]
	out, err := check(run, func(r *Report) {
		r.Comparisons[0].P += 1e-6
		r.Markdown = bytes.Replace(r.Markdown, []byte("100.00"), []byte("99.99"), 1)
	})
	for _, want := range []string{": p of ", ": items of ", ": report.md of "} {
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("a run whose numbers disagree, %q: %v\n%s", want, err, out)
		}
	}
}

// What stands in two columns of values differs by what stands in the column of
// differences: averages weigh both alike, and a seed that one side lacks counts on
// neither. Items that one side lacks are the exception, and say so.
func TestDifferencesAreThoseOfTheValues(t *testing.T) {
	r, err := Render(extremes())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, d := range r.Comparisons {
		if len(d.Notes) > 0 && strings.Contains(d.Notes[0], "left out") || d.Sign == "?" {
			continue
		}
		seen[d.Figure] = true
		if want := d.ValueB - d.ValueA; math.Abs(d.Delta-want) > 1e-9 || d.Seeds > 1 && d.SeedLow > -100 && d.SeedHigh < 100 && math.Abs((d.SeedLow+d.SeedHigh)/2-want) > 1e-9 {
			t.Errorf("%s, %s: %g over items, %g to %g over seeds; the values differ by %g", d.Comparison, d.Figure, d.Delta, d.SeedLow, d.SeedHigh, want)
		}
		if d.Figure == "a seed is missing" && d.Comparison == "labels=all - labels=output" && d.Seeds != 2 {
			t.Errorf("%s: %d seeds on both sides, want 2", d.Figure, d.Seeds)
		}
		if !(d.High > d.Low) && d.Items > 1 && d.Units > 1 {
			t.Errorf("%s, %s: the interval [%g, %g] has no length", d.Comparison, d.Figure, d.Low, d.High)
		}
	}
	for _, name := range []string{"weighted mean of 3", "weighted mean of 8", "mean of ties", "a seed is missing"} {
		if !seen[name] {
			t.Errorf("no difference of %s was looked at", name)
		}
	}
}
