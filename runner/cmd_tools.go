package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"xrun/kernels"
	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/reports"
	"xrun/runner/disk"
	"xrun/runner/store"
)

var exportCommand = &command{
	name: "export", args: "RUN CELL DIR", summary: "write a tuned model as a transformers directory", min: 3, max: 3,
	help: `
Writes the weights of one cell of RUN, with its configuration and tokenizer, as a
directory that transformers loads: model.safetensors in f32 (or -dtype bf16),
config.json, tokenizer files. DIR must not exist.`,
	define: func(f *flags) {
		f.defineEngine()
		f.set.StringVar(&f.dtype, "dtype", "f32", "`f32|bf16`: type of the written weights")
	},
	run: func(e *env, f *flags, args []string) error {
		if err := oneOf("dtype", f.dtype, "f32", "bf16"); err != nil {
			return err
		}
		run, cell, to := runNamed(args[0]), args[1], args[2]
		spec, err := specOf(run)
		if err != nil {
			return err
		}
		id, ok := recorded(run)
		if !ok {
			id = planned
		}
		s, err := newStudy(e.disk, spec, storeOf(e.disk, run).Root(), id)
		if err != nil {
			return err
		}
		st := s.trains[cell]
		if st == nil {
			if err := s.missingError(); err != nil {
				return err
			}
			var names []string
			for _, c := range s.cells {
				names = append(names, c.Name)
			}
			return withHint(fmt.Errorf("no cell %q in %s", cell, run), "its cells: %s", strings.Join(names, ", "))
		}
		var base *modelInput
		for _, c := range s.cells {
			if c.Name == cell {
				base = s.models[c.Model]
			}
		}
		engine, err := newEngine(f, 0)
		if err != nil {
			return err
		}
		defer engine.Close()
		return s.export(engine, st, base, to, precisionOf(f.dtype))
	},
}

