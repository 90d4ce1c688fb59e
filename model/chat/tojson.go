package chat

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// filterJSON is transformers' tojson: Python's json.dumps, without HTML escapes.
func filterJSON(in *run, v any, args []any, kwargs *dict) any {
	values, given := in.named("the filter tojson", args, kwargs, "ensure_ascii", "indent", "separators", "sort_keys")
	w := jsonWriter{in: in, ascii: truth(values[0]), sorted: truth(values[3]), comma: ", ", colon: ": "}
	if given[1] && values[1] != nil {
		w.comma, w.pretty = ",", true
		if s, ok := values[1].(string); ok {
			w.indent = s
		} else {
			w.indent = strings.Repeat(" ", int(max(0, min(in.integer("the indent of tojson", values[1]), 100))))
		}
	}
	if given[2] && values[2] != nil {
		pair := in.iterate(values[2])
		if len(pair) != 2 {
			in.fail("the separators of tojson must be two strings")
		}
		w.comma, w.colon = in.text("the separators of tojson", pair[0]), in.text("the separators of tojson", pair[1])
	}
	w.value(v, 0)
	return in.made(string(w.out))
}

type jsonWriter struct {
	in            *run
	out           []byte
	ascii, sorted bool
	pretty        bool
	indent        string
	comma, colon  string
}

// list writes n elements between brackets.
func (w *jsonWriter) list(open, end byte, n, depth int, element func(i int)) {
	w.out = append(w.out, open)
	for i := range n {
		if i > 0 {
			w.out = append(w.out, w.comma...)
		}
		w.line(depth + 1)
		element(i)
	}
	if n > 0 {
		w.line(depth)
	}
	w.out = append(w.out, end)
}

func (w *jsonWriter) line(depth int) {
	if w.pretty {
		w.out = append(append(w.out, '\n'), strings.Repeat(w.indent, depth)...)
	}
}

func (w *jsonWriter) value(v any, depth int) {
	if depth > maxNesting {
		w.in.fail("a value is nested more than %d deep", maxNesting)
	}
	if w.in.step(); len(w.out) > maxOutput {
		w.in.fail("the output exceeds %d bytes", maxOutput)
	}
	switch v := v.(type) {
	case nil:
		w.out = append(w.out, "null"...)
	case bool:
		w.out = fmt.Append(w.out, v)
	case int64:
		w.out = fmt.Append(w.out, v)
	case float64:
		s := floatRepr(v)
		if name, ok := map[string]string{"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[s]; ok {
			s = name
		}
		w.out = append(w.out, s...)
	case string:
		w.text(v)
	case []any:
		w.list('[', ']', len(v), depth, func(i int) { w.value(v[i], depth+1) })
	case tuple:
		w.list('[', ']', len(v), depth, func(i int) { w.value(v[i], depth+1) })
	case *dict:
		keys := v.keys
		if w.sorted {
			keys = slices.Sorted(slices.Values(keys))
		}
		w.list('{', '}', len(keys), depth, func(i int) {
			w.text(keys[i])
			w.out = append(w.out, w.colon...)
			w.value(v.vals[keys[i]], depth+1)
		})
	default:
		w.in.fail("tojson of a value of type %s is not supported", typeName(v))
	}
}

func (w *jsonWriter) text(s string) {
	w.out = append(w.out, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			w.out = append(w.out, '\\', byte(r))
		case r == '\n':
			w.out = append(w.out, `\n`...)
		case r == '\r':
			w.out = append(w.out, `\r`...)
		case r == '\t':
			w.out = append(w.out, `\t`...)
		case r == '\f':
			w.out = append(w.out, `\f`...)
		case r == '\b':
			w.out = append(w.out, `\b`...)
		case r < ' ' || w.ascii && r > 0x7e && r <= 0xFFFF:
			w.out = fmt.Appendf(w.out, `\u%04x`, r)
		case w.ascii && r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			w.out = fmt.Appendf(w.out, `\u%04x\u%04x`, high, low)
		default:
			w.out = utf8.AppendRune(w.out, r)
		}
	}
	w.out = append(w.out, '"')
}
