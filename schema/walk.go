package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
)

// walker goes through a spec beside the schema. What passes is gathered in a
// tree of map[string]any, []any and json.RawMessage, so that the checks that
// come after see everything sound even where other parts are not.
type walker struct {
	*checker
	schema cue.Value
	extra  []Axis // further axes of the matrix, in the file's order
}

// structure checks a struct against its schema and returns its sound fields.
func (w *walker) structure(s, v cue.Value, path string) map[string]any {
	w.at[path] = w.valuePos(v)
	tree := map[string]any{}
	it, err := v.Fields()
	if err != nil {
		if !w.reported[path] {
			want := "want a struct"
			if n := names(s); len(n) > 0 {
				want += " with the fields " + strings.Join(n, ", ")
			}
			w.add(path, "is "+show(v), want)
		}
		return nil
	}
	present := map[string]bool{}
	for it.Next() {
		key := it.Selector().Unquoted()
		present[key] = true
		sub, ok := field(s, key)
		if !ok && path != "matrix" { // whose pattern is for axis
			sub = s.LookupPath(cue.MakePath(cue.AnyString))
			ok = sub.Exists()
		}
		at := join(path, key)
		switch {
		case path == "matrix" && strings.Contains(key, "."):
			w.axis(key, it.Value())
		case path == "exclude" || strings.HasPrefix(path, "exclude[") || path == "compare.reference":
			w.record(it.Value(), at)
			if raw, ok := w.raw(it.Value(), at); ok {
				tree[key] = raw
			}
		case !ok:
			w.addAt(w.keyPos(it.Value()), at, "unknown key", w.keyHint(s, path, key))
		default:
			if x, ok := w.value(sub, it.Value(), at, sub); ok {
				tree[key] = x
			}
		}
	}
	w.required(s, present, path)
	return tree
}

func (w *walker) required(s cue.Value, present map[string]bool, path string) {
	it, err := s.Fields(cue.Optional(true))
	if err != nil {
		return
	}
	for it.Next() {
		key := it.Selector().Unquoted()
		if it.Selector().ConstraintType() != cue.RequiredConstraint || present[key] {
			continue
		}
		at := join(path, key)
		hint := "add it"
		if want := wanted(it.Value(), it.Value()); want != "" {
			hint = "add " + want
		} else if n := names(it.Value()); len(n) > 0 {
			hint = "add a struct with the fields " + strings.Join(n, ", ")
		}
		w.addAt(w.at[path], at, "is required", hint)
	}
}

// value checks any value; holder is the schema field whose @want describes it.
func (w *walker) value(s, v cue.Value, path string, holder cue.Value) (any, bool) {
	if w.reported[path] {
		return nil, false
	}
	s = branch(s, v)
	switch s.IncompleteKind() {
	case cue.StructKind:
		before := len(w.errs)
		t := w.structure(s, v, path)
		return t, t != nil && (len(w.errs) == before || !strings.HasSuffix(path, "]"))
	case cue.ListKind:
		return w.list(s, v, path, holder)
	}
	return w.scalar(s, v, path, holder)
}

func (w *walker) list(s, v cue.Value, path string, holder cue.Value) (any, bool) {
	w.at[path] = w.valuePos(v)
	if k := v.IncompleteKind(); k != cue.ListKind && k != cue.BottomKind {
		w.add(path, "is "+show(v), "want a list: put it in [brackets]")
		return nil, false
	}
	el := s.LookupPath(cue.MakePath(cue.AnyIndex))
	out := []any{}
	n := 0
	for ; ; n++ {
		x := v.LookupPath(cue.MakePath(cue.Index(n)))
		if !x.Exists() && x.Source() == nil {
			break
		}
		if y, ok := w.value(el, x, fmt.Sprintf("%s[%d]", path, n), holder); ok {
			out = append(out, y)
			w.kept[path] = append(w.kept[path], n)
		}
	}
	if n == 0 && s.Unify(v).Validate() != nil {
		w.add(path, "is empty", "give at least one value, or leave it out")
		return nil, false
	}
	return out, true
}

