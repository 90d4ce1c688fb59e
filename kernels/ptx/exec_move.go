package ptx

import (
	"math/bits"
	"strings"
)

// compare returns the comparison of one element.
func compare(op string, t typ) func(a, b uint64) bool {
	if t.isFloat() {
		return compareFloat(op, formatOf(t).decode)
	}
	n := t.bits()
	if t.isSigned() {
		switch op {
		case "eq":
			return func(a, b uint64) bool { return a == b }
		case "ne":
			return func(a, b uint64) bool { return a != b }
		case "lt":
			return func(a, b uint64) bool { return sx(a, n) < sx(b, n) }
		case "le":
			return func(a, b uint64) bool { return sx(a, n) <= sx(b, n) }
		case "gt":
			return func(a, b uint64) bool { return sx(a, n) > sx(b, n) }
		}
		return func(a, b uint64) bool { return sx(a, n) >= sx(b, n) }
	}
	switch op {
	case "eq":
		return func(a, b uint64) bool { return a == b }
	case "ne":
		return func(a, b uint64) bool { return a != b }
	case "lt", "lo":
		return func(a, b uint64) bool { return a < b }
	case "le", "ls":
		return func(a, b uint64) bool { return a <= b }
	case "gt", "hi":
		return func(a, b uint64) bool { return a > b }
	}
	return func(a, b uint64) bool { return a >= b }
}

func compareFloat(op string, dec func(uint64) float64) func(a, b uint64) bool {
	nan := func(x, y float64) bool { return x != x || y != y }
	var f func(x, y float64) bool
	switch op {
	case "eq":
		f = func(x, y float64) bool { return x == y }
	case "ne":
		f = func(x, y float64) bool { return !nan(x, y) && x != y }
	case "lt":
		f = func(x, y float64) bool { return x < y }
	case "le":
		f = func(x, y float64) bool { return x <= y }
	case "gt":
		f = func(x, y float64) bool { return x > y }
	case "ge":
		f = func(x, y float64) bool { return x >= y }
	case "equ":
		f = func(x, y float64) bool { return nan(x, y) || x == y }
	case "neu":
		f = func(x, y float64) bool { return x != y }
	case "ltu":
		f = func(x, y float64) bool { return !(x >= y) }
	case "leu":
		f = func(x, y float64) bool { return !(x > y) }
	case "gtu":
		f = func(x, y float64) bool { return !(x <= y) }
	case "geu":
		f = func(x, y float64) bool { return !(x < y) }
	case "num":
		f = func(x, y float64) bool { return !nan(x, y) }
	case "nan":
		f = nan
	}
	return func(a, b uint64) bool { return f(dec(a), dec(b)) }
}

// comparison returns the comparison of an instruction, with .ftz.
func comparison(m *match, t typ) func(a, b uint64) bool {
	f := compare(m.get("cmp"), t)
	if m.has("ftz") {
		fm := formatOf(t)
		exp, sign := fm.inf(), uint64(1)<<(fm.mant+fm.exp)
		z := func(v uint64) uint64 {
			if v&exp == 0 {
				return v & sign
			}
			return v
		}
		g := f
		f = func(a, b uint64) bool { return g(z(a), z(b)) }
	}
	return f
}

// setpInfo is a setp instruction.
type setpInfo struct {
	f      func(a, b uint64) bool
	logic  string // "", and, or, xor with predicate c
	negate bool
	pair   bool // compare halves, into d and d2
}

func lowerSetp(l *lowerer, m *match) {
	t := m.typ("type")
	x := &setpInfo{f: comparison(m, t), logic: m.get("bool"), pair: t == tF16x2 || t == tBF16x2}
	args := m.in.args
	in := instr{run: setp, x: x, d: l.predDst(&args[0]), d2: l.dst2(&args[0]), a: l.source(&args[1], t), b: l.source(&args[2], t)}
	if x.logic != "" {
		in.c, x.negate = l.predSource(&args[3])
	}
	if x.logic == "" && !x.pair && in.d2 < 0 && t.bits() == 32 && !m.has("ftz") {
		switch {
		case t == tS32:
			in.run = setpS32[m.get("cmp")]
		case t == tF32:
			in.run = setpF32[m.get("cmp")]
		case !t.isFloat():
			in.run = setpU32[m.get("cmp")]
		}
		if in.run == nil {
			in.run = setp
		}
	}
	if in.d2 < 0 {
		in.d2 = l.sinkP
	}
	l.emit(in)
}

