package chat

// postfix compiles attributes, items and calls after a value.
func (p *parser) postfix(value expression) expression {
	for {
		switch {
		case p.skip(tokOp, "."):
			of := value
			switch t := p.next(); t.kind {
			case tokName:
				value = func(in *run) any { return in.attribute(of(in), t.text) }
			case tokInt:
				value = func(in *run) any { return in.item(of(in), t.num) }
			default:
				p.pos--
				p.fail("want a name or a number after the dot, found %s", t)
			}
		case p.skip(tokOp, "["):
			value = p.subscript(value)
		case p.is(tokOp, "("):
			value = p.callOf(value)
		default:
			return value
		}
	}
}

func (p *parser) callOf(f expression) expression {
	line := p.peek().line
	args := p.arguments()
	return func(in *run) any {
		fn := f(in)
		list, kwargs := args(in)
		in.line = line
		return in.call(fn, list, kwargs)
	}
}

// arguments compiles the arguments of a call.
func (p *parser) arguments() func(in *run) ([]any, *dict) {
	p.expect(tokOp, "(")
	var args, values []expression
	var names []string
	for !p.is(tokOp, ")") {
		if p.is(tokOp, "*") || p.is(tokOp, "**") {
			p.fail("unpacking arguments with %s is not supported", p.peek().text)
		}
		if next := p.tokens[p.pos+1]; p.peek().kind == tokName && next.kind == tokOp && next.text == "=" {
			names = append(names, p.next().text)
			p.pos++
			values = append(values, p.expression())
		} else if names != nil {
			p.fail("an argument follows a keyword argument")
		} else {
			args = append(args, p.expression())
		}
		if !p.skip(tokOp, ",") {
			break
		}
	}
	p.expect(tokOp, ")")
	return func(in *run) ([]any, *dict) {
		list, kwargs := evalAll(in, args), newDict()
		for i, name := range names {
			kwargs.set(name, values[i](in))
		}
		return list, kwargs
	}
}

// subscript compiles an item or a slice, after the opening bracket.
func (p *parser) subscript(of expression) expression {
	var bounds [3]expression
	n := 0
	if !p.is(tokOp, ":") {
		bounds[0] = p.expression()
		if p.skip(tokOp, "]") {
			return func(in *run) any { return in.item(of(in), bounds[0](in)) }
		}
	}
	for n < 2 && p.skip(tokOp, ":") {
		n++
		if !p.is(tokOp, ":") && !p.is(tokOp, "]") {
			bounds[n] = p.expression()
		}
	}
	p.expect(tokOp, "]")
	return func(in *run) any {
		v := of(in)
		var at [3]any
		for i, b := range bounds {
			if b != nil {
				at[i] = b(in)
			}
		}
		return in.slice(v, at)
	}
}

// filters compiles filters, tests and calls after a value.
func (p *parser) filters(value expression) expression {
	for {
		switch {
		case p.skip(tokOp, "|"):
			value = p.filter(value)
		case p.skip(tokName, "is"):
			value = p.test(value)
		case p.is(tokOp, "("):
			value = p.callOf(value)
		default:
			return value
		}
	}
}

func (p *parser) filter(value expression) expression {
	t := p.expect(tokName, "")
	f, ok := filters[t.text]
	if p.is(tokOp, ".") {
		p.fail("the filter %s with a dot after it is not supported; put the filter in parentheses", quote(t.text))
	}
	if !ok {
		p.pos--
		p.fail("the filter %s is not supported", quote(t.text))
	}
	args := func(*run) ([]any, *dict) { return nil, newDict() }
	if p.is(tokOp, "(") {
		args = p.arguments()
	}
	return func(in *run) any {
		in.step()
		v := value(in)
		list, kwargs := args(in)
		in.line = t.line
		return f(in, v, list, kwargs)
	}
}

func (p *parser) test(value expression) expression {
	negated := p.skip(tokName, "not")
	t := p.expect(tokName, "")
	f, ok := tests[t.text]
	if !ok {
		p.pos--
		p.fail("the test %s is not supported", quote(t.text))
	}
	args := func(*run) ([]any, *dict) { return nil, newDict() }
	switch next := p.peek(); {
	case p.is(tokOp, "("):
		args = p.arguments()
	case p.is(tokName, "is"):
		p.fail("tests cannot be chained with is")
	case next.kind == tokName && next.text != "else" && next.text != "or" && next.text != "and",
		next.kind == tokString, next.kind == tokInt, next.kind == tokFloat, p.is(tokOp, "["), p.is(tokOp, "{"):
		one := p.postfix(p.primary())
		args = func(in *run) ([]any, *dict) { return []any{one(in)}, newDict() }
	}
	return func(in *run) any {
		in.step()
		v := value(in)
		list, kwargs := args(in)
		in.line = t.line
		in.positional("the test "+t.text, list, kwargs, f.args, f.args)
		return f.holds(in, v, list) != negated
	}
}
