package chat

import (
	"strings"
	"unicode/utf8"
)

// method is a method of a built-in type that takes low to high arguments.
type method struct {
	low, high int
	call      func(in *run, v any, args []any) any
}

// stringMethods are the methods of strings.
var stringMethods = map[string]method{
	"strip":      {0, 1, stripWith(strings.TrimFunc, strings.Trim)},
	"lstrip":     {0, 1, stripWith(strings.TrimLeftFunc, strings.TrimLeft)},
	"rstrip":     {0, 1, stripWith(strings.TrimRightFunc, strings.TrimRight)},
	"split":      {0, 2, splitText},
	"startswith": {1, 1, affix(strings.HasPrefix)},
	"endswith":   {1, 1, affix(strings.HasSuffix)},
	"replace":    {2, 3, replaceText},
	"upper":      {0, 0, func(in *run, v any, _ []any) any { return in.changeCase("upper", v.(string)) }},
	"lower":      {0, 0, func(in *run, v any, _ []any) any { return in.changeCase("lower", v.(string)) }},
	"capitalize": {0, 0, func(in *run, v any, _ []any) any { return in.changeCase("capitalize", v.(string)) }},
	"title":      {0, 0, func(in *run, v any, _ []any) any { return in.changeCase("title", v.(string)) }},
	"join": {1, 1, func(in *run, v any, args []any) any {
		var parts []string
		for _, item := range in.iterate(args[0]) {
			parts = append(parts, in.text("str.join", item))
		}
		return in.made(strings.Join(parts, v.(string)))
	}},
	"find": {1, 1, func(in *run, v any, args []any) any {
		return runeIndex(v.(string), strings.Index(v.(string), in.text("str.find", args[0])))
	}},
	"rfind": {1, 1, func(in *run, v any, args []any) any {
		return runeIndex(v.(string), strings.LastIndex(v.(string), in.text("str.rfind", args[0])))
	}},
	"count": {1, 1, func(in *run, v any, args []any) any {
		return int64(strings.Count(v.(string), in.text("str.count", args[0])))
	}},
	"splitlines": {0, 0, func(in *run, v any, _ []any) any {
		out := []any{}
		in.work(len(v.(string)) >> 4)
		for _, line := range splitLines(v.(string)) {
			out = append(out, line)
		}
		return out
	}},
	"removeprefix": {1, 1, func(in *run, v any, args []any) any {
		return strings.TrimPrefix(v.(string), in.text("str.removeprefix", args[0]))
	}},
	"removesuffix": {1, 1, func(in *run, v any, args []any) any {
		return strings.TrimSuffix(v.(string), in.text("str.removesuffix", args[0]))
	}},
}

// dictMethods are the methods of dicts that do not modify them.
var dictMethods = map[string]method{
	"get": {1, 2, func(in *run, v any, args []any) any {
		key, ok := args[0].(string)
		if item, has := v.(*dict).vals[key]; ok && has {
			return item
		}
		if len(args) == 2 {
			return args[1]
		}
		return nil
	}},
	"items":  {0, 0, func(in *run, v any, _ []any) any { return &view{"dict_items", v.(*dict).items()} }},
	"keys":   {0, 0, func(in *run, v any, _ []any) any { return &view{"dict_keys", v.(*dict).keyList()} }},
	"values": {0, 0, func(in *run, v any, _ []any) any { return &view{"dict_values", v.(*dict).values()} }},
}

func (d *dict) values() []any {
	out := make([]any, len(d.keys))
	for i, k := range d.keys {
		out[i] = d.vals[k]
	}
	return out
}

// The other methods and attributes that Python has. Naming one is an error; any other name
// is undefined.
var (
	stringOthers = strings.Fields("casefold center encode expandtabs format format_map index isalnum isalpha isascii isdecimal " +
		"isdigit isidentifier islower isnumeric isprintable isspace istitle isupper ljust maketrans partition rindex rjust " +
		"rpartition rsplit swapcase translate zfill")
	dictOthers   = strings.Fields("clear copy fromkeys pop popitem setdefault update")
	listOthers   = strings.Fields("append clear copy count extend index insert pop remove reverse sort")
	numberOthers = strings.Fields("as_integer_ratio bit_count bit_length conjugate denominator from_bytes fromhex hex imag " +
		"is_integer numerator real to_bytes from_number")
)

// stripWith strips white space, or the characters of an argument, from a string.
func stripWith(space func(string, func(rune) bool) string, set func(string, string) string) func(*run, any, []any) any {
	return func(in *run, v any, args []any) any {
		if len(args) == 0 || args[0] == nil {
			return space(v.(string), isSpace)
		}
		return set(v.(string), in.text("strip", args[0]))
	}
}

// affix tests for a prefix or suffix, or for any of a tuple of them.
func affix(has func(s, affix string) bool) func(*run, any, []any) any {
	return func(in *run, v any, args []any) any {
		if any, ok := args[0].(tuple); ok {
			for _, a := range any {
				if has(v.(string), in.text("startswith or endswith", a)) {
					return true
				}
			}
			return false
		}
		return has(v.(string), in.text("startswith or endswith", args[0]))
	}
}

func splitText(in *run, v any, args []any) any {
	s, limit := v.(string), int64(-1)
	in.work(len(s) >> 4)
	if len(args) == 2 {
		limit = in.integer("str.split", args[1])
	}
	if limit < 0 {
		limit = int64(len(s)) + 1
	}
	out := []any{}
	if len(args) == 0 || args[0] == nil {
		for s = strings.TrimLeftFunc(s, isSpace); s != ""; s = strings.TrimLeftFunc(s, isSpace) {
			i := strings.IndexFunc(s, isSpace)
			if i < 0 || int64(len(out)) >= limit {
				out = append(out, s)
				break
			}
			out = append(out, s[:i])
			s = s[i:]
		}
		return out
	}
	sep := in.text("str.split", args[0])
	if sep == "" {
		in.fail("the separator of str.split must not be empty")
	}
	in.work(strings.Count(s, sep))
	for _, part := range strings.SplitN(s, sep, int(min(limit, int64(len(s))+1))+1) {
		out = append(out, part)
	}
	return out
}

func replaceText(in *run, v any, args []any) any {
	s, count := v.(string), int64(-1)
	if len(args) == 3 && args[2] != nil {
		count = in.integer("replace", args[2])
	}
	from, to := in.text("replace", args[0]), in.text("replace", args[1])
	if n := strings.Count(s, from); n > 0 && len(to) > maxOutput/n {
		in.fail("a string with replacements exceeds %d bytes", maxOutput)
	}
	return in.made(strings.Replace(s, from, to, int(max(min(count, int64(len(s))+1), -1))))
}

// runeIndex converts an index in bytes to an index in characters.
func runeIndex(s string, i int) int64 {
	if i < 0 {
		return -1
	}
	return int64(utf8.RuneCountInString(s[:i]))
}

// changeCase only accepts ASCII, because Python and Go differ for the rest of Unicode.
func (in *run) changeCase(how, s string) string {
	out := []byte(s)
	word := false // the previous character is a letter
	for i, c := range out {
		if c >= utf8.RuneSelf {
			in.fail("%s of non-ASCII text is not supported", how)
		}
		up := how == "upper" || how == "capitalize" && i == 0 || how == "title" && !word
		word = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		switch {
		case up && c >= 'a' && c <= 'z':
			out[i] = c - 'a' + 'A'
		case !up && c >= 'A' && c <= 'Z':
			out[i] = c - 'A' + 'a'
		}
	}
	return in.made(string(out))
}