func (w *walker) scalar(s, v cue.Value, path string, holder cue.Value) (any, bool) {
	if w.reported[path] {
		return nil, false
	}
	w.at[path] = w.valuePos(v)
	want := wanted(s, holder)
	if err := v.Err(); err != nil {
		w.cueErrors(err)
		if !w.reported[path] {
			w.add(path, "has no value", "want "+want)
		}
		return nil, false
	}
	if d, ok := v.Default(); ok {
		v = d
	}
	switch {
	case v.IncompleteKind()&(cue.StructKind|cue.ListKind) == 0 && !v.IsConcrete():
		w.add(path, fmt.Sprintf("is %s, which is not one value", show(v)), "want "+want)
		return nil, false
	case s.Unify(v).Validate(cue.Concrete(true)) != nil:
		if word, err := v.String(); err == nil {
			if near := Nearest(word, words(s)); near != "" {
				want += fmt.Sprintf(" (did you mean %q?)", near)
			}
		}
		w.add(path, "is "+show(v), "want "+want)
		return nil, false
	}
	return w.raw(v, path)
}

func (w *walker) raw(v cue.Value, path string) (any, bool) {
	b, err := v.MarshalJSON()
	if err != nil {
		if !w.reported[path] {
			w.cueErrors(v.Validate(cue.Concrete(true)))
		}
		return nil, false
	}
	return json.RawMessage(b), true
}

// record notes the places of everything under v.
func (w *walker) record(v cue.Value, path string) {
	w.at[path] = w.valuePos(v)
	if it, err := v.Fields(); err == nil {
		for it.Next() {
			w.record(it.Value(), join(path, it.Selector().Unquoted()))
		}
	}
}

// axis checks a further axis such as "train.lr".
func (w *walker) axis(key string, v cue.Value) {
	path := join("matrix", key)
	section, rest, _ := strings.Cut(key, ".")
	s, ok := w.section(section)
	if !ok {
		w.addAt(w.keyPos(v), path, "is no axis", `an axis is model, padding, labels, schedule, seed, or a scalar of train or data such as "train.lr"`)
		return
	}
	for part := range strings.SplitSeq(rest, ".") {
		sub, ok := field(s, part)
		if !ok {
			w.addAt(w.keyPos(v), path, fmt.Sprintf("%s has no field %q", section, part), didYouMean(part, names(s)))
			return
		}
		s = sub
	}
	if k := s.IncompleteKind(); k&(cue.StructKind|cue.ListKind) != 0 {
		w.addAt(w.keyPos(v), path, "is a struct", "an axis is one number, word or switch; known: "+strings.Join(names(s), ", "))
		return
	}
	if key == "train.logEvery" || key == "data.holdout.every" {
		w.addAt(w.keyPos(v), path, "changes no result", "set it in "+section)
		return
	}
	w.at[path] = w.valuePos(v)
	if k := v.IncompleteKind(); k != cue.ListKind && k != cue.BottomKind {
		w.add(path, "is "+show(v), "want a list: put it in [brackets]")
		return
	}
	a := Axis{Path: key}
	n := 0
	for ; ; n++ {
		x := v.LookupPath(cue.MakePath(cue.Index(n)))
		if !x.Exists() && x.Source() == nil {
			break
		}
		if y, ok := w.scalar(s, x, fmt.Sprintf("%s[%d]", path, n), s); ok {
			if value, err := axisValue(key, y.(json.RawMessage)); err != nil {
				w.add(fmt.Sprintf("%s[%d]", path, n), err.Error(), "give another value")
			} else {
				a.Values = append(a.Values, value)
				w.kept[path] = append(w.kept[path], n)
			}
		}
	}
	if n == 0 {
		w.add(path, "is empty", "give at least one value, or leave it out")
		return
	}
	w.extra = append(w.extra, a)
}

func (w *walker) section(name string) (cue.Value, bool) {
	if name != "train" && name != "data" {
		return cue.Value{}, false
	}
	return field(w.schema.LookupPath(cue.ParsePath("#Experiment")), name)
}

