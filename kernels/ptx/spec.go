package ptx

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
)

// The instruction set is specified as text, with one line for each form:
//
//	add[.rnd(rn rz rm rp)][.ftz][.sat].type(f32) : =type, type, type
//
// A line has the opcode, its modifiers in order, and the operands. A modifier is a literal
// (.sat) or a named choice (.rnd(...)); optional ones are in brackets. An operand is the
// name of a type or of the modifier that selects one. It is a source unless it begins with
// '='. Suffixes:
//
//	|p    may be followed by |predicate (a second destination)
//	*4    a vector of four
//	*vec  a vector of the length selected by modifier vec, or a scalar
//	~     may be in a wider register
//	!     (a predicate) may be negated
//	?     optional, with all that follow
//	#     must be a constant
//	_     (a destination) may be the sink _
//
// addr is an address; policy is a b64 that is present exactly if modifier hint is; wide is
// the integer type of twice the width of type; any is any operand. $name is one of the
// abbreviations below. A form may end in "@ name", which names its handler in lowerings if
// that is not the opcode's.

// group is one modifier of a form.
type group struct {
	name     string
	choices  []string
	optional bool
}

// argSpec is one operand of a form.
type argSpec struct {
	typ                                           string
	dst, pair, loose, not, optional, consts, sink bool
	vec                                           string
}

// form is a line of the specification.
type form struct {
	text   string
	op     string
	groups []group
	args   []argSpec
	lower  func(*lowerer, *match)
}

// match is an instruction matched to a form.
type match struct {
	*form
	in   *inst
	mods map[string]string
}

// has reports whether the modifier is present.
func (m *match) has(name string) bool { return m.mods[name] != "" }

// get returns the selected value of a modifier, or "".
func (m *match) get(name string) string { return m.mods[name] }

// typ returns the type selected by a modifier.
func (m *match) typ(name string) typ { return typeByName[m.mods[name]] }

var abbreviations = strings.NewReplacer(
	"$rnd", "[.rnd(rn rz rm rp)]",
	"$fcmp", "cmp(eq ne lt le gt ge equ neu ltu leu gtu geu num nan)",
	"$scmp", "cmp(eq ne lt le gt ge)",
	"$ucmp", "cmp(eq ne lo ls hi hs lt le gt ge)",
	"$bool", "bool(and or xor)",
	"$sem", "[.sem(relaxed acquire release acq_rel)]",
	"$scope", "[.scope(cta cluster gpu sys)]",
	"$mem", "type(b8 b16 b32 b64 u8 u16 u32 u64 s8 s16 s32 s64 f32 f64)",
	"$evict", "[.evict(L1::evict_normal L1::evict_unchanged L1::evict_first L1::evict_last L1::no_allocate)]",
	"$l2", "[.l2(L2::64B L2::128B L2::256B)]",
	"$hint", "[.hint(L2::cache_hint)]",
)

var specification = struct {
	once  sync.Once
	forms map[string][]*form
}{}

// formsOf returns the forms of an opcode.
func formsOf(op string) []*form {
	specification.once.Do(func() {
		specification.forms = map[string][]*form{}
		for _, text := range []string{specInteger, specFloat, specCompare, specMove, specMemory, specControl, specWarp, specMatrix, specWmma, specVideo, specMbarrier} {
			for _, line := range strings.Split(text, "\n") {
				if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "//") {
					continue
				}
				f := parseForm(line)
				specification.forms[f.op] = append(specification.forms[f.op], f)
			}
		}
	})
	return specification.forms[op]
}

func parseForm(line string) *form {
	full := abbreviations.Replace(line)
	name := ""
	if i := strings.Index(full, " @ "); i >= 0 {
		full, name = full[:i], strings.TrimSpace(full[i+3:])
	}
	mods, args, ok := strings.Cut(full, " :")
	if !ok {
		panic("ptx: specification without operands: " + line)
	}
	f := &form{text: line}
	i := strings.IndexAny(mods, ".[")
	if i < 0 {
		i = len(mods)
	}
	f.op = strings.TrimSpace(mods[:i])
	for rest := mods[i:]; rest != ""; {
		var g group
		if rest[0] == '[' {
			g.optional = true
			rest = rest[1:]
		}
		stops := ".[("
		if g.optional {
			stops = "](" // an optional literal may be of several parts
		}
		end := strings.IndexAny(rest[1:], stops) + 1
		if end == 0 {
			end = len(rest)
		}
		g.name, rest = rest[1:end], rest[end:]
		if strings.HasPrefix(rest, "(") {
			close := strings.Index(rest, ")")
			g.choices = strings.Fields(rest[1:close])
			rest = rest[close+1:]
		} else {
			g.choices = []string{g.name}
		}
		if g.optional {
			rest = strings.TrimPrefix(rest, "]")
		}
		f.groups = append(f.groups, g)
	}
	for _, a := range strings.Split(args, ",") {
		a = strings.TrimSpace(a)
		if a == "" {
			continue
		}
		var s argSpec
		s.dst = strings.HasPrefix(a, "=")
		a = strings.TrimPrefix(a, "=")
	suffixes:
		for {
			switch a[len(a)-1] {
			case '~':
				s.loose = true
			case '!':
				s.not = true
			case '?':
				s.optional = true
			case '#':
				s.consts = true
			case '_':
				s.sink = true
			default:
				break suffixes
			}
			a = a[:len(a)-1]
		}
		if t, ok := strings.CutSuffix(a, "|p"); ok {
			a, s.pair = t, true
		}
		if t, v, ok := strings.Cut(a, "*"); ok {
			a, s.vec = t, v
		}
		s.typ = a
		f.args = append(f.args, s)
	}
	if name == "" {
		name = f.op
	}
	f.lower = lowerings()[name]
	if f.lower == nil {
		panic("ptx: no lowering for " + line)
	}
	return f
}

