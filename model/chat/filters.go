package chat

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

type filterFunc = func(in *run, v any, args []any, kwargs *dict) any

// filters by name. Filters that call others find them in the run.
var filters = filterTable()

func filterTable() map[string]filterFunc {
	// one makes a filter from a function without arguments.
	one := func(name string, f func(in *run, v any) any) filterFunc {
		return func(in *run, v any, args []any, kwargs *dict) any {
			in.positional("the filter "+name, args, kwargs, 0, 0)
			return f(in, v)
		}
	}
	length := one("length", func(in *run, v any) any { return in.length(v) })
	withCase := func(name string) filterFunc {
		return one(name, func(in *run, v any) any { return in.changeCase(name, in.plain(v)) })
	}
	return map[string]filterFunc{
		"capitalize": withCase("capitalize"),
		"count":      length,
		"d":          filterDefault,
		"default":    filterDefault,
		"dictsort":   filterDictSort,
		"first":      one("first", filterFirst),
		"float":      filterFloat,
		"indent":     filterIndent,
		"int":        filterInt,
		"items":      one("items", filterItems),
		"join":       filterJoin,
		"last":       one("last", filterLast),
		"length":     length,
		"list":       one("list", func(in *run, v any) any { return append([]any{}, in.iterate(v)...) }),
		"lower":      withCase("lower"),
		"map":        filterMap,
		"reject":     selecting("reject", false, false),
		"rejectattr": selecting("rejectattr", true, false),
		"replace":    filterReplace,
		"reverse":    one("reverse", filterReverse),
		"select":     selecting("select", false, true),
		"selectattr": selecting("selectattr", true, true),
		"safe":       one("safe", func(in *run, v any) any { return markup(in.str(v)) }),
		"string":     one("string", func(in *run, v any) any { return in.plain(v) }),
		"title":      one("title", filterTitle),
		"tojson":     filterJSON,
		"trim": func(in *run, v any, args []any, kwargs *dict) any {
			values, _ := in.named("the filter trim", args, kwargs, "chars")
			return stringMethods["strip"].call(in, in.plain(v), values)
		},
		"upper": withCase("upper"),
	}
}

// plain is str() for a result that is used as a string, which markup must not be.
func (in *run) plain(v any) string {
	if _, ok := v.(markup); ok {
		in.fail("a filter on the result of safe is not supported")
	}
	return in.str(v)
}

// filterTitle capitalizes words after white space, a hyphen or an opening bracket. The
// method title also does so after any other character that is not a letter.
func filterTitle(in *run, v any) any {
	s := in.plain(v)
	var out strings.Builder
	for s != "" {
		n := strings.IndexFunc(s, func(r rune) bool { return isSpace(r) || strings.ContainsRune("-({[<", r) })
		switch {
		case n < 0:
			n = len(s)
		case n == 0:
			out.WriteByte(s[0]) // if it begins a non-ASCII separator, changeCase fails on the rest
			s = s[1:]
			continue
		}
		out.WriteString(in.changeCase("capitalize", s[:n]))
		s = s[n:]
	}
	return out.String()
}

// filterDictSort lists a dict's items sorted by key, ignoring case.
func filterDictSort(in *run, v any, args []any, kwargs *dict) any {
	in.positional("the filter dictsort", args, kwargs, 0, 0)
	d, ok := v.(*dict)
	if !ok {
		in.fail("the filter dictsort needs a dict, not %s", typeName(v))
	}
	items := d.items()
	slices.SortStableFunc(items, func(a, b any) int {
		return strings.Compare(in.changeCase("lower", a.(tuple)[0].(string)), in.changeCase("lower", b.(tuple)[0].(string)))
	})
	return items
}

func filterDefault(in *run, v any, args []any, kwargs *dict) any {
	values, given := in.named("the filter default", args, kwargs, "default_value", "boolean")
	if _, missing := v.(undefined); missing || given[1] && truth(values[1]) && !truth(v) {
		if given[0] {
			return values[0]
		}
		return ""
	}
	return v
}

func filterFirst(in *run, v any) any {
	if items := in.iterate(v); len(items) > 0 {
		return items[0]
	}
	return undefined{"the first item of an empty list"}
}

func filterLast(in *run, v any) any {
	if _, ok := v.(*generator); ok {
		in.fail("the last item of a filter's result is not supported; use |list")
	}
	if items := in.iterate(v); len(items) > 0 {
		return items[len(items)-1]
	}
	return undefined{"the last item of an empty list"}
}

func filterReverse(in *run, v any) any {
	items := in.iterate(v)
	out := make([]any, len(items))
	for i, x := range items {
		out[len(items)-1-i] = x
	}
	if _, ok := v.(string); !ok {
		return &generator{items: out}
	}
	var text strings.Builder
	for _, r := range out {
		text.WriteString(r.(string))
	}
	return text.String()
}

func filterItems(in *run, v any) any {
	switch v := v.(type) {
	case undefined:
		return &generator{}
	case *dict:
		return &generator{items: v.items()}
	}
	in.fail("the filter items needs a dict, not %s", typeName(v))
	return nil
}

func filterFloat(in *run, v any, args []any, kwargs *dict) any {
	values, given := in.named("the filter float", args, kwargs, "default")
	in.notUndefined(v)
	if f, _, _, ok := number(v); ok {
		return f
	}
	if s, ok := v.(string); ok && decimal(s) {
		if f, err := strconv.ParseFloat(strings.TrimFunc(s, isSpace), 64); err == nil {
			return f
		}
	}
	if given[0] {
		return values[0]
	}
	return 0.0
}

