package ptx

import "math/bits"

func lowerBra(l *lowerer, m *match) {
	l.fixups = append(l.fixups, fixup{len(l.c.ins), m.in.args[0].text, m.in})
	l.emit(instr{kind: opBranch, d: l.sink})
}

func lowerBrx(l *lowerer, m *match) {
	table, _ := l.table(m.in)
	idx := l.source(&m.in.args[0], tU32)
	targets := make([]int32, len(table))
	at := len(l.c.ins)
	l.emit(instr{kind: opTable, a: idx, x: targets, d: l.sink})
	for i, t := range table {
		l.tables = append(l.tables, tableFix{at, i, t.text, m.in})
	}
}

// table returns the branch table that a brx.idx names.
func (l *lowerer) table(in *inst) ([]token, string) {
	name := in.args[1].text
	for s := in.scope; s != nil; s = s.outer {
		if t := s.tables[name]; t != nil {
			return t, name
		}
	}
	l.fail(in.args[1].pos, "unknown branch table %q", name)
	return nil, ""
}

// tableFix is an entry of a branch table whose index is not known yet.
type tableFix struct {
	at, i int
	name  string
	in    *inst
}

// lowerCall lowers call (results), function, (arguments), prototype. All but the function
// are optional.
func lowerCall(l *lowerer, m *match) {
	args := m.in.args
	c := &callInfo{}
	var results, params []operand
	if args[0].kind == argList {
		results, args = args[0].elems, args[1:]
	}
	if len(args) == 0 || args[0].kind == argList {
		l.fail(m.in.pos, "call without a function")
	}
	target := args[0]
	args = args[1:]
	if len(args) > 0 && args[0].kind == argList {
		params, args = args[0].elems, args[1:]
	}
	in := instr{kind: opCall, x: c, d: l.sink}
	var sig *function
	switch target.kind {
	case argName:
		if len(args) > 0 {
			l.fail(args[0].pos, "call: operand %s is not allowed here", args[0].text)
		}
		sig = l.module.byName[target.text]
		if sig == nil {
			l.fail(target.pos, "unknown function %q", target.text)
		}
		if sig.entry {
			l.fail(target.pos, "%s is a kernel and cannot be called", sig.name)
		}
		c.fn = sig
		l.c.calls = append(l.c.calls, sig)
		if !sig.defined {
			c.builtin = builtins[sig.name]
		}
	case argReg:
		if target.reg.typ.bits() != 64 {
			l.fail(target.pos, "register %s cannot hold the address of a function", target.reg.name)
		}
		if len(args) != 1 || args[0].kind != argName {
			l.fail(m.in.pos, "an indirect call needs a prototype or a list of targets")
		}
		for s := m.in.scope; s != nil && sig == nil; s = s.outer {
			sig = s.protos[args[0].text]
			if t := s.tables[args[0].text]; t != nil && sig == nil {
				if sig = l.module.byName[t[0].text]; sig == nil {
					l.fail(t[0].Pos, "unknown function %q", t[0].text)
				}
			}
		}
		if sig == nil {
			l.fail(args[0].pos, "unknown prototype %q", args[0].text)
		}
		c.proto = sig
		in.a = l.register(target.reg)
		l.c.indirect = true
	default:
		l.fail(target.pos, "call: operand %s is not a function", target.text)
	}
	bind := func(list []operand, formals []*variable, what string, dst bool) []callArg {
		list = flatten(list)
		if len(list) != len(formals) {
			l.fail(m.in.pos, "call of %s with %d %ss, expected %d", sig.name, len(list), what, len(formals))
		}
		var out []callArg
		for i := range list {
			out = append(out, l.callArg(&list[i], formals[i], dst))
		}
		return out
	}
	c.results = bind(results, sig.results, "result", true)
	c.args = bind(params, sig.params, "argument", false)
	l.emit(in)
}

// flatten replaces vectors by their elements.
func flatten(list []operand) []operand {
	var out []operand
	for _, o := range list {
		if o.kind == argVector {
			out = append(out, o.elems...)
			continue
		}
		out = append(out, o)
	}
	return out
}

func (l *lowerer) callArg(o *operand, formal *variable, dst bool) callArg {
	switch {
	case o.kind == argSink && dst:
		if formal.typ == tPred {
			return callArg{slot: l.sinkP, pred: true}
		}
		return callArg{slot: l.sink}
	case o.kind == argSymbol && o.sym.space == spaceParam && o.offset == 0:
		if o.sym.size != formal.size && !(o.sym.array && formal.array && o.sym.size >= formal.size) {
			l.fail(o.pos, "%s has %d bytes, parameter %s has %d", o.text, o.sym.size, formal.name, formal.size)
		}
		return callArg{v: o.sym}
	case o.kind == argReg && formal.reg != nil && (o.reg.typ == tPred || formal.typ == tPred):
		if o.reg.typ != formal.typ || o.not {
			l.fail(o.pos, "call: operand %s does not fit parameter %s", o.text, formal.name)
		}
		return callArg{slot: l.predicate(o.reg), pred: true}
	case o.kind == argReg && o.reg.typ != tPred && formal.size <= 8:
		if int64(o.reg.typ.bytes()) < formal.size {
			l.fail(o.pos, "register %s of type .%v does not fit parameter %s", o.text, o.reg.typ, formal.name)
		}
		return callArg{slot: l.register(o.reg)}
	case (o.kind == argInt || o.kind == argFloat) && !dst && formal.size <= 8:
		return callArg{slot: l.source(o, formal.typ)}
	}
	l.fail(o.pos, "call: operand %s does not fit parameter %s", o.text, formal.name)
	return callArg{}
}

