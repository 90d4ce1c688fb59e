package chat

import (
	"fmt"
	"slices"
	"strings"
)

// parser compiles tokens. Its expressions are in expr.go.
type parser struct {
	tokens []token
	pos    int
	depth  int // of nested expressions and statements
	loops  int // for loops around the statement
	frames []*frame
	late   []string // see frame
}

// frame follows the names of one scope while it is parsed. Jinja decides at compile
// time where a name is looked up. That differs from looking it up when it is used in one
// case: a scope sets a name of the caller (such as tools) after a scope inside it
// has used that name. Those names are collected in late and refused in Render.
type frame struct {
	own   map[string]bool // read or set in the scope itself
	inner map[string]bool // read in a scope inside, before that
}

func (p *parser) push() { p.frames = append(p.frames, &frame{map[string]bool{}, map[string]bool{}}) }

func (p *parser) pop() { p.frames = p.frames[:len(p.frames)-1] }

// scoped compiles a body that has a scope of its own.
func (p *parser) scoped(ends ...string) ([]statement, string) {
	p.push()
	defer p.pop()
	return p.body(ends...)
}

// reads notes that the innermost scope reads a name.
func (p *parser) reads(name string) {
	for i := len(p.frames) - 1; i >= 0; i-- {
		f := p.frames[i]
		if f.own[name] {
			break
		}
		if i == len(p.frames)-1 {
			f.own[name] = true
		} else {
			f.inner[name] = true
		}
	}
}

// sets notes that the innermost scope sets a name.
func (p *parser) sets(name string) {
	f := p.frames[len(p.frames)-1]
	if f.inner[name] && !f.own[name] {
		p.late = append(p.late, name)
	}
	f.own[name] = true
}

const maxDepth = 200

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != tokEOF {
		p.pos++
	}
	return t
}

func (p *parser) fail(format string, args ...any) {
	panic(&templateError{p.peek().line, fmt.Sprintf(format, args...)})
}

// enter bounds the recursion; its result ends the level.
func (p *parser) enter() func() {
	if p.depth++; p.depth > maxDepth {
		p.fail("nested more than %d deep", maxDepth)
	}
	return func() { p.depth-- }
}

func (p *parser) is(k kind, text string) bool {
	t := p.peek()
	return t.kind == k && t.text == text
}

