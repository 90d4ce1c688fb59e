package suites

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// row is one record of a file: its line (from 1), its number among the file's
// records (from 0), and its value: for CSV a map of strings, for JSON what
// encoding/json makes with UseNumber.
type row struct {
	line   int
	number int
	value  any
}

// step is one part of a path: a key, an index, or each element of a list.
type step struct {
	key   string
	index int
	each  bool
	isKey bool
}

// parsePath parses a.b, a[2].b and a[].b.
func parsePath(path string) ([]step, error) {
	var steps []step
	bad := func() ([]step, error) {
		return nil, fmt.Errorf("path %q is not of the form a.b, a[2] or a[].b", path)
	}
	for _, part := range strings.Split(path, ".") {
		key, rest, has := strings.Cut(part, "[")
		if key == "" {
			return bad()
		}
		steps = append(steps, step{key: key, isKey: true})
		for has {
			inner, after, ok := strings.Cut(rest, "]")
			if !ok {
				return bad()
			}
			if inner == "" {
				steps = append(steps, step{each: true})
			} else if n, err := strconv.Atoi(inner); err == nil && n >= 0 {
				steps = append(steps, step{index: n})
			} else {
				return bad()
			}
			if after == "" {
				break
			}
			if after[0] != '[' {
				return bad()
			}
			rest = after[1:]
		}
	}
	return steps, nil
}

// lookup follows a path through a row's value.
func lookup(v any, path string) (any, error) {
	steps, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	return follow(v, steps, path)
}

func follow(v any, steps []step, path string) (any, error) {
	for i, s := range steps {
		switch {
		case s.isKey:
			m, ok := v.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("%q: %s is %s, not an object", path, at(steps[:i]), kind(v))
			}
			if v, ok = m[s.key]; !ok {
				return nil, &missingKey{key: s.key, have: keysOf(m)}
			}
		case s.each:
			l, ok := v.([]any)
			if !ok {
				return nil, fmt.Errorf("%q: %s is %s, not a list", path, at(steps[:i]), kind(v))
			}
			out := make([]any, len(l))
			for j, e := range l {
				x, err := follow(e, steps[i+1:], path)
				if err != nil {
					return nil, err
				}
				out[j] = x
			}
			return out, nil
		default:
			l, ok := v.([]any)
			if !ok {
				return nil, fmt.Errorf("%q: %s is %s, not a list", path, at(steps[:i]), kind(v))
			}
			if s.index >= len(l) {
				return nil, fmt.Errorf("%q: %s has %d elements, so none at %d", path, at(steps[:i]), len(l), s.index)
			}
			v = l[s.index]
		}
	}
	return v, nil
}

// missingKey says that an object lacks a key.
type missingKey struct {
	key  string
	have []string
}

func (e *missingKey) Error() string {
	return fmt.Sprintf("no %q; the row has %s", e.key, strings.Join(e.have, ", "))
}

func keysOf(m map[string]any) []string {
	keys := slices.Sorted(maps.Keys(m))
	if len(keys) > 12 {
		keys = append(keys[:12], "…")
	}
	return keys
}

// at writes the part of a path already followed.
func at(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		switch {
		case s.isKey:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.key)
		case s.each:
			b.WriteString("[]")
		default:
			fmt.Fprintf(&b, "[%d]", s.index)
		}
	}
	if b.Len() == 0 {
		return "the row"
	}
	return b.String()
}

// kind names a JSON value's type.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	case []any:
		return "list"
	}
	return "object"
}

// scalar is the text of a string, number or boolean.
func scalar(v any, path string) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("%q is %s where a text is needed", path, kind(v))
}

func lookupText(v any, path string) (string, error) {
	x, err := lookup(v, path)
	if err != nil {
		return "", err
	}
	return scalar(x, path)
}

