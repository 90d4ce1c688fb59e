package runner

import (
	"encoding/json"
	"os"
	"path/filepath"

	"xrun/runner/store"
)

// madeReport says, in run.json, what the files of the run directory were made of
// and what they are: a run that finds every stage stored, and these files as they
// were left, has nothing to write.
type madeReport struct {
	Of      store.Key         `json:"of"` // see reportKey
	Verdict string            `json:"verdict"`
	Files   map[string]string `json:"files"` // sha256 by name
}

// reportKey determines the files of a run directory: program, spec and stages
// with what each made. It is empty where that is not known: a stage failed, or an
// input changed meanwhile.
func (s *study) reportKey() store.Key {
	type made struct {
		Title  string    `json:"title"`
		Key    store.Key `json:"key"`
		Digest string    `json:"digest"`
	}
	k := struct {
		Kind    string   `json:"kind"` // "report"
		Program string   `json:"program"`
		Given   string   `json:"given"` // the spec's file
		Spec    string   `json:"spec"`  // as resolved
		Stages  []made   `json:"stages"`
		Suites  []string `json:"suites"` // identities: notes name files
	}{Kind: "report", Program: s.thisBuild().Executable}
	for _, st := range s.stages {
		o, err := s.store.Get(st.key)
		if err != nil {
			return ""
		}
		k.Stages = append(k.Stages, made{st.title, st.key, o.Digest})
	}
	for _, suite := range s.suites {
		k.Suites = append(k.Suites, suite.identity)
		if suite.identity == "" {
			return ""
		}
	}
	resolved, err := s.spec.JSON()
	if err == nil && s.specPath != "" {
		k.Given, err = s.in.digestFile(s.specPath)
	}
	if err != nil || k.Program == "" {
		return ""
	}
	k.Spec = digestBytes(resolved)
	key, _, err := store.KeyOf(k)
	if err != nil {
		return ""
	}
	return key
}

// reportMade describes the files just written.
func reportMade(dir string, of store.Key, verdict string) (*madeReport, error) {
	if of == "" {
		return nil, nil
	}
	files, err := runFiles(dir)
	if err != nil {
		return nil, err
	}
	m := &madeReport{of, verdict, map[string]string{}}
	for name := range files {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		m.Files[name] = digestBytes(b)
	}
	return m, nil
}

// madeBefore returns the verdict of the run directory's report if it was made of
// what of stands for and every file is still what was written.
func madeBefore(dir string, of store.Key) (verdict string, ok bool) {
	raw, err := os.ReadFile(filepath.Join(dir, provenanceName))
	if err != nil || of == "" {
		return "", false
	}
	var p provenance
	if json.Unmarshal(raw, &p) != nil || p.Report == nil || p.Report.Of != of {
		return "", false
	}
	for name, sum := range p.Report.Files {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || digestBytes(b) != sum {
			return "", false
		}
	}
	return p.Report.Verdict, true
}
