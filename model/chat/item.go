package chat

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// attribute is v.name: the result of Python's getattr, otherwise the item of that name.
func (in *run) attribute(v any, name string) any {
	in.step()
	missing := undefined{"attribute " + quote(name) + " of " + typeName(v)}
	if strings.HasPrefix(name, "__") {
		in.fail("the attribute %s is not supported", quote(name))
	}
	switch v := v.(type) {
	case undefined:
		in.fail("%s is undefined and has no attribute %s", v.name, quote(name))
	case *dict:
		if m := in.method(v, name, dictMethods, "dict", dictOthers); m != nil {
			return m
		}
		if item, ok := v.vals[name]; ok {
			return item
		}
	case string:
		if m := in.method(v, name, stringMethods, "str", stringOthers); m != nil {
			return m
		}
	case []any, tuple:
		in.method(v, name, nil, "list", listOthers)
	case int64, float64, bool:
		in.method(v, name, nil, "number", numberOthers)
	case *namespace:
		if item, ok := v.vars[name]; ok {
			return item
		}
	case *loop:
		item, ok := v.attribute(name)
		if !ok {
			in.fail("loop.%s is not supported", name)
		}
		return item
	case nil:
	default:
		in.fail("the attribute %s of a value of type %s is not supported", quote(name), typeName(v))
	}
	return missing
}

// method looks up a method. A method that Python has and this package does not is an error.
func (in *run) method(v any, name string, table map[string]method, typ string, others []string) any {
	if m, ok := table[name]; ok {
		return &function{typ + "." + name, func(in *run, args []any, kwargs *dict) any {
			in.positional(typ+"."+name, args, kwargs, m.low, m.high)
			return m.call(in, v, args)
		}}
	}
	if slices.Contains(others, name) {
		in.fail("the method %s.%s is not supported", typ, name)
	}
	return nil
}

// setAttribute sets an attribute of a namespace.
func (in *run) setAttribute(ns *namespace, name string, v any) {
	if strings.HasPrefix(name, "_") {
		in.fail("the attribute %s of a namespace may not start with _", quote(name))
	}
	ns.vars[name] = v
}

// item is v[key].
func (in *run) item(v, key any) any {
	in.step()
	name, isName := key.(string)
	switch v := v.(type) {
	case undefined:
		in.fail("%s is undefined and has no items", v.name)
	case *dict:
		if item, ok := v.vals[name]; ok && isName {
			return item
		}
		if !isName {
			return undefined{"item " + typeName(key) + " of dict"}
		}
	case *view:
		if v.name != "range" {
			in.fail("items of a value of type %s are not supported", typeName(v))
		}
		return in.at(v.items, key)
	case []any:
		if !isName {
			return in.at(v, key)
		}
	case tuple:
		if !isName {
			return in.at(v, key)
		}
	case string:
		if !isName {
			if _, _, isInt, _ := number(key); !isInt {
				return undefined{"item " + typeName(key) + " of str"}
			}
			return in.at(in.iterate(v), key)
		}
	}
	if isName {
		return in.attribute(v, name)
	}
	return undefined{"an item of " + typeName(v)}
}

// at returns an element; a negative index counts from the end.
func (in *run) at(items []any, key any) any {
	_, i, isInt, _ := number(key)
	if i < 0 {
		i += int64(len(items))
	}
	if !isInt || i < 0 || i >= int64(len(items)) {
		return undefined{"an item beyond the list"}
	}
	return items[i]
}

// slice is v[start:stop:step] with Python's rules for absent and distant bounds.
func (in *run) slice(v any, at [3]any) any {
	var items []any
	switch v := v.(type) {
	case string:
		items = in.iterate(v)
	case []any:
		in.work(len(v))
		items = v
	case tuple:
		in.work(len(v))
		items = v
	default:
		in.fail("a slice of a value of type %s is not supported", typeName(v))
	}
	n, step := int64(len(items)), int64(1)
	if at[2] != nil {
		if step = in.integer("a slice", at[2]); step == 0 {
			in.fail("the step of a slice must not be 0")
		}
	}
	low, high := int64(0), n
	if step < 0 {
		low, high = -1, n-1
	}
	bound := func(v any, absent int64) int64 {
		if v == nil {
			return absent
		}
		i := in.integer("a slice", v)
		if i < 0 {
			i = max(i, -n) + n
			if step < 0 && in.integer("a slice", v) < -n {
				i = -1
			}
		}
		return min(max(i, low), high)
	}
	start, stop := bound(at[0], low), bound(at[1], high)
	if step < 0 {
		start, stop = bound(at[0], high), bound(at[1], low)
	}
	out := []any{}
	if step > 0 {
		for i := start; i < stop; i += min(step, n) {
			out = append(out, items[i])
		}
	} else {
		for i := start; i > stop; i += max(step, -n) {
			out = append(out, items[i])
		}
	}
	switch v.(type) {
	case string:
		var text strings.Builder
		for _, r := range out {
			text.WriteString(r.(string))
		}
		return text.String()
	case tuple:
		return tuple(out)
	}
	return out
}

// splitLines is Python's str.splitlines.
func splitLines(s string) []string {
	var lines []string
	start := 0
	for i, r := range s {
		if i < start { // the \n of \r\n
			continue
		}
		switch r {
		case '\n', '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
			lines = append(lines, s[start:i])
			start = i + utf8.RuneLen(r)
			if r == '\r' && strings.HasPrefix(s[start:], "\n") {
				start++
			}
		}
	}
	if start < len(s) {
		lines = append(lines, s[start:])
	}
	return lines
}
