package ptx

import (
	"fmt"
	"strings"
)

// Limits that keep a small file from using a lot of memory.
const (
	maxSource  = 256 << 20
	maxNesting = 64
	maxVarSize = 1 << 31 // bytes of one variable
	maxRegs    = 1 << 18 // registers a function mentions
	maxElems   = 1 << 16 // operands of a call, entries of a branch table
)

// Parse parses and checks a PTX module. name is used in errors, which are of type
// *SyntaxError.
func Parse(name string, src []byte) (*Module, error) {
	return parse(name, string(src), false)
}

func parse(name, src string, fuse bool) (*Module, error) {
	if len(src) > maxSource {
		return nil, &SyntaxError{Module: name, Pos: Pos{1, 1}, Msg: "file is larger than 256 MiB"}
	}
	// PTX may end in NUL, because drivers take it as a C string.
	text := strings.TrimRight(src, "\x00")
	s := newSource(name, text)
	p := &parser{lexer: lexer{source: s, lineNo: 1}, fusing: fuse}
	p.module = &Module{Name: name, src: s, byName: map[string]*function{}}
	p.global = newScope(nil)
	p.scope = p.global
	if err := p.run(); err != nil {
		return nil, err
	}
	return p.module, nil
}

// parser is a recursive-descent parser. Internally, errors are panics with a *SyntaxError,
// which run recovers.
type parser struct {
	lexer
	tok    token // current
	module *Module
	global *scope
	scope  *scope
	fn     *function // being parsed
	depth  int
	fusing bool // lower with fused multiply-adds
}

func (p *parser) run() (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*SyntaxError)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	p.advance()
	p.header()
	for p.tok.kind != tokEOF {
		p.topLevel()
	}
	p.finish()
	return nil
}

func (p *parser) fail(at Pos, format string, args ...any) {
	panic(p.errorf(at, format, args...))
}

func (p *parser) advance() token {
	t := p.tok
	n, err := p.lexer.next()
	if err != nil {
		panic(err)
	}
	p.tok = n
	return t
}

func (p *parser) expect(punct string) token {
	if !p.tok.is(punct) {
		p.fail(p.tok.Pos, "expected %q, found %v", punct, p.tok)
	}
	return p.advance()
}

func (p *parser) accept(punct string) bool {
	if p.tok.is(punct) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) acceptDot(name string) bool {
	if p.tok.kind == tokDot && p.tok.text == name {
		p.advance()
		return true
	}
	return false
}

func (p *parser) ident(what string) token {
	if p.tok.kind != tokIdent {
		p.fail(p.tok.Pos, "expected %s, found %v", what, p.tok)
	}
	return p.advance()
}

// integer parses a constant expression within [lo, hi].
func (p *parser) integer(what string, lo, hi int64) int64 {
	at := p.tok.Pos
	v := p.constant()
	if v.kind != argInt {
		p.fail(at, "%s is not an integer", what)
	}
	n := int64(v.bits)
	if n < lo || n > hi || v.uns && n < 0 {
		p.fail(at, "%s is %s, outside %d to %d", what, v.text, lo, hi)
	}
	return n
}

// header parses .version, .target and .address_size, which come first.
func (p *parser) header() {
	if !p.acceptDot(".version") {
		p.fail(p.tok.Pos, "a PTX module starts with .version, found %v", p.tok)
	}
	v := p.advance()
	major, minor, ok := strings.Cut(v.text, ".")
	if v.kind != tokDouble || !ok || len(major) > 2 || len(minor) > 2 {
		p.fail(v.Pos, "malformed version %v", v)
	}
	p.module.Version = v.text
	if !p.acceptDot(".target") {
		p.fail(p.tok.Pos, "expected .target after .version, found %v", p.tok)
	}
	for {
		t := p.ident("a target")
		if !knownTarget(t.text) {
			p.fail(t.Pos, "unknown target %q", t.text)
		}
		p.module.Target = append(p.module.Target, t.text)
		if !p.accept(",") {
			break
		}
	}
	if p.acceptDot(".address_size") {
		at := p.tok.Pos
		if n := p.integer("address size", 32, 64); n != 64 {
			p.fail(at, "address size %d is not supported, only 64", n)
		}
	} else if p.module.version() >= 203 {
		p.fail(p.tok.Pos, "address size is 32 where .address_size is missing; only 64 is supported")
	}
	// Before PTX 2.3 there was no such directive: assemblers take the host's.
}

// version returns the PTX version as a number: 203 is 2.3.
func (m *Module) version() int {
	var major, minor int
	fmt.Sscanf(m.Version, "%d.%d", &major, &minor)
	return 100*major + minor
}

