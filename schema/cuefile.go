package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// buildCUE parses and evaluates a CUE spec with its tags filled in. Problems
// inside the file (a bad reference, two values for one field) are reported; ok
// is false if nothing can be judged beyond them.
func (c *checker) buildCUE(ctx *cue.Context, data []byte, given map[string]string) (v cue.Value, ok bool) {
	if !c.shallow(data) {
		return v, false
	}
	f, ok := c.parse(data)
	if !ok {
		return v, false
	}
	if !c.checkImports(f) {
		return v, false
	}
	tags := findTags(f)
	filled, ok := c.fillTags(tags, given)
	if !ok {
		return v, false
	}
	// A tag's value is one more declaration at the end of the text: it unifies
	// with the field, and every other position stays what it is.
	if filled != "" {
		if f, ok = c.parse(append(append([]byte{}, data...), "\n"+filled...)); !ok {
			return v, false
		}
	}
	v = c.evaluate(ctx, f)
	if c.tagConflicts(v, tags, given) {
		return v, false
	}
	c.cueErrors(v.Validate())
	if v.IncompleteKind() != cue.StructKind {
		if it, err := v.Fields(); err != nil || !it.Next() {
			if len(c.errs) == 0 {
				c.addAt(position{1, 1}, "", "is not a struct", "a spec is a list of fields such as question: \"...\"")
			}
			return v, false
		}
	}
	return v, true
}

// shallow refuses nesting that no spec has and that recursive parsers would
// answer with the stack.
func (c *checker) shallow(data []byte) bool {
	const deepest = 1000
	depth, line, start := 0, 1, 0
	for i, b := range data {
		switch b {
		case '\n':
			line, start = line+1, i+1
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		}
		if depth > deepest {
			c.addAt(position{line, i - start + 1}, "", "is nested too deeply", "simplify the spec")
			return false
		}
	}
	return true
}

// parse reports the first syntax error only: those after it are its echoes.
func (c *checker) parse(data []byte) (*ast.File, bool) {
	f, err := parser.ParseFile(c.file, data, parser.ParseComments)
	if err == nil {
		return f, true
	}
	first := errors.Errors(err)[0]
	format, args := first.Msg()
	c.addAt(c.errorPos(first), "", "syntax error: "+fmt.Sprintf(format, args...), "correct the CUE text there")
	return nil, false
}

// checkImports refuses packages of other modules; CUE's own have no dot in their
// path's first part.
func (c *checker) checkImports(f *ast.File) bool {
	before := len(c.errs)
	for spec := range f.ImportSpecs() {
		path, err := strconv.Unquote(spec.Path.Value)
		if domain, _, _ := strings.Cut(path, "/"); err != nil || strings.Contains(domain, ".") {
			c.addAt(c.pos(spec.Pos()), "", "imports "+spec.Path.Value, "a spec may import CUE's own packages only, such as \"strings\"")
		}
	}
	return len(c.errs) == before
}

// evaluate builds the file's value. CUE gives up on a file with a reference to
// nothing, so such a reference is reported, replaced by "any value", and the file
// built again.
func (c *checker) evaluate(ctx *cue.Context, f *ast.File) cue.Value {
	for {
		v := ctx.BuildFile(f)
		patched := false
		for _, e := range errors.Errors(v.Err()) {
			for _, p := range errors.Positions(e) {
				if id := identAt(f, p); id != nil && strings.Contains(e.Error(), "not found") {
					c.addAt(c.pos(p), strings.Join(e.Path(), "."), fmt.Sprintf("%q is not defined", id.Name),
						fmt.Sprintf("define it, or write \"%s\" for the text", id.Name))
					id.Name, id.Node, patched = "_", nil, true
					break
				}
			}
		}
		if !patched {
			return v
		}
	}
}

func identAt(f *ast.File, p token.Pos) (found *ast.Ident) {
	ast.Walk(f, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Name != "_" && id.Pos().Offset() == p.Offset() {
			found = id
		}
		return found == nil
	}, nil)
	return found
}

// cueErrors reports CUE's own errors at their places in the spec.
func (c *checker) cueErrors(err error) {
	for _, e := range errors.Errors(err) {
		path := joinPath(e.Path())
		if c.reported[path] {
			continue
		}
		format, args := e.Msg()
		message := strings.TrimPrefix(strings.TrimSpace(fmt.Sprintf(format, args...)), "#Experiment.")
		hint := "correct the value"
		if strings.Contains(message, "conflicting values") {
			hint = "give the field one value"
		}
		c.addAt(c.errorPos(e), path, message, hint)
	}
}

// errorPos returns the last of an error's places inside the spec: of two
// conflicting values, the one that came later.
func (c *checker) errorPos(e errors.Error) position {
	var last position
	for _, p := range errors.Positions(e) {
		q := c.pos(p)
		if q.line > last.line || q.line == last.line && q.column > last.column {
			last = q
		}
	}
	return last
}

