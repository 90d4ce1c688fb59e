package chat

import (
	"fmt"
	"strings"
)

const (
	maxSteps   = 3_000_000
	maxOutput  = 64 << 20
	maxNesting = 100
	maxRange   = 100_000 // the limit of Jinja's sandbox
)

// expression and statement are compiled parts of a template.
type (
	expression func(in *run) any
	statement  func(in *run) control
)

// control is how a statement ended.
type control uint8

const (
	goOn control = iota
	breakLoop
	continueLoop
)

// scope holds the names set in an iteration of a loop, a macro or the template. Names of
// outer scopes are visible in it.
type scope struct {
	vars   map[string]any
	parent *scope
}

// run is one rendering.
type run struct {
	out   *strings.Builder
	scope *scope
	line  int // of the tag that runs
	steps int
	depth int // of macro calls
	size  int // bytes written, captured text included

	filters map[string]filterFunc
}

func newRun() *run {
	return &run{out: &strings.Builder{}, scope: &scope{vars: map[string]any{}}, line: 1, filters: filters}
}

func (in *run) fail(format string, args ...any) {
	panic(&templateError{in.line, fmt.Sprintf(format, args...)})
}

// step counts work, so that a template cannot run forever.
func (in *run) step() {
	if in.steps++; in.steps > maxSteps {
		in.fail("the template needs more than %d steps", maxSteps)
	}
}

func (in *run) exec(body []statement) control {
	for _, s := range body {
		in.step()
		if c := s(in); c != goOn {
			return c
		}
	}
	return goOn
}

func (in *run) write(s string) {
	if in.size += len(s); in.size > maxOutput {
		in.fail("the output exceeds %d bytes", maxOutput)
	}
	in.out.WriteString(s)
}

// work counts n steps at once, before they are taken.
func (in *run) work(n int) {
	in.steps += n
	in.step()
}

// made checks the length of a string built by an operation.
func (in *run) made(s string) string {
	if len(s) > maxOutput {
		in.fail("a string exceeds %d bytes", maxOutput)
	}
	in.work(len(s) >> 6)
	return s
}

// capture runs a body in a scope of its own and returns its text.
func (in *run) capture(vars map[string]any, parent *scope, body []statement) string {
	out, sc := in.out, in.scope
	in.out, in.scope = &strings.Builder{}, &scope{vars, parent}
	in.exec(body)
	text := in.out.String()
	in.out, in.scope = out, sc
	return text
}

func (in *run) lookup(name string) any {
	for s := in.scope; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v
		}
	}
	if f, ok := globals[name]; ok {
		return f
	}
	return undefined{"name " + quote(name)}
}

// globals are the global functions.
var globals = map[string]*function{
	"namespace": {"namespace", func(in *run, args []any, kwargs *dict) any {
		ns := &namespace{map[string]any{}}
		for i, d := range append(append([]any{}, args...), kwargs) {
			d, ok := d.(*dict)
			if !ok || i > 1 {
				in.fail("namespace takes one dict and keywords")
			}
			for _, k := range d.keys {
				in.setAttribute(ns, k, d.vals[k])
			}
		}
		return ns
	}},
	"dict": {"dict", func(in *run, args []any, kwargs *dict) any {
		d := newDict()
		for i, from := range append(append([]any{}, args...), kwargs) {
			from, ok := from.(*dict)
			if !ok || i > 1 {
				in.fail("dict takes one dict and keywords")
			}
			for _, k := range from.keys {
				d.set(k, from.vals[k])
			}
		}
		return d
	}},
	"range": {"range", func(in *run, args []any, kwargs *dict) any {
		start, stop, step := int64(0), int64(0), int64(1)
		switch in.positional("range", args, kwargs, 1, 3); len(args) {
		case 1:
			stop = in.integer("range", args[0])
		case 3:
			step = in.integer("range", args[2])
			fallthrough
		default:
			start, stop = in.integer("range", args[0]), in.integer("range", args[1])
		}
		if step == 0 {
			in.fail("the step of range must not be 0")
		}
		items := []any{}
		for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
			if len(items) >= maxRange {
				in.fail("range is longer than %d", maxRange)
			}
			items = append(items, i)
		}
		in.work(len(items))
		return &view{"range", items}
	}},
	"raise_exception": {"raise_exception", func(in *run, args []any, kwargs *dict) any {
		in.positional("raise_exception", args, kwargs, 1, 1)
		panic(&RaisedError{in.line, in.str(args[0])})
	}},
}

