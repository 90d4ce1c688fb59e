package reports

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// syntheticRun is a study of two label modes and their base over two suites,
// 40 items each: the all cell is right on rule(i) more items.
func syntheticRun(seeds int) *Run {
	run := &Run{}
	fact := func(section, cell, key, value string) {
		run.Facts = append(run.Facts, Fact{Section: section, Cell: cell, Key: key, Value: value, Order: int32(len(run.Facts))})
	}
	fact("study", "", "name", "synthetic")
	fact("study", "", "question", "Does *A* beat B?")
	fact("study", "", "numerics", "cpu/1")
	cells := []string{"base:m"}
	for seed := 1; seed <= seeds; seed++ {
		for _, labels := range []string{"output", "all"} {
			name := "labels=" + labels
			if seeds > 1 {
				name += fmt.Sprintf(",seed=%d", seed)
			}
			fact("cells", name, "model", "m")
			fact("cells", name, "labels", labels)
			fact("cells", name, "seed", fmt.Sprint(seed))
			cells = append(cells, name)
		}
	}
	for c, cell := range cells {
		all := strings.Contains(cell, "all")
		for s, suite := range []string{"easy", "hard"} {
			right := 0
			for i := 0; i < 40; i++ {
				x := uint32(i*2654435761) ^ uint32(s*40503) ^ uint32(c/3*977)
				correct := x>>16%10 < 4
				if all && s == 0 {
					correct = correct || i%2 == 0
				}
				prediction := "B"
				if correct {
					prediction = "A"
					right++
				}
				for _, choice := range []string{"A", "B"} {
					run.Items = append(run.Items, Item{Cell: cell, Suite: suite, ID: fmt.Sprint(i), Row: int32(i), Prompt: fmt.Sprintf("%016x", i),
						Choice: choice, Prediction: prediction, Gold: "A", Correct: correct, Figures: []string{suite + " accuracy"}})
				}
			}
			p := float64(right) / 40
			run.Results = append(run.Results, Result{Cell: cell, Model: "m", Suite: suite, Figure: suite + " accuracy", Group: suite, Leaf: true,
				Order: int32(s), Items: 40, Value: 100 * p, StdErr: 100 * math.Sqrt(p*(1-p)/39), Unit: "%"})
		}
		if c == 0 {
			run.HeldOut = append(run.HeldOut, HeldOut{Cell: cell, Model: "m", OutputLoss: 3, PromptLoss: 4, OutputTokens: 10, PromptTokens: 20})
			continue
		}
		for step := 1; step <= 20; step++ {
			loss := 2/(1+float64(step)/5) + float64(c)/10
			run.Steps = append(run.Steps, Step{Cell: cell, Step: int32(step), Epoch: float64(step) / 20, Loss: loss, LR: 1e-3, GradNorm: 1, Tokens: 100, Targets: 40, WeightSum: 40, LogPoint: step%5 == 0})
		}
		for step := 0; step <= 20; step += 10 {
			run.HeldOut = append(run.HeldOut, HeldOut{Cell: cell, Model: "m", Step: int32(step), OutputLoss: 3 - float64(step)/20, PromptLoss: 4 - float64(step*c)/40, OutputTokens: 10, PromptTokens: 20})
		}
		run.Samples = append(run.Samples, Sample{Cell: cell, Model: "m", Shown: "Say | hi", Text: "hi <b> |\n\nbye", Tokens: 4, Ended: true})
	}
	fact("ledger", cells[1], "items", "40")
	fact("example", cells[1], "prompt", "Q: <x>\n")
	fact("example", cells[1], "target", "A")
	fact("example", cells[1], "end", "<|end|>")
	fact("model", "m", "", "Qwen2ForCausalLM(")
	fact("reproduce", "", "run", "xrun synthetic.cue")
	return run
}

