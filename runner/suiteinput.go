package runner

import (
	"fmt"
	"sync"

	"xrun/runner/suites"
	"xrun/schema"
)

// suiteInput is a suite the spec names. Keys need its digest only, so its files
// are parsed when something asks for its items: a stage that is to run, the
// plan's counts, the report.
type suiteInput struct {
	name   string
	digest string
	// identity is suites.Identity of the files as they were found; "" if they
	// changed meanwhile.
	identity string
	bare     bool // see suites.Bare
	// open parses the files, once.
	open func() (*suites.Suite, error)
}

// suite finds a suite's files. Files that were read before, and found sound, are
// not parsed again: what their digest makes of them is remembered.
func (in *inputs) suite(e schema.Eval, want schema.Suite) (*suiteInput, error) {
	root, err := in.directory(e.Root)
	if err != nil {
		return nil, err
	}
	def, ok := e.Define[want.Suite]
	if !ok {
		if def, err = suites.Find(want.Suite, want.Protocol, want.Variant); err != nil {
			return nil, err
		}
	}
	s := &suiteInput{name: want.Name, bare: suites.Bare(def)}
	parse := func() (*suites.Suite, error) { return suites.OpenDefinition(root.suites(), def, want) }
	identity, idErr := suites.Identity(root.suites(), def, want, in.digests.File)
	if idErr == nil {
		s.digest, ok = in.digests.Recall(identity)
	}
	if idErr == nil && ok {
		s.identity = identity
		s.open = sync.OnceValues(func() (*suites.Suite, error) {
			suite, err := parse()
			if err == nil && suite.Digest() != s.digest {
				err = fmt.Errorf("suite %s: its files changed since this run began; run the same command again", want.Name)
			}
			return suite, err
		})
		return s, nil
	}
	suite, err := parse() // which also says what is wrong with the files
	if err != nil {
		return nil, err
	}
	s.digest = suite.Digest()
	s.open = func() (*suites.Suite, error) { return suite, nil }
	if again, err := suites.Identity(root.suites(), def, want, in.digests.File); err == nil && again == identity {
		s.identity = identity
		in.digests.Remember(identity, s.digest)
	}
	return s, nil
}
