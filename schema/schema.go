// Package schema says what an experiment may be: it loads a spec written in CUE
// or YAML, checks it against the closed definition #Experiment of schema.cue,
// fills in the defaults and enumerates the cells of its matrix.
//
// It is not an evaluator of anything else: it knows nothing of models, engines
// or files named in a spec. Most readers need [Load] and [Spec.Cells].
//
// # Errors
//
// A faulty spec gives [Errors], one line for each problem, all of them at once:
//
//	mask.cue:9:2: train.bach: unknown key; did you mean "batch"?
//	mask.cue:10:7: train.lr: is 0; want a learning rate above 0, at most 1
//
// CUE alone loses unknown keys beside a value error, points into the schema for
// bounds and answers a wrong word with one line for each allowed one. So the spec
// is walked beside the schema here, value by value, and CUE is asked about
// scalars only; see walk.go.
//
// # Tags
//
// A CUE spec declares what the command line may set by CUE's own @tag
// attribute; Options.Tags fills them in:
//
//	scale: *"tiny" | "paper" @tag(scale)        -t scale=paper
package schema

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
)

//go:embed schema.cue
var source string

// Options modify Load.
type Options struct {
	// Tags are values for the spec's @tag attributes by name, as given with -t.
	Tags map[string]string
	// Suite, where set, checks a definition in eval.define beyond its form.
	Suite func(Definition) error
	// Read replaces os.ReadFile.
	Read func(path string) ([]byte, error)
}

// maxSize bounds a spec file. The evaluator's depth and memory follow from it.
const maxSize = 256 << 10

// Load reads the spec at path (.cue, .yaml or .yml), checks it and fills in the
// defaults. A faulty spec gives Errors with every problem found; a file that
// cannot be read gives the reader's error.
func Load(path string, opt Options) (*Spec, error) {
	data, err := read(path, opt.Read)
	if err != nil {
		return nil, err
	}
	c := newChecker(path)
	c.suite = opt.Suite
	spec := c.load(data, opt.Tags)
	if len(c.errs) > 0 {
		return nil, c.errs.sorted()
	}
	return spec, nil
}

// LoadDefinition reads the file of one suite (.cue, .yaml or .yml), which holds
// the keys of #Definition; its name is the file's where it has none.
func LoadDefinition(path string, opt Options) (Definition, error) {
	data, err := read(path, opt.Read)
	if err != nil {
		return Definition{}, err
	}
	c := newChecker(path)
	var d Definition
	c.build(data, opt.Tags, func(schema, v cue.Value) {
		w := walker{checker: c, schema: schema}
		tree := w.structure(schema.LookupPath(cue.ParsePath("#Definition")), v, "")
		if len(c.errs) > 0 {
			return
		}
		raw, err := json.Marshal(tree)
		if err == nil {
			err = json.Unmarshal(raw, &d)
		}
		if err != nil {
			panic("schema: decoding a checked definition: " + err.Error())
		}
		if d.Name == "" {
			d.Name = baseName(path)
		}
		if opt.Suite != nil {
			if err := opt.Suite(d); err != nil {
				c.errs = append(c.errs, Error{File: c.file, Message: err.Error()})
			}
		}
	})
	if len(c.errs) > 0 {
		return Definition{}, c.errs.sorted()
	}
	return d, nil
}

// baseName is a file's name without its extension.
func baseName(path string) string {
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}

func read(path string, readFile func(string) ([]byte, error)) ([]byte, error) {
	if readFile == nil {
		readFile = os.ReadFile
	}
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading %s: no such file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("reading %s: it has %d bytes, and a spec at most %d; is this a spec?", path, len(data), maxSize)
	}
	return data, nil
}

// load runs the stages of checking. It goes on after a fault wherever the rest
// can still be judged.
func (c *checker) load(data []byte, tags map[string]string) (spec *Spec) {
	c.build(data, tags, func(schema, v cue.Value) {
		spec = c.resolve(schema, v)
		spec.Name = baseName(c.file)
		if !isName(spec.Name) {
			c.errs = append(c.errs, Error{File: c.file, Message: "begins with a dot, and so would its run directory", Hint: "give the file another name"})
		}
	})
	return spec
}

// isName reports whether a study may be called so: its run directory is, beside
// the store, whose name begins with a dot.
func isName(name string) bool { return name != "" && name[0] != '.' }

// build evaluates the file and hands it to use beside the schema.
func (c *checker) build(data []byte, tags map[string]string, use func(schema, v cue.Value)) {
	defer func() {
		// The parsers and CUE's evaluator are not ours; a bug there is the
		// file's problem, not a crash.
		if p := recover(); p != nil {
			c.errs = append(c.errs, Error{File: c.file, Message: fmt.Sprintf("cannot be evaluated: %v", p), Hint: "simplify the spec"})
		}
	}()
	ctx := cuecontext.New()
	schema := ctx.CompileString(source, cue.Filename("schema.cue"))
	if err := schema.Err(); err != nil {
		panic("schema: schema.cue: " + err.Error())
	}
	var v cue.Value
	var ok bool
	switch ext := strings.ToLower(filepath.Ext(c.file)); ext {
	case ".cue":
		v, ok = c.buildCUE(ctx, data, tags)
	case ".yaml", ".yml":
		v, ok = c.buildYAML(ctx, data, tags)
	default:
		c.errs = append(c.errs, Error{File: c.file, Message: "is not named as a spec", Hint: "specs end in .cue, .yaml or .yml"})
	}
	if ok {
		use(schema, v)
	}
}

// resolve checks a spec's value against the schema and fills in the defaults.
func (c *checker) resolve(schema, v cue.Value) *Spec {
	experiment := schema.LookupPath(cue.ParsePath("#Experiment"))
	w := walker{checker: c, schema: schema}
	tree := w.structure(experiment, v, "")
	spec := decode(schema, tree, w.extra)
	c.check(spec)
	if len(c.errs) == 0 {
		// A net under the walk: whatever it let pass must satisfy CUE too.
		if err := experiment.Unify(v).Validate(cue.Concrete(true), cue.Final()); err != nil {
			c.cueErrors(err)
		}
	}
	return spec
}
