package ptx

// With Config.Fuse, an add or sub without a rounding modifier becomes a fused multiply-add
// if it uses the result of a mul without one in the same basic block, as ptxas may do. The
// mul is still executed.

// fusable is a mul whose unrounded product a later add or sub may use.
type fusable struct {
	a, b int32 // slots that hold its operands
	typ  typ
	ftz  bool
}

// fused returns the module lowered with fused instructions.
func (m *Module) fused() (*Module, error) { return parse(m.Name, m.src.text, true) }

// noteMul keeps the operands of a mul for a later add.
func (l *lowerer) noteMul(m *match) {
	args, t := m.in.args, m.typ("type")
	if m.has("rnd") || m.has("sat") || m.in.guard != nil || t != tF32 && t != tF64 {
		return
	}
	f := fusable{l.slot(), l.slot(), t, m.has("ftz")}
	l.emit(instr{run: mov, d: f.a, a: l.source(&args[1], t)})
	l.emit(instr{run: mov, d: f.b, a: l.source(&args[2], t)})
	l.pendingMul = &f
}

// endStatement keeps the table of products up to date after a statement.
func (l *lowerer) endStatement(i int) {
	s := &l.flow.steps[i]
	for _, r := range s.defs {
		delete(l.products, r)
	}
	if l.pendingMul != nil {
		l.products[l.f.body[i].inst.args[0].reg] = *l.pendingMul
		l.pendingMul = nil
	}
	if s.next[0] != int32(i+1) || s.next[1] >= 0 || s.more != nil {
		clear(l.products)
	}
}

// fuse emits an add or sub as a fused multiply-add, if it can.
func (l *lowerer) fuse(m *match) bool {
	args, t := m.in.args, m.typ("type")
	if m.has("rnd") || m.has("sat") || t != tF32 && t != tF64 {
		return false
	}
	sign := uint64(1) << (t.bits() - 1)
	g := modified(m, t, arith("fma", t, nearest))
	for i := 1; i <= 2; i++ {
		if args[i].kind != argReg {
			continue
		}
		p, ok := l.products[args[i].reg]
		if !ok || p.typ != t || p.ftz != m.has("ftz") {
			continue
		}
		var flipP, flipC uint64
		if m.op == "sub" && i == 1 {
			flipC = sign
		} else if m.op == "sub" {
			flipP = sign
		}
		l.emit(instr{run: lane3, d: l.dst(&args[0]), a: p.a, b: p.b, c: l.source(&args[3-i], t),
			f3: func(a, b, c uint64) uint64 { return g(a^flipP, b, c^flipC) }})
		return true
	}
	return false
}
