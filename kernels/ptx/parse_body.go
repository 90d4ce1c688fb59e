package ptx

import (
	"math"
	"strconv"
	"strings"
)

// block parses { statements }.
func (p *parser) block() {
	open := p.expect("{")
	p.depth++
	if p.depth > maxNesting {
		p.fail(open.Pos, "blocks nested too deeply")
	}
	for !p.tok.is("}") {
		if p.tok.kind == tokEOF {
			p.fail(open.Pos, "the block that opens here does not end")
		}
		p.statement()
	}
	p.advance()
	p.depth--
}

func (p *parser) statement() {
	switch t := p.tok; {
	case t.is("{"):
		outer := p.scope
		p.scope = newScope(outer)
		p.block()
		p.scope = outer
	case t.is(";"):
		p.advance()
	case t.kind == tokDot:
		p.localDirective()
	case t.is("@"):
		p.advance()
		p.instruction(true)
	case t.kind == tokIdent:
		save, lex := p.tok, p.lexer
		p.advance()
		if p.tok.is(":") {
			p.advance()
			p.label(save)
			return
		}
		p.tok, p.lexer = save, lex
		p.instruction(false)
	default:
		p.fail(t.Pos, "expected a statement, found %v", t)
	}
}

// label defines a label, or the branch table or prototype that it names.
func (p *parser) label(n token) {
	if p.scope.declares(n.text) {
		p.fail(n.Pos, "%s is declared twice", n.text)
	}
	switch {
	case p.acceptDot(".branchtargets"), p.acceptDot(".calltargets"):
		if _, dup := p.scope.tables[n.text]; dup {
			p.fail(n.Pos, "%s is declared twice", n.text)
		}
		var list []token
		for {
			list = append(list, p.ident("a target"))
			if !p.accept(",") {
				break
			}
			if len(list) > maxElems {
				p.fail(n.Pos, "too many targets")
			}
		}
		p.expect(";")
		p.scope.tables[n.text] = list
	case p.acceptDot(".callprototype"):
		p.prototype(n)
	default:
		p.scope.labels[n.text] = len(p.fn.body)
		p.fn.body = append(p.fn.body, stmt{label: n.text, scope: p.scope, pos: n.Pos})
	}
}

// prototype parses name: .callprototype (results) _ (params);
func (p *parser) prototype(n token) {
	f := &function{name: n.text, pos: n.Pos}
	outer := p.scope
	p.scope = newScope(outer)
	if p.tok.is("(") {
		f.results = p.params()
	}
	p.ident("_")
	p.scope = newScope(outer)
	if p.tok.is("(") {
		f.params = p.params()
	}
	p.scope = outer
	p.performance(f)
	p.expect(";")
	p.scope.protos[n.text] = f
}

func (p *parser) localDirective() {
	switch d := p.tok; d.text {
	case ".reg":
		p.registers()
	case ".local", ".shared", ".param", ".const", ".global":
		p.variables(linkage{})
	case ".loc":
		p.loc()
	case ".pragma":
		p.pragma()
	case ".file":
		p.directive(linkage{})
	default:
		p.fail(d.Pos, "unknown directive %s", d.text)
	}
}

func (p *parser) instruction(guarded bool) {
	in := &inst{pos: p.tok.Pos, scope: p.scope}
	if guarded {
		in.guardNot = p.accept("!")
		n := p.ident("a predicate")
		in.guard = p.register(n.text)
		if in.guard == nil {
			p.fail(n.Pos, "unknown register %s", n.text)
		}
		if in.guard.typ != tPred {
			p.fail(n.Pos, "guard %s is not a predicate", n.text)
		}
		in.pos = p.tok.Pos
	}
	op := p.ident("an instruction")
	in.op = op.text
	end := op.Column + len(op.text)
	for p.tok.kind == tokDot && p.tok.Line == op.Line && p.tok.Column == end {
		end += len(p.tok.text)
		in.mods = append(in.mods, p.advance())
	}
	if p.tok.kind == tokDot {
		p.fail(p.tok.Pos, "unexpected %v after the instruction", p.tok)
	}
	for !p.tok.is(";") {
		if len(in.args) > 0 {
			p.expect(",")
		}
		if len(in.args) > 64 {
			p.fail(p.tok.Pos, "too many operands")
		}
		in.args = append(in.args, p.operand(0))
	}
	p.advance()
	p.fn.body = append(p.fn.body, stmt{inst: in, scope: p.scope, pos: in.pos})
}

