package suites

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"xrun/schema"
)

// The classes of reports.Item.Split.
const (
	SplitClean      = "clean"
	SplitInput      = "input"
	SplitBoth       = "input-and-label"
	SplitNotLabeled = "not labeled"
)

// classes maps the annotation files' names of the classes.
var classes = map[string]string{
	"clean":                         SplitClean,
	"input contamination":           SplitInput,
	"input-and-label contamination": SplitBoth,
}

// annotate gives every item its contamination class. A file that lists no clean
// item cannot tell clean from unlabeled: such items stay not labeled, and
// figures name them "clean or unlabeled".
func (s *Suite) annotate() error {
	a := s.prog.def.Annotations
	if a == nil {
		if s.spec.Annotations != "" {
			return errors.New("annotations are given, but this suite has no contamination classes")
		}
		return nil
	}
	name, err := s.annotationFile(a)
	if err != nil {
		return err
	}
	if name == "" {
		if !s.root.builtin() {
			s.note("no contamination annotations (none at %s): one accuracy over all items instead", s.root.display(a.Files[0]))
		}
		return nil
	}
	f, _, _, err := s.root.read(name, "annotations")
	if err != nil {
		return err
	}
	table, err := parseAnnotations(f)
	if err != nil {
		return err
	}
	f.Rows, f.data = len(table), nil
	s.files = append(s.files, f)
	for _, class := range table {
		s.clean = s.clean || class == SplitClean
	}
	s.labeled = true
	counts := map[string]int{}
	for i := range s.items {
		it := &s.items[i]
		key := s.prog.annotation.render(map[string]string{"id": it.id, "row": strconv.Itoa(it.row.number), "row1": strconv.Itoa(it.row.number + 1), "subset": it.subset})
		class, ok := table[key]
		if !ok {
			class = SplitNotLabeled
		}
		it.split = class
		counts[class]++
	}
	if counts[SplitNotLabeled] == len(s.items) && s.spec.Limit == 0 {
		if s.spec.Annotations != "" {
			return fmt.Errorf("reading %s: none of its %d keys names an item; it belongs to other data", f.Name, len(table))
		}
		s.dropLabels()
		s.note("contamination classes of %s name none of the items and are left out: one accuracy over all items instead", f.Name)
		return nil
	}
	known := "it is not the published file"
	if s.root.builtin() {
		known = "made with the items"
	} else if published(a.SHA256, f.SHA256) {
		known = "the published file"
	} else if !s.clean {
		known = "it lists contaminated items only, so clean and unlabeled items cannot be told apart"
	}
	s.note("contamination classes of %s (%s): %d clean, %d input, %d input-and-label, %d not labeled", f.Name, known, counts[SplitClean], counts[SplitInput], counts[SplitBoth], counts[SplitNotLabeled])
	return nil
}

// published reports whether a digest is one of those known; of some only the
// first and last digits are, written with … between.
func published(known []string, sum string) bool {
	for _, k := range known {
		first, last, _ := strings.Cut(k, "…")
		if len(first) >= 16 && strings.HasPrefix(sum, first) && strings.HasSuffix(sum, last) {
			return true
		}
	}
	return false
}

// dropLabels undoes annotate for a file that belongs to other data.
func (s *Suite) dropLabels() {
	for i := range s.items {
		s.items[i].split = ""
	}
	s.files = s.files[:len(s.files)-1]
	s.labeled, s.clean = false, false
}

// annotationFile finds the file; "" where there is none and none was asked for.
func (s *Suite) annotationFile(a *schema.SuiteAnnotations) (string, error) {
	if s.spec.Annotations == "none" {
		return "", nil
	}
	if s.spec.Annotations != "" {
		ok, dir, err := s.root.stat(s.spec.Annotations)
		if err != nil || !ok || dir {
			return "", fmt.Errorf("no annotation file at %s", s.root.display(s.spec.Annotations))
		}
		return s.spec.Annotations, nil
	}
	for _, f := range a.Files {
		for _, name := range []string{f, "data/" + f} {
			ok, dir, err := s.root.stat(name)
			if err != nil {
				return "", fmt.Errorf("looking for %s: %w", s.root.display(name), reason(err))
			}
			if ok && !dir {
				return name, nil
			}
		}
	}
	return "", nil
}

// parseAnnotations reads KEY -> [class, recall].
func parseAnnotations(f File) (map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(f.data))
	fail := func(format string, args ...any) (map[string]string, error) {
		return nil, fmt.Errorf("reading %s:%d: %w", f.Name, lineAt(f.data, min(int(dec.InputOffset()), len(f.data))), fmt.Errorf(format, args...))
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fail("annotations are a JSON object of item -> [class, recall]")
	}
	table := map[string]string{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return fail("%w", err)
		}
		key := t.(string) // within an object, a token before a value is a key
		var entry []any
		if err := dec.Decode(&entry); err != nil {
			if _, wrong := errors.AsType[*json.UnmarshalTypeError](err); wrong {
				err = errors.New("want a list, [class, recall]")
			}
			return fail("item %q: %w", key, err)
		}
		if len(entry) == 0 {
			return fail("item %q has an empty list where [class, recall] is needed", key)
		}
		name, _ := entry[0].(string)
		class, ok := classes[name]
		if !ok {
			return fail("item %q has the class %v, which is none of clean, input contamination, input-and-label contamination", key, entry[0])
		}
		if _, twice := table[key]; twice {
			return fail("item %q is there twice", key)
		}
		table[key] = class
	}
	if _, err := dec.Token(); err != nil {
		return fail("%w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fail("bytes after the object's end")
	}
	return table, nil
}
