package runner

import (
	"fmt"
	"strings"

	"xrun/model"
	"xrun/runner/store"
)

var describeCommand = &command{
	name: "describe", args: "MODEL | data SPEC | suite NAME", summary: "a model's structure; what is trained on; a suite's exact prompts", min: 1, max: 2,
	help: `
describe MODEL prints the module tree as transformers shows it, with shapes and
parameter counts.

describe data SPEC prints the mask ledger and a decoded training example (-item N)
with its targets marked.

describe suite NAME prints the exact prompt of an item (-item N) of a suite under
-root, with the token boundaries of -model's tokenizer. NAME may be NAME/VARIANT or
a file that defines a suite.`,
	define: func(f *flags) {
		f.defineTags()
		f.defineRuns()
		f.set.IntVar(&f.item, "item", 0, "`number` of the item, from 0")
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
	if len(s.preparations) == 0 {
		return s.missingError()
	}
	s.printLedgers(e.stdout)
	c := s.cells[0]
	p := s.prepares[c.Name]
	if f.item < 0 || f.item >= len(p.Rows) {
		return usagef("-item %d: the training set has rows 0 to %d", f.item, len(p.Rows)-1)
	}
	prompt, target, end := p.Example(f.item, p.model.tokenizer)
	fmt.Fprintf(e.stdout, "row %d; the loss counts what stands between « and » (and the rest with the cell's prompt weight)\n\n", f.item)
	fmt.Fprintf(e.stdout, "%s«%s%s»\n", prompt, target, end)
	return nil
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
	text, err := open[0].Describe(f.item, input.tokenizer, ask.options(input.config, input.tokenizer))
	if err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, strings.TrimRight(text, "\n"))
	return nil
}