// register resolves the name of a register, or returns nil.
func (p *parser) register(name string) *register {
	for s := p.scope; s != nil; s = s.outer {
		if r := s.regs[name]; r != nil {
			return r
		}
		prefix := strings.TrimRight(name, "0123456789")
		digits := name[len(prefix):]
		rg, ok := s.ranges[prefix]
		if !ok || digits == "" || len(digits) > 1 && digits[0] == '0' {
			continue
		}
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n < rg.count {
			r := p.newRegister(token{text: name, Pos: p.tok.Pos}, rg.typ)
			s.regs[name] = r
			return r
		}
	}
	return nil
}

func (s *scope) variable(name string) *variable {
	for ; s != nil; s = s.outer {
		if v := s.vars[name]; v != nil {
			return v
		}
	}
	return nil
}

func (s *scope) vector(name string) []*register {
	for ; s != nil; s = s.outer {
		if v := s.vecs[name]; v != nil {
			return v
		}
	}
	return nil
}

// operand parses one operand.
func (p *parser) operand(depth int) operand {
	t := p.tok
	o := operand{pos: t.Pos, text: t.text}
	if depth > 2 {
		p.fail(t.Pos, "operand nested too deeply")
	}
	list := func(close string) {
		p.advance()
		for !p.tok.is(close) {
			if len(o.elems) > 0 {
				p.expect(",")
			}
			if len(o.elems) > maxElems {
				p.fail(t.Pos, "too many operands")
			}
			o.elems = append(o.elems, p.operand(depth+1))
		}
		p.advance()
	}
	switch {
	case t.is("{"):
		o.kind = argVector
		list("}")
	case t.is("("):
		o.kind = argList
		list(")")
	case t.is("["):
		return p.address()
	case t.is("!"):
		p.advance()
		n := p.ident("a predicate")
		r := p.register(n.text)
		if r == nil || r.typ != tPred {
			p.fail(n.Pos, "%q is not a predicate register", n.text)
		}
		o.kind, o.reg, o.not, o.text = argReg, r, true, "!"+n.text
	case t.kind == tokIdent && t.text != "WARP_SZ":
		p.named(&o)
	case t.kind == tokInt, t.kind == tokFloat, t.kind == tokDouble, t.is("-"), t.is("~"), t.is("+"), t.kind == tokIdent:
		return p.constant()
	default:
		p.fail(t.Pos, "expected an operand, found %v", t)
	}
	if p.tok.is("|") {
		p.advance()
		second := p.operand(depth + 1)
		o.second = &second
	}
	return o
}

// named parses an operand that starts with a name.
func (p *parser) named(o *operand) {
	n := p.advance()
	if n.text == "_" {
		o.kind = argSink
		return
	}
	name := n.text
	if p.tok.kind == tokDot && p.tok.Line == n.Line && p.tok.Column == n.Column+len(n.text) {
		name += p.advance().text
		o.text = name
		if regs := p.scope.vector(n.text); regs != nil {
			i := strings.Index("xyzwrgba", name[len(name)-1:]) & 3
			if len(name) != len(n.text)+2 || i >= len(regs) {
				p.fail(n.Pos, "no component %s", name)
			}
			o.kind, o.reg = argReg, regs[i]
			return
		}
	}
	if r := p.register(name); r != nil {
		o.kind, o.reg = argReg, r
		return
	}
	if regs := p.scope.vector(name); regs != nil {
		o.kind = argVector
		for _, r := range regs {
			o.elems = append(o.elems, operand{kind: argReg, reg: r, pos: o.pos, text: r.name})
		}
		return
	}
	if _, ok := specials[name]; ok {
		o.kind = argSpecial
		return
	}
	if v := p.scope.variable(name); v != nil {
		if v.reg != nil {
			o.kind, o.reg = argReg, v.reg
			return
		}
		o.kind, o.sym = argSymbol, v
		for p.tok.is("+") || p.tok.is("-") {
			o.offset += p.signed()
		}
		return
	}
	if name[0] == '%' {
		p.fail(n.Pos, "unknown register %s", name)
	}
	o.kind = argName // a function or label, which may be defined later
}

// signed parses + n or - n.
func (p *parser) signed() int64 {
	minus := p.advance().text == "-"
	at := p.tok.Pos
	c := p.unary(0)
	if c.kind != argInt {
		p.fail(at, "offset is not an integer")
	}
	if minus {
		return -int64(c.bits)
	}
	return int64(c.bits)
}