func lowerRet(l *lowerer, m *match)  { l.emit(instr{kind: opReturn, d: l.sink}) }
func lowerExit(l *lowerer, m *match) { l.emit(instr{kind: opExit, d: l.sink}) }

func lowerTrap(l *lowerer, m *match) {
	l.emit(instr{d: l.sink, run: func(w *warp, in *instr) {
		w.fault(Trapped, bits.TrailingZeros32(w.mask), "")
	}})
}

func lowerAlloca(l *lowerer, m *match) {
	args, t := m.in.args, m.typ("type")
	in := instr{run: alloca, d: l.dst(&args[0]), a: l.source(&args[1], t), imm: 8}
	if len(args) > 2 {
		in.imm = int64(args[2].bits)
	}
	if in.imm <= 0 || in.imm > 1<<23 || in.imm&(in.imm-1) != 0 {
		l.fail(args[2].pos, "alignment %s is not a power of two of at most 2^23", args[2].text)
	}
	l.emit(in)
}

// alloca allocates local memory that is freed when the frame ends.
func alloca(w *warp, in *instr) {
	f := w.frame
	if f.stack == nil {
		f.stack = make([]int64, lanes)
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		n := w.regs[in.a][l]
		if n > maxLocal {
			w.fault(StackOverflow, l, "alloca of %d bytes, a thread has %d of local memory", n, int64(maxLocal))
		}
		at := align(f.top(l), in.imm)
		w.local.grow(w, at, int64(n), 1<<l)
		f.stack[l] = at + int64(n) - f.base - f.fn.localBytes
		w.regs[in.d][l] = uint64(at)
	}
}

func lowerStackSave(l *lowerer, m *match) {
	l.emit(instr{d: l.dst(&m.in.args[0]), run: func(w *warp, in *instr) {
		for m := w.mask; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			w.regs[in.d][l] = uint64(w.frame.top(l))
		}
	}})
}

func lowerStackRestore(l *lowerer, m *match) {
	l.emit(instr{d: l.sink, a: l.source(&m.in.args[0], m.typ("type")), run: func(w *warp, in *instr) {
		f := w.frame
		for m := w.mask; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			to, least := int64(w.regs[in.a][l]), f.base+f.fn.localBytes
			if to < least || to > f.top(l) {
				w.fault(BadOperand, l, "stackrestore to %#x, the function's part of the stack is %#x to %#x", to, least, f.top(l))
			}
			if f.stack != nil {
				f.stack[l] = to - least
			}
		}
	}})
}

func lowerBarrier(l *lowerer, m *match) {
	args := m.in.args
	x := &barrierInfo{aligned: m.op == "bar" || m.has("aligned"), arrive: m.has("arrive")}
	in := instr{kind: opBarrier, x: x, d: l.sink, a: l.source(&args[0], tU32), b: -1}
	if len(args) > 1 {
		in.b = l.source(&args[1], tU32)
	}
	l.emit(in)
}

func lowerBarRed(l *lowerer, m *match) {
	args := m.in.args
	x := &barrierInfo{aligned: m.op == "bar" || m.has("aligned"), reduce: m.get("reduce")}
	in := instr{kind: opBarrier, x: x, a: l.source(&args[1], tU32), b: -1}
	if x.reduce == "popc" {
		in.d = l.dst(&args[0])
	} else {
		in.d = l.predDst(&args[0])
	}
	if len(args) > 3 {
		in.b = l.source(&args[2], tU32)
	}
	in.c, x.negate = l.predSource(&args[len(args)-1])
	l.emit(in)
}

func lowerWarpSync(l *lowerer, m *match) {
	l.emit(instr{kind: opSync, d: l.sink, e: l.source(&m.in.args[0], tB32), run: func(w *warp, in *instr) { w.warpClock() }})
}

func lowerFence(l *lowerer, m *match) {
	if s := m.get("level") + m.get("scope"); s != "cta" {
		l.c.fences = true
	}
	l.emit(instr{d: l.sink, run: func(w *warp, in *instr) {}})
}

// builtin is a function of the device library that is part of every CUDA program.
type builtin struct {
	run func(w *warp, c *callInfo)
}

var builtins = map[string]*builtin{
	"vprintf":      {callPrintf},
	"malloc":       {unsupportedCall("malloc")},
	"free":         {unsupportedCall("free")},
	"__assertfail": {callAssert},
	"__trap":       {func(w *warp, c *callInfo) { w.fault(Trapped, bits.TrailingZeros32(w.mask), "") }},
}

func unsupportedCall(name string) func(*warp, *callInfo) {
	return func(w *warp, c *callInfo) {
		w.fault(Unsupported, bits.TrailingZeros32(w.mask), "%s on the device", name)
	}
}
