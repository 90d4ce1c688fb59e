package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"xrun/reports"
	"xrun/runner/store"
	"xrun/runner/suites"
	"xrun/schema"
)

var verifyCommand = &command{
	name: "verify", args: "RUN", summary: "recompute a run in an empty store and compare bytes", min: 1, max: 1,
	help: `
Runs the study of RUN (a run directory, or the report.md in one) again from its
spec.json in an empty store and compares every file but run.json and
timing.parquet byte for byte, and the spec as given with spec.json. Names the
first stage and every file that differ. The store is a temporary directory, which
holds the weights of one cell at a time.
-only evaluate takes prepared data and trained weights from the store beside RUN,
-only report all finished stages; both check digests only and say what they took.
Exit status 0: all equal; 3: something differs; 4: the engine that computed RUN is
not on this machine.`,
	define: func(f *flags) {
		f.defineEngine()
		f.set.StringVar(&f.only, "only", "", "evaluate or report: what to compute again, from stored stages before it")
	},
	run: func(e *env, f *flags, args []string) error {
		if f.only != "" {
			if err := oneOf("only", f.only, "evaluate", "report"); err != nil {
				return err
			}
		}
		dir := runNamed(args[0])
		fresh, err := os.MkdirTemp("", "xrun-verify-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(fresh)
		spec, err := specOf(dir)
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(dir, reports.ReportFile)); err != nil {
			return withHint(fmt.Errorf("verifying %s: it has no %s, its study is not finished", dir, reports.ReportFile), "`xrun status %s` says what is left of it", dir)
		}
		engine, err := engineOf(dir, f, spec.Run.Threads)
		if err != nil {
			return err
		}
		defer engine.Close()
		s, err := newStudy(e.disk, spec, storeDir(fresh), identityOf(engine))
		if err != nil {
			return err
		}
		s.discards = f.only == "" // nobody will look at them, and the temporary directory may be small
		s.specPath, err = givenSpec(dir)
		if err != nil {
			return err
		}
		taken, err := s.adopt(e, storeDir(filepath.Dir(dir)), f.only)
		if err != nil {
			return err
		}
		again := runDir(fresh, s.spec)
		if _, _, err := s.runAll(e, f, engine, again); err != nil {
			return err
		}
		differing, err := compareRuns(dir, again)
		if err != nil {
			return err
		}
		if s.specPath != "" && !resolvesTo(dir, s.specPath, spec) {
			differing = append(differing, filepath.Base(s.specPath)+": does not say what spec.json says, from which the run is made")
		}
		if taken != "" {
			fmt.Fprintf(e.stdout, "not computed again, taken from %s: %s\n", storeDir(filepath.Dir(dir)), taken)
		}
		if len(differing) == 0 {
			fmt.Fprintf(e.stdout, "verified: every file of %s is reproduced to the byte\n", dir)
			return nil
		}
		for _, d := range differing {
			fmt.Fprintln(e.stdout, d)
		}
		return &statusError{exitDiffers, fmt.Sprintf("%s is not reproduced: %s", dir, plural(len(differing), "difference"))}
	},
}

// adopt takes the stages that -only leaves out from the store at root, and says
// how many of each kind. One that is not there, or damaged, is computed again.
func (s *study) adopt(e *env, root, only string) (taken string, err error) {
	if only == "" {
		return "", nil
	}
	if err := s.store.Make(); err != nil {
		return "", err
	}
	from := store.At(e.disk, root)
	var kinds []string
	count := map[string]int{}
	for _, st := range s.stages {
		if only == "evaluate" && (st.kind != "prepare" && st.kind != "train" || from.Dropped(st.key)) {
			continue // the latter has no weights to evaluate
		}
		err := s.store.Adopt(from, st.key)
		if damaged := new(store.DamagedError); errors.As(err, &damaged) {
			fmt.Fprintf(e.stderr, "%s: %v; it is computed again\n", st.title, err)
		} else if err != nil && !errors.Is(err, store.ErrAbsent) {
			return "", err
		}
		if err != nil {
			continue
		}
		if count[st.kind]++; count[st.kind] == 1 {
			kinds = append(kinds, st.kind)
		}
	}
	if len(kinds) == 0 {
		return "", withHint(fmt.Errorf("verifying with -only %s: %s has none of the run's finished stages", only, root), "without -only all is computed again")
	}
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%d × %s", count[k], k)
	}
	return strings.Join(kinds, ", "), nil
}

// givenSpec finds the spec as given, kept in a run directory.
func givenSpec(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "spec.*"))
	if err != nil {
		return "", err
	}
	for _, p := range found {
		if filepath.Ext(p) != ".json" {
			return p, nil
		}
	}
	return "", nil
}