// TestReports compares whole reports with testdata/NAME/; XRUN_UPDATE=1
// rewrites them.
func TestReports(t *testing.T) {
	failed := syntheticRun(1)
	failed.Facts = append(failed.Facts, Fact{Section: "failure", Cell: "labels=all", Key: "train", Value: "train labels=all: step 7: the loss is NaN"})
	noBase := syntheticRun(1)
	noBase.Results = noBase.Results[2:]
	oneCell := syntheticRun(1)
	oneCell.Facts = slices.DeleteFunc(oneCell.Facts, func(f Fact) bool { return f.Cell == "labels=all" })
	oneCell.Steps = slices.DeleteFunc(oneCell.Steps, func(s Step) bool { return s.Cell == "labels=all" })
	oneCell.Results = slices.DeleteFunc(oneCell.Results, func(r Result) bool { return r.Cell == "labels=all" })
	oneCell.HeldOut = slices.DeleteFunc(oneCell.HeldOut, func(h HeldOut) bool { return h.Cell == "labels=all" })
	oneCell.Samples = slices.DeleteFunc(oneCell.Samples, func(s Sample) bool { return s.Cell == "labels=all" })
	baseOnly := &Run{Results: syntheticRun(1).Results[:2]}
	// Losses that are not there, as after a step without targets and a run that
	// diverged; a suite that lost its items; values that are NaN.
	broken := syntheticRun(1)
	for i := range broken.Steps {
		if s := &broken.Steps[i]; s.Step > 10 && s.Cell == "labels=all" || s.Step == 3 {
			s.Loss, s.GradNorm, s.Skipped = math.NaN(), math.NaN(), s.Step == 3
		}
	}
	broken.HeldOut[2].OutputLoss, broken.HeldOut[3].PromptLoss = math.NaN(), math.Inf(1)
	broken.Items = slices.DeleteFunc(broken.Items, func(it Item) bool { return it.Suite == "hard" })
	broken.Results[3].Value, broken.Results[3].StdErr = math.NaN(), math.NaN()
	// A cell of a grid of three labels, three schedules and two seeds has failed.
	lost := grid(true)
	lost.Results = slices.DeleteFunc(lost.Results, func(r Result) bool { return r.Cell == "labels=0.5,schedule=cosine,seed=1" })
	lost.Facts = append(lost.Facts, Fact{Section: "failure", Cell: "labels=0.5,schedule=cosine,seed=1", Key: "train", Value: "train labels=0.5,schedule=cosine,seed=1: step 7: the loss is NaN"})
	for name, run := range map[string]*Run{
		"one_cell":    oneCell,
		"base_only":   baseOnly,
		"broken":      broken,
		"study":       studyRun(),
		"two_axes":    twoAxes(),
		"many_axes":   manyAxes(),
		"grid":        lost,
		"data_axis":   dataAxis(),
		"two_cells":   syntheticRun(1),
		"seeds":       syntheticRun(3),
		"failed_cell": failed,
		"no_base":     noBase,
		"empty":       {},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Render(run)
			if err != nil {
				t.Fatal(err)
			}
			written := map[string]bool{}
			if err := r.Write(names(written)); err != nil {
				t.Fatal(err)
			}
			if !written["report.md"] || !written["comparisons.parquet"] || len(written) != 2+len(r.Plots) {
				t.Errorf("the report's files: %v", written)
			}
			again, err := Render(run)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r.Plots, again.Plots); diff != "" || !bytes.Equal(r.Markdown, again.Markdown) {
				t.Error("the same rows rendered twice differ")
			}
			golden(t, filepath.Join("testdata", name, "report.md"), r.Markdown)
			var table bytes.Buffer
			if err := WriteRows(&table, r.Comparisons); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name, "comparisons.sha256"), fmt.Appendf(nil, "%x\n", sha256.Sum256(table.Bytes())))
			for plot, svg := range r.Plots {
				if name == "study" && runtime.GOARCH == "amd64" { // gonum's coordinates are fused elsewhere
					golden(t, filepath.Join("testdata", name, plot), svg)
				}
				if !bytes.HasPrefix(svg, []byte("<?xml")) || bytes.Contains(svg, []byte("NaN")) {
					t.Errorf("%s is not a picture", plot)
				}
				if !bytes.Contains(r.Markdown, []byte("plots/"+plot)) {
					t.Errorf("report.md does not show %s", plot)
				}
			}
		})
	}
}

// twoAxes is syntheticRun with every cell once on each padding side; the sides'
// losses differ by rounding.
func twoAxes() *Run {
	run := &Run{}
	for i, side := range []string{"left", "right"} {
		part := syntheticRun(1)
		rename := func(cell string) string {
			if cell == "" || strings.HasPrefix(cell, "base:") {
				return cell
			}
			return "padding=" + side + "," + cell
		}
		for _, f := range part.Facts {
			if i > 0 && f.Section != "cells" {
				continue
			}
			f.Cell = rename(f.Cell)
			run.Facts = append(run.Facts, f)
			if f.Section == "cells" && f.Key == "model" {
				run.Facts = append(run.Facts, Fact{Section: "cells", Cell: f.Cell, Key: "padding", Value: side, Order: f.Order})
			}
		}
		for _, x := range part.Results {
			if x.Cell = rename(x.Cell); i == 0 || x.Cell != "base:m" {
				run.Results = append(run.Results, x)
			}
		}
		for _, x := range part.Items {
			if x.Cell = rename(x.Cell); i == 0 || x.Cell != "base:m" {
				run.Items = append(run.Items, x)
			}
		}
		for _, x := range part.Steps {
			x.Cell, x.Loss = rename(x.Cell), x.Loss+float64(i)/1024
			run.Steps = append(run.Steps, x)
		}
	}
	return run
}

