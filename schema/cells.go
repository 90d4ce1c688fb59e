package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// axis is one axis of the matrix with its values in text.
type axis struct {
	name   string
	values []string
	extra  bool
}

// axes lists the axes in the order of enumeration: model, padding, labels,
// schedule, seed, then the further ones as in the file.
func (s *Spec) axes() []axis {
	m := s.Matrix
	list := []axis{
		{name: "model", values: m.Model},
		{name: "padding", values: m.Padding},
		{name: "labels"}, {name: "schedule"}, {name: "seed"},
	}
	for _, l := range m.Labels {
		list[2].values = append(list[2].values, l.String())
	}
	for _, x := range m.Schedule {
		list[3].values = append(list[3].values, x.String())
	}
	for _, n := range m.Seed {
		list[4].values = append(list[4].values, strconv.FormatUint(n, 10))
	}
	for _, e := range m.Extra {
		a := axis{name: e.Path, extra: true}
		for _, v := range e.Values {
			a.values = append(a.values, text(v))
		}
		list = append(list, a)
	}
	return list
}

// Cells enumerates the matrix without the excluded cells: the first axis
// (model) varies slowest, the last one fastest. A cell's Columns map is shared
// between cells and must not be written to.
func (s *Spec) Cells() ([]Cell, error) {
	axes := s.axes()
	total := 1
	for _, a := range axes {
		if len(a.values) == 0 {
			return nil, fmt.Errorf("enumerating %s: axis %s has no values", s.Name, a.name)
		}
		if total *= len(a.values); total > maxCells {
			return nil, fmt.Errorf("enumerating %s: more than %d cells", s.Name, maxCells)
		}
	}
	labels := make([][]string, len(axes))
	for i, a := range axes {
		labels[i] = fileNames(a, s)
	}
	excluded := s.exclusions(axes)
	cells := make([]Cell, 0, total)
	at := make([]int, len(axes))
	for range total {
		if !excluded(at) {
			cell, err := s.cell(axes, labels, at)
			if err != nil {
				return nil, err
			}
			cells = append(cells, cell)
		}
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < len(axes[i].values) {
				break
			}
			at[i] = 0
		}
	}
	return cells, nil
}

// Recipe lists what all cells share of data and train, in the order of the
// structs, as dotted paths with their values. What is an axis, left out or
// without influence on a result is not in it.
func (s *Spec) Recipe() (list []AxisValue) {
	skip := map[string]bool{"train.logEvery": true, "data.holdout.every": true}
	for _, a := range s.Matrix.Extra {
		skip[a.Path] = true
	}
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		switch {
		case skip[path]:
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
				walk(v.Field(i), path+"."+name)
			}
		case v.Kind() == reflect.Map:
			for _, key := range slices.Sorted(maps.Keys(v.Interface().(map[string]string))) {
				walk(v.MapIndex(reflect.ValueOf(key)), path+"."+key)
			}
		case v.IsZero() && (v.Kind() == reflect.String || path == "data.limit" || path == "data.holdout.items"):
		default:
			list = append(list, AxisValue{Axis: path, Value: text(v.Interface())})
		}
	}
	walk(reflect.ValueOf(s.Data), "data")
	walk(reflect.ValueOf(s.Train), "train")
	return list
}

