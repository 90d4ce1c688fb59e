package ptx

// lowerer turns a function's statements into decoded instructions.
type lowerer struct {
	*parser
	f             *function
	c             *code
	regs          map[*register]int32
	constant      map[constant]int32
	special       map[special]int32
	local         map[int64]int32
	sink          int32
	start         []int32 // index of the instruction of each statement
	cur           *inst
	allPreds      map[*register]int32
	sinkP         int32
	fixups        []fixup
	zeroP, carryP int32
	tables        []tableFix
	flow          *flow
	products      map[*register]fusable
	pendingMul    *fusable
	maybe, sets   [][]*register // of each statement: registers to watch
}

// fixup is a branch whose target's index is not known yet.
type fixup struct {
	at   int
	name string
	in   *inst
}

// finish lowers all functions after the whole module has been parsed.
func (p *parser) finish() {
	p.layout()
	for _, f := range p.module.funcs {
		if f.defined {
			p.lower(f)
		}
	}
	for _, v := range p.module.vars {
		for _, r := range v.relocs {
			if p.global.vars[r.name] == nil && p.module.byName[r.name] == nil {
				p.fail(r.pos, "unknown symbol %q", r.name)
			}
		}
	}
}

func align(n, to int64) int64 { return (n + to - 1) / to * to }

// layout assigns offsets to variables.
func (p *parser) layout() {
	for _, f := range p.module.funcs {
		var off int64
		place := func(list []*variable) {
			for i, v := range list {
				off = align(off, v.align)
				v.index, v.offset = i, off
				off += v.size
				if off > maxVarSize {
					p.fail(v.pos, "%s does not fit in its space", v.name)
				}
			}
		}
		place(f.params)
		f.paramBytes = off
		if f.entry && off > 32764 {
			p.fail(f.pos, "%s has %d bytes of parameters, more than 32764", f.name, off)
		}
		place(f.results)
		place(f.callParams)
		f.paramFrame = off
		off = 0
		place(f.locals)
		f.localBytes = align(off, 16)
	}
}

func (p *parser) lower(f *function) {
	l := &lowerer{
		parser: p, f: f, c: &code{unit: 16}, regs: map[*register]int32{}, constant: map[constant]int32{},
		special: map[special]int32{}, local: map[int64]int32{}, allPreds: map[*register]int32{},
		products: map[*register]fusable{},
	}
	f.code = l.c
	l.zeroP, l.carryP = -1, -1
	l.c.formals = map[*variable]int32{}
	for _, v := range append(append([]*variable(nil), f.params...), f.results...) {
		if v.reg != nil {
			l.c.formals[v] = l.register(v.reg)
		}
	}
	l.sink = l.slot()
	l.sinkP = l.pred()
	l.start = make([]int32, len(f.body)+1)
	l.maybe, l.sets = make([][]*register, len(f.body)), make([][]*register, len(f.body))
	l.flow = l.steps()
	l.place(l.flow)
	for i := range f.body {
		s := &f.body[i]
		l.start[i] = int32(len(l.c.ins))
		if s.inst == nil {
			clear(l.products)
			continue
		}
		l.cur = s.inst
		from := len(l.c.ins)
		m := l.flow.steps[i].m
		m.lower(l, m)
		l.watch(i, from)
		if l.fusing {
			l.endStatement(i)
		}
	}
	l.start[len(f.body)] = int32(len(l.c.ins))
	// Running off the end returns.
	end := &inst{op: "ret", pos: f.pos}
	if n := len(f.body); n > 0 {
		end.pos = f.body[n-1].pos
	}
	l.cur = end
	l.emit(instr{kind: opReturn})
	for _, fix := range l.fixups {
		l.c.ins[fix.at].target = l.labelIndex(fix.in, fix.name)
	}
	for _, t := range l.tables {
		l.c.ins[t.at].x.([]int32)[t.i] = l.labelIndex(t.in, t.name)
	}
}

func (l *lowerer) labelIndex(in *inst, name string) int32 {
	for s := in.scope; s != nil; s = s.outer {
		if i, ok := s.labels[name]; ok {
			return l.start[i]
		}
	}
	l.fail(in.pos, "unknown label %q", name)
	return 0
}

func (l *lowerer) slot() int32 {
	l.c.slots++
	return int32(l.c.slots - 1)
}