// keyHint says what to do about an unknown key.
func (w *walker) keyHint(s cue.Value, path, key string) string {
	known := names(s)
	if near := Nearest(key, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	experiment := w.schema.LookupPath(cue.ParsePath("#Experiment"))
	for _, section := range []string{"train", "data", "eval", "run", "matrix"} {
		sub, _ := field(experiment, section)
		if section == path || !slices.Contains(names(sub), key) {
			continue
		}
		if path == "matrix" && (section == "train" || section == "data") {
			return fmt.Sprintf("write %q: [...]", section+"."+key)
		}
		return "it belongs in " + section
	}
	return "known here: " + strings.Join(known, ", ")
}

// branch picks the struct of a disjunction such as #SuiteName | #Suite when the
// value is one; CUE's own answer would list the failures of every branch.
func branch(s, v cue.Value) cue.Value {
	if v.IncompleteKind() != cue.StructKind {
		return s
	}
	for _, arg := range disjuncts(s) {
		if arg.IncompleteKind() == cue.StructKind {
			return arg
		}
	}
	return s
}

func disjuncts(s cue.Value) []cue.Value {
	op, args := cue.Dereference(s).Expr()
	switch op {
	case cue.OrOp:
		var all []cue.Value
		for _, a := range args {
			all = append(all, disjuncts(a)...)
		}
		return all
	case cue.NoOp, cue.SelectorOp:
		if len(args) == 1 {
			if op, _ := args[0].Expr(); op == cue.OrOp {
				return disjuncts(args[0])
			}
		}
	}
	return []cue.Value{s}
}

// words lists the strings that a schema value allows, if it is an enumeration.
func words(s cue.Value) (list []string) {
	for _, d := range disjuncts(s) {
		if x, err := d.String(); err == nil {
			list = append(list, x)
		}
	}
	return list
}

// wanted describes what a scalar may be: the @want of its schema field, or the
// words of its enumeration.
func wanted(s, holder cue.Value) string {
	if a := holder.Attribute("want"); a.Err() == nil {
		if text, err := a.String(0); err == nil {
			return text
		}
	}
	w := words(s)
	for i := range w {
		w[i] = fmt.Sprintf("%q", w[i])
	}
	switch len(w) {
	case 0:
		switch s.IncompleteKind() {
		case cue.StringKind:
			return "a text"
		case cue.IntKind:
			return "a whole number"
		}
		return ""
	case 1:
		return w[0]
	}
	return strings.Join(w[:len(w)-1], ", ") + " or " + w[len(w)-1]
}

// field looks up a field of a schema struct, optional or required.
func field(s cue.Value, key string) (cue.Value, bool) {
	for _, sel := range []cue.Selector{cue.Str(key).Optional(), cue.Str(key).Required(), cue.Str(key)} {
		if f := s.LookupPath(cue.MakePath(sel)); f.Exists() {
			return f, true
		}
	}
	return cue.Value{}, false
}

func names(s cue.Value) (list []string) {
	it, err := s.Fields(cue.Optional(true))
	if err != nil {
		return nil
	}
	for it.Next() {
		if it.Selector().LabelType() == cue.StringLabel {
			list = append(list, it.Selector().Unquoted())
		}
	}
	return list
}

// valuePos is where a value stands, keyPos where its key does.
func (c *checker) valuePos(v cue.Value) position {
	if f, ok := v.Source().(*ast.Field); ok {
		if p := c.pos(f.Value.Pos()); p.line > 0 {
			return p
		}
	}
	return c.keyPos(v)
}

func (c *checker) keyPos(v cue.Value) position { return c.pos(v.Pos()) }

// show prints a value for a message.
func show(v cue.Value) string {
	if d, ok := v.Default(); ok {
		v = d
	}
	switch v.IncompleteKind() {
	case cue.StructKind:
		return "a struct"
	case cue.ListKind:
		return "a list"
	case cue.NullKind:
		return "null"
	}
	text := fmt.Sprint(v)
	if len(text) > 60 {
		text = strings.ToValidUTF8(text[:57], "") + "..."
	}
	return text
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