func (in *run) notUndefined(v any) {
	if u, ok := v.(undefined); ok {
		in.fail("%s is undefined", u.name)
	}
}

// decimal reports whether s is a number in plain notation, which Python and Go parse alike.
func decimal(s string) bool {
	s = strings.TrimFunc(s, isSpace)
	return s != "" && strings.Trim(s, "0123456789.eE+-") == ""
}

func filterInt(in *run, v any, args []any, kwargs *dict) any {
	values, given := in.named("the filter int", args, kwargs, "default")
	in.notUndefined(v)
	f, i, isInt, ok := number(v)
	if s, isText := v.(string); isText && decimal(s) {
		s = strings.TrimFunc(s, isSpace)
		var err error
		if i, err = strconv.ParseInt(s, 10, 64); err == nil {
			isInt = true
		} else {
			f, err = strconv.ParseFloat(s, 64)
			ok = err == nil
		}
	}
	switch {
	case isInt:
		return i
	case ok && math.Abs(f) < 1<<63:
		return int64(f)
	case ok:
		in.fail("the filter int got %v, which is beyond 64 bits", f)
	case given[0]:
		return values[0]
	}
	return int64(0)
}

func filterJoin(in *run, v any, args []any, kwargs *dict) any {
	values, given := in.named("the filter join", args, kwargs, "d", "attribute")
	var parts []string
	size := 0
	for _, item := range in.iterate(v) {
		if given[1] && values[1] != nil {
			item = in.path(item, values[1])
		}
		parts = append(parts, in.str(item))
		size += len(parts[len(parts)-1])
	}
	sep := ""
	if given[0] {
		sep = in.str(values[0])
	}
	if size+len(sep)*len(parts) > maxOutput {
		in.fail("a joined string exceeds %d bytes", maxOutput)
	}
	return in.made(strings.Join(parts, sep))
}

func filterReplace(in *run, v any, args []any, kwargs *dict) any {
	values, given := in.named("the filter replace", args, kwargs, "old", "new", "count")
	if !given[0] || !given[1] {
		in.fail("the filter replace needs two arguments")
	}
	return replaceText(in, in.plain(v), []any{in.plain(values[0]), in.plain(values[1]), values[2]})
}

func filterIndent(in *run, v any, args []any, kwargs *dict) any {
	values, given := in.named("the filter indent", args, kwargs, "width", "first", "blank")
	by := "    "
	if given[0] {
		if s, ok := values[0].(string); ok {
			by = s
		} else {
			by = strings.Repeat(" ", int(max(0, min(in.integer("the filter indent", values[0]), maxRange))))
		}
	}
	in.work(len(in.text("the filter indent", v)) >> 4)
	lines := splitLines(v.(string) + "\n")
	in.work(len(lines) * len(by) >> 6)
	for i := range lines {
		if i == 0 && truth(values[1]) || i > 0 && (lines[i] != "" || truth(values[2])) {
			lines[i] = by + lines[i]
		}
	}
	return in.made(strings.Join(lines, "\n"))
}

// path looks up an attribute such as "function.name", or an index.
func (in *run) path(v, attribute any) any {
	name, ok := attribute.(string)
	if !ok {
		return in.item(v, attribute)
	}
	for part := range strings.SplitSeq(name, ".") {
		if i, err := strconv.ParseInt(part, 10, 64); err == nil {
			v = in.item(v, i)
		} else {
			v = in.item(v, part)
		}
	}
	return v
}

func filterMap(in *run, v any, args []any, kwargs *dict) any {
	if !truth(v) {
		return &generator{}
	}
	var each func(item any) any
	if _, ok := kwargs.vals["attribute"]; ok && len(args) == 0 {
		values, given := in.named("the filter map", nil, kwargs, "attribute", "default")
		each = func(item any) any {
			item = in.path(item, values[0])
			if _, missing := item.(undefined); missing && given[1] && values[1] != nil {
				return values[1]
			}
			return item
		}
	} else {
		if len(args) == 0 {
			in.fail("the filter map needs an attribute or the name of a filter")
		}
		f, ok := in.filters[in.text("the filter map", args[0])]
		if !ok {
			in.fail("the filter %s is not supported", quote(in.str(args[0])))
		}
		each = func(item any) any { return f(in, item, args[1:], kwargs) }
	}
	out := []any{}
	for _, item := range in.iterate(v) {
		in.step()
		out = append(out, each(item))
	}
	return &generator{items: out}
}

// selecting makes select, reject, selectattr and rejectattr.
func selecting(name string, byAttribute, keep bool) filterFunc {
	return func(in *run, v any, args []any, kwargs *dict) any {
		if !truth(v) {
			return &generator{}
		}
		in.positional("the filter "+name, args, kwargs, 0, 3)
		var attribute any
		if byAttribute {
			if len(args) == 0 {
				in.fail("the filter %s needs an attribute", name)
			}
			attribute, args = args[0], args[1:]
		}
		holds := truth
		if len(args) > 0 {
			t, ok := tests[in.text("the filter "+name, args[0])]
			if !ok {
				in.fail("the test %s is not supported", quote(in.str(args[0])))
			}
			in.positional("the test "+in.str(args[0]), args[1:], kwargs, t.args, t.args)
			holds = func(item any) bool { return t.holds(in, item, args[1:]) }
		}
		out := []any{}
		for _, item := range in.iterate(v) {
			in.step()
			x := item
			if byAttribute {
				x = in.path(item, attribute)
			}
			if holds(x) == keep {
				out = append(out, item)
			}
		}
		return &generator{items: out}
	}
}
