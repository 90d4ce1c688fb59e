package chat

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The values of a template, with their names in Python:
//
//	nil        None          bool   bool      int64     int
//	float64    float         string str       []any     list
//	tuple      tuple         *dict  dict      *view     dict_items and the like, range
//	*generator the result of map, select and similar filters: can be iterated once
//	undefined  a name, item or attribute that does not exist
//	*namespace, *loop, *function
type (
	tuple []any

	// dict keeps the order of insertion. Keys are strings.
	dict struct {
		keys []string
		vals map[string]any
	}

	// view is a sequence that is neither list nor tuple.
	view struct {
		name  string
		items []any
	}

	generator struct {
		items []any
		used  bool
	}

	undefined struct{ name string }

	// markup is the result of the filter safe. It may be printed. In other operations
	// Python would escape the other operand.
	markup string

	namespace struct{ vars map[string]any }

	// function is a macro, a global or a bound method.
	function struct {
		name string
		call func(in *run, args []any, kwargs *dict) any
	}
)

func newDict(pairs ...any) *dict {
	d := &dict{vals: map[string]any{}}
	for i := 0; i < len(pairs); i += 2 {
		d.set(pairs[i].(string), pairs[i+1])
	}
	return d
}

func (d *dict) set(key string, v any) {
	if _, ok := d.vals[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.vals[key] = v
}

// items lists the pairs of a dict.
func (d *dict) items() []any {
	out := make([]any, len(d.keys))
	for i, k := range d.keys {
		out[i] = tuple{k, d.vals[k]}
	}
	return out
}

func (d *dict) keyList() []any {
	out := make([]any, len(d.keys))
	for i, k := range d.keys {
		out[i] = k
	}
	return out
}

// fromGo converts a value of the caller.
func fromGo(v any) any {
	switch v := v.(type) {
	case nil, bool, int64, float64, string:
		return v
	case int:
		return int64(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = fromGo(v[i])
		}
		return out
	case map[string]any:
		d := newDict()
		for _, k := range slices.Sorted(maps.Keys(v)) {
			d.set(k, fromGo(v[k]))
		}
		return d
	}
	panic(&templateError{1, fmt.Sprintf("a value of type %T cannot be given to a template", v)})
}

// typeName is a value's type as Python names it.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case []any:
		return "list"
	case tuple:
		return "tuple"
	case *dict:
		return "dict"
	case *view:
		return v.name
	case undefined:
		return "undefined " + v.name
	case markup:
		return "markup"
	case *namespace:
		return "namespace"
	case *loop:
		return "loop"
	case *function:
		return v.name + "()"
	}
	return "generator"
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case markup:
		return v != ""
	case []any:
		return len(v) > 0
	case tuple:
		return len(v) > 0
	case *dict:
		return len(v.keys) > 0
	case *view:
		return len(v.items) > 0
	}
	return true
}

// number returns a value as a float if it is a number (bool is one).
func number(v any) (f float64, i int64, isInt, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, 1, true, true
		}
		return 0, 0, true, true
	case int64:
		return float64(v), v, true, true
	case float64:
		return v, 0, false, true
	}
	return 0, 0, false, false
}

// equal is Python's ==.
func (in *run) equal(a, b any) bool {
	in.step()
	if af, ai, aInt, ok := number(a); ok {
		bf, bi, bInt, ok := number(b)
		if aInt && bInt {
			return ok && ai == bi
		}
		return ok && af == bf
	}
	all := func(a, b []any) bool {
		return slices.EqualFunc(a, b, in.equal)
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case undefined:
		_, ok := b.(undefined)
		return ok
	case string:
		b, ok := b.(string)
		return ok && a == b
	case []any:
		b, ok := b.([]any)
		return ok && all(a, b)
	case tuple:
		b, ok := b.(tuple)
		return ok && all(a, b)
	case *dict:
		b, ok := b.(*dict)
		if !ok || len(a.keys) != len(b.keys) {
			return false
		}
		for k, v := range a.vals {
			w, ok := b.vals[k]
			if !ok || !in.equal(v, w) {
				return false
			}
		}
		return true
	case *view, markup:
		in.fail("comparing a value of type %s is not supported", typeName(a))
	}
	if _, ok := b.(markup); ok {
		in.fail("comparing a value of type %s is not supported", typeName(b))
	}
	return a == b
}

// less is Python's < for numbers and for text.
func (in *run) less(a, b any) bool {
	af, ai, aInt, aNum := number(a)
	bf, bi, bInt, bNum := number(b)
	if aNum && bNum {
		if aInt && bInt {
			return ai < bi
		}
		return af < bf
	}
	as, aStr := a.(string)
	bs, bStr := b.(string)
	if !aStr || !bStr {
		in.fail("comparing the order of %s and %s is not supported", typeName(a), typeName(b))
	}
	return as < bs // UTF-8 sorts as code points do
}

// iterate returns the items of a loop over v.
func (in *run) iterate(v any) []any {
	switch v := v.(type) {
	case undefined:
		return nil
	case []any:
		return v
	case tuple:
		return v
	case *dict:
		return v.keyList()
	case *view:
		return v.items
	case *generator:
		if v.used {
			in.fail("the result of a filter such as map or select is iterated a second time; use |list")
		}
		v.used = true
		return v.items
	case string:
		in.work(len(v))
		out := make([]any, 0, len(v))
		for _, r := range v {
			out = append(out, string(r))
		}
		return out
	}
	in.fail("cannot iterate over a value of type %s", typeName(v))
	return nil
}

// length is Python's len().
func (in *run) length(v any) int64 {
	switch v := v.(type) {
	case undefined:
		return 0
	case string:
		return int64(utf8.RuneCountInString(v))
	case []any:
		return int64(len(v))
	case tuple:
		return int64(len(v))
	case *dict:
		return int64(len(v.keys))
	case *view:
		return int64(len(v.items))
	case *loop:
		return int64(len(v.items))
	}
	in.fail("a value of type %s has no length", typeName(v))
	return 0
}

// contains is Python's "item in v".
func (in *run) contains(v, item any) bool {
	switch v := v.(type) {
	case string:
		s, ok := item.(string)
		if !ok {
			in.fail("cannot search a string for %s", typeName(item))
		}
		return strings.Contains(v, s)
	case *dict:
		switch item.(type) {
		case []any, *dict:
			in.fail("a %s cannot be a key", typeName(item))
		}
		s, ok := item.(string)
		_, has := v.vals[s]
		return ok && has
	}
	for _, x := range in.iterate(v) {
		if in.equal(x, item) {
			return true
		}
	}
	return false
}