// resolvesTo reports whether the spec as given is the resolved one that a run is
// made from, under the tags that run.json has. Where a run came without it, the
// spec's scale is the one tag known; one with other tags is taken at its word.
func resolvesTo(dir, path string, spec *schema.Spec) bool {
	var p struct {
		Tags []string `json:"tags"`
	}
	raw, err := os.ReadFile(filepath.Join(dir, provenanceName))
	known := err == nil && json.Unmarshal(raw, &p) == nil
	tags := map[string]string{}
	for _, t := range p.Tags {
		name, value, _ := strings.Cut(t, "=")
		tags[name] = value
	}
	if !known {
		text, err := os.ReadFile(path)
		switch n := strings.Count(string(text), "@tag("); {
		case err != nil:
			return false
		case n > 1 || n == 1 && !strings.Contains(string(text), "@tag(scale"):
			return true
		case n == 1:
			tags["scale"] = spec.Scale
		}
	}
	given, err := schema.Load(path, schema.Options{Tags: tags, Suite: suites.Check})
	if err != nil {
		return false
	}
	given.Name = spec.Name // that of the file when it was run
	x, errX := given.JSON()
	y, errY := spec.JSON()
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// unverified are the files of a run that hold times and places.
var unverified = map[string]bool{provenanceName: true, timingName: true}

// compareRuns lists the files in which two run directories differ, the tables
// before what is drawn from them. Where the stages' keys differ, the first such
// stage is named, since everything else follows from it.
func compareRuns(a, b string) ([]string, error) {
	left, err := runFiles(a)
	if err != nil {
		return nil, err
	}
	right, err := runFiles(b)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for n := range left {
		names[n] = true
	}
	for n := range right {
		names[n] = true
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	sort.Slice(sorted, func(i, j int) bool {
		ti, tj := strings.HasSuffix(sorted[i], ".parquet"), strings.HasSuffix(sorted[j], ".parquet")
		if ti != tj {
			return ti
		}
		return sorted[i] < sorted[j]
	})
	var out []string
	for _, n := range sorted {
		switch {
		case !left[n]:
			out = append(out, n+": only in the new run")
		case !right[n]:
			out = append(out, n+": not in the new run")
		default:
			at, err := firstDifference(filepath.Join(a, n), filepath.Join(b, n))
			if err != nil {
				return nil, err
			}
			if at >= 0 {
				out = append(out, fmt.Sprintf("%s: differs from byte %d", n, at))
			}
		}
	}
	if len(out) > 0 {
		if first := firstDifferingStage(a, b); first != "" {
			out = append([]string{first}, out...)
		}
	}
	return out, nil
}

// runFiles lists the files of a run directory that a comparison reads. Hidden
// ones are locks and what killed processes left.
func runFiles(dir string) (map[string]bool, error) {
	files := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err == nil && !unverified[rel] && !strings.HasPrefix(d.Name(), ".") {
			files[filepath.ToSlash(rel)] = true
		}
		return err
	})
	return files, err
}

func firstDifference(a, b string) (int, error) {
	x, err := os.ReadFile(a)
	if err != nil {
		return 0, err
	}
	y, err := os.ReadFile(b)
	if err != nil {
		return 0, err
	}
	if bytes.Equal(x, y) {
		return -1, nil
	}
	for i := 0; i < len(x) && i < len(y); i++ {
		if x[i] != y[i] {
			return i, nil
		}
	}
	return min(len(x), len(y)), nil
}

// firstDifferingStage names the first stage, in the order of the plan, whose
// inputs (its content key) or whose result (its digest) differs between two run
// directories.
func firstDifferingStage(a, b string) string {
	left, err := reports.ReadTable[reports.Fact](filepath.Join(a, reports.FactsFile))
	if err != nil {
		return ""
	}
	right, err := reports.ReadTable[reports.Fact](filepath.Join(b, reports.FactsFile))
	if err != nil {
		return ""
	}
	facts := func(all []reports.Fact, section string) map[string]string {
		m := map[string]string{}
		for _, f := range all {
			if f.Section == section {
				m[f.Key] = f.Value
			}
		}
		return m
	}
	keys, before, after := facts(left, "keys"), facts(left, "digests"), facts(right, "digests")
	for _, f := range right {
		if f.Section != "keys" {
			continue
		}
		old, ok := keys[f.Key]
		switch {
		case !ok:
			return fmt.Sprintf("first stage that differs: %s is new", f.Key)
		case old != f.Value:
			return fmt.Sprintf("first stage that differs: %s, whose inputs changed (key %s, was %s)", f.Key, store.Key(f.Value).Short(), store.Key(old).Short())
		case before[f.Key] != "" && after[f.Key] != "" && before[f.Key] != after[f.Key]:
			return fmt.Sprintf("first stage that differs: %s, whose inputs are the same and whose result is not", f.Key)
		}
	}
	return "no stage differs: the run directory was changed after it was written, or another build wrote its report"
}
