package reports

import (
	"fmt"
	"slices"
	"strings"
)

// settings says in what A and B were told otherwise: the places of matched cells
// on the axes, the recipe, how suites were asked, the numerics. pairs are matched
// models. Runs that do not have these facts are silent about them.
func settings(a, b *Run, pairs [][2]string) (lines []string) {
	say := func(what, x, y string) {
		if line := fmt.Sprintf("%s: %s in A, %s in B", what, x, y); x != y && x != "" && y != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	for _, p := range pairs {
		for _, f := range a.Facts {
			if f.Section == "cells" && f.Cell == p[0] {
				say(f.Key, f.Value, factOf(b, "cells", p[1], f.Key))
			}
		}
	}
	// What is recipe in one run and an axis in the other is said cell by cell.
	recipe := func(r, other *Run, f Fact) string {
		if v := factOf(r, "recipe", "", f.Key); v != "" || hasAxis(r, f.Key) || hasAxis(other, f.Key) {
			return v
		}
		return "not set"
	}
	for _, r := range []*Run{a, b} {
		for _, f := range r.Facts {
			if f.Section == "recipe" && factsOf(a, "recipe") && factsOf(b, "recipe") {
				say(f.Key, recipe(a, b, f), recipe(b, a, f))
			}
		}
	}
	for _, key := range []string{"numerics", "eval precision", "eval template"} {
		say(key, factOf(a, "study", "", key), factOf(b, "study", "", key))
	}
	for _, f := range a.Facts {
		if f.Section == "asked" {
			say(f.Key+" asked as", f.Value, factOf(b, "asked", "", f.Key))
		}
	}
	told := slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "data.") })
	for _, f := range a.Facts {
		if f.Section != "keys" || !strings.HasPrefix(f.Key, "prepare ") || told {
			continue
		}
		if key := factOf(b, "keys", "", f.Key); key != "" && key != f.Value {
			lines = append(lines, strings.TrimPrefix(f.Key, "prepare ")+": its contents or the tokenizer differ")
		}
	}
	return lines
}

// factOf returns the value of a fact, "" if there is none.
func factOf(r *Run, section, cell, key string) string {
	for _, f := range r.Facts {
		if f.Section == section && f.Cell == cell && f.Key == key {
			return f.Value
		}
	}
	return ""
}

func factsOf(r *Run, section string) bool {
	return slices.ContainsFunc(r.Facts, func(f Fact) bool { return f.Section == section })
}

func hasAxis(r *Run, name string) bool {
	return slices.ContainsFunc(r.Facts, func(f Fact) bool { return f.Section == "cells" && f.Key == name })
}
