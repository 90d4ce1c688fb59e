package ptx

import (
	"encoding/binary"
	"fmt"
	"math"
)

func (p *parser) typeName() typ {
	if p.tok.kind == tokDot {
		if t, ok := typeByName[p.tok.text[1:]]; ok {
			if !t.mayDeclare() {
				p.fail(p.tok.Pos, "variables of type %s cannot be declared", p.tok.text)
			}
			p.advance()
			return t
		}
	}
	switch p.tok.text {
	case ".texref", ".samplerref", ".surfref":
		p.fail(p.tok.Pos, "%s: textures, samplers and surfaces are not supported", p.tok.text)
	}
	p.fail(p.tok.Pos, "expected a type, found %v", p.tok)
	return tNone
}

// newRegister creates the register for a name.
func (p *parser) newRegister(n token, t typ) *register {
	if p.fn.nregs >= maxRegs {
		p.fail(n.Pos, "more than %d registers in a function", maxRegs)
	}
	r := &register{name: n.text, typ: t, id: p.fn.nregs}
	p.fn.nregs++
	return r
}

// registers parses .reg [.v2|.v4] type a, b, c<10>;
func (p *parser) registers() {
	p.advance()
	vec := p.vectorLength()
	t := p.typeName()
	for {
		n := p.ident("a register name")
		if p.scope.declares(n.text) {
			p.fail(n.Pos, "%s is declared twice", n.text)
		}
		switch {
		case p.accept("<"):
			count := p.integer("register count", 1, 1<<31)
			p.expect(">")
			if vec != 1 {
				if count > 4096 {
					p.fail(n.Pos, "more than 4096 vector registers")
				}
				for k := range count {
					p.vectorRegister(token{text: fmt.Sprint(n.text, k), Pos: n.Pos}, vec, t)
				}
				break
			}
			if _, dup := p.scope.ranges[n.text]; dup {
				p.fail(n.Pos, "%s is declared twice", n.text)
			}
			p.scope.ranges[n.text] = regRange{t, count}
		case vec > 1:
			p.vectorRegister(n, vec, t)
		default:
			p.scope.regs[n.text] = p.newRegister(n, t)
		}
		if !p.accept(",") {
			break
		}
	}
	p.expect(";")
}

// vectorLength parses an optional .v2 or .v4.
func (p *parser) vectorLength() int {
	switch {
	case p.acceptDot(".v2"):
		return 2
	case p.acceptDot(".v4"):
		return 4
	}
	return 1
}

func (p *parser) vectorRegister(n token, vec int, t typ) {
	for i := range vec {
		part := n
		part.text += "." + "xyzw"[i:i+1]
		p.scope.vecs[n.text] = append(p.scope.vecs[n.text], p.newRegister(part, t))
	}
}

// declares reports whether the name is taken at this level.
func (s *scope) declares(name string) bool {
	_, r := s.regs[name]
	_, v := s.vars[name]
	_, l := s.labels[name]
	return r || v || l || s.vecs[name] != nil
}

func (p *parser) name(v *variable) {
	if p.scope.declares(v.name) {
		// An extern declaration may precede the definition, or repeat.
		old := p.scope.vars[v.name]
		if old == nil || p.scope != p.global || !old.extern && !v.extern {
			p.fail(v.pos, "%s is declared twice", v.name)
		}
		if !v.extern {
			*old = *v
		}
		return
	}
	if p.scope == p.global && p.module.byName[v.name] != nil {
		p.fail(v.pos, "%s is already a function", v.name)
	}
	p.scope.vars[v.name] = v
	switch {
	case p.fn == nil || v.space == spaceGlobal || v.space == spaceConst:
		p.module.vars = append(p.module.vars, v)
	case v.space == spaceShared:
		p.fn.shareds = append(p.fn.shareds, v)
	case v.space == spaceLocal:
		p.fn.locals = append(p.fn.locals, v)
	}
}

// variables parses a declaration of one space up to its semicolon.
func (p *parser) variables(l linkage) {
	d := p.advance()
	sp := map[string]space{".global": spaceGlobal, ".const": spaceConst, ".shared": spaceShared, ".local": spaceLocal, ".param": spaceParam}[d.text]
	if sp == spaceGeneric {
		p.fail(d.Pos, "%s variables are not supported", d.text)
	}
	if sp == spaceConst && p.tok.is("[") {
		p.fail(p.tok.Pos, "constant banks are not supported")
	}
	first := p.prefix(sp)
	for {
		v := first
		p.declared(&v)
		v.extern = l.extern
		if p.accept("=") {
			if sp != spaceGlobal && sp != spaceConst {
				p.fail(v.pos, "a variable in .%v space cannot be initialized", sp)
			}
			p.initializer(&v)
		}
		if v.array && v.size == 0 && !(l.extern || sp == spaceParam) {
			p.fail(v.pos, "%s has no size", v.name)
		}
		p.name(&v)
		if sp == spaceParam {
			p.fn.callParams = append(p.fn.callParams, &v)
		}
		if !p.accept(",") {
			break
		}
	}
	p.expect(";")
}