// typeOf resolves a type of the specification for an instruction.
func (m *match) typeOf(name string) typ {
	switch name {
	case "wide":
		return m.typ("type").wide()
	case "policy":
		return tB64
	}
	if c, ok := m.mods[name]; ok {
		return typeByName[c]
	}
	return typeByName[name]
}

// matchMods matches the modifiers of an instruction. If they do not match, at is the index
// of the first that does not, and want is what was expected there.
func (f *form) matchMods(in *inst) (m *match, at int, want string) {
	if m, at, want = f.matchOrder(in); m == nil && f.loose() {
		if bag := f.matchBag(in); bag != nil {
			return bag, 0, ""
		}
	}
	return m, at, want
}

// loose reports whether assemblers accept a form's modifiers in any order, even after the
// type: rounding and similar modifiers in arithmetic; scope, order and space in memory
// accesses. Compilers write them in orders that the ISA does not show.
func (f *form) loose() bool {
	switch f.op {
	case "ld", "st", "atom", "red", "fence", "ldmatrix", "barrier", "shfl", "vote":
		return true
	}
	for _, g := range f.groups {
		switch g.name {
		case "rnd", "irnd", "ftz", "sat", "relu", "NaN", "approx", "full", "type", "dtype", "atype", "cmp":
		default:
			return false
		}
	}
	return true
}

// matchBag matches modifiers in any order, except that types keep theirs.
func (f *form) matchBag(in *inst) *match {
	m := &match{form: f, in: in, mods: map[string]string{}}
next:
	for _, t := range in.mods {
		for _, g := range f.groups {
			if m.mods[g.name] != "" {
				continue
			}
			for _, c := range g.choices {
				if c == t.text[1:] {
					m.mods[g.name] = c
					continue next
				}
			}
		}
		return nil
	}
	for _, g := range f.groups {
		if !g.optional && m.mods[g.name] == "" {
			return nil
		}
	}
	return m
}

// matchOrder is matchMods for modifiers in the order of the ISA.
func (f *form) matchOrder(in *inst) (m *match, at int, want string) {
	m = &match{form: f, in: in, mods: map[string]string{}}
	i := 0
	var expected []string
	for _, g := range f.groups {
		n := 0
		for _, c := range g.choices {
			if n = takes(in.mods[i:], c); n > 0 {
				m.mods[g.name] = c
				break
			}
		}
		if n > 0 {
			i += n
			expected = nil
			continue
		}
		expected = append(expected, g.choices...)
		if !g.optional {
			return nil, i, strings.Join(expected, ", .")
		}
	}
	if i < len(in.mods) {
		return nil, i, strings.Join(expected, ", .")
	}
	return m, 0, ""
}

// takes returns the number of modifiers that a choice covers, or 0 if it does not come next.
func takes(mods []token, choice string) int {
	n := 0
	for part := range strings.SplitSeq(choice, ".") {
		if n >= len(mods) || mods[n].text[1:] != part {
			return 0
		}
		n++
	}
	return n
}

// check finds the form of an instruction and checks its operands against it.
func (l *lowerer) check(in *inst) *match {
	forms := formsOf(in.op)
	if forms == nil {
		l.fail(in.pos, "unknown instruction %q", in.op)
	}
	best, bestWant := -1, ""
	var firstErr *SyntaxError
	for _, f := range forms {
		m, at, want := f.matchMods(in)
		if m == nil {
			switch {
			case at > best:
				best, bestWant = at, want
			case at == best && want != "" && !strings.Contains(bestWant, want):
				bestWant += ", ." + want
			}
			continue
		}
		err := l.checkArgs(m)
		if err == nil {
			return m
		}
		if firstErr == nil {
			firstErr = err
		}
	}
	if firstErr != nil {
		panic(firstErr)
	}
	full := in.op
	for _, d := range in.mods {
		full += d.text
	}
	switch {
	case best >= len(in.mods):
		l.fail(in.pos, "%s lacks a modifier: .%s", full, bestWant)
	case bestWant == "":
		l.fail(in.mods[best].Pos, "unexpected modifier %s of %s", in.mods[best].text, in.op)
	default:
		l.fail(in.mods[best].Pos, "unexpected modifier %s of %s; expected .%s", in.mods[best].text, in.op, bestWant)
	}
	return nil
}