// tokenizerFiles are what a model directory holds beside weights and
// configuration.
var tokenizerFiles = []string{"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"chat_template.jinja", "vocab.json", "merges.txt"}

func (s *study) export(engine kernels.Engine, st *stage, base *modelInput, to string, t kernels.DType) error {
	o, err := s.store.Get(st.key)
	if errors.Is(err, store.ErrAbsent) {
		return withHint(fmt.Errorf("%s is not done", st.title), "run the study first")
	}
	if err != nil {
		return err
	}
	if err := o.Verify(); err != nil {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("writing %s: it is already there", to)
	}
	// Hidden, because what a killed export left is removed: DIR.part may be the user's.
	tmp := filepath.Join(filepath.Dir(filepath.Clean(to)), "."+filepath.Base(filepath.Clean(to))+".part")
	if err := disk.RemoveAll(s.disk, tmp); err != nil {
		return err
	}
	if err := disk.MkdirAll(s.disk, tmp); err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	defer disk.RemoveAll(s.disk, tmp)
	for _, name := range tokenizerFiles {
		b, err := fs.ReadFile(base.dir.FS, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := writeBytes(s.disk, filepath.Join(tmp, name), b); err != nil {
			return err
		}
	}
	m, err := model.Load(engine, os.DirFS(o.Dir()), kernels.F32)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.Save(disk.Dir{FS: s.disk, Path: tmp}, t); err != nil {
		return err
	}
	if err := s.disk.Rename(tmp, to); err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	return s.disk.SyncDir(filepath.Dir(filepath.Clean(to)))
}

var generateCommand = &command{
	name: "generate", args: "MODEL TEXT", summary: "continue a text", min: 2, max: 2,
	help: `
Continues TEXT with the model (a directory, a hub id in the local cache, or
builtin:tiny). Greedy unless -temperature is above 0; the same seed gives the
same text.`,
	define: func(f *flags) {
		f.defineEngine()
		f.set.IntVar(&f.maxNew, "n", 128, "most new `tokens`")
		f.set.Float64Var(&f.temp, "temperature", 0, "a `number`; 0 = greedy")
		f.set.IntVar(&f.topK, "top-k", 0, "keep the `k` likeliest tokens; 0 = all")
		f.set.Float64Var(&f.topP, "top-p", 1, "keep the likeliest tokens up to this `probability`")
		f.set.Uint64Var(&f.seed, "seed", 1, "`number` that seeds the sampling")
		f.set.StringVar(&f.dtype, "precision", "f32", "`f32|bf16`")
	},
	run: func(e *env, f *flags, args []string) error {
		if err := oneOf("precision", f.dtype, "f32", "bf16"); err != nil {
			return err
		}
		in := &inputs{digests: store.OpenDigests(e.disk, "")}
		d, err := in.model(args[0])
		if err != nil {
			return err
		}
		tok, err := tokenizer.Load(d.FS)
		if err != nil {
			return fmt.Errorf("reading model %s: %w", args[0], err)
		}
		prompt := tok.EncodePrompt(args[1])
		if len(prompt) == 0 {
			return usagef("TEXT is empty, and %s begins a text with no token of its own; give a first word", args[0])
		}
		engine, err := newEngine(f, 0)
		if err != nil {
			return err
		}
		defer engine.Close()
		m, err := model.LoadFrozen(engine, d.FS, precisionOf(f.dtype))
		if err != nil {
			return fmt.Errorf("loading %s: %w", args[0], err)
		}
		defer m.Close()
		out, err := m.Generate([][]int32{prompt}, model.GenerateOptions{
			MaxNew: f.maxNew, EOS: endTokens(tok, m.Config), Temperature: f.temp, TopK: f.topK, TopP: f.topP, Seed: f.seed})
		if err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, tok.Decode(out[0], true))
		return nil
	},
}

// endTokens are the tokens that end a generated text: the tokenizer's and the
// model's own.
func endTokens(tok *tokenizer.Tokenizer, c model.Config) []int32 {
	ends := c.EOS
	if id, _, ok := tok.EOS(); ok {
		ends = append([]int32{id}, ends...)
	}
	return ends
}

var diffCommand = &command{
	name: "diff", args: "A B", summary: "compare two runs item by item", min: 2, max: 2,
	help: `
Compares the runs A and B (run directories, or the report.md in one) item by item
with paired statistics: exact McNemar for accuracies, sign flips and bootstrap
otherwise; ~ where the data cannot tell. The values of A and B are each over all
their items, the difference over those in both.

-fail-on regression  exit status 3 when a figure of B is worse than A's and the
                     data can tell, or a figure or model of A is missing in B
-fail-on difference  exit status 3 when an item's score differs, or a figure or
                     model is on one side only`,
	define: func(f *flags) {
		f.set.StringVar(&f.failOn, "fail-on", "", "`regression|difference`: exit with status 3 on one")
		f.set.StringVar(&f.format, "format", "text", "`text|markdown`")
	},
	run: func(e *env, f *flags, args []string) error {
		if err := oneOf("format", f.format, "text", "markdown"); err != nil {
			return err
		}
		if f.failOn != "" {
			if err := oneOf("fail-on", f.failOn, "regression", "difference"); err != nil {
				return err
			}
		}
		a, err := readTables(args[0])
		if err != nil {
			return err
		}
		b, err := readTables(args[1])
		if err != nil {
			return err
		}
		c, err := reports.Diff(a, b)
		if err != nil {
			return err
		}
		text := c.Text()
		if f.format == "markdown" {
			text = c.Markdown()
		}
		fmt.Fprint(e.stdout, text)
		var why []string
		say := func(n int, one, rest string) {
			if n > 0 {
				why = append(why, plural(n, one)+rest)
			}
		}
		switch f.failOn {
		case "regression":
			say(len(c.Regressions()), "figure", " worse in "+args[1])
			say(len(c.Lost()), "figure", " of "+args[0]+" not in "+args[1])
			say(len(c.OnlyA), "model", " of "+args[0]+" not in "+args[1])
		case "difference":
			say(len(c.Differences()), "figure", " that differ")
			say(len(c.OnlyA)+len(c.OnlyB), "model", " on one side only")
		}
		if len(why) > 0 {
			return &statusError{exitDiffers, strings.Join(why, ", ")}
		}
		return nil
	},
}