// predDst returns the predicate of a destination.
func (l *lowerer) predDst(o *operand) int32 {
	if o.kind == argSink {
		return l.sinkP
	}
	return l.predicate(o.reg)
}

// predSource returns the predicate of a source, and whether it is negated. A constant is
// represented by a predicate that is never written.
func (l *lowerer) predSource(o *operand) (int32, bool) {
	if o.kind == argInt {
		if l.zeroP < 0 {
			l.zeroP = l.pred()
		}
		return l.zeroP, o.bits != 0
	}
	if o.kind != argReg {
		l.fail(o.pos, "operand %s is not a predicate", o.text)
	}
	return l.predicate(o.reg), o.not
}

func setp(w *warp, in *instr) {
	x := in.x.(*setpInfo)
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p, q uint32
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		if x.pair {
			if x.f(a[l]&0xffff, b[l]&0xffff) {
				p |= 1 << l
			}
			if x.f(a[l]>>16, b[l]>>16) {
				q |= 1 << l
			}
		} else if x.f(a[l], b[l]) {
			p |= 1 << l
		}
	}
	if !x.pair {
		q = ^p
	}
	if x.logic != "" {
		c := w.preds[in.c]
		if x.negate {
			c = ^c
		}
		switch x.logic {
		case "and":
			p, q = p&c, q&c
		case "or":
			p, q = p|c, q|c
		case "xor":
			p, q = p^c, q^c
		}
	}
	w.preds[in.d2] = w.preds[in.d2]&^w.mask | q&w.mask
	w.preds[in.d] = w.preds[in.d]&^w.mask | p&w.mask
}

func lowerSet(l *lowerer, m *match) {
	t, d := m.typ("type"), m.typ("dtype")
	f, logic := comparison(m, t), m.get("bool")
	pair := t == tF16x2 || t == tBF16x2
	on := widthMask(d.bits())
	switch {
	case d.isFloat():
		on = formatOf(d).encode(1, nearest)
	case pair:
		on = 0xffff
	}
	args := m.in.args
	c, negate := int32(0), false
	if logic != "" {
		c, negate = l.predSource(&args[3])
	}
	one := func(a, b uint64, q bool) uint64 {
		v := f(a, b)
		switch logic {
		case "and":
			v = v && q
		case "or":
			v = v || q
		case "xor":
			v = v != q
		}
		if v {
			return on
		}
		return 0
	}
	l.emit(instr{d: l.dst(&args[0]), a: l.source(&args[1], t), b: l.source(&args[2], t), c: c, run: func(w *warp, in *instr) {
		d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
		for l := range d {
			if w.mask>>l&1 == 0 {
				continue
			}
			q := logic != "" && (w.preds[in.c]>>l&1 != 0) != negate
			if pair {
				d[l] = one(a[l]&0xffff, b[l]&0xffff, q) | one(a[l]>>16, b[l]>>16, q)<<16
				continue
			}
			d[l] = one(a[l], b[l], q)
		}
	}})
}

func lowerSelp(l *lowerer, m *match) {
	args, t := m.in.args, m.typ("type")
	p, negate := l.predSource(&args[3])
	a, b := l.source(&args[1], t), l.source(&args[2], t)
	if negate {
		a, b = b, a
	}
	l.emit(instr{run: runSelp, d: l.dst(&args[0]), a: a, b: b, c: p})
}

// slct selects a if c is not negative.
func lowerSlct(l *lowerer, m *match) {
	float, ftz := m.typ("ctype") == tF32, m.has("ftz")
	l.op3(m, nil, func(a, b, c uint64) uint64 {
		if ftz {
			c = flush32(c)
		}
		if float && f32(c) >= 0 || !float && int32(c) >= 0 {
			return a
		}
		return b
	})
}

