package runner

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/runner/suites"
	"xrun/schema"
)

// suites opens the suites that a command line names: NAME, NAME/VARIANT, or a
// file with a definition.
func (in *inputs) suites(f *flags, names ...string) ([]*suites.Suite, error) {
	root, err := in.directory(f.root)
	if err != nil {
		return nil, err
	}
	var open []*suites.Suite
	for _, name := range names {
		want := schema.Suite{Suite: name, Name: name, Protocol: f.proto, Limit: f.limit}
		define := map[string]schema.Definition{}
		if ext := filepath.Ext(name); slices.Contains([]string{".cue", ".yaml", ".yml"}, ext) {
			d, err := schema.LoadDefinition(name, schema.Options{Suite: suites.Check})
			if err != nil {
				return nil, err
			}
			define[name], want.Name = d, d.Name
		} else if suite, variant, ok := strings.Cut(name, "/"); ok {
			want.Suite, want.Variant, want.Name = suite, variant, suite+"-"+variant
		}
		if f.subjects != "" && len(names) == 1 || want.Suite == "mmlu" && f.subjects != "" {
			want.Subjects = strings.Split(f.subjects, ",")
		}
		if want.Protocol == "" {
			for _, d := range schema.Suites() {
				if d.Name == want.Suite {
					want.Protocol = d.Protocol
					break
				}
			}
		}
		s, err := openSuite(root.suites(), define, want)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(open, func(o *suites.Suite) bool { return o.Name() == s.Name() }) {
			return nil, usagef("suite %s is named twice", s.Name())
		}
		open = append(open, s)
	}
	return open, nil
}

// tokenized opens a model directory as far as asking it takes.
func (in *inputs) tokenized(name string) (*modelInput, error) {
	d, err := in.model(name)
	if err != nil {
		return nil, err
	}
	m := &modelInput{dir: d}
	if m.config, err = model.ReadConfig(d.FS); err == nil {
		m.tokenizer, err = tokenizer.Load(d.FS)
	}
	if err != nil {
		return nil, fmt.Errorf("reading model %s: %w", name, err)
	}
	return m, nil
}

// asking is what the command line says about how to ask.
func (f *flags) asking(m *modelInput) (a asking, err error) {
	if err := oneOf("template", f.template, "none", "alpaca", "chat", "plain"); err != nil {
		return a, err
	}
	if a.memory, err = parseBytes(f.memory); err != nil {
		return a, usagef("-memory: %v", err)
	}
	if f.template != "none" {
		a.template, err = templateOf(schema.Data{Template: f.template, BOS: "auto", End: "none"}, m)
	}
	return a, err
}
