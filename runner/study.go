package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/runner/data"
	"xrun/runner/disk"
	"xrun/runner/store"
	"xrun/runner/suites"
	"xrun/schema"
)

// study is a spec with its inputs opened and its stages laid out.
type study struct {
	spec  *schema.Spec
	cells []schema.Cell
	in    *inputs
	disk  disk.FS
	store *store.Store
	engineID

	models       map[string]*modelInput
	preparations map[store.Key]*preparation
	suites       []*suiteInput
	stages       []*stage
	byKey        map[store.Key]*stage

	trains    map[string]*stage       // by cell name
	evaluates map[string][]*stage     // by cell name or base name, in suite order
	heldouts  map[string]*stage       // likewise
	samples   map[string]*stage       // likewise
	bases     map[string]bool         // base models whose stages are laid out
	prepares  map[string]*preparation // by cell name
	missing   []error                 // inputs that are not here

	asked    *stage // a training whose weights are wanted by themselves
	discards bool   // weights are dropped whatever the spec says
	specPath string // the spec as given, for run.json and the copy beside the report
	tags     []string
	// Filled by estimate.
	counts []suiteCount
	notes  map[*suiteInput][]string
}

// modelInput is a model the spec names: what planning needs of it.
type modelInput struct {
	dir       dir
	config    model.Config
	tokenizer *tokenizer.Tokenizer
	weights   string // digest; "" when the files are not here
	configSum string
}

// preparation is a training set turned into tokens.
type preparation struct {
	key   store.Key
	input []byte
	model *modelInput
	set   schema.Data
	*data.Prepared
}

// baseName is how the tables call an untuned model.
func baseName(m string) string { return "base:" + m }

// openStudy loads a spec and lays out its stages. Inputs that are not here are
// collected in study.missing, so that a plan can name them all; any other
// fault is an error.
func openStudy(fsys disk.FS, path string, tags map[string]string, storeRoot string) (*study, error) {
	spec, err := schema.Load(path, schema.Options{Tags: tags, Suite: suites.Check})
	if err != nil {
		return nil, err
	}
	return newStudy(fsys, spec, storeRoot, planned)
}

// newStudy lays out the stages of a spec for an engine of the given identity.
func newStudy(fsys disk.FS, spec *schema.Spec, storeRoot string, id engineID) (*study, error) {
	cells, err := spec.Cells()
	if err != nil {
		return nil, err
	}
	s := &study{
		spec: spec, cells: cells, disk: fsys, store: store.At(fsys, storeRoot), engineID: id,
		in:     &inputs{digests: store.OpenDigests(fsys, storeRoot)},
		models: map[string]*modelInput{}, preparations: map[store.Key]*preparation{}, byKey: map[store.Key]*stage{},
		trains: map[string]*stage{}, evaluates: map[string][]*stage{}, heldouts: map[string]*stage{}, samples: map[string]*stage{}, bases: map[string]bool{},
		prepares: map[string]*preparation{},
	}
	if err := s.openSuites(); err != nil {
		return nil, err
	}
	for _, name := range spec.Matrix.Model {
		if err := s.openModel(name); err != nil {
			return nil, err
		}
	}
	for _, c := range cells {
		if err := s.addCell(c); err != nil {
			return nil, fmt.Errorf("cell %s: %w", c.Name, err)
		}
	}
	s.in.digests.Save()
	return s, nil
}

// absent notes an input that is not here and reports whether err was that.
func (s *study) absent(err error) bool {
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, new(*hintError)) {
		s.missing = append(s.missing, err)
		return true
	}
	return false
}

func (s *study) openSuites() error {
	for _, want := range s.spec.Eval.Suites {
		suite, err := s.in.suite(s.spec.Eval, want)
		if err == nil {
			s.suites = append(s.suites, suite)
			continue
		}
		if !s.absent(err) {
			return fmt.Errorf("suite %s: %w", want.Name, err)
		}
	}
	return nil
}

func (s *study) openModel(name string) error {
	d, err := s.in.model(name)
	if err != nil {
		if s.absent(err) {
			return nil
		}
		return err
	}
	m := &modelInput{dir: d}
	if m.config, err = model.ReadConfig(d.FS); err != nil {
		return fmt.Errorf("reading model %s: %w", name, err)
	}
	if _, b, err := store.KeyOf(m.config); err != nil {
		return err
	} else {
		m.configSum = digestBytes(b)
	}
	if m.tokenizer, err = tokenizer.Load(d.FS); err != nil {
		return fmt.Errorf("reading model %s: %w", name, err)
	}
	if m.weights, err = s.in.weightsDigest(d); err != nil && !s.absent(err) {
		return err
	} else if err == nil {
		if err := model.CheckWeights(d.FS); err != nil {
			return fmt.Errorf("reading model %s: %w", name, err)
		}
	}
	s.models[name] = m
	return nil
}

func digestBytes(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// done reports whether a stage's result is stored.
func (s *study) done(st *stage) bool { return s.store.Has(st.key) }

// missingError lists every input that is not here.
func (s *study) missingError() error {
	if len(s.missing) == 0 {
		return nil
	}
	var once []error // cells share inputs
	said := map[string]bool{}
	for _, err := range s.missing {
		if text := err.Error(); !said[text] {
			said[text], once = true, append(once, err)
		}
	}
	return errors.Join(once...)
}
