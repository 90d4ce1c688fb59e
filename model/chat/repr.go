package chat

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// str is Python's str(), which a template uses to print values.
func (in *run) str(v any) string {
	switch v := v.(type) {
	case undefined:
		return ""
	case string:
		return v
	case markup:
		return string(v)
	}
	return in.repr(v, 0)
}

// repr is Python's repr().
func (in *run) repr(v any, depth int) string {
	if depth > maxNesting {
		in.fail("a value is nested more than %d deep", maxNesting)
	}
	in.step()
	join := func(items []any) string {
		parts := make([]string, len(items))
		for i, x := range items {
			parts[i] = in.repr(x, depth+1)
		}
		return strings.Join(parts, ", ")
	}
	switch v := v.(type) {
	case nil:
		return "None"
	case undefined:
		return "Undefined"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return floatRepr(v)
	case string:
		return strRepr(v)
	case []any:
		return "[" + join(v) + "]"
	case tuple:
		if len(v) == 1 {
			return "(" + join(v) + ",)"
		}
		return "(" + join(v) + ")"
	case *dict:
		parts := make([]string, len(v.keys))
		for i, k := range v.keys {
			parts[i] = strRepr(k) + ": " + in.repr(v.vals[k], depth+1)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	in.fail("printing a value of type %s is not supported", typeName(v))
	return ""
}

// strRepr is repr() of a string.
func strRepr(s string) string {
	mark := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		mark = '"'
	}
	out := []byte{mark}
	for _, r := range s {
		switch {
		case r == '\\' || r == rune(mark):
			out = append(out, '\\', byte(r))
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\r':
			out = append(out, `\r`...)
		case r == '\t':
			out = append(out, `\t`...)
		case strconv.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r <= 0xff:
			out = fmt.Appendf(out, `\x%02x`, r)
		case r <= 0xffff:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = fmt.Appendf(out, `\U%08x`, r)
		}
	}
	return string(append(out, mark))
}

// floatRepr is Python's repr of a float: the shortest digits that parse to the same value.
func floatRepr(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64) // Go writes two digits of exponent too
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