func lookupTexts(v any, path string) ([]string, error) {
	x, err := lookup(v, path)
	if err != nil {
		return nil, err
	}
	l, ok := x.([]any)
	if !ok {
		return nil, fmt.Errorf("%q is %s, not a list", path, kind(x))
	}
	out := make([]string, len(l))
	for i, e := range l {
		if out[i], err = scalar(e, path); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fieldsOf computes the named fields of a row, subject and subset included.
func (p *program) fieldsOf(r row, subset string) (map[string]string, error) {
	vars := make(map[string]string, len(p.fields)+2)
	vars["subset"] = subset
	vars["subject"] = strings.ReplaceAll(subset, "_", " ")
	for _, f := range p.fields {
		var s string
		if f.Path != "" {
			var err error
			if s, err = lookupText(r.value, f.Path); err != nil {
				return nil, err
			}
		} else {
			s = f.text.render(vars)
		}
		if c := f.Split; c != nil {
			n := -1
			if c.Max > 0 {
				n = c.Max + 1
			}
			parts := strings.SplitN(s, c.Sep, n)
			i := c.Piece
			if i < 0 {
				i += len(parts)
			}
			if i < 0 || i >= len(parts) {
				return nil, fmt.Errorf("%s has no %q to split at: %q", f.Name, c.Sep, short(s))
			}
			s = parts[i]
		}
		if f.Replace != nil {
			s = strings.ReplaceAll(s, f.Replace.Old, f.new.render(vars))
		}
		if f.Trim {
			s = strings.TrimFunc(s, pythonSpace) // both harnesses strip so
		}
		vars[f.Name] = s
	}
	return vars, nil
}

// choicesOf returns the choices' labels and texts.
func (p *program) choicesOf(r row, vars map[string]string) (labels, texts []string, err error) {
	c := p.def.Choices
	if c.List == "" {
		texts = make([]string, len(p.texts))
		for i, t := range p.texts {
			texts[i] = t.render(vars)
		}
		return c.Labels, texts, nil
	}
	if texts, err = lookupTexts(r.value, c.List); err != nil {
		return nil, nil, err
	}
	if c.Only > 0 && len(texts) != c.Only {
		return nil, texts, nil
	}
	if len(texts) < 2 || len(texts) > len(c.Labels) {
		return nil, nil, fmt.Errorf("%d choices, where 2 to %d are possible", len(texts), len(c.Labels))
	}
	return c.Labels[:len(texts)], texts, nil
}

// goldOf returns the index of the right choice among labels.
func (p *program) goldOf(r row, labels []string) (int, error) {
	g := p.def.Gold
	v, err := lookup(r.value, g.Path)
	if err != nil {
		return 0, fmt.Errorf("finding the gold answer: %w", err)
	}
	s, err := scalar(v, g.Path)
	if err != nil {
		return 0, fmt.Errorf("finding the gold answer: %w", err)
	}
	if s == "" {
		return 0, fmt.Errorf("the gold answer %q is empty", g.Path)
	}
	switch {
	case g.Among != "":
		own, err := lookupTexts(r.value, g.Among)
		if err != nil {
			return 0, err
		}
		for i, l := range own {
			if l == s && i < len(labels) {
				return i, nil
			}
		}
		return 0, fmt.Errorf("the gold answer %q is none of the labels %s", s, strings.Join(own, ", "))
	case g.Index:
		n, err := strconv.Atoi(s)
		if err != nil || n-g.First < 0 || n-g.First >= len(labels) {
			return 0, fmt.Errorf("the gold answer %q is not a number from %d to %d", short(s), g.First, g.First+len(labels)-1)
		}
		return n - g.First, nil
	}
	if g.Map != nil {
		l, ok := g.Map[s]
		if !ok {
			want := slices.Sorted(maps.Keys(g.Map))
			for i := range want {
				want[i] = strconv.Quote(want[i])
			}
			return 0, fmt.Errorf("the gold answer %q is none of %s", short(s), strings.Join(want, ", "))
		}
		s = l
	}
	for i, l := range labels {
		if l == s {
			return i, nil
		}
	}
	return 0, fmt.Errorf("the gold answer %q is none of the labels %s", short(s), strings.Join(labels, ", "))
}

// short cuts a text for a message.
func short(s string) string {
	r := []rune(s)
	if len(r) > 60 {
		return string(r[:57]) + "…"
	}
	return s
}
