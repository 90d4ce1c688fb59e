package runner

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"xrun/model"
	"xrun/reports"
	"xrun/runner/disk"
	"xrun/runner/store"
	"xrun/runner/suites"
)

var evalCommand = &command{
	name: "eval", args: "MODEL", summary: "score a model without a spec", min: 1, max: 1,
	help: `
Scores a model (a directory, a hub id in the local cache, or builtin:tiny) on
suites under -root and prints the figures. With -o, items.parquet and
results.parquet go to that directory.

A suite is a name, NAME/VARIANT, or a file (.cue, .yaml) that holds the keys of
#Definition; xrun describe suite NAME shows an item's exact prompt.`,
	define: func(f *flags) {
		f.defineEngine()
		f.defineSuites()
		f.set.StringVar(&f.suites, "suites", "mmlu,hellaswag,winogrande,arc-e,arc-c,boolq", "`names` of suites")
		f.set.IntVar(&f.limit, "limit", 0, "score the first `n` items of each file; 0 = all")
		f.set.StringVar(&f.memory, "memory", "", "`size` that scoring may take beside the weights, such as 512MiB (changes no bit of the result)")
		f.set.StringVar(&f.dtype, "precision", "f32", "`f32|bf16`")
		f.set.StringVar(&f.out, "o", "", "`directory` for the tables")
	},
	run: func(e *env, f *flags, args []string) error {
		if err := oneOf("precision", f.dtype, "f32", "bf16"); err != nil {
			return err
		}
		in := &inputs{digests: store.OpenDigests(e.disk, "")}
		open, err := in.suites(f, strings.Split(f.suites, ",")...)
		if err != nil {
			return err
		}
		input, err := in.tokenized(args[0])
		if err != nil {
			return err
		}
		ask, err := f.asking(input)
		if err != nil {
			return err
		}
		engine, err := newEngine(f, 0)
		if err != nil {
			return err
		}
		defer engine.Close()
		m, err := model.LoadFrozen(engine, input.dir.FS, precisionOf(f.dtype))
		if err != nil {
			return fmt.Errorf("loading %s: %w", args[0], err)
		}
		defer m.Close()
		p := newProgress(e.stderr)
		t := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "suite\tfigure\titems\tvalue\t± se")
		var results []reports.Result
		var items []reports.Item
		p.start("evaluate on "+strings.Join(suiteNames(open), ", "), nil)
		rows, err := scoreAll(e.ctx, open, m, input.tokenizer, ask, p)
		if err != nil {
			return err
		}
		p.finish("")
		for i, s := range open {
			figures, _ := s.Figures(rows[i])
			for _, r := range figures {
				r.Cell, r.Model = args[0], args[0]
				results = append(results, r)
				se := "–" // of a single item
				if !math.IsNaN(r.StdErr) {
					se = fmt.Sprintf("%.2f", r.StdErr)
				}
				fmt.Fprintf(t, "%s\t%s\t%d\t%.2f\t%s", r.Suite, r.Figure, r.Items, r.Value, se)
				if r.Note != "" {
					fmt.Fprintf(t, "\t%s", r.Note)
				}
				fmt.Fprintln(t)
			}
			items = append(items, rows[i]...)
		}
		t.Flush()
		for _, s := range open {
			for _, n := range s.Notes() {
				fmt.Fprintf(e.stdout, "%s: %s\n", s.Name(), n)
			}
		}
		if f.out == "" {
			return nil
		}
		for i := range items {
			items[i].Cell = args[0]
		}
		if err := writeRows(disk.Dir{FS: e.disk, Path: f.out}, reports.ResultsFile, results); err != nil {
			return err
		}
		if err := writeRows(disk.Dir{FS: e.disk, Path: f.out}, reports.ItemsFile, items); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "tables: %s\n", filepath.Clean(f.out))
		return nil
	},
}

// suiteNames are the names of suites, in order.
func suiteNames(list []*suites.Suite) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.Name())
	}
	return out
}