func lowerMov(l *lowerer, m *match) {
	args := m.in.args
	l.emit(instr{run: mov, d: l.dst(&args[0]), a: l.source(&args[1], m.typ("type"))})
}

func lowerMovPred(l *lowerer, m *match) {
	args := m.in.args
	p, negate := l.predSource(&args[1])
	l.emit(instr{d: l.predDst(&args[0]), a: p, run: func(w *warp, in *instr) {
		p := w.preds[in.a]
		if negate {
			p = ^p
		}
		w.preds[in.d] = w.preds[in.d]&^w.mask | p&w.mask
	}})
}

// lowerMovPack is mov between a register and a vector of its parts.
func lowerMovPack(l *lowerer, m *match) {
	t := m.typ("type")
	d, s := &m.in.args[0], &m.in.args[1]
	parts, whole := s, d
	if d.kind == argVector {
		parts, whole = d, s
	}
	n := len(parts.elems)
	if parts.kind != argVector || whole.kind == argVector || n < 2 || n > 4 || t.bits()%n != 0 || t.bits()/n < 8 || t.bits()/n > 32 {
		l.fail(m.in.pos, "mov.%v does not take these operands", t)
	}
	width := t.bits() / n
	if whole.kind == argReg && whole.reg.typ.bits() != t.bits() {
		l.fail(whole.pos, "mov: register %s has type .%v, expected .%v", whole.text, whole.reg.typ, t)
	}
	pt := map[int]typ{8: tB8, 16: tB16, 32: tB32}[width]
	for i := range parts.elems {
		e := &parts.elems[i]
		switch {
		case e.kind == argReg && e.reg.typ.bits() == width && e.reg.typ != tPred:
		case e.kind == argSink && parts == d:
		case (e.kind == argInt || e.kind == argFloat && e.single && width == 32) && parts == s:
		default:
			l.fail(e.pos, "mov: operand %s is not of %d bits", e.text, width)
		}
	}
	if parts == s {
		if whole.kind != argReg {
			l.fail(whole.pos, "mov: %s cannot be a destination", whole.text)
		}
		l.emit(instr{run: pack, d: l.dst(whole), imm: int64(width), x: l.vector(parts, pt, false)})
		return
	}
	l.emit(instr{run: unpack, a: l.source(whole, t), imm: int64(width), x: l.vector(parts, pt, true), d: l.sink})
}

// lowerMovVec moves a vector, and may permute its elements.
func lowerMovVec(l *lowerer, m *match) {
	t := m.typ("type")
	d, s := l.vector(&m.in.args[0], t, true), l.vector(&m.in.args[1], t, false)
	temps := make([]int32, len(s))
	for i := range s {
		temps[i] = l.slot()
		l.emit(instr{run: mov, d: temps[i], a: s[i]})
	}
	for i := range d {
		l.emit(instr{run: mov, d: d[i], a: temps[i]})
	}
}

func pack(w *warp, in *instr) {
	d := &w.regs[in.d]
	var v vec
	for i, s := range in.x.([]int32) {
		a, shift := &w.regs[s], uint(i)*uint(in.imm)
		for l := range v {
			v[l] |= a[l] << shift
		}
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = v[l]
	}
}

func unpack(w *warp, in *instr) {
	a := w.regs[in.a]
	mask := widthMask(int(in.imm))
	for i, s := range in.x.([]int32) {
		d, shift := &w.regs[s], uint(i)*uint(in.imm)
		for m := w.mask; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			d[l] = a[l] >> shift & mask
		}
	}
}

func lowerPredLogic(l *lowerer, m *match) {
	args := m.in.args
	p, np := l.predSource(&args[1])
	q, nq := l.predSource(&args[2])
	op := m.op
	l.emit(instr{d: l.predDst(&args[0]), a: p, b: q, run: func(w *warp, in *instr) {
		p, q := w.preds[in.a], w.preds[in.b]
		if np {
			p = ^p
		}
		if nq {
			q = ^q
		}
		switch op {
		case "and":
			p &= q
		case "or":
			p |= q
		default:
			p ^= q
		}
		w.preds[in.d] = w.preds[in.d]&^w.mask | p&w.mask
	}})
}