func (l *lowerer) pred() int32 {
	l.c.preds++
	return int32(l.c.preds - 1)
}

// emit appends an instruction with the guard of the one being lowered.
func (l *lowerer) emit(i instr) *instr {
	i.src = l.cur
	i.guard = -1
	if l.cur.guard != nil {
		i.guard = l.predicate(l.cur.guard)
		i.guardNot = l.cur.guardNot
	}
	l.module.count++
	i.id = l.module.count
	l.c.ins = append(l.c.ins, i)
	return &l.c.ins[len(l.c.ins)-1]
}

func (l *lowerer) predicate(r *register) int32 {
	n, ok := l.allPreds[r]
	if !ok {
		n = l.pred()
		l.allPreds[r] = n
	}
	return n
}

func (l *lowerer) register(r *register) int32 {
	if r.typ == tPred {
		return l.predicate(r)
	}
	n, ok := l.regs[r]
	if !ok {
		n = l.slot()
		l.regs[r] = n
	}
	return n
}

// bits returns a slot that holds a constant.
func (l *lowerer) bits(v uint64) int32 { return l.constantSlot(constant{bits: v}) }

func (l *lowerer) constantSlot(c constant) int32 {
	n, ok := l.constant[c]
	if !ok {
		n = l.slot()
		l.constant[c] = n
		c.slot = n
		l.c.consts = append(l.c.consts, c)
	}
	return n
}

// dst returns the slot, or predicate, of a destination.
func (l *lowerer) dst(o *operand) int32 {
	if o.kind == argSink {
		return l.sink
	}
	return l.register(o.reg)
}

// dst2 returns the predicate of the second destination, or -1.
func (l *lowerer) dst2(o *operand) int32 {
	if o.second == nil || o.second.kind == argSink {
		return -1
	}
	return l.predicate(o.second.reg)
}

// source returns the slot of a source of type t.
func (l *lowerer) source(o *operand, t typ) int32 {
	switch o.kind {
	case argReg:
		return l.register(o.reg)
	case argInt, argFloat:
		return l.bits(o.as(t))
	case argSpecial:
		s := specials[o.text].kind
		if s.dynamic() {
			d := l.slot()
			l.emit(instr{run: readSpecial, d: d, imm: int64(s)})
			return d
		}
		n, ok := l.special[s]
		if !ok {
			n = l.slot()
			l.special[s] = n
			l.c.specials = append(l.c.specials, specialSlot{n, s})
		}
		return n
	case argSymbol:
		return l.symbol(o.sym, o.offset, t.bits() == 32)
	case argName:
		return l.constantSlot(constant{fn: l.module.byName[o.text]})
	}
	l.fail(o.pos, "operand %s is not allowed here", o.text)
	return 0
}

// symbol returns a slot that holds the address of a variable.
func (l *lowerer) symbol(v *variable, off int64, narrow bool) int32 {
	if v.space == spaceLocal {
		at := v.offset + off
		n, ok := l.local[at]
		if !ok {
			n = l.slot()
			l.local[at] = n
			l.c.locals = append(l.c.locals, localSlot{n, at})
		}
		return n
	}
	return l.constantSlot(constant{sym: v, bits: uint64(off), narrow: narrow})
}

// args resolves the sources of the instruction, from the given one on, to slots.
func (l *lowerer) args(m *match, from int) []int32 {
	var out []int32
	for i := from; i < len(m.in.args); i++ {
		out = append(out, l.source(&m.in.args[i], m.typeOf(m.args[i].typ)))
	}
	return out
}

// vector resolves the elements of a vector operand, or a scalar.
func (l *lowerer) vector(o *operand, t typ, dst bool) []int32 {
	one := func(e *operand) int32 {
		if dst {
			return l.dst(e)
		}
		return l.source(e, t)
	}
	if o.kind != argVector {
		return []int32{one(o)}
	}
	out := make([]int32, len(o.elems))
	for i := range o.elems {
		out[i] = one(&o.elems[i])
	}
	return out
}

func widthMask(bits int) uint64 {
	if bits >= 64 {
		return ^uint64(0)
	}
	return 1<<bits - 1
}

// regBits returns the width of a destination register.
func regBits(o *operand, t typ) int {
	if o.kind == argReg {
		return o.reg.typ.bits()
	}
	return t.bits()
}
