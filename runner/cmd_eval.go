package runner

import (
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/reports"
	"xrun/runner/disk"
	"xrun/runner/store"
	"xrun/runner/suites"
	"xrun/schema"
)

var evalCommand = &command{
	name: "eval", args: "MODEL", summary: "score a model without a spec", min: 1, max: 1,
	help: `
Scores a model (a directory, a hub id in the local cache, or builtin:tiny) on
suites under -root and prints the figures. With -o, items.parquet and
results.parquet go to that directory.`,
	define: func(f *flags) {
		f.defineEngine()
		f.set.StringVar(&f.suites, "suites", "mmlu,hellaswag,winogrande,arc-e,arc-c,boolq", "`names` of suites")
		f.set.StringVar(&f.root, "root", "builtin:tiny/suites", "`directory` of the suites' files")
		f.set.IntVar(&f.limit, "limit", 0, "score the first `n` items of each file; 0 = all")
		f.set.StringVar(&f.proto, "protocol", "opencompass", "`opencompass|lm-eval|generate`")
		f.set.StringVar(&f.dtype, "precision", "f32", "`f32|bf16`")
		f.set.StringVar(&f.out, "o", "", "`directory` for the tables")
	},
	run: func(e *env, f *flags, args []string) error {
		if err := oneOf("precision", f.dtype, "f32", "bf16"); err != nil {
			return err
		}
		in := &inputs{digests: store.OpenDigests(e.disk, "")}
		root, err := in.directory(f.root)
		if err != nil {
			return err
		}
		var open []*suites.Suite
		for _, name := range strings.Split(f.suites, ",") {
			name, variant, _ := strings.Cut(name, "/")
			s, err := suites.Open(root.suites(), schema.Suite{Suite: name, Name: strings.TrimSuffix(name+"-"+variant, "-"), Variant: variant, Protocol: f.proto, Limit: f.limit})
			if err != nil {
				return err
			}
			open = append(open, s)
		}
		d, err := in.model(args[0])
		if err != nil {
			return err
		}
		tok, err := tokenizer.Load(d.FS)
		if err != nil {
			return fmt.Errorf("reading model %s: %w", args[0], err)
		}
		engine, err := newEngine(f, 0)
		if err != nil {
			return err
		}
		defer engine.Close()
		m, err := model.Load(engine, d.FS, precisionOf(f.dtype))
		if err != nil {
			return fmt.Errorf("loading %s: %w", args[0], err)
		}
		defer m.Close()
		p := newProgress(e.stderr)
		t := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "suite\tfigure\titems\tvalue\t± se")
		var results []reports.Result
		var items []reports.Item
		for _, s := range open {
			p.start("evaluate on "+s.Name(), nil)
			rows, err := score(e.ctx, s, m, tok, p)
			if err != nil {
				return err
			}
			p.finish("")
			figures, _ := s.Figures(rows)
			for _, r := range figures {
				r.Cell, r.Model = args[0], args[0]
				results = append(results, r)
				fmt.Fprintf(t, "%s\t%s\t%d\t%.2f\t%.2f\n", r.Suite, r.Figure, r.Items, r.Value, r.StdErr)
			}
			items = append(items, rows...)
		}
		t.Flush()
		if f.out == "" {
			return nil
		}
		for i := range items {
			items[i].Cell = args[0]
		}
		if err := writeRows(disk.Dir{FS: e.disk, Path: f.out}, "results.parquet", results); err != nil {
			return err
		}
		if err := writeRows(disk.Dir{FS: e.disk, Path: f.out}, "items.parquet", items); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "tables: %s\n", filepath.Clean(f.out))
		return nil
	},
}