func lowerPredNot(l *lowerer, m *match) {
	p, negate := l.predSource(&m.in.args[1])
	l.emit(instr{d: l.predDst(&m.in.args[0]), a: p, run: func(w *warp, in *instr) {
		p := w.preds[in.a]
		if !negate {
			p = ^p
		}
		w.setPred(in.d, p)
	}})
}

func lowerLop3Bool(l *lowerer, m *match) {
	args := m.in.args
	if args[4].bits > 255 {
		l.fail(args[4].pos, "lop3: table %s is not from 0 to 255", args[4].text)
	}
	if args[0].second == nil {
		l.fail(args[0].pos, "lop3.%s needs a predicate destination d|p", m.get("bool"))
	}
	f, isOr := lop3(args[4].bits), m.get("bool") == "or"
	q, negate := l.predSource(&args[5])
	d2 := l.dst2(&args[0])
	if d2 < 0 {
		d2 = l.sinkP
	}
	s := l.args(&match{form: m.form, in: &inst{args: args[:4]}, mods: m.mods}, 1)
	l.emit(instr{d: l.dst(&args[0]), d2: d2, a: s[0], b: s[1], c: s[2], e: q, run: func(w *warp, in *instr) {
		d, a, b, c := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
		var p uint32
		for l := range d {
			if w.mask>>l&1 == 0 {
				continue
			}
			v := f(a[l], b[l], c[l])
			if v != 0 {
				p |= 1 << l
			}
			d[l] = v
		}
		q := w.preds[in.e]
		if negate {
			q = ^q
		}
		if isOr {
			p |= q
		} else {
			p &= q
		}
		w.preds[in.d2] = w.preds[in.d2]&^w.mask | p&w.mask
	}})
}

// spaceOf returns the space named by a modifier.
func spaceOf(name string) space {
	name, _, _ = strings.Cut(name, "::")
	for s, n := range spaceNames {
		if n == name {
			return space(s)
		}
	}
	return spaceGeneric
}

// window returns the range of a space among generic addresses. Addresses of global and
// constant memory are generic already.
func window(s space) (base, size uint64) {
	switch s {
	case spaceShared:
		return sharedBase, windowSize
	case spaceLocal:
		return localBase, windowSize
	case spaceParam:
		return paramBase, windowSize
	case spaceConst:
		return constBase, sharedBase - constBase
	}
	return 0, 0
}

func lowerIsspacep(l *lowerer, m *match) {
	sp := spaceOf(m.get("space"))
	base, size := window(sp)
	test := func(a uint64) bool { return a-base < size }
	if sp == spaceGlobal {
		test = func(a uint64) bool { return a < sharedBase || a >= windowEnd }
	}
	s := l.args(m, 1)
	l.emit(instr{run: setPred1, d: l.predDst(&m.in.args[0]), a: s[0], x: test})
}

func lowerCvta(l *lowerer, m *match) {
	base, _ := window(spaceOf(m.get("space")))
	if sp := spaceOf(m.get("space")); sp == spaceConst {
		base = 0
	}
	if m.has("to") {
		base = -base
	}
	// The null pointer is null in every space.
	l.op1(m, nil, func(a uint64) uint64 {
		if base>>63 != 0 && a == 0 {
			return 0
		}
		return a + base
	})
}

func lowerRefused32(l *lowerer, m *match) {
	l.fail(m.in.pos, "generic addresses have 64 bits: %s.u32 is not supported", m.op)
}

// lowerCreatePolicy creates a cache policy. There are no caches, so any value will do.
func lowerCreatePolicy(l *lowerer, m *match) {
	for i := range m.in.args[1:] {
		if o := &m.in.args[1+i]; o.kind != argAddress {
			l.source(o, m.typeOf(m.args[1+i].typ))
		}
	}
	l.emit(instr{d: l.dst(&m.in.args[0]), run: func(w *warp, in *instr) { w.broadcast(in.d, 1) }})
}