// skip takes a token if it is the next.
func (p *parser) skip(k kind, text string) bool {
	if p.is(k, text) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(k kind, text string) token {
	if t := p.peek(); t.kind != k || text != "" && t.text != text {
		want := fmt.Sprintf("%q", text)
		switch {
		case text != "":
		case k == tokName:
			want = "a name"
		case k == tokBlockEnd:
			want = "%}"
		case k == tokVarEnd:
			want = "}}"
		}
		p.fail("want %s, found %s", want, t)
	}
	return p.next()
}

// template compiles the whole.
func (p *parser) template() []statement {
	body, end := p.scoped()
	if end != "" {
		p.fail("unexpected {%% %s %%}", end)
	}
	return body
}

// body compiles text and tags up to a tag that begins with one of the names in ends,
// whose name it takes and returns; "" at the end of the template.
func (p *parser) body(ends ...string) (body []statement, end string) {
	defer p.enter()()
	for {
		t := p.next()
		switch t.kind {
		case tokEOF:
			if len(ends) > 0 {
				p.fail("the template ends before {%% %s %%}", ends[len(ends)-1])
			}
			return body, ""
		case tokData:
			body = append(body, func(in *run) control {
				in.write(t.text)
				return goOn
			})
		case tokVarBegin:
			value := p.tuple(true)
			p.expect(tokVarEnd, "")
			body = append(body, func(in *run) control {
				in.line = t.line
				in.write(in.str(value(in)))
				return goOn
			})
		case tokBlockBegin:
			name := p.peek()
			if name.kind != tokName {
				p.fail("want the name of a statement, found %s", name)
			}
			p.pos++
			if slices.Contains(ends, name.text) {
				return body, name.text
			}
			if strings.HasPrefix(name.text, "end") || name.text == "else" || name.text == "elif" {
				p.pos--
				return body, p.stray(name.text, ends)
			}
			body = append(body, p.statement(name))
		}
	}
}

// stray reports an end tag that closes nothing; at the top template reports it.
func (p *parser) stray(name string, ends []string) string {
	if len(ends) > 0 {
		p.fail("found {%% %s %%} before {%% %s %%}", name, ends[len(ends)-1])
	}
	return name
}

func (p *parser) blockEnd() { p.expect(tokBlockEnd, "") }

func (p *parser) statement(name token) statement {
	switch name.text {
	case "if":
		return p.ifStatement(name.line)
	case "for":
		return p.forStatement(name.line)
	case "set":
		return p.setStatement(name.line)
	case "macro":
		return p.macroStatement()
	case "generation": // marks the assistant's tokens in transformers; the text is the same
		p.blockEnd()
		body, _ := p.scoped("endgeneration")
		p.blockEnd()
		return func(in *run) control {
			// Jinja runs it as a function: names set inside stay inside.
			in.write(in.capture(map[string]any{}, in.scope, body))
			return goOn
		}
	case "break", "continue":
		if p.loops == 0 {
			p.fail("{%% %s %%} stands outside a loop", name.text)
		}
		p.blockEnd()
		result := breakLoop
		if name.text == "continue" {
			result = continueLoop
		}
		return func(*run) control { return result }
	}
	p.fail("the statement {%% %s %%} is not supported", name.text)
	return nil
}

func (p *parser) ifStatement(line int) statement {
	type branch struct {
		line int
		test expression
		body []statement
	}
	var branches []branch
	var last []statement
	for end := "elif"; end != "endif"; {
		if end == "else" {
			p.blockEnd()
			last, end = p.body("endif")
			break
		}
		test := p.tuple(false)
		p.blockEnd()
		b := branch{line: line, test: test}
		b.body, end = p.body("elif", "else", "endif")
		branches = append(branches, b)
		line = p.peek().line
	}
	p.blockEnd()
	return func(in *run) control {
		for _, b := range branches {
			in.line = b.line
			if truth(b.test(in)) {
				return in.exec(b.body)
			}
		}
		return in.exec(last)
	}
}

func (p *parser) forStatement(line int) statement {
	assign, names := p.target(false)
	p.expect(tokName, "in")
	items := p.tuple(false)
	p.push()
	for _, name := range names {
		p.sets(name)
	}
	var filter expression
	if p.skip(tokName, "if") {
		from := p.pos
		filter = p.expression()
		if slices.ContainsFunc(p.tokens[from:p.pos], func(t token) bool { return t.kind == tokName && t.text == "loop" }) {
			p.fail("loop in the condition of a for is not supported")
		}
	}
	if p.is(tokName, "recursive") {
		p.fail("a recursive loop is not supported")
	}
	p.blockEnd()
	p.loops++
	body, end := p.body("else", "endfor")
	p.loops--
	p.pop()
	var otherwise []statement
	if end == "else" {
		p.blockEnd()
		otherwise, _ = p.scoped("endfor")
	}
	p.blockEnd()
	return func(in *run) control {
		in.line = line
		outer := in.scope
		defer func() { in.scope = outer }()
		list := in.iterate(items(in))
		turn := func(item any) *scope {
			in.step()
			in.line = line
			in.scope = &scope{map[string]any{}, outer}
			assign(in, item)
			return in.scope
		}
		if filter != nil {
			var kept []any
			for _, item := range list {
				if turn(item); truth(filter(in)) {
					kept = append(kept, item)
				}
			}
			list = kept
		}
		completed := false // else also runs if no turn came to its end: so Jinja compiles it
		for i, item := range list {
			turn(item).vars["loop"] = &loop{list, i}
			c := in.exec(body)
			if c == breakLoop {
				break
			}
			completed = completed || c == goOn
		}
		in.scope = outer
		if !completed {
			in.scope = &scope{map[string]any{}, outer}
			return in.exec(otherwise)
		}
		return goOn
	}
}

// target compiles what a value is assigned to: a name, several names, or, in a set
// statement, an attribute of a namespace. It returns the names beside.
func (p *parser) target(attributes bool) (assign func(in *run, v any), names []string) {
	var targets []func(in *run, v any)
	several := false
	paren := p.skip(tokOp, "(")
	for {
		t := p.expect(tokName, "")
		if _, ok := refused[t.text]; ok || slices.Contains(reserved, t.text) {
			p.fail("cannot assign to %s", quote(t.text))
		}
		name := t.text
		if attributes && p.skip(tokOp, ".") {
			attr := p.expect(tokName, "").text
			p.reads(name)
			targets = append(targets, func(in *run, v any) {
				ns, ok := in.lookup(name).(*namespace)
				if !ok {
					in.fail("cannot assign to an attribute of %s, which is not a namespace", quote(name))
				}
				in.setAttribute(ns, attr, v)
			})
		} else {
			names = append(names, name)
			targets = append(targets, func(in *run, v any) { in.scope.vars[name] = v })
		}
		if !p.skip(tokOp, ",") {
			break
		}
		if several = true; p.peek().kind != tokName || p.is(tokName, "in") {
			break
		}
	}
	if paren {
		p.expect(tokOp, ")")
	}
	if !several {
		return targets[0], names
	}
	return func(in *run, v any) {
		items := in.iterate(v)
		if len(items) != len(targets) {
			in.fail("cannot unpack %d values into %d names", len(items), len(targets))
		}
		for i, assign := range targets {
			assign(in, items[i])
		}
	}, names
}

// reserved are names with a meaning of their own.
var reserved = []string{"true", "false", "none", "True", "False", "None", "and", "or", "not", "if", "else", "in", "is", "loop"}

func (p *parser) setStatement(line int) statement {
	assign, names := p.target(true)
	done := func() {
		p.blockEnd()
		for _, name := range names {
			p.sets(name)
		}
	}
	if p.skip(tokOp, "=") {
		value := p.tuple(true)
		done()
		return func(in *run) control {
			in.line = line
			assign(in, value(in))
			return goOn
		}
	}
	if p.is(tokOp, "|") {
		p.fail("a filter on {%% set %%} is not supported")
	}
	p.blockEnd()
	body, _ := p.scoped("endset")
	done()
	return func(in *run) control {
		in.line = line
		assign(in, in.capture(map[string]any{}, in.scope, body))
		return goOn
	}
}

func (p *parser) macroStatement() statement {
	name := p.expect(tokName, "").text
	if _, ok := refused[name]; ok || slices.Contains(reserved, name) {
		p.fail("cannot name a macro %s", quote(name))
	}
	p.sets(name)
	p.push()
	p.expect(tokOp, "(")
	var names []string
	var defaults []expression
	for !p.is(tokOp, ")") {
		if len(names) > 0 {
			p.expect(tokOp, ",")
		}
		arg := p.expect(tokName, "").text
		if slices.Contains(names, arg) || slices.Contains(reserved, arg) {
			p.fail("cannot name an argument %s", quote(arg))
		}
		var value expression
		if p.skip(tokOp, "=") {
			value = p.expression()
		} else if len(defaults) > 0 && defaults[len(defaults)-1] != nil {
			p.fail("an argument without a default follows one that has it")
		}
		p.sets(arg)
		names, defaults = append(names, arg), append(defaults, value)
	}
	p.expect(tokOp, ")")
	p.blockEnd()
	loops := p.loops
	p.loops = 0
	body, _ := p.body("endmacro")
	p.loops = loops
	p.pop()
	p.blockEnd()
	return func(in *run) control {
		home := in.scope
		home.vars[name] = &function{"macro " + name, func(in *run, args []any, kwargs *dict) any {
			if in.depth++; in.depth > maxNesting {
				in.fail("macros call each other more than %d deep", maxNesting)
			}
			defer func() { in.depth-- }()
			values, given := in.named("macro "+name, args, kwargs, names...)
			vars := map[string]any{}
			caller := in.scope
			in.scope = &scope{vars, home} // defaults see the arguments before them
			for i, arg := range names {
				switch {
				case given[i]:
					vars[arg] = values[i]
				case defaults[i] != nil:
					vars[arg] = defaults[i](in)
				default:
					vars[arg] = undefined{"argument " + quote(arg)}
				}
			}
			in.scope = caller
			return in.capture(vars, home, body)
		}}
		return goOn
	}
}
