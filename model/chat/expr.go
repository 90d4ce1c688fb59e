package chat

import "strings"

// tuple compiles an expression, or several separated by commas. inline allows an inline if,
// which in a for loop would consume the loop's if.
func (p *parser) tuple(inline bool) expression {
	one := func() expression {
		if inline {
			return p.expression()
		}
		return p.or()
	}
	first := one()
	if !p.is(tokOp, ",") {
		return first
	}
	items := []expression{first}
	for p.skip(tokOp, ",") {
		if k := p.peek().kind; k == tokVarEnd || k == tokBlockEnd || p.is(tokOp, ")") || p.is(tokName, "if") && !inline {
			break
		}
		items = append(items, one())
	}
	return func(in *run) any { return tuple(evalAll(in, items)) }
}

func evalAll(in *run, list []expression) []any {
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = e(in)
	}
	return out
}

// expression compiles an expression with its inline ifs.
func (p *parser) expression() expression {
	defer p.enter()()
	value := p.or()
	for p.skip(tokName, "if") {
		yes, test, no := value, p.or(), expression(nil)
		if p.skip(tokName, "else") {
			no = p.expression()
		}
		value = func(in *run) any {
			switch {
			case truth(test(in)):
				return yes(in)
			case no != nil:
				return no(in)
			}
			return undefined{"the value of an inline if without else"}
		}
	}
	return value
}

func (p *parser) or() expression {
	left := p.and()
	for p.skip(tokName, "or") {
		a, b := left, p.and()
		left = func(in *run) any {
			if v := a(in); truth(v) {
				return v
			}
			return b(in)
		}
	}
	return left
}

func (p *parser) and() expression {
	left := p.not()
	for p.skip(tokName, "and") {
		a, b := left, p.not()
		left = func(in *run) any {
			if v := a(in); !truth(v) {
				return v
			}
			return b(in)
		}
	}
	return left
}

func (p *parser) not() expression {
	if p.skip(tokName, "not") {
		defer p.enter()()
		value := p.not()
		return func(in *run) any { return !truth(value(in)) }
	}
	return p.compare()
}

// comparisons by operator.
var comparisons = map[string]func(in *run, a, b any) bool{
	"==":     (*run).equal,
	"!=":     func(in *run, a, b any) bool { return !in.equal(a, b) },
	"<":      (*run).less,
	">":      func(in *run, a, b any) bool { return in.less(b, a) },
	"<=":     func(in *run, a, b any) bool { return in.less(a, b) || in.equal(a, b) },
	">=":     func(in *run, a, b any) bool { return in.less(b, a) || in.equal(a, b) },
	"in":     func(in *run, a, b any) bool { return in.contains(b, a) },
	"not in": func(in *run, a, b any) bool { return !in.contains(b, a) },
}

// compare compiles comparisons. As in Python, a < b < c is true if both comparisons are.
func (p *parser) compare() expression {
	first := p.sum()
	type link struct {
		holds func(in *run, a, b any) bool
		value expression
	}
	var links []link
	for {
		t := p.peek()
		op := t.text
		switch {
		case t.kind == tokName && op == "in":
		case t.kind == tokName && op == "not" && p.tokens[p.pos+1].kind == tokName && p.tokens[p.pos+1].text == "in":
			op = "not in"
			p.pos++
		case t.kind == tokOp && comparisons[op] != nil:
		default:
			if links == nil {
				return first
			}
			return func(in *run) any {
				left := first(in)
				for _, l := range links {
					right := l.value(in)
					if !l.holds(in, left, right) {
						return false
					}
					left = right
				}
				return true
			}
		}
		p.pos++
		links = append(links, link{comparisons[op], p.sum()})
	}
}

func (p *parser) sum() expression {
	left := p.concat()
	for p.is(tokOp, "+") || p.is(tokOp, "-") {
		left = binary(p.next().text, left, p.concat())
	}
	return left
}

func (p *parser) concat() expression {
	parts := []expression{p.product()}
	for p.skip(tokOp, "~") {
		parts = append(parts, p.product())
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return func(in *run) any {
		var out strings.Builder
		for _, part := range parts {
			out.WriteString(in.str(part(in)))
		}
		return in.made(out.String())
	}
}

func (p *parser) product() expression {
	left := p.unary(true)
	for {
		t := p.peek()
		switch {
		case t.kind == tokOp && t.text == "**":
			p.fail("the operator ** is not supported")
		case t.kind == tokOp && (t.text == "*" || t.text == "/" || t.text == "//" || t.text == "%"):
			p.pos++
			left = binary(t.text, left, p.unary(true))
			continue
		}
		return left
	}
}

func (p *parser) unary(filters bool) expression {
	defer p.enter()()
	var value expression
	switch {
	case p.is(tokOp, "-") || p.is(tokOp, "+"):
		op := p.next().text
		of := p.unary(false)
		value = func(in *run) any {
			v := of(in)
			if _, _, _, ok := number(v); !ok {
				in.fail("cannot take %s%s", op, typeName(v))
			}
			if op == "-" {
				return in.arithmetic("-", int64(0), v)
			}
			return in.arithmetic("+", int64(0), v)
		}
	default:
		value = p.primary()
	}
	value = p.postfix(value)
	if filters {
		value = p.filters(value)
	}
	return value
}

func (p *parser) primary() expression {
	t := p.next()
	constant := func(v any) expression { return func(*run) any { return v } }
	switch {
	case t.kind == tokString:
		text := t.text
		for p.peek().kind == tokString {
			text += p.next().text
		}
		return constant(text)
	case t.kind == tokInt || t.kind == tokFloat:
		return constant(t.num)
	case t.kind == tokName:
		switch t.text {
		case "true", "True":
			return constant(true)
		case "false", "False":
			return constant(false)
		case "none", "None":
			return constant(nil)
		}
		if why, ok := refused[t.text]; ok && !p.is(tokName, "is") { // testing whether it is defined is allowed
			p.pos--
			p.fail("%s", why)
		} else if ok {
			return constant(undefined{"name " + quote(t.text)})
		}
		name := t.text
		p.reads(name)
		return func(in *run) any {
			in.step()
			return in.lookup(name)
		}
	case t.kind == tokOp && t.text == "(":
		if p.skip(tokOp, ")") {
			return constant(tuple{})
		}
		value := p.tuple(true)
		p.expect(tokOp, ")")
		return value
	case t.kind == tokOp && t.text == "[":
		var items []expression
		for !p.is(tokOp, "]") {
			items = append(items, p.expression())
			if !p.skip(tokOp, ",") {
				break
			}
		}
		p.expect(tokOp, "]")
		return func(in *run) any { return evalAll(in, items) }
	case t.kind == tokOp && t.text == "{":
		return p.dictLiteral()
	}
	p.pos--
	p.fail("want an expression, found %s", t)
	return nil
}

func (p *parser) dictLiteral() expression {
	var keys, values []expression
	for !p.is(tokOp, "}") {
		keys = append(keys, p.expression())
		p.expect(tokOp, ":")
		values = append(values, p.expression())
		if !p.skip(tokOp, ",") {
			break
		}
	}
	p.expect(tokOp, "}")
	return func(in *run) any {
		d := newDict()
		for i := range keys {
			d.set(in.text("a key of a dict", keys[i](in)), values[i](in))
		}
		return d
	}
}