func knownTarget(s string) bool {
	switch s {
	case "debug", "texmode_unified", "texmode_independent", "map_f64_to_f32":
		return true
	}
	n, ok := strings.CutPrefix(s, "sm_")
	n = strings.TrimRight(n, "af")
	if !ok || len(n) < 2 || len(n) > 3 {
		return false
	}
	for _, c := range []byte(n) {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// topLevel parses one directive of the module.
func (p *parser) topLevel() {
	var l linkage
	for p.tok.kind == tokDot {
		switch p.tok.text {
		case ".extern":
			l.extern = true
		case ".visible":
			l.visible = true
		case ".weak":
			l.weak = true
		case ".common":
			l.common = true
		default:
			p.directive(l)
			return
		}
		p.advance()
	}
	if p.tok.is("@") {
		// @@DWARF lines of old compilers.
		line := p.tok.Line
		for p.tok.kind != tokEOF && p.tok.Line == line {
			p.advance()
		}
		return
	}
	p.fail(p.tok.Pos, "expected a directive, found %v", p.tok)
}

type linkage struct{ extern, visible, weak, common bool }

func (l linkage) any() bool { return l != linkage{} }

func (p *parser) directive(l linkage) {
	d := p.tok
	switch d.text {
	case ".entry", ".func":
		p.advance()
		p.function(d, l)
		return
	case ".global", ".const", ".shared", ".tex":
		p.variables(l)
		return
	}
	if l.any() {
		p.fail(d.Pos, "%s cannot have linkage", d.text)
	}
	switch d.text {
	case ".file":
		p.advance()
		p.integer("file number", 0, 1<<31)
		if p.tok.kind != tokString {
			p.fail(p.tok.Pos, "expected a file name, found %v", p.tok)
		}
		p.advance()
		for p.accept(",") {
			p.integer("file property", 0, 1<<62)
		}
	case ".loc":
		p.loc()
	case ".section":
		p.advance()
		p.section()
	case ".pragma":
		p.pragma()
	case ".alias":
		p.advance()
		from := p.ident("a name")
		p.expect(",")
		to := p.ident("a function")
		p.expect(";")
		f := p.module.byName[to.text]
		if f == nil {
			p.fail(to.Pos, "no function %q", to.text)
		}
		p.module.byName[from.text] = f
	default:
		p.fail(d.Pos, "unknown directive %s", d.text)
	}
}

// loc skips .loc file line column [, function_name label [+ n], inlined_at ...].
func (p *parser) loc() {
	p.advance()
	for range 3 {
		if p.tok.kind != tokInt {
			p.fail(p.tok.Pos, "expected a number in .loc, found %v", p.tok)
		}
		p.advance()
	}
	for p.accept(",") {
		w := p.ident("function_name or inlined_at")
		switch w.text {
		case "function_name":
			p.ident("a label")
			if p.accept("+") {
				p.integer("offset", 0, 1<<40)
			}
		case "inlined_at":
			for range 3 {
				p.integer("location", 0, 1<<40)
			}
		default:
			p.fail(w.Pos, "unknown attribute %q of .loc", w.text)
		}
	}
}

func (p *parser) pragma() {
	p.advance()
	for {
		if p.tok.kind != tokString {
			p.fail(p.tok.Pos, "expected a string after .pragma, found %v", p.tok)
		}
		p.advance()
		if !p.accept(",") {
			break
		}
	}
	p.expect(";")
}

// section skips .section name { ... } of debug information.
func (p *parser) section() {
	if p.tok.kind != tokDot && p.tok.kind != tokIdent {
		p.fail(p.tok.Pos, "expected a section name, found %v", p.tok)
	}
	p.advance()
	open := p.expect("{")
	for depth := 1; depth > 0; {
		switch t := p.advance(); {
		case t.kind == tokEOF:
			p.fail(open.Pos, "section does not end")
		case t.is("{"):
			depth++
		case t.is("}"):
			depth--
		}
	}
}

// function parses what follows .entry or .func.
func (p *parser) function(d token, l linkage) {
	f := &function{entry: d.text == ".entry", extern: l.extern, weak: l.weak, module: p.module}
	f.scope = newScope(p.global)
	p.fn, p.scope = f, f.scope
	defer func() { p.fn, p.scope = nil, p.global }()
	p.attribute()
	if !f.entry && p.tok.is("(") {
		f.results = p.params()
	}
	name := p.ident("a function name")
	f.name, f.pos = name.text, name.Pos
	if p.tok.is("(") {
		f.params = p.params()
	}
	p.performance(f)
	old := p.module.byName[f.name]
	if old != nil && old.entry != f.entry {
		p.fail(f.pos, "%s is declared as both .entry and .func", f.name)
	}
	if old != nil && !sameSignature(old, f) {
		p.fail(f.pos, "%s is declared with other parameters at line %d", f.name, old.pos.Line)
	}
	if p.accept(";") || p.tok.kind == tokEOF || p.tok.kind == tokDot {
		// A declaration; old compilers omit the semicolon.
		if old == nil {
			p.declare(f)
		}
		return
	}
	if l.extern {
		p.fail(f.pos, "%s is .extern and has a body", f.name)
	}
	if !p.tok.is("{") {
		p.fail(p.tok.Pos, "expected a body or ';' after %s, found %v", f.name, p.tok)
	}
	if old != nil {
		if old.defined {
			p.fail(f.pos, "%s is defined twice, first at line %d", f.name, old.pos.Line)
		}
		// Calls refer to the declaration: fill it in.
		*old = *f
		f = old
		p.fn = f
	} else {
		p.declare(f)
	}
	f.defined = true
	if f.entry {
		p.module.kernels = append(p.module.kernels, f)
	}
	p.block()
}

func (p *parser) declare(f *function) {
	if p.global.vars[f.name] != nil {
		p.fail(f.pos, "%s is already a variable", f.name)
	}
	p.module.byName[f.name] = f
	p.module.funcs = append(p.module.funcs, f)
}

func sameSignature(a, b *function) bool {
	same := func(x, y []*variable) bool {
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if x[i].size != y[i].size || x[i].align != y[i].align || (x[i].reg == nil) != (y[i].reg == nil) {
				return false
			}
		}
		return true
	}
	return same(a.params, b.params) && same(a.results, b.results)
}

// attribute skips .attribute(...).
func (p *parser) attribute() {
	if !p.acceptDot(".attribute") {
		return
	}
	p.expect("(")
	for !p.tok.is(")") {
		if p.tok.kind == tokEOF {
			p.fail(p.tok.Pos, "attribute does not end")
		}
		p.advance()
	}
	p.advance()
}

// params parses (a, b, ...) of a function.
func (p *parser) params() []*variable {
	p.expect("(")
	var list []*variable
	for !p.tok.is(")") {
		if len(list) > 0 {
			p.expect(",")
		}
		if len(list) >= maxElems {
			p.fail(p.tok.Pos, "too many parameters")
		}
		list = append(list, p.param()...)
	}
	p.advance()
	return list
}

// param parses one parameter. A vector of registers counts as several parameters.
func (p *parser) param() []*variable {
	at := p.tok
	if p.acceptDot(".reg") {
		if p.fn.entry {
			p.fail(at.Pos, "parameters of an entry are in .param space")
		}
		vec := p.vectorLength()
		t := p.typeName()
		n := p.ident("a parameter name")
		var regs []*register
		if vec > 1 {
			p.vectorRegister(n, vec, t)
			regs = p.scope.vecs[n.text]
		} else {
			regs = []*register{p.newRegister(n, t)}
			p.scope.regs[n.text] = regs[0]
		}
		var list []*variable
		for _, r := range regs {
			list = append(list, &variable{name: r.name, space: spaceReg, typ: t, vec: 1, size: int64(t.bytes()), align: int64(max(t.bytes(), 1)), reg: r, pos: n.Pos})
		}
		return list
	}
	if !p.acceptDot(".param") {
		p.fail(at.Pos, "expected .param or .reg, found %v", at)
	}
	v := p.declarator(spaceParam)
	p.name(v)
	switch {
	case v.vec > 1:
		p.fail(v.pos, "parameter %s is a vector, which only registers can be", v.name)
	case v.size == 0 && (p.fn.entry || !v.array):
		p.fail(v.pos, "parameter %s has no size", v.name)
	}
	return []*variable{v}
}

// performance parses the directives between parameters and body.
func (p *parser) performance(f *function) {
	for p.tok.kind == tokDot {
		d := p.tok
		switch d.text {
		case ".maxntid", ".reqntid":
			p.advance()
			dim := [3]int64{1, 1, 1}
			for i := range 3 {
				if i > 0 && !p.accept(",") {
					break
				}
				dim[i] = p.integer("thread count", 1, 1<<16)
			}
			if d.text == ".reqntid" {
				f.required = Dim{int(dim[0]), int(dim[1]), int(dim[2])}
			} else {
				f.maxThreads = int(min(dim[0]*dim[1]*dim[2], 1<<30))
			}
		case ".minnctapersm", ".maxnctapersm", ".maxnreg", ".maxclusterrank":
			p.advance()
			p.integer("value of "+d.text, 0, 1<<30)
		case ".noreturn":
			p.advance()
		case ".pragma":
			p.pragma()
		case ".abi_preserve", ".abi_preserve_control":
			p.advance()
			p.integer("value of "+d.text, 0, 1<<30)
		case ".unique", ".attribute":
			p.attribute()
		case ".explicitcluster", ".reqnctapercluster":
			p.fail(d.Pos, "%s: clusters are not supported", d.text)
		default:
			if !f.entry && startsDirective(d.text) {
				return
			}
			p.fail(d.Pos, "unknown directive %s before the body of %s", d.text, f.name)
		}
	}
}

// startsDirective reports whether text begins a directive of the module.
func startsDirective(text string) bool {
	switch text {
	case ".visible", ".extern", ".weak", ".common", ".func", ".entry", ".global", ".const", ".shared", ".file", ".section", ".alias":
		return true
	}
	return false
}