// dataAxis is syntheticRun with two data sets in place of two labels.
func dataAxis() *Run {
	run := syntheticRun(1)
	rename := strings.NewReplacer("labels=output", "data.source=a.json", "labels=all", "data.source=b.json").Replace
	for i := range run.Facts {
		f := &run.Facts[i]
		if f.Cell = rename(f.Cell); f.Section == "cells" && f.Key == "labels" {
			f.Key, f.Value = "data.source", strings.TrimPrefix(f.Cell, "data.source=")
		}
	}
	for i := range run.Results {
		run.Results[i].Cell = rename(run.Results[i].Cell)
	}
	for i := range run.Items {
		run.Items[i].Cell = rename(run.Items[i].Cell)
	}
	for i := range run.Steps {
		run.Steps[i].Cell = rename(run.Steps[i].Cell)
	}
	for i := range run.HeldOut {
		run.HeldOut[i].Cell = rename(run.HeldOut[i].Cell)
	}
	for i := range run.Samples {
		run.Samples[i].Cell = rename(run.Samples[i].Cell)
	}
	return run
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if os.Getenv("XRUN_UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; XRUN_UPDATE=1 writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// The verdict answers by the statistics: on "easy" the all cell is right on all
// of 12 discordant items (McNemar p = 2·2⁻¹² = 0.0005), on "hard" on none.
func TestVerdictSaysWhatTheDataSay(t *testing.T) {
	r, err := Render(syntheticRun(1))
	if err != nil {
		t.Fatal(err)
	}
	want := "Training on the output only is worse than training on every token on 1 of 2 figures (27.5 points on easy accuracy), for this seed; on the other the data cannot tell the two apart. By sign alone it is ahead on 0, behind on 1 and level on 1."
	if diff := cmp.Diff(want, r.Verdict); diff != "" {
		t.Error(diff)
	}
}

// A setting is a row of signs, those of all − output: "+" and "-" told, "u" and
// "d" up and down without being told, "=" equal scores, "?" not comparable.
func TestVerdictInWords(t *testing.T) {
	const output, all = "raining on the output only", "training on every token"
	for _, c := range []struct {
		want     string
		settings []string
	}{
		{"T" + output + " and " + all + " give every item of 2 figures the same scores, for this seed.", []string{"=="}},
		{"The data cannot tell t" + output + " from " + all + " on any of 3 figures, for this seed. By sign alone it is ahead on 1, behind on 2 and level on 0.", []string{"uud"}},
		{"T" + output + " is better than " + all + " on 1 of 2 figures (5.0 points on f0) and worse on 1 (5.0 points on f1), for this seed.", []string{"-+"}},
		{"T" + output + " is worse than " + all + " on 3 of 5 figures, for this seed; on the other 2 the data cannot tell the two apart. By sign alone it is ahead on 1, behind on 3 and level on 1. 1 figure cannot be compared.", []string{"+++d=?"}},
		{"T" + output + " and " + all + " have no figure in common, so they cannot be compared.", []string{"??"}},
		{"T" + output + " and " + all + " give every item the same scores in all 2 settings, for this seed.", []string{"==", "=="}},
		{"The data cannot tell t" + output + " from " + all + " on any figure in any of 2 settings, for this seed.", []string{"ud", "=="}},
		{"T" + output + " is better than " + all + " on some figure in 1 of 3 settings, for this seed; in the other 2 the data cannot tell the two apart on any.", []string{"-u", "==", "du"}},
		{"T" + output + " is better than " + all + " on some figure in 2 of 3 settings, worse on some in 1, for this seed; in the other the data cannot tell the two apart on any.", []string{"-+", "-=", "du"}},
	} {
		r := &renderer{study: &study{}}
		for i := range c.settings[0] {
			r.figures = append(r.figures, &figure{Result: Result{Leaf: true, Figure: fmt.Sprint("f", i)}})
		}
		r.cells = []*cell{{}}
		for i, signs := range c.settings {
			con := &contrast{axis: "labels", aArm: &arm{axes: map[string]string{"labels": "output"}}, bArm: &arm{axes: map[string]string{"labels": "all"}},
				context: fmt.Sprint("padding=", i), sides: sides{a: []string{"a"}, b: []string{"b"}}}
			for k, s := range signs {
				d := Difference{Figure: fmt.Sprint("f", k), Unit: "%", Sign: string(s)}
				switch s {
				case '+', 'u':
					d.Delta = 5
				case '-', 'd':
					d.Delta = -5
				}
				con.rows = append(con.rows, d)
			}
			r.between = append(r.between, con)
		}
		got := r.verdict()
		if m := r.matches()[0]; len(m.settings) > 1 {
			got = r.settingsSentence(m)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q: %s", c.settings, diff)
		}
	}
}

func TestDiffOfARunWithItselfIsEmpty(t *testing.T) {
	run := syntheticRun(1)
	c, err := Diff(run, run)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Differences()); n != 0 || len(c.Rows) != 6 {
		t.Errorf("%d differences in %d rows", n, len(c.Rows))
	}
}

func TestDiffFindsWhatChanged(t *testing.T) {
	a, b := syntheticRun(1), syntheticRun(1)
	// In B the all cell fails every item of "easy"; one item of "hard" has
	// another prompt; the base's "hard" is gone.
	var items []Item
	for _, it := range b.Items {
		switch {
		case it.Cell == "labels=all" && it.Suite == "easy":
			it.Correct, it.Prediction = false, "B"
		case it.Cell == "labels=all" && it.ID == "3":
			it.Prompt = "another"
		case it.Cell == "base:m" && it.Suite == "hard":
			continue
		}
		items = append(items, it)
	}
	b.Items = items
	b.Results = append(b.Results[:1:1], b.Results[2:]...)
	b.Steps[len(b.Steps)-1].Loss += 0.5
	c, err := Diff(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Regressions(); len(got) != 1 || got[0].Figure != "easy accuracy" || got[0].A != "labels=all" {
		t.Errorf("regressions: %+v", got)
	}
	golden(t, filepath.Join("testdata", "diff.txt"), []byte(c.Text()))
	golden(t, filepath.Join("testdata", "diff.md"), []byte(c.Markdown()))
	if _, err := Diff(a, &Run{}); err == nil {
		t.Error("runs without a model in common were compared")
	}
}

// names is a directory that only notes what is written.
type names map[string]bool

func (n names) WriteFile(name string, write func(io.Writer) error) error {
	n[name] = true
	return write(io.Discard)
}

// A comparison says in what its runs were told otherwise, a difference once: on the
// axes, in the recipe, in the form of a suite, in the numerics, in the data's bytes.
func TestDiffNamesWhatWasToldOtherwise(t *testing.T) {
	check := func(what string, change func(a, b *Run), want ...string) {
		t.Helper()
		a, b := syntheticRun(1), syntheticRun(1)
		for _, r := range []*Run{a, b} {
			for _, f := range [][3]string{{"recipe", "train.lr", "0.001"}, {"recipe", "data.source", "a.json"}, {"asked", "easy", "opencompass"}, {"keys", "prepare a.json", "ab12"}} {
				r.Facts = append(r.Facts, Fact{Section: f[0], Key: f[1], Value: f[2]})
			}
		}
		change(a, b)
		c, err := Diff(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, c.Settings); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	set := func(r *Run, key, value string) {
		for i := range r.Facts {
			if r.Facts[i].Key == key {
				r.Facts[i].Value = value
			}
		}
	}
	check("nothing", func(a, b *Run) {})
	check("an axis and the recipe", func(a, b *Run) { set(b, "seed", "7"); set(b, "train.lr", "0.002") }, "seed: 1 in A, 7 in B", "train.lr: 0.001 in A, 0.002 in B")
	check("a key that one has", func(a, b *Run) { b.Facts = append(b.Facts, Fact{Section: "recipe", Key: "data.limit", Value: "9"}) }, "data.limit: not set in A, 9 in B")
	check("the form and the numerics", func(a, b *Run) { set(b, "easy", "lm-eval"); set(b, "numerics", "cpu/2") }, "numerics: cpu/1 in A, cpu/2 in B", "easy asked as: opencompass in A, lm-eval in B")
	check("the same name, other data", func(a, b *Run) { set(b, "prepare a.json", "cd34") }, "a.json: its contents or the tokenizer differ")
	check("other data by the recipe", func(a, b *Run) { set(b, "prepare a.json", "cd34"); set(b, "data.source", "b.json") }, "data.source: a.json in A, b.json in B")
	check("a run of before", func(a, b *Run) {
		b.Facts = slices.DeleteFunc(b.Facts, func(f Fact) bool { return f.Section == "recipe" })
	})
}

func TestSeedWords(t *testing.T) {
	of := func(n int) *contrast { return &contrast{sides: sides{a: []string{"base"}, b: make([]string, n)}} }
	for want, list := range map[string][]*contrast{
		"for this seed":                 {of(1), of(1)},
		"in the mean over 3 seeds":      {of(3), of(3)},
		"in the mean over 2 to 3 seeds": {of(3), of(2), of(3)},
	} {
		if got := seedWords(list...); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
