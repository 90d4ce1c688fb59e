package chat

import "math"

// test is a test that may follow "is". It takes a fixed number of arguments.
type test struct {
	args  int
	holds func(in *run, v any, args []any) bool
}

func isText(v any) bool {
	switch v.(type) {
	case string, markup:
		return true
	}
	return false
}

// tests by name.
var tests = func() map[string]test {
	isType := func(is func(v any) bool) test {
		return test{0, func(_ *run, v any, _ []any) bool { return is(v) }}
	}
	binary := func(op string) test {
		return test{1, func(in *run, v any, args []any) bool { return comparisons[op](in, v, args[0]) }}
	}
	// rest is Python's v % by.
	rest := func(in *run, v, by any) float64 {
		vf, vi, vInt, ok := number(v)
		bf, bi, bInt, okBy := number(by)
		switch {
		case !ok || !okBy:
			in.fail("this test needs a number, not %s", typeName(v))
		case bf == 0:
			in.fail("division by zero")
		case vInt && bInt:
			return float64(in.integers("%", vi, bi).(int64))
		}
		r := math.Mod(vf, bf)
		if r != 0 && (r < 0) != (bf < 0) {
			r += bf
		}
		return r
	}
	m := map[string]test{
		"defined":   isType(func(v any) bool { _, ok := v.(undefined); return !ok }),
		"undefined": isType(func(v any) bool { _, ok := v.(undefined); return ok }),
		"none":      isType(func(v any) bool { return v == nil }),
		"string":    isType(isText),
		"mapping":   isType(func(v any) bool { _, ok := v.(*dict); return ok }),
		"boolean":   isType(func(v any) bool { _, ok := v.(bool); return ok }),
		"integer":   isType(func(v any) bool { _, ok := v.(int64); return ok }),
		"float":     isType(func(v any) bool { _, ok := v.(float64); return ok }),
		"number":    isType(func(v any) bool { _, _, _, ok := number(v); return ok }),
		"true":      isType(func(v any) bool { return v == true }),
		"false":     isType(func(v any) bool { return v == false }),
		"callable": isType(func(v any) bool {
			switch v.(type) {
			case undefined, *function: // undefined can be called, but the call fails
				return true
			}
			return false
		}),
		"iterable": isType(func(v any) bool {
			switch v.(type) {
			case undefined, string, markup, []any, tuple, *dict, *view, *generator, *loop:
				return true
			}
			return false
		}),
		"sequence": isType(func(v any) bool {
			switch v := v.(type) {
			case undefined, string, markup, []any, tuple, *dict:
				return true
			case *view:
				return v.name == "range"
			}
			return false
		}),
		"odd":         {0, func(in *run, v any, _ []any) bool { return rest(in, v, int64(2)) == 1 }},
		"even":        {0, func(in *run, v any, _ []any) bool { return rest(in, v, int64(2)) == 0 }},
		"divisibleby": {1, func(in *run, v any, args []any) bool { return rest(in, v, args[0]) == 0 }},
		"in":          binary("in"),
	}
	for op, names := range map[string][]string{
		"==": {"==", "eq", "equalto"}, "!=": {"!=", "ne"},
		"<": {"<", "lt", "lessthan"}, ">": {">", "gt", "greaterthan"}, "<=": {"<=", "le"}, ">=": {">=", "ge"},
	} {
		for _, name := range names {
			m[name] = binary(op)
		}
	}
	return m
}()
