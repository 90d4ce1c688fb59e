package suites

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"sort"
	"strings"

	"xrun/schema"
)

// findSubsets decides which subsets there are: those asked for, else those
// whose files exist, in layout order and then by name.
func (s *Suite) findSubsets() error {
	if !s.prog.subsetScoped {
		if len(s.spec.Subjects) > 0 {
			return errors.New("it has no subjects to choose from")
		}
		s.subsets = []string{""}
		return nil
	}
	order := layoutOf(s.prog.def.Groups)
	if len(s.spec.Subjects) > 0 {
		seen := map[string]bool{}
		for _, name := range s.spec.Subjects {
			if name == "" || strings.ContainsAny(name, `/\{}`) || seen[name] {
				return fmt.Errorf("subject %q is no subject's name or named twice", name)
			}
			seen[name] = true
		}
		s.subsets = append([]string{}, s.spec.Subjects...)
	} else {
		found, tried, err := s.listSubsets()
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return s.notFound(tried)
		}
		s.subsets = found
	}
	sort.SliceStable(s.subsets, func(i, j int) bool {
		a, aok := order[s.subsets[i]]
		b, bok := order[s.subsets[j]]
		switch {
		case aok && bok:
			return a < b
		case aok != bok:
			return aok
		}
		return s.subsets[i] < s.subsets[j]
	})
	return nil
}

// layoutOf numbers the members of the groups in order of first mention.
func layoutOf(groups []schema.SuiteGroup) map[string]int {
	order := map[string]int{}
	for _, g := range groups {
		for _, m := range g.Members {
			if _, ok := order[m]; !ok {
				order[m] = len(order)
			}
		}
	}
	return order
}

// listSubsets lists the directories where the test files may be.
func (s *Suite) listSubsets() (found, tried []string, err error) {
	for _, cand := range s.candidates(s.prog.def.Files.Test) {
		dir, base := path.Split(cand)
		dir = path.Clean(dir)
		before, after, _ := strings.Cut(base, "{subset}")
		if strings.Contains(dir, "{subset}") {
			return nil, nil, fmt.Errorf("file %q has {subset} in a directory's name; list the subjects instead", cand)
		}
		tried = append(tried, cand)
		names, err := s.root.list(dir)
		if err != nil {
			return nil, nil, fmt.Errorf("listing %s: %w", s.root.display(dir), reason(err))
		}
		for _, n := range names {
			if len(n) > len(before)+len(after) && strings.HasPrefix(n, before) && strings.HasSuffix(n, after) {
				found = append(found, n[len(before):len(n)-len(after)])
			}
		}
		if len(found) > 0 {
			return found, tried, nil
		}
	}
	return nil, tried, nil
}

// candidates are the places where a file of the definition may be: under root
// and root/data, or with a path given, that file, or below that directory at
// every suffix of the definition's own path.
func (s *Suite) candidates(files []string) []string {
	var out []string
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if s.spec.Path == "" {
		for _, f := range files {
			add(f)
			add("data/" + f)
		}
		return out
	}
	dir := s.spec.Path
	if ok, isDir, _ := s.root.stat(dir); ok && !isDir {
		dir = path.Dir(dir) // the other files of a suite lie beside the one named
	}
	for _, f := range files {
		for rest := f; ; {
			add(path.Join(dir, rest))
			_, after, more := strings.Cut(rest, "/")
			if !more {
				break
			}
			rest = after
		}
	}
	return out
}

// locate returns the first candidate that exists.
func (s *Suite) locate(files []string, subset string) (string, error) {
	cands := s.candidates(files)
	for i, c := range cands {
		cands[i] = strings.ReplaceAll(c, "{subset}", subset)
		ok, dir, err := s.root.stat(cands[i])
		if err != nil {
			return "", fmt.Errorf("looking for %s: %w", s.root.display(cands[i]), reason(err))
		}
		if ok && !dir {
			return cands[i], nil
		}
		if ok {
			cands[i] += "/ (a directory)"
		}
	}
	return "", s.notFound(cands)
}

func (s *Suite) notFound(cands []string) error {
	names := make([]string, len(cands))
	for i, c := range cands {
		names[i] = s.root.display(c)
	}
	from := ""
	if o := s.prog.def.Origin; o != "" {
		from = "; the files are those of " + o
	}
	return fmt.Errorf("no file at %s%s", strings.Join(names, " or "), from)
}

func (r Root) list(dir string) ([]string, error) {
	var entries []fs.DirEntry
	ok, isDir, err := r.stat(dir)
	if err != nil || !ok || !isDir {
		return nil, err
	}
	if outside(dir) {
		entries, err = os.ReadDir(r.path(dir))
	} else {
		entries, err = fs.ReadDir(r.FS, path.Clean(dir))
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// testFile is the file of a subset; a path that names a file is that file.
func (s *Suite) testFile(subset string) (string, error) {
	if s.spec.Path != "" && !s.prog.subsetScoped {
		ok, dir, err := s.root.stat(s.spec.Path)
		if err != nil || !ok {
			return "", fmt.Errorf("no file at %s", s.root.display(s.spec.Path))
		}
		if !dir {
			return s.spec.Path, nil
		}
	}
	return s.locate(s.prog.def.Files.Test, subset)
}