// refused lists names that Jinja or transformers define and this package does not support.
var refused = map[string]string{
	"strftime_now": "strftime_now is refused: the prompt would depend on the day it is made; write the date into the template",
	"lipsum":       "lipsum is not supported",
	"cycler":       "cycler is not supported",
	"joiner":       "joiner is not supported",
	"caller":       "caller is not supported",
	"varargs":      "varargs is not supported",
	"kwargs":       "kwargs is not supported",
	"self":         "self is not supported",
}

// positional checks that a function got low to high arguments and no keywords.
func (in *run) positional(name string, args []any, kwargs *dict, low, high int) {
	if len(kwargs.keys) > 0 {
		in.fail("%s has no argument %s", name, quote(kwargs.keys[0]))
	}
	if len(args) < low || len(args) > high {
		in.fail("%s takes %d to %d arguments, not %d", name, low, high, len(args))
	}
}

// named returns arguments in the order of names, with nil for missing ones. set reports
// which were given.
func (in *run) named(function string, args []any, kwargs *dict, names ...string) (values []any, set []bool) {
	if len(args) > len(names) {
		in.fail("%s takes at most %d arguments, not %d", function, len(names), len(args))
	}
	values, set = make([]any, len(names)), make([]bool, len(names))
	for i, v := range args {
		values[i], set[i] = v, true
	}
next:
	for _, k := range kwargs.keys {
		for i, name := range names {
			if name == k && !set[i] {
				values[i], set[i] = kwargs.vals[k], true
				continue next
			}
		}
		in.fail("%s has no argument %s, or got it twice", function, quote(k))
	}
	return values, set
}

func (in *run) integer(what string, v any) int64 {
	_, i, ok, _ := number(v)
	if !ok {
		in.fail("%s needs an integer, not %s", what, typeName(v))
	}
	return i
}

func (in *run) text(what string, v any) string {
	s, ok := v.(string)
	if !ok {
		in.fail("%s needs a string, not %s", what, typeName(v))
	}
	return s
}

// call calls a value.
func (in *run) call(f any, args []any, kwargs *dict) any {
	in.step()
	fn, ok := f.(*function)
	if !ok {
		in.fail("%s is not a function", typeName(f))
	}
	return fn.call(in, args, kwargs)
}

// loop is the variable of a for loop.
type loop struct {
	items []any
	index int
}

// attribute returns an attribute of the loop variable. ok is false if there is no such
// attribute.
func (l *loop) attribute(name string) (v any, ok bool) {
	n, i := int64(len(l.items)), int64(l.index)
	switch name {
	case "index":
		return i + 1, true
	case "index0":
		return i, true
	case "revindex":
		return n - i, true
	case "revindex0":
		return n - i - 1, true
	case "first":
		return i == 0, true
	case "last":
		return i == n-1, true
	case "length":
		return n, true
	case "depth": // counts recursion, which is not supported, rather than nesting
		return int64(1), true
	case "depth0":
		return int64(0), true
	case "previtem":
		if i == 0 {
			return undefined{"loop.previtem of the first item"}, true
		}
		return l.items[i-1], true
	case "nextitem":
		if i == n-1 {
			return undefined{"loop.nextitem of the last item"}, true
		}
		return l.items[i+1], true
	case "cycle":
		return &function{"loop.cycle", func(in *run, args []any, kwargs *dict) any {
			in.positional("loop.cycle", args, kwargs, 1, 1000)
			return args[l.index%len(args)]
		}}, true
	}
	return nil, false
}
