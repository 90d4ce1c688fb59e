package ptx

func lowerAtom(l *lowerer, m *match) {
	t := m.typ("type")
	x := &access{typ: t, size: t.bytes(), n: 1, bytes: t.bytes(), strong: true}
	args := m.in.args
	in := instr{run: atomic, x: x, d: l.sink}
	if m.op == "atom" {
		in.d = l.dst(&args[0])
		args = args[1:]
	}
	sp := spaceOf(m.get("space"))
	l.addressOf(&args[0], sp, &in, x)
	in.b = l.source(&args[1], t)
	in.c = in.b
	if len(args) > 2 {
		in.c = l.source(&args[2], t)
	}
	in.f3 = atomicFunc(m.get("op"), t)
	l.ordered(sp, true)
	l.c.fences = l.c.fences || m.has("sem") && m.get("sem") != "relaxed"
	l.emit(in)
}

// atomicFunc returns the new value, from the old one and the operands.
func atomicFunc(op string, t typ) func(old, b, c uint64) uint64 {
	mask := widthMask(t.bits())
	switch op {
	case "and":
		return func(old, b, _ uint64) uint64 { return old & b }
	case "or":
		return func(old, b, _ uint64) uint64 { return old | b }
	case "xor":
		return func(old, b, _ uint64) uint64 { return old ^ b }
	case "exch":
		return func(_, b, _ uint64) uint64 { return b }
	case "cas":
		return func(old, b, c uint64) uint64 {
			if old == b {
				return c
			}
			return old
		}
	case "inc":
		return func(old, b, _ uint64) uint64 {
			if old >= b {
				return 0
			}
			return old + 1
		}
	case "dec":
		return func(old, b, _ uint64) uint64 {
			if old == 0 || old > b {
				return b
			}
			return old - 1
		}
	case "min", "max":
		f := minMax(t, op == "max", false)
		return func(old, b, _ uint64) uint64 { return f(old, b) }
	}
	if t.isFloat() {
		f := packed(t, arith("add", t, nearest))
		return func(old, b, _ uint64) uint64 { return f(old, b, 0) }
	}
	return func(old, b, _ uint64) uint64 { return (old + b) & mask }
}

// atomic runs the lanes in an order that the seed draws.
func atomic(w *warp, in *instr) {
	x := in.x.(*access)
	rot := int(w.block.draw() & 31)
	back := w.block.draw()&1 != 0
	for i := range lanes {
		l := (i + rot) & 31
		if back {
			l = 31 - l
		}
		if w.mask>>l&1 == 0 {
			continue
		}
		b := w.view(x, l, x.addr(w, in, l), x.bytes, accessAtomic)
		old := get(b)
		v := in.f3(old, w.regs[in.b][l], w.regs[in.c][l])
		for k := range x.size {
			b[k] = byte(v >> (8 * k))
		}
		w.regs[in.d][l] = old
	}
}
