package ptx

// Loops of the comparisons of 32-bit values.

var setpS32 = map[string]func(*warp, *instr){
	"eq": setpEq, "ne": setpNe, "lt": setpLtS, "le": setpLeS, "gt": setpGtS, "ge": setpGeS,
}

var setpU32 = map[string]func(*warp, *instr){
	"eq": setpEq, "ne": setpNe, "lt": setpLtU, "lo": setpLtU, "le": setpLeU, "ls": setpLeU, "gt": setpGtU, "hi": setpGtU, "ge": setpGeU, "hs": setpGeU,
}

var setpF32 = map[string]func(*warp, *instr){
	"eq": setpEqF, "neu": setpNeuF, "lt": setpLtF, "le": setpLeF, "gt": setpGtF, "ge": setpGeF,
}

// setPred stores the lanes of mask of a predicate.
func (w *warp) setPred(i int32, p uint32) { w.preds[i] = w.preds[i]&^w.mask | p&w.mask }

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func equalPlain(a, b *vec) (p uint32) {
	for l := range a {
		p |= bit(a[l] == b[l]) << l
	}
	return p
}

func greaterU32Plain(a, b *vec) (p uint32) {
	for l := range a {
		p |= bit(a[l] > b[l]) << l
	}
	return p
}

func greaterS32Plain(a, b *vec) (p uint32) {
	for l := range a {
		p |= bit(int32(a[l]) > int32(b[l])) << l
	}
	return p
}

func setpEq(w *warp, in *instr)  { w.setPred(in.d, equalLanes(&w.regs[in.a], &w.regs[in.b])) }
func setpNe(w *warp, in *instr)  { w.setPred(in.d, ^equalLanes(&w.regs[in.a], &w.regs[in.b])) }
func setpGtS(w *warp, in *instr) { w.setPred(in.d, greaterS32(&w.regs[in.a], &w.regs[in.b])) }
func setpLeS(w *warp, in *instr) { w.setPred(in.d, ^greaterS32(&w.regs[in.a], &w.regs[in.b])) }
func setpLtS(w *warp, in *instr) { w.setPred(in.d, greaterS32(&w.regs[in.b], &w.regs[in.a])) }
func setpGeS(w *warp, in *instr) { w.setPred(in.d, ^greaterS32(&w.regs[in.b], &w.regs[in.a])) }
func setpGtU(w *warp, in *instr) { w.setPred(in.d, greaterU32(&w.regs[in.a], &w.regs[in.b])) }
func setpLeU(w *warp, in *instr) { w.setPred(in.d, ^greaterU32(&w.regs[in.a], &w.regs[in.b])) }
func setpLtU(w *warp, in *instr) { w.setPred(in.d, greaterU32(&w.regs[in.b], &w.regs[in.a])) }
func setpGeU(w *warp, in *instr) { w.setPred(in.d, ^greaterU32(&w.regs[in.b], &w.regs[in.a])) }

func greaterF32(a, b *vec) (p uint32) {
	for l := range a {
		p |= bit(f32(a[l]) > f32(b[l])) << l
	}
	return p
}

func greaterEqualF32(a, b *vec) (p uint32) {
	for l := range a {
		p |= bit(f32(a[l]) >= f32(b[l])) << l
	}
	return p
}

func equalF32(a, b *vec) (p uint32) {
	for l := range a {
		p |= bit(f32(a[l]) == f32(b[l])) << l
	}
	return p
}

func setpEqF(w *warp, in *instr)  { w.setPred(in.d, equalF32(&w.regs[in.a], &w.regs[in.b])) }
func setpNeuF(w *warp, in *instr) { w.setPred(in.d, ^equalF32(&w.regs[in.a], &w.regs[in.b])) }
func setpGtF(w *warp, in *instr)  { w.setPred(in.d, greaterF32(&w.regs[in.a], &w.regs[in.b])) }
func setpLtF(w *warp, in *instr)  { w.setPred(in.d, greaterF32(&w.regs[in.b], &w.regs[in.a])) }
func setpGeF(w *warp, in *instr)  { w.setPred(in.d, greaterEqualF32(&w.regs[in.a], &w.regs[in.b])) }
func setpLeF(w *warp, in *instr)  { w.setPred(in.d, greaterEqualF32(&w.regs[in.b], &w.regs[in.a])) }