func (l *lowerer) checkArgs(m *match) *SyntaxError {
	in := m.in
	n := len(in.args)
	least, most := 0, len(m.args)
	if most > 0 && m.args[most-1].typ == "policy" && !m.has("hint") {
		most--
	}
	for least < most && !m.args[least].optional {
		least++
	}
	if n < least || n > most {
		want := strconv.Itoa(least)
		if least != most {
			want += " to " + strconv.Itoa(most)
		}
		return l.errorf(in.pos, "%s has %d operands, expected %s", in.op, n, want)
	}
	for i := range in.args {
		if err := l.checkArg(m, &m.args[i], &in.args[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *lowerer) checkArg(m *match, s *argSpec, o *operand) *SyntaxError {
	bad := func(format string, args ...any) *SyntaxError {
		return l.errorf(o.pos, "%s: %s", m.in.op, fmt.Sprintf(format, args...))
	}
	switch s.typ {
	case "any":
		return nil
	case "addr":
		if o.kind != argAddress {
			return bad("operand %s is not an address", o.text)
		}
		return nil
	case "label":
		if o.kind != argName {
			return bad("operand %s is not a label", o.text)
		}
		return nil
	}
	t := m.typeOf(s.typ)
	if t == tNone {
		panic("ptx: no type " + s.typ + " in " + m.text)
	}
	if o.second != nil {
		if !s.pair {
			return bad("operand %s|%s: a second destination is not allowed here", o.text, o.second.text)
		}
		if o.second.kind != argSink && (o.second.kind != argReg || o.second.reg.typ != tPred) {
			return bad("second destination %s is not a predicate", o.second.text)
		}
	}
	want := 1
	switch {
	case s.vec == "":
	case s.vec[0] >= '0' && s.vec[0] <= '9':
		want, _ = strconv.Atoi(s.vec)
	case m.has(s.vec):
		want, _ = strconv.Atoi(strings.TrimLeft(m.get(s.vec), "vx"))
	}
	if s.vec != "" && (want != 1 || o.kind == argVector) {
		if o.kind != argVector {
			return bad("operand %s is not a vector of %d", o.text, want)
		}
		if len(o.elems) != want {
			return bad("vector of %d operands, expected %d", len(o.elems), want)
		}
		for i := range o.elems {
			if err := l.checkScalar(bad, s, &o.elems[i], t); err != nil {
				return err
			}
		}
		return nil
	}
	return l.checkScalar(bad, s, o, t)
}

func (l *lowerer) checkScalar(bad func(string, ...any) *SyntaxError, s *argSpec, o *operand, t typ) *SyntaxError {
	if s.consts && o.kind != argInt {
		return bad("operand %s is not a constant", o.text)
	}
	if o.not && !s.not {
		return bad("operand %s cannot be negated", o.text)
	}
	switch o.kind {
	case argReg:
		if !holds(o.reg.typ, t, s.loose) {
			return bad("register %s has type .%v, expected .%v", o.reg.name, o.reg.typ, t)
		}
		return nil
	case argSink:
		if s.dst && s.sink {
			return nil
		}
	case argInt, argFloat, argSymbol, argSpecial, argName:
		if s.dst {
			return bad("%s cannot be a destination", o.text)
		}
		return l.checkConstant(bad, o, t)
	}
	return bad("operand %s is not allowed here", o.text)
}

func (l *lowerer) checkConstant(bad func(string, ...any) *SyntaxError, o *operand, t typ) *SyntaxError {
	switch o.kind {
	case argInt:
		if t == tPred {
			if o.bits > 1 && o.bits != math.MaxUint64 {
				return bad("constant %s is not a predicate", o.text)
			}
			return nil
		}
		if t.isFloat() && t.bits() >= 32 && t != tTF32 && t != tF16x2 && t != tBF16x2 {
			return bad("integer constant %s for a .%v operand", o.text, t)
		}
		// A constant that is too wide is truncated, as by ptxas.
	case argFloat:
		if t != tF32 && t != tF64 && !(t.class() == classBits && (t.bits() == 64) == !o.single && t.bits() >= 32) {
			return bad("floating-point constant %s for a .%v operand", o.text, t)
		}
	case argSymbol:
		if t.isFloat() || t.bits() != 64 && !(t.bits() == 32 && o.sym.space != spaceGlobal && o.sym.space != spaceConst) {
			return bad("the address of %s for a .%v operand", o.sym.name, t)
		}
	case argName:
		f := l.module.byName[o.text]
		if f == nil {
			return bad("unknown name %q", o.text)
		}
		if t.bits() != 64 || t.isFloat() {
			return bad("the address of function %s for a .%v operand", o.text, t)
		}
	case argSpecial:
		st := specials[o.text].typ
		if t.isFloat() || t == tPred || t.bits() > st.bits() {
			return bad("%s has type .%v, expected .%v", o.text, st, t)
		}
	}
	return nil
}
