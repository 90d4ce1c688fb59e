package ptx

// Loops of the comparisons of 32-bit values.

var setpS32 = map[string]func(*warp, *instr){
	"eq": setpEq, "ne": setpNe, "lt": setpLtS, "le": setpLeS, "gt": setpGtS, "ge": setpGeS,
}

var setpU32 = map[string]func(*warp, *instr){
	"eq": setpEq, "ne": setpNe, "lt": setpLtU, "lo": setpLtU, "le": setpLeU, "ls": setpLeU, "gt": setpGtU, "hi": setpGtU, "ge": setpGeU, "hs": setpGeU,
}

var setpF32 = map[string]func(*warp, *instr){
	"lt": setpLtF, "gt": setpGtF,
}

// put stores the lanes of mask of a predicate.
func (w *warp) setPred(i int32, p uint32) { w.preds[i] = w.preds[i]&^w.mask | p&w.mask }

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func setpEq(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(a[l] == b[l]) << l
	}
	w.setPred(in.d, p)
}

func setpNe(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(a[l] != b[l]) << l
	}
	w.setPred(in.d, p)
}

func setpLtS(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(int32(a[l]) < int32(b[l])) << l
	}
	w.setPred(in.d, p)
}

func setpLeS(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(int32(a[l]) <= int32(b[l])) << l
	}
	w.setPred(in.d, p)
}

func setpGtS(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(int32(a[l]) > int32(b[l])) << l
	}
	w.setPred(in.d, p)
}

func setpGeS(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(int32(a[l]) >= int32(b[l])) << l
	}
	w.setPred(in.d, p)
}

func setpLtU(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(a[l] < b[l]) << l
	}
	w.setPred(in.d, p)
}

func setpLeU(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(a[l] <= b[l]) << l
	}
	w.setPred(in.d, p)
}

func setpGtU(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(a[l] > b[l]) << l
	}
	w.setPred(in.d, p)
}

func setpGeU(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(a[l] >= b[l]) << l
	}
	w.setPred(in.d, p)
}

func setpLtF(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(f32(a[l]) < f32(b[l])) << l
	}
	w.setPred(in.d, p)
}

func setpGtF(w *warp, in *instr) {
	a, b := &w.regs[in.a], &w.regs[in.b]
	var p uint32
	for l := range a {
		p |= bit(f32(a[l]) > f32(b[l])) << l
	}
	w.setPred(in.d, p)
}