// prefix parses the part of a declaration before its names: alignment, vector length and
// type.
func (p *parser) prefix(sp space) variable {
	v := variable{space: sp, vec: 1}
	for p.tok.kind == tokDot {
		switch p.tok.text {
		case ".align":
			p.advance()
			at := p.tok.Pos
			v.align = p.integer("alignment", 1, 1<<16)
			if v.align&(v.align-1) != 0 {
				p.fail(at, "alignment %d is not a power of two", v.align)
			}
		case ".attribute":
			p.attribute()
		case ".ptr":
			p.advance()
			if p.tok.kind == tokDot && (p.tok.text == ".global" || p.tok.text == ".shared" || p.tok.text == ".const" || p.tok.text == ".local") {
				p.advance()
			}
			if p.acceptDot(".align") {
				p.integer("alignment", 1, 1<<30)
			}
		case ".v2":
			v.vec = 2
			p.advance()
		case ".v4":
			v.vec = 4
			p.advance()
		default:
			if v.typ != tNone {
				p.fail(p.tok.Pos, "unexpected %v in a declaration", p.tok)
			}
			at := p.tok.Pos
			v.typ = p.typeName()
			if v.typ == tPred {
				p.fail(at, "predicates cannot be in memory")
			}
		}
	}
	if v.typ == tNone {
		p.fail(p.tok.Pos, "expected a type, found %v", p.tok)
	}
	if v.typ.bytes()*v.vec > 16 {
		p.fail(p.tok.Pos, "vector of more than 128 bits")
	}
	return v
}

func (p *parser) declarator(sp space) *variable {
	v := p.prefix(sp)
	p.declared(&v)
	return &v
}

// declared parses a name and array bounds.
func (p *parser) declared(v *variable) {
	n := p.ident("a name")
	v.name, v.pos = n.text, n.Pos
	elem := int64(v.typ.bytes() * v.vec)
	v.size = elem
	for p.tok.is("[") {
		open := p.advance()
		if p.accept("]") {
			if v.array {
				p.fail(open.Pos, "only the first bound of an array may be missing")
			}
			v.array, v.size = true, 0
			continue
		}
		k := p.integer("array bound", 0, maxVarSize)
		p.expect("]")
		if v.array && v.size == 0 {
			p.fail(open.Pos, "array of arrays without bounds")
		}
		v.array = true
		if k > 0 && v.size > maxVarSize/k {
			p.fail(open.Pos, "%s is larger than 2 GiB", v.name)
		}
		v.size *= k
	}
	natural := int64(1)
	for natural < elem {
		natural *= 2
	}
	if v.align == 0 {
		v.align = natural
	}
}

// initializer parses the value after '='.
func (p *parser) initializer(v *variable) {
	unit := int64(v.typ.bytes())
	limit := v.size
	unsized := v.array && v.size == 0
	if unsized {
		limit = maxVarSize
	}
	var at int64
	var value func(depth int)
	value = func(depth int) {
		if p.tok.is("{") {
			if depth > 4 {
				p.fail(p.tok.Pos, "initializer nested too deeply")
			}
			p.advance()
			for !p.tok.is("}") {
				value(depth + 1)
				if !p.accept(",") {
					break
				}
			}
			p.expect("}")
			return
		}
		here := p.tok.Pos
		if at+unit > limit {
			p.fail(here, "more initial values than %s holds", v.name)
		}
		b := p.scalar(v, at)
		v.init = append(v.init, b...)
		at += unit
	}
	if v.array != p.tok.is("{") && v.vec == 1 {
		p.fail(p.tok.Pos, "initializer does not fit %s", v.name)
	}
	value(0)
	if unsized {
		v.size = at
	}
}

// scalar parses one initial value and returns its bytes.
func (p *parser) scalar(v *variable, at int64) []byte {
	n := v.typ.bytes()
	out := make([]byte, 8)
	here := p.tok
	shift := 0
	if p.tok.kind == tokInt && p.peekMask() {
		// mask(address), as in 0xFF00(symbol): one byte of an address.
		m := p.advance().bits
		for m != 0 && m&0xff == 0 {
			m >>= 8
			shift += 8
		}
		p.expect("(")
		defer p.expect(")")
	}
	if p.tok.kind == tokIdent {
		r := reloc{at: at, bytes: n, shift: shift, pos: p.tok.Pos}
		name := p.advance()
		if name.text == "generic" && p.accept("(") {
			r.generic = true
			name = p.ident("a symbol")
			p.expect(")")
		}
		r.name = name.text
		for p.tok.is("+") || p.tok.is("-") {
			minus := p.advance().text == "-"
			k := p.integer("offset", math.MinInt64/2, math.MaxInt64/2)
			if minus {
				k = -k
			}
			r.addend += k
		}
		if shift == 0 && n != 8 && n != 4 {
			p.fail(here.Pos, "an address does not fit type .%v", v.typ)
		}
		v.relocs = append(v.relocs, r)
		return out[:n]
	}
	c := p.constant()
	switch {
	case c.kind == argFloat && v.typ == tF32:
		binary.LittleEndian.PutUint32(out, uint32(c.as(tF32)))
	case c.kind == argFloat && v.typ == tF64:
		binary.LittleEndian.PutUint64(out, c.as(tF64))
	case c.kind == argInt && v.typ == tF32 && c.bits == 0, c.kind == argInt && v.typ == tF64 && c.bits == 0:
	case c.kind == argInt && !v.typ.isFloat():
		binary.LittleEndian.PutUint64(out, c.bits)
	case c.kind == argFloat && v.typ.class() == classBits && c.single == (n == 4):
		binary.LittleEndian.PutUint64(out, c.bits)
	default:
		p.fail(here.Pos, "%v does not fit type .%v", here, v.typ)
	}
	return out[:n]
}

// peekMask reports whether the current integer is followed by '('.
func (p *parser) peekMask() bool {
	save := p.lexer
	t, err := p.lexer.next()
	p.lexer = save
	return err == nil && t.is("(")
}
