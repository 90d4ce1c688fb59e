package suites

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"xrun/schema"
)

// Suite is a suite whose files were read and found sound.
type Suite struct {
	spec    schema.Suite
	prog    *program
	root    Root
	files   []File
	subsets []string // in layout order; one empty name for a suite without subsets
	items   []item
	prefix  map[string]string // head and shots of each subset
	notes   []string
	skipped int  // rows that the protocol leaves out
	labeled bool // an annotation file was applied
	clean   bool // ... which tells clean from unlabeled
}

// item is a parsed row.
type item struct {
	subset  string
	id      string
	row     row // without its value
	vars    map[string]string
	labels  []string
	texts   []string
	gold    int
	answer  string // gold text, for generate
	split   string
	cluster string
}

// Open finds a suite's files under root, reads and checks them. The suite is
// one of those known by name (see [schema.Suites]), in its protocol and variant.
func Open(root Root, s schema.Suite) (*Suite, error) {
	def, err := Find(s.Suite, s.Protocol, s.Variant)
	if err != nil {
		return nil, err
	}
	return OpenDefinition(root, def, s)
}

// OpenDefinition is [Open] for a definition of the user's own. Of s it takes the
// name, path, subjects, limit and annotations.
func OpenDefinition(root Root, def schema.Definition, s schema.Suite) (*Suite, error) {
	suite, err := located(root, def, s)
	if err != nil {
		return nil, err
	}
	if err := suite.open(); err != nil {
		return nil, fmt.Errorf("opening suite %s: %w", suite.spec.Name, err)
	}
	return suite, nil
}

// located is a suite whose files are still to be read.
func located(root Root, def schema.Definition, s schema.Suite) (*Suite, error) {
	prog, err := compile(def)
	if err != nil {
		return nil, err
	}
	if s.Name == "" {
		s.Name = def.Name
	}
	if s.Limit < 0 {
		return nil, fmt.Errorf("opening suite %s: limit %d is negative", s.Name, s.Limit)
	}
	if s.Path != "" {
		s.Path = path.Clean(strings.ReplaceAll(s.Path, `\`, "/"))
	}
	return &Suite{spec: s, prog: prog, root: root, prefix: map[string]string{}}, nil
}

func (s *Suite) open() error {
	if err := s.findSubsets(); err != nil {
		return err
	}
	golds := map[string]int{}
	for _, subset := range s.subsets {
		if err := s.readSubset(subset, golds); err != nil {
			return err
		}
	}
	if len(s.items) == 0 {
		return errors.New("its files hold no item")
	}
	if s.prog.def.Protocol != "generate" && !s.prog.def.Gold.Same && len(golds) == 1 && len(s.items) > 1 {
		for g := range golds {
			return fmt.Errorf("every one of the gold answers is %s: the file's answers are missing or in another form than %q; if it is meant so, gold: same: true", g, s.prog.def.Gold.Path)
		}
	}
	s.noteChoices()
	if err := s.annotate(); err != nil {
		return err
	}
	s.compareSizes()
	return nil
}

// Name is the suite's name in tables.
func (s *Suite) Name() string { return s.spec.Name }

// Definition is the definition that the suite was opened with.
func (s *Suite) Definition() schema.Definition { return s.prog.def }

// Len is the number of items.
func (s *Suite) Len() int { return len(s.items) }

// Notes says what is unusual about the files and what was left out.
func (s *Suite) Notes() []string { return append([]string{}, s.notes...) }

// formVersion changes when the same definition and files would make other rows.
const formVersion = 1

// Digest determines the suite's rows, given tokenizer, model and length limit:
// the definition, the files' contents, the items taken. It names no path, so
// equal files anywhere have equal digests. 64 hexadecimal digits.
func (s *Suite) Digest() string {
	def := s.prog.def
	def.Origin, def.Files.Test = "", nil
	if def.Shots != nil {
		sh := *def.Shots
		sh.Files = nil
		def.Shots = &sh
	}
	if def.Annotations != nil {
		a := *def.Annotations
		a.Files = nil
		def.Annotations = &a
	}
	b, err := json.Marshal(struct {
		Version    int
		Name       string
		Definition schema.Definition
		Limit      int
		Subsets    []string
		Files      []File
	}{formVersion, s.spec.Name, def, s.spec.Limit, s.subsets, s.files})
	if err != nil {
		panic("suites: " + err.Error()) // strings and numbers only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