// pos converts a position of CUE; places outside the spec are none.
func (c *checker) pos(p token.Pos) position {
	if !p.IsValid() || p.Filename() != c.file {
		return position{}
	}
	return position{p.Line(), p.Column()}
}

func joinPath(parts []string) string {
	var b strings.Builder
	for _, p := range parts {
		if _, err := strconv.Atoi(p); err == nil {
			fmt.Fprintf(&b, "[%s]", p)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(p)
	}
	return b.String()
}

// tag is one @tag attribute.
type tag struct {
	name, kind string
	path       []string // labels of the fields around and including its own
	field      *ast.Field
}

// findTags lists the tags of fields outside lists and comprehensions, where CUE
// allows them.
func findTags(f *ast.File) (tags []tag) {
	var visit func(decls []ast.Decl, path []string)
	visit = func(decls []ast.Decl, path []string) {
		for _, d := range decls {
			if e, ok := d.(*ast.EmbedDecl); ok {
				if s, ok := e.Expr.(*ast.StructLit); ok {
					visit(s.Elts, path)
				}
				continue
			}
			field, ok := d.(*ast.Field)
			if !ok {
				continue
			}
			label, _, err := ast.LabelName(field.Label)
			if err != nil || field.Constraint != token.ILLEGAL {
				continue
			}
			p := append(path[:len(path):len(path)], label)
			for _, a := range field.Attrs {
				if key, body := a.Split(); key == "tag" {
					tags = append(tags, parseTag(body, p, field))
				}
			}
			if s, ok := field.Value.(*ast.StructLit); ok {
				visit(s.Elts, p)
			}
		}
	}
	visit(f.Decls, nil)
	return tags
}

func parseTag(body string, path []string, field *ast.Field) tag {
	t := tag{kind: "string", path: path, field: field}
	for i, part := range strings.Split(body, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case i == 0:
			t.name = key
		case key == "type":
			t.kind = value
		}
	}
	return t
}

// fillTags returns declarations that give the tags their values.
func (c *checker) fillTags(tags []tag, given map[string]string) (string, bool) {
	var known []string
	for _, t := range tags {
		if !slices.Contains(known, t.name) {
			known = append(known, t.name)
		}
	}
	var b strings.Builder
	before := len(c.errs)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(known, name) {
			hint := "this spec has no @tag"
			if len(known) > 0 {
				hint = didYouMean(name, known)
			}
			c.addAt(position{}, "-t "+name+"="+given[name], "unknown tag", hint)
		}
	}
	for _, t := range tags {
		value, ok := given[t.name]
		if !ok {
			continue
		}
		text, problem := tagValue(t.kind, value)
		if problem != "" {
			c.addAt(c.pos(t.field.Pos()), "-t "+t.name+"="+value, problem, "give another value")
			continue
		}
		for _, label := range t.path {
			if !ast.IsValidIdent(label) {
				label = literal.Label.Quote(label)
			}
			b.WriteString(label + ": ")
		}
		b.WriteString(text + "\n")
	}
	return b.String(), len(c.errs) == before
}

// tagValue returns the CUE text of a tag's value, or what is wrong with it.
func tagValue(kind, value string) (text, problem string) {
	switch kind {
	case "string":
		return literal.String.Quote(value), ""
	case "bool":
		if value == "true" || value == "false" {
			return value, ""
		}
		return "", fmt.Sprintf("%q is not a bool: the tag takes true or false", value)
	case "int":
		if _, err := strconv.ParseInt(value, 10, 64); err == nil {
			return value, ""
		}
		return "", fmt.Sprintf("%q is not a whole number, which the tag takes", value)
	case "number":
		if f, err := strconv.ParseFloat(value, 64); err == nil && f-f == 0 && !strings.ContainsAny(value, "xX_pP") {
			return value, ""
		}
		return "", fmt.Sprintf("%q is not a number, which the tag takes", value)
	}
	return "", fmt.Sprintf("the tag's type %q is none of string, int, number and bool", kind)
}

// tagConflicts reports tags whose value their field does not allow.
func (c *checker) tagConflicts(v cue.Value, tags []tag, given map[string]string) bool {
	if len(given) == 0 {
		return false
	}
	found := false
	faulty := errors.Errors(v.Validate())
	for _, t := range tags {
		value, ok := given[t.name]
		path := strings.Join(t.path, ".")
		if !ok || !slices.ContainsFunc(faulty, func(e errors.Error) bool { return strings.Join(e.Path(), ".") == path }) {
			continue
		}
		allowed, _ := format.Node(t.field.Value)
		c.addAt(c.pos(t.field.Value.Pos()), path, fmt.Sprintf("-t %s=%s does not fit", t.name, value), fmt.Sprintf("allowed: %s", allowed))
		found = true
	}
	return found
}