// address parses [register + offset], [variable + offset], [offset].
func (p *parser) address() operand {
	open := p.expect("[")
	o := operand{kind: argAddress, pos: open.Pos, text: "["}
	if p.tok.kind == tokIdent {
		base := operand{pos: p.tok.Pos, text: p.tok.text}
		p.named(&base)
		switch base.kind {
		case argReg:
			o.reg = base.reg
		case argSymbol:
			o.sym, o.offset = base.sym, base.offset
		case argName:
			p.fail(base.pos, "unknown name %q", base.text)
		default:
			p.fail(base.pos, "%s cannot be an address", base.text)
		}
		for p.tok.is("+") || p.tok.is("-") {
			o.offset += p.signed()
		}
	} else {
		at := p.tok.Pos
		c := p.constant()
		if c.kind != argInt {
			p.fail(at, "address is not an integer")
		}
		o.offset = int64(c.bits)
	}
	if p.tok.is(",") {
		p.fail(p.tok.Pos, "addresses of textures, surfaces and tensors are not supported")
	}
	p.expect("]")
	return o
}

// constant parses a constant expression of + - * / % & ^ and parentheses.
func (p *parser) constant() operand { return p.sum(0) }

func (p *parser) sum(depth int) operand {
	v := p.product(depth)
	for p.tok.is("+") || p.tok.is("-") {
		op := p.advance()
		w := p.product(depth)
		v = p.fold(op, v, w)
	}
	return v
}

func (p *parser) product(depth int) operand {
	v := p.unary(depth)
	for p.tok.is("*") || p.tok.is("/") || p.tok.is("%") || p.tok.is("&") || p.tok.is("^") {
		op := p.advance()
		w := p.unary(depth)
		v = p.fold(op, v, w)
	}
	return v
}

func (p *parser) fold(op token, v, w operand) operand {
	if v.kind != argInt || w.kind != argInt {
		p.fail(op.Pos, "arithmetic on floating-point constants is not supported")
	}
	a, b := int64(v.bits), int64(w.bits)
	switch op.text {
	case "+":
		a += b
	case "-":
		a -= b
	case "*":
		a *= b
	case "&":
		a &= b
	case "^":
		a ^= b
	default:
		if b == 0 {
			p.fail(op.Pos, "division by zero")
		}
		if b == -1 {
			a = -a
			if op.text == "%" {
				a = 0
			}
		} else if op.text == "/" {
			a /= b
		} else {
			a %= b
		}
	}
	v.bits, v.uns = uint64(a), v.uns || w.uns
	v.text = strconv.FormatInt(a, 10)
	return v
}

func (p *parser) unary(depth int) operand {
	t := p.tok
	if depth > 32 {
		p.fail(t.Pos, "expression nested too deeply")
	}
	switch {
	case t.is("-"):
		p.advance()
		v := p.unary(depth + 1)
		v.pos, v.text = t.Pos, "-"+v.text
		switch {
		case v.kind == argInt:
			v.bits = -v.bits
			v.uns = false
		case v.single:
			v.bits ^= 1 << 31
		default:
			v.bits ^= 1 << 63
		}
		return v
	case t.is("+"):
		p.advance()
		return p.unary(depth + 1)
	case t.is("~"):
		p.advance()
		v := p.unary(depth + 1)
		if v.kind != argInt {
			p.fail(t.Pos, "~ of a floating-point constant")
		}
		v.pos, v.text, v.bits = t.Pos, "~"+v.text, ^v.bits
		return v
	case t.is("("):
		p.advance()
		v := p.sum(depth + 1)
		p.expect(")")
		return v
	case t.kind == tokInt:
		p.advance()
		return operand{kind: argInt, pos: t.Pos, text: t.text, bits: t.bits, uns: t.uns || t.bits > math.MaxInt64}
	case t.kind == tokFloat:
		p.advance()
		return operand{kind: argFloat, pos: t.Pos, text: t.text, bits: t.bits, single: true}
	case t.kind == tokDouble:
		p.advance()
		return operand{kind: argFloat, pos: t.Pos, text: t.text, bits: t.bits}
	case t.kind == tokIdent && t.text == "WARP_SZ":
		p.advance()
		return operand{kind: argInt, pos: t.Pos, text: t.text, bits: 32}
	}
	p.fail(t.Pos, "expected a constant, found %v", t)
	return operand{}
}

// as returns the bits of a constant as a value of type t.
func (o *operand) as(t typ) uint64 {
	switch {
	case o.kind == argFloat && o.single && t.bits() == 64:
		return math.Float64bits(float64(math.Float32frombits(uint32(o.bits))))
	case o.kind == argFloat && !o.single && t.bits() == 32:
		return uint64(math.Float32bits(float32(math.Float64frombits(o.bits))))
	case t.bits() < 64:
		return o.bits & (1<<t.bits() - 1)
	}
	return o.bits
}
