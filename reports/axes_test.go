package reports

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
)

// manyAxes is a study of three axes, twelve arms: those that train on the prompt
// too are better on "easy", nothing else makes a difference.
func manyAxes() *Run {
	one, run := syntheticRun(1), &Run{}
	fact := func(section, cell, key, value string) {
		run.Facts = append(run.Facts, Fact{Section: section, Cell: cell, Key: key, Value: value, Order: int32(len(run.Facts))})
	}
	add := func(from, to string) {
		for _, r := range one.Results {
			if r.Cell == from {
				r.Cell = to
				run.Results = append(run.Results, r)
			}
		}
		for _, it := range one.Items {
			if it.Cell == from {
				it.Cell = to
				run.Items = append(run.Items, it)
			}
		}
		for _, s := range one.Steps {
			if s.Cell == from {
				s.Cell = to
				run.Steps = append(run.Steps, s)
			}
		}
	}
	fact("study", "", "name", "many")
	fact("study", "", "question", "What matters?")
	add("base:m", "base:m")
	for _, labels := range []string{"output", "all", "0.5"} {
		for _, schedule := range []string{"linear", "cosine_with_min_lr(minLrRate=0.1)"} {
			for _, padding := range []string{"left", "right"} {
				name := "padding=" + padding + ",labels=" + labels + ",schedule=" + schedule
				for _, v := range [][2]string{{"model", "m"}, {"padding", padding}, {"labels", labels}, {"schedule", schedule}, {"seed", "1"}} {
					fact("cells", name, v[0], v[1])
				}
				from := "labels=all"
				if labels == "output" {
					from = "labels=output"
				}
				add(from, name)
			}
		}
	}
	for i := range run.Results { // a class of contamination, which has a table of its own
		run.Results[i].Figure = strings.Replace(run.Results[i].Figure, "hard accuracy", "hard accuracy - clean", 1)
	}
	for i := range run.Items {
		if run.Items[i].Suite == "hard" {
			run.Items[i].Figures = []string{"hard accuracy - clean"}
		}
	}
	return run
}

// What stands between two dollar signs is a formula on GitHub.
func TestPricesAreNoFormulas(t *testing.T) {
	for text, want := range map[string]string{
		"$2 a day":     "$2 a day",
		"$2 * 9 = $18": `<span>$</span>2 \* 9 = <span>$</span>18`,
	} {
		if got := escape(text); got != want {
			t.Errorf("%q in Markdown is %q; want %q", text, got, want)
		}
	}
	if got, want := inHTML("$1 <\n$2"), "<span>$</span>1 &lt;<br><span>$</span>2"; got != want {
		t.Errorf("in HTML: %q; want %q", got, want)
	}
}

// Twelve cells are shown by axis: a picture for each, tables of a few columns that
// hold one axis each, a verdict of a line for each two values. What is said of each
// cell is folded, under a name without the axes' names.
func TestManyAxesStayReadable(t *testing.T) {
	r, err := Render(manyAxes())
	if err != nil {
		t.Fatal(err)
	}
	for _, axis := range []string{"padding", "labels", "schedule"} {
		if r.Plots["differences_"+axis+".svg"] == nil {
			t.Errorf("no picture of %s", axis)
		}
	}
	if r.Plots["differences.svg"] != nil || r.Plots["against_base.svg"] != nil || r.Plots["loss.svg"] != nil {
		t.Error("a picture of all twelve cells")
	}
	if n := strings.Count(r.Verdict, "\n"); n != 3 {
		t.Errorf("the verdict has %d lines; want 4:\n%s", n+1, r.Verdict)
	}
	open := regexp.MustCompile(`(?s)<details>.*?</details>`).ReplaceAllString(string(r.Markdown), "")
	if n := strings.Count(open, "padding=left,labels=output"); n > 2 {
		t.Errorf("a cell's whole name stands %d times in the open", n)
	}
	if n := strings.Count(open, "\n"); n > 150 {
		t.Errorf("%d lines are not folded; want at most 150", n)
	}
	axes := []string{"padding=right", "labels=all", "labels=0.5", "schedule=cosine"}
	for _, line := range strings.Split(string(r.Markdown), "\n") {
		if !strings.HasPrefix(line, "| figure | ") && !strings.HasPrefix(line, "| suite | class | ") {
			continue
		}
		if n := strings.Count(line, "|") - 2; n > 3+wideValues {
			if !strings.Contains(line, "95 % interval") {
				t.Errorf("a table of %d columns: %s", n, line)
			}
		}
		found := map[string]bool{}
		for _, a := range axes {
			if strings.Contains(line, "| "+a) {
				axis, _, _ := strings.Cut(a, "=")
				found[axis] = true
			}
		}
		if len(found) > 1 {
			t.Errorf("a table of several axes: %s", line)
		}
	}
}

// Seven learning rates of which every two are compared: the verdict says each pair
// that the data tell apart and the other fifteen in a line; their differences are
// left to comparisons.parquet, and a picture of 21 marks a figure is not drawn.
func TestEveryPairOfSevenValues(t *testing.T) {
	one, run := syntheticRun(1), &Run{}
	run.Facts = append(run.Facts, Fact{Section: "pairs", Key: "train.lr", Value: "every two values"})
	copies := map[string][]string{"base:m": {"base:m"}}
	for i := range 7 {
		value, from := fmt.Sprintf("%de-05", i+1), "labels=output"
		if i == 6 {
			from = "labels=all" // better on "easy"
		}
		name := "train.lr=" + value
		copies[from] = append(copies[from], name)
		for k, v := range map[string]string{"model": "m", "seed": "1", "train.lr": value} {
			run.Facts = append(run.Facts, Fact{Section: "cells", Cell: name, Key: k, Value: v})
		}
	}
	for _, x := range one.Results {
		for _, x.Cell = range copies[x.Cell] {
			run.Results = append(run.Results, x)
		}
	}
	for _, x := range one.Items {
		for _, x.Cell = range copies[x.Cell] {
			run.Items = append(run.Items, x)
		}
	}
	r, err := Render(run)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(r.Verdict, "\n")
	want := "In the other 15 of 21 comparisons the data cannot tell the two sides apart on any figure, for this seed."
	if len(lines) != 7 || lines[6] != want {
		t.Errorf("the verdict:\n%s\nwant 6 lines and: %s", r.Verdict, want)
	}
	text := string(r.Markdown)
	if n := strings.Count(text, "\n"); n > 120 {
		t.Errorf("%d lines; want at most 120", n)
	}
	if !strings.Contains(text, "The statistics of 28 more comparisons") || r.Plots["differences_train.lr.svg"] != nil {
		t.Error("want the comparisons left to their table, and no picture of them")
	}
	// 21 pairs of 2 figures are one family: p = 2·2⁻¹¹·42.
	for _, d := range r.Comparisons {
		if d.Comparison == "train.lr=7e-05 - train.lr=1e-05" && d.Figure == "easy accuracy" && (math.Abs(d.Holm-42.0/1024) > 1e-12 || d.Family != "train.lr") {
			t.Errorf("family %s, p adjusted %g; want train.lr, %g", d.Family, d.Holm, 42.0/1024)
		}
	}
}
