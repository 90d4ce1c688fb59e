package chat

import "slices"

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
			last, _ = p.body("endif")
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
		completed := false // as compiled by Jinja, else also runs if no iteration completed
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

// target compiles the target of an assignment: a name, several names or, in a set statement,
// an attribute of a namespace. It also returns the names.
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

// reserved lists the reserved names.
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
