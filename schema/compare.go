package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Compare says which cells the report compares: of those that differ in one axis,
// every value with a reference, or every two. It enters no content key.
type Compare struct {
	// Reference is by axis the value that its others are compared with, written as
	// in AxisValue.Value. An axis that is not here has its first.
	Reference map[string]any `json:"reference,omitempty"`
	// Pairs are the axes of which every two values are compared.
	Pairs []string `json:"pairs,omitempty"`
}

// checkCompare rewrites the references to axis-value texts and refuses what names
// no axis or no value of it.
func (c *checker) checkCompare(s *Spec, axes []axis) {
	byName := map[string]axis{}
	var known []string
	for _, a := range axes {
		if a.name != "seed" {
			byName[a.name] = a
			known = append(known, a.name)
		}
	}
	axisAt := func(path, name string) (axis, bool) {
		a, ok := byName[name]
		switch {
		case name == "seed":
			c.add(path, "seeds are not compared", "values of cells are means over them")
		case !ok:
			c.add(path, fmt.Sprintf("%q is no axis of this matrix", name), didYouMean(name, known))
		case c.faulty("matrix." + name):
			return a, false // what is on the axis is not known
		}
		return a, ok
	}
	pairs := map[string]bool{}
	for i, name := range s.Compare.Pairs {
		path := c.item("compare.pairs", i)
		if _, ok := axisAt(path, name); ok && pairs[name] {
			c.add(path, fmt.Sprintf("%q is listed twice", name), "remove one")
		}
		pairs[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.Compare.Reference)) {
		path := "compare.reference." + name
		a, ok := axisAt(path, name)
		if !ok {
			continue
		}
		v, fault := a.parse(s.Compare.Reference[name])
		if fault == "" {
			v, fault = a.one(v, s)
		}
		if fault != "" {
			c.add(path, fault, "its values: "+strings.Join(a.values, ", "))
			continue
		}
		s.Compare.Reference[name] = v
		if pairs[name] {
			c.add(path, "has no meaning, for compare.pairs compares every two values of this axis", "remove one of the two")
		}
	}
	if len(c.errs) > 0 || len(s.Compare.Reference) == 0 {
		return
	}
	cells, err := s.Cells()
	if err != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Compare.Reference)) {
		has := func(x Cell) bool {
			return slices.ContainsFunc(x.Values, func(v AxisValue) bool { return v.Axis == name && v.Value == s.Compare.Reference[name] })
		}
		if !slices.ContainsFunc(cells, has) {
			c.add("compare.reference."+name, "is a value of excluded cells only", "name one that a cell has")
		}
	}
}

// one finds the value that is meant: a schedule's bare name stands for the one
// schedule of that name.
func (a axis) one(v string, s *Spec) (value, fault string) {
	if slices.Contains(a.values, v) {
		return v, ""
	}
	var meant []string
	if a.name == "schedule" {
		for i, x := range s.Matrix.Schedule {
			if x.Name == v {
				meant = append(meant, a.values[i])
			}
		}
	}
	switch len(meant) {
	case 0:
		return "", fmt.Sprintf("%s is not on the axis", quoteWord(v))
	case 1:
		return meant[0], ""
	}
	return "", fmt.Sprintf("%q is the name of %d schedules on the axis; write one with its arguments", v, len(meant))
}