// cell applies one choice of axis values.
func (s *Spec) cell(axes []axis, labels [][]string, at []int) (Cell, error) {
	m := s.Matrix
	c := Cell{
		Model: m.Model[at[0]], Padding: m.Padding[at[1]], Labels: m.Labels[at[2]],
		Schedule: m.Schedule[at[3]], Seed: m.Seed[at[4]],
		Data: s.Data, Train: s.Train,
		Values: make([]AxisValue, len(axes)),
	}
	var name strings.Builder
	for i, a := range axes {
		varies := len(a.values) > 1
		c.Values[i] = AxisValue{Axis: a.name, Value: a.values[at[i]], Varies: varies}
		if varies {
			if name.Len() > 0 {
				name.WriteByte(',')
			}
			name.WriteString(a.name + "=" + labels[i][at[i]])
		}
		if a.extra {
			if err := c.set(a.name, m.Extra[i-5].Values[at[i]]); err != nil {
				return c, err
			}
		}
	}
	c.Name = name.String()
	// File systems end names at 255 bytes; leave room for suffixes.
	const longest = 200
	switch {
	case c.Name == "":
		c.Name = "tuned"
	case len(c.Name) > longest:
		sum := sha256.Sum256([]byte(c.Name))
		c.Name = c.Name[:longest-17] + "~" + hex.EncodeToString(sum[:8])
	}
	return c, nil
}

// set gives a field of the cell's recipe an axis' value.
func (c *Cell) set(path string, value any) error {
	section, rest, _ := strings.Cut(path, ".")
	var root reflect.Value
	switch section {
	case "train":
		root = reflect.ValueOf(&c.Train).Elem()
	case "data":
		root = reflect.ValueOf(&c.Data).Elem()
	default:
		return fmt.Errorf("enumerating cells: axis %q is not under train or data", path)
	}
	f, ok := fieldAt(root, rest)
	v := reflect.ValueOf(value)
	if !ok || !v.IsValid() || !v.CanConvert(f.Type()) || (v.Kind() == reflect.String) != (f.Kind() == reflect.String) {
		return fmt.Errorf("enumerating cells: axis %s cannot be %v", path, value)
	}
	f.Set(v.Convert(f.Type()))
	return nil
}

// exclusions returns whether a choice of values is dropped.
func (s *Spec) exclusions(axes []axis) func(at []int) bool {
	// One entry is, for each axis it names, which of the values it hits.
	type condition struct {
		axis int
		hit  []bool
	}
	var entries [][]condition
	for _, e := range s.Exclude {
		var entry []condition
		for i, a := range axes {
			want, ok := e[a.name]
			if !ok {
				continue
			}
			cond := condition{axis: i, hit: make([]bool, len(a.values))}
			for j, v := range a.values {
				cond.hit[j] = v == want || a.name == "schedule" && s.Matrix.Schedule[j].Name == want
			}
			entry = append(entry, cond)
		}
		entries = append(entries, entry)
	}
	return func(at []int) bool {
	next:
		for _, entry := range entries {
			for _, c := range entry {
				if !c.hit[at[c.axis]] {
					continue next
				}
			}
			return true
		}
		return false
	}
}

// fileNames returns the axis' values as parts of file names: unique on the axis
// in any letter case. A hub id or path shows its last part and a schedule its
// name where that is enough.
func fileNames(a axis, s *Spec) []string {
	short := make([]string, len(a.values))
	for i, v := range a.values {
		short[i] = v
		switch a.name {
		case "model", "data.source":
			short[i] = v[strings.LastIndexAny(strings.TrimRight(v, "/"), "/:")+1:]
		case "schedule":
			short[i] = s.Matrix.Schedule[i].Name
		}
	}
	count := map[string]int{}
	for i := range short {
		short[i] = safe(short[i])
		count[strings.ToLower(short[i])]++
	}
	out := make([]string, len(short))
	taken := map[string]bool{}
	for i := range out {
		name := short[i]
		if count[strings.ToLower(name)] > 1 {
			name = safe(a.values[i])
		}
		for taken[strings.ToLower(name)] || len(name) == 0 {
			sum := sha256.Sum256([]byte(name + a.values[i]))
			name = safe(a.values[i]) + "~" + hex.EncodeToString(sum[:4])
		}
		taken[strings.ToLower(name)] = true
		out[i] = name
	}
	return out
}

// safe replaces what a file name or a shell would stumble over.
func safe(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._+-", r):
			return r
		}
		return '-'
	}, s)
	s = strings.Trim(s, "-")
	const longest = 60
	if len(s) > longest {
		s = s[:longest]
	}
	return s
}
