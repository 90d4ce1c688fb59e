package suites

import (
	"sort"
	"strings"
)

// compareSizes notes where the files differ in size from the published ones.
// Embedded suites are small on purpose.
func (s *Suite) compareSizes() {
	e := s.prog.def.Expect
	if e == nil || s.root.builtin() {
		return
	}
	rows := map[string]int{}
	kept := map[string]int{}
	for _, it := range s.items {
		kept[it.subset]++
	}
	for _, f := range s.files {
		if r, subset, _ := strings.Cut(f.Role, "/"); r == "test" {
			rows[subset] = f.Rows
		}
	}
	if e.Items > 0 && s.spec.Limit == 0 && len(s.items) != e.Items {
		s.note("%d items expected, %d found", e.Items, len(s.items))
	}
	var missing []string
	for _, name := range sortedBy(e.Subsets, layoutOf(s.prog.def.Groups)) {
		n, ok := rows[name]
		switch {
		case !ok:
			missing = append(missing, name)
		case n != e.Subsets[name]:
			s.note("%s: %d items expected, %d found", name, e.Subsets[name], n)
		}
	}
	if len(missing) > 0 && len(missing) < len(e.Subsets) && len(s.spec.Subjects) == 0 {
		s.note("no file for %s", strings.Join(missing, ", "))
	}
	if s.spec.Limit > 0 {
		s.note("the first %d items of each file only", s.spec.Limit)
	}
}

func sortedBy(m map[string]int, order map[string]int) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := order[names[i]], order[names[j]]
		if a != b {
			return a < b
		}
		return names[i] < names[j]
	})
	return names
}
