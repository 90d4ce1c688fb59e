package schema

import (
	_ "embed"
	"maps"
	"slices"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
)

//go:embed suites.cue
var suitesSource string

// Suites returns the definitions of the suites known by name, from suites.cue.
// The first of a name is its default form, the first of a name and protocol that
// protocol's. The list is made once and must not be written to.
func Suites() []Definition { return knownSuites() }

var knownSuites = sync.OnceValue(func() []Definition {
	// Not unified with #Definition, which takes a second: a test does that.
	v := cuecontext.New().CompileString(suitesSource, cue.Filename("suites.cue"))
	var list []Definition
	into(v.LookupPath(cue.ParsePath("suites")), &list)
	return list
})

// forms are a suite's definitions in a study: those known by name, or the one in
// eval.define.
func (s *Spec) forms(suite string) (list []Definition) {
	if d, ok := s.Eval.Define[suite]; ok {
		return []Definition{d}
	}
	for _, d := range Suites() {
		if d.Name == suite {
			list = append(list, d)
		}
	}
	return list
}

// suiteNames lists what a suite may be called, defined ones first.
func (s *Spec) suiteNames() []string {
	names := slices.Sorted(maps.Keys(s.Eval.Define))
	for _, d := range Suites() {
		if !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	return names
}
