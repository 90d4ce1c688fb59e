package runner

import (
	"fmt"
	"slices"
	"strings"

	"xrun/model"
	"xrun/runner/data"
	"xrun/runner/store"
)

var describeCommand = &command{
	name: "describe", args: "MODEL | data SPEC | suite NAME", summary: "a model's structure; what is trained on; a suite's exact prompts", min: 1, max: 2,
	help: `
describe MODEL prints the module tree as transformers shows it, with shapes and
parameter counts.

describe data SPEC prints the mask ledger and an item of the data set (-item N),
decoded, with its targets marked.

describe suite NAME prints the exact prompt of an item (-item N) of a suite under
-root, with the token boundaries of -model's tokenizer. NAME may be NAME/VARIANT or
a file that defines a suite.

Items are counted from 1, as errors, notes and reports count them. The rows of
items.parquet are counted from 0 within their file: row 0 is its first item.`,
	define: func(f *flags) {
		f.defineTags()
		f.defineRuns()
		f.set.IntVar(&f.item, "item", 1, "`number` of the item, from 1")
		f.defineSuites()
		f.set.StringVar(&f.model, "model", "builtin:tiny", "`model` whose tokenizer cuts the prompt")
	},
	run: func(e *env, f *flags, args []string) error {
		switch {
		case args[0] == "data" && len(args) == 2:
			return e.describeData(f, args[1])
		case args[0] == "suite" && len(args) == 2:
			return e.describeSuite(f, args[1])
		case len(args) == 1:
			return e.describeModel(args[0])
		}
		return usagef("describe takes MODEL, data SPEC or suite NAME")
	},
}

func (e *env) describeModel(name string) error {
	in := &inputs{digests: store.OpenDigests(e.disk, "")}
	d, err := in.model(name)
	if err != nil {
		return err
	}
	c, err := model.ReadConfig(d.FS)
	if err != nil {
		return fmt.Errorf("reading model %s: %w", name, err)
	}
	fmt.Fprint(e.stdout, c.Describe())
	return nil
}

func (e *env) describeData(f *flags, path string) error {
	tags, err := f.tagMap()
	if err != nil {
		return err
	}
	s, err := openStudy(e.disk, path, tags, storeDir(f.runs))
	if err != nil {
		return err
	}
	var p *preparation // of the first cell whose model and data are here
	for _, c := range s.cells {
		if p = s.prepares[c.Name]; p != nil {
			break
		}
	}
	if p == nil {
		return s.missingError()
	}
	if f.item < 1 || f.item > p.Ledger.Items {
		return usagef("-item %d: the data set has the items 1 to %d", f.item, p.Ledger.Items)
	}
	s.printLedgers(e.stdout)
	row, why := rowOf(p.Prepared, f.item)
	of := ""
	if len(s.preparations) > 1 { // the first's
		of = " of " + p.set.Source
	}
	fmt.Fprintf(e.stdout, "item %d of %d%s; %s\n", f.item, p.Ledger.Items, of, why)
	if row != nil {
		prompt, target, end := row.Text(p.model.tokenizer)
		fmt.Fprintf(e.stdout, "\n%s«%s%s»\n", prompt, target, end)
	}
	return nil
}

// rowOf finds what became of an item, counted from 1: its row, nil if it has
// none, and what is done with it.
func rowOf(p *data.Prepared, item int) (*data.Row, string) {
	is := func(r data.Row) bool { return r.Item == item-1 }
	if i := slices.IndexFunc(p.Rows, is); i >= 0 {
		return &p.Rows[i], "the loss counts what stands between « and » (and the rest with the cell's prompt weight)"
	}
	if i := slices.IndexFunc(p.HeldOut, is); i >= 0 {
		return &p.HeldOut[i], "held out: no cell trains on it; the held-out losses are of what stands between « and », and of the rest"
	}
	if slices.Contains(p.Ledger.Dropped, item) {
		return nil, "it is longer than data.maxLength and dropped, as data.truncate says"
	}
	return nil, "it has no tokens, so no cell trains on it"
}

func (e *env) describeSuite(f *flags, name string) error {
	in := &inputs{digests: store.OpenDigests(e.disk, "")}
	open, err := in.suites(f, name)
	if err != nil {
		return err
	}
	input, err := in.tokenized(f.model)
	if err != nil {
		return err
	}
	ask, err := f.asking(input)
	if err != nil {
		return err
	}
	text, err := open[0].Describe(f.item-1, input.tokenizer, ask.options(input.config, input.tokenizer))
	if err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, strings.TrimRight(text, "\n"))
	return nil
}
