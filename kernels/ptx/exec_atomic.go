package ptx

// atomicOp is an atomic on each of n adjacent elements.
type atomicOp struct {
	access
	f       func(old, b, c uint64) uint64
	d, b, c []int32
	flush   bool // subnormal numbers, in global memory
}

func lowerAtom(l *lowerer, m *match) {
	t := m.typ("type")
	x := &atomicOp{access: access{typ: t, size: t.bytes(), n: vecLen(m), strong: true}}
	x.bytes = x.size * x.n
	args := l.hinted(m)
	in := instr{run: atomic, x: x, d: l.sink}
	for range x.n {
		x.d = append(x.d, l.sink)
	}
	if m.op == "atom" {
		if args[0].kind != argSink {
			x.d = l.vector(&args[0], t, true)
		}
		if x.n == 1 {
			in.d = x.d[0]
		}
		args = args[1:]
	}
	sp := spaceOf(m.get("space"))
	l.addressOf(&args[0], sp, &in, &x.access)
	x.b = l.vector(&args[1], t, false)
	x.c = x.b
	if len(args) > 2 {
		x.c = l.vector(&args[2], t, false)
	}
	x.f = atomicFunc(m.get("op"), t)
	x.flush = t == tF32
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
		if t.isFloat() {
			f := packed(t, floatMinMax(t, op == "max", false, false))
			return func(old, b, _ uint64) uint64 { return f(old, b, 0) }
		}
		f := minMax(t, op == "max", false)
		return func(old, b, _ uint64) uint64 { return f(old, b) }
	}
	if t.isFloat() {
		f := packed(t, arith("add", t, nearest))
		return func(old, b, _ uint64) uint64 { return f(old, b, 0) }
	}
	return func(old, b, _ uint64) uint64 { return (old + b) & mask }
}

// atomic runs the lanes in an order drawn from the seed.
func atomic(w *warp, in *instr) {
	x := in.x.(*atomicOp)
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
		addr := x.addr(w, in, l)
		all := w.view(&x.access, l, addr, x.bytes, accessAtomic)
		flush := x.flush && (x.space == spaceGlobal || x.space == spaceGeneric && addr-sharedBase >= windowSize)
		for e := range x.n {
			b := all[e*x.size : (e+1)*x.size]
			old, u := get(b), w.regs[x.b[e]][l]
			v := old
			if flush {
				// PTX ISA, atom: .add.f32 flushes in global memory, not in shared.
				v, u = flush32(v), flush32(u)
			}
			v = x.f(v, u, w.regs[x.c[e]][l])
			if flush {
				v = flush32(v)
			}
			for k := range x.size {
				b[k] = byte(v >> (8 * k))
			}
			w.regs[x.d[e]][l] = old
		}
	}
}
