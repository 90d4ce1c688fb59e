package chat

import (
	"math"
	"math/bits"
	"strings"
)

// tuple compiles an expression, or several with commas between; inline says whether
// an inline if may follow (it would take the if of a for loop).
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

// compare compiles comparisons; a < b < c holds if both do, as in Python.
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

// binary compiles an arithmetic operation.
func binary(op string, a, b expression) expression {
	return func(in *run) any {
		in.step()
		return in.arithmetic(op, a(in), b(in))
	}
}

func (in *run) arithmetic(op string, a, b any) any {
	af, ai, aInt, aNum := number(a)
	bf, bi, bInt, bNum := number(b)
	switch {
	case aNum && bNum:
		if (op == "/" || op == "//" || op == "%") && bf == 0 {
			in.fail("division by zero")
		}
		if aInt && bInt && op != "/" {
			return in.integers(op, ai, bi)
		}
		switch op {
		case "+":
			return af + bf
		case "-":
			return af - bf
		case "*":
			return af * bf
		case "/":
			return af / bf
		}
	case op == "+":
		switch a := a.(type) {
		case string:
			if b, ok := b.(string); ok {
				return in.made(a + b)
			}
		case []any:
			if b, ok := b.([]any); ok {
				in.work(len(a) + len(b))
				return append(append([]any{}, a...), b...)
			}
		case tuple:
			if b, ok := b.(tuple); ok {
				in.work(len(a) + len(b))
				return append(append(tuple{}, a...), b...)
			}
		}
	case op == "*" && (aInt || bInt):
		s, n := a, bi
		if aInt {
			s, n = b, ai
		}
		if s, ok := s.(string); ok {
			if n = max(n, 0); n > 0 && int64(len(s)) > maxOutput/n {
				in.fail("a repeated text grows above %d bytes", maxOutput)
			}
			return in.made(strings.Repeat(s, int(n)))
		}
	}
	in.fail("%s %s %s is not supported", typeName(a), op, typeName(b))
	return nil
}

// integers computes on integers with Python's floor division and sign of remainder.
func (in *run) integers(op string, a, b int64) any {
	result, fits := int64(0), true
	switch op {
	case "+":
		result = a + b
		fits = (result > a) == (b > 0)
	case "-":
		result = a - b
		fits = (result < a) == (b > 0)
	case "*":
		result = a * b
		high, low := bits.Mul64(absolute(a), absolute(b))
		fits = high == 0 && low <= math.MaxInt64
	case "//", "%":
		quotient, rest := a/b, a%b
		if rest != 0 && (rest < 0) != (b < 0) {
			quotient, rest = quotient-1, rest+b
		}
		if result = quotient; op == "%" {
			result = rest
		}
		fits = a != math.MinInt64 || b != -1
	}
	if !fits {
		in.fail("%d %s %d is beyond 64 bits", a, op, b)
	}
	return result
}

func absolute(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
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
		if why, ok := refused[t.text]; ok && !p.is(tokName, "is") { // to ask whether it is defined is fine
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

// arguments compiles what stands between the parentheses of a call.
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

// subscript compiles an item or a slice; the bracket is open.
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
