package ptx

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// wmma (PTX ISA 9.7.14.4). Which lane holds which element of a fragment is not documented,
// so programs must treat all elements alike. Here element i of a lane with n elements is
// number (lane*n + i) of the matrix in row-major order, modulo its size, since some
// fragments hold elements twice.
const specWmma = `
wmma.load.frag(a b).sync.aligned.layout(row col).shape(m16n16k16 m32n8k16 m8n32k16)[.space(global shared shared::cta)].type(f16) : =f16x2*8, addr, u32? @ wmmaload
wmma.load.frag(a b).sync.aligned.layout(row col).shape(m16n16k16)[.space(global shared shared::cta)].type(bf16) : =b32*4, addr, u32? @ wmmaload
wmma.load.a.sync.aligned.layout(row col).shape(m32n8k16)[.space(global shared shared::cta)].type(bf16) : =b32*8, addr, u32? @ wmmaload
wmma.load.b.sync.aligned.layout(row col).shape(m32n8k16)[.space(global shared shared::cta)].type(bf16) : =b32*2, addr, u32? @ wmmaload
wmma.load.a.sync.aligned.layout(row col).shape(m8n32k16)[.space(global shared shared::cta)].type(bf16) : =b32*2, addr, u32? @ wmmaload
wmma.load.b.sync.aligned.layout(row col).shape(m8n32k16)[.space(global shared shared::cta)].type(bf16) : =b32*8, addr, u32? @ wmmaload
wmma.load.frag(a b).sync.aligned.layout(row col).shape(m16n16k8)[.space(global shared shared::cta)].type(tf32) : =b32*4, addr, u32? @ wmmaload
wmma.load.frag(a b).sync.aligned.layout(row col).shape(m16n16k16)[.space(global shared shared::cta)].type(s8 u8) : =b32*2, addr, u32? @ wmmaload
wmma.load.a.sync.aligned.layout(row col).shape(m32n8k16)[.space(global shared shared::cta)].type(s8 u8) : =b32*4, addr, u32? @ wmmaload
wmma.load.b.sync.aligned.layout(row col).shape(m32n8k16)[.space(global shared shared::cta)].type(s8 u8) : =b32*1, addr, u32? @ wmmaload
wmma.load.a.sync.aligned.layout(row col).shape(m8n32k16)[.space(global shared shared::cta)].type(s8 u8) : =b32*1, addr, u32? @ wmmaload
wmma.load.b.sync.aligned.layout(row col).shape(m8n32k16)[.space(global shared shared::cta)].type(s8 u8) : =b32*4, addr, u32? @ wmmaload
wmma.load.frag(a b).sync.aligned.layout(row col).shape(m8n8k4)[.space(global shared shared::cta)].type(f64) : =f64*1, addr, u32? @ wmmaload
wmma.load.c.sync.aligned.layout(row col).shape(m16n16k16 m32n8k16 m8n32k16)[.space(global shared shared::cta)].type(f16) : =f16x2*4, addr, u32? @ wmmaload
wmma.load.c.sync.aligned.layout(row col).shape(m16n16k16 m32n8k16 m8n32k16 m16n16k8)[.space(global shared shared::cta)].type(f32) : =f32*8, addr, u32? @ wmmaload
wmma.load.c.sync.aligned.layout(row col).shape(m16n16k16 m32n8k16 m8n32k16)[.space(global shared shared::cta)].type(s32) : =s32*8, addr, u32? @ wmmaload
wmma.load.c.sync.aligned.layout(row col).shape(m8n8k4)[.space(global shared shared::cta)].type(f64) : =f64*2, addr, u32? @ wmmaload
wmma.store.d.sync.aligned.layout(row col).shape(m16n16k16 m32n8k16 m8n32k16)[.space(global shared shared::cta)].type(f16) : addr, f16x2*4, u32? @ wmmastore
wmma.store.d.sync.aligned.layout(row col).shape(m16n16k16 m32n8k16 m8n32k16 m16n16k8)[.space(global shared shared::cta)].type(f32) : addr, f32*8, u32? @ wmmastore
wmma.store.d.sync.aligned.layout(row col).shape(m16n16k16 m32n8k16 m8n32k16)[.space(global shared shared::cta)].type(s32) : addr, s32*8, u32? @ wmmastore
wmma.store.d.sync.aligned.layout(row col).shape(m8n8k4)[.space(global shared shared::cta)].type(f64) : addr, f64*2, u32? @ wmmastore
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m16n16k16 m32n8k16 m8n32k16).dtype(f32).ctype(f32) : =f32*8, f16x2*8, f16x2*8, f32*8 @ wmma
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m16n16k16 m32n8k16 m8n32k16).dtype(f16).ctype(f16) : =f16x2*4, f16x2*8, f16x2*8, f16x2*4 @ wmma
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m16n16k16 m32n8k16 m8n32k16).dtype(f32).ctype(f16) : =f32*8, f16x2*8, f16x2*8, f16x2*4 @ wmma
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m16n16k16 m32n8k16 m8n32k16).dtype(f16).ctype(f32) : =f16x2*4, f16x2*8, f16x2*8, f32*8 @ wmma
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m16n16k16).dtype(f32).atype(bf16).btype(bf16).ctype(f32) : =f32*8, b32*4, b32*4, f32*8 @ wmma
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m32n8k16).dtype(f32).atype(bf16).btype(bf16).ctype(f32) : =f32*8, b32*8, b32*2, f32*8 @ wmma
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m8n32k16).dtype(f32).atype(bf16).btype(bf16).ctype(f32) : =f32*8, b32*2, b32*8, f32*8 @ wmma
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m16n16k8).dtype(f32).atype(tf32).btype(tf32).ctype(f32) : =f32*8, b32*4, b32*4, f32*8 @ wmma
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m16n16k16).dtype(s32).atype(s8 u8).btype(s8 u8).ctype(s32)[.satfinite] : =s32*8, b32*2, b32*2, s32*8 @ wmma
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m32n8k16).dtype(s32).atype(s8 u8).btype(s8 u8).ctype(s32)[.satfinite] : =s32*8, b32*4, b32*1, s32*8 @ wmma
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m8n32k16).dtype(s32).atype(s8 u8).btype(s8 u8).ctype(s32)[.satfinite] : =s32*8, b32*1, b32*4, s32*8 @ wmma
wmma.mma.sync.aligned.alayout(row col).blayout(row col).shape(m8n8k4)[.rnd(rn)].dtype(f64).atype(f64).btype(f64).ctype(f64) : =f64*2, f64*1, f64*1, f64*2 @ wmma
`

// fragment is a matrix that a warp holds.
type fragment struct {
	access
	rows, cols int
	row        bool // layout in memory
	stride     int32
	elem       typ
}

func (f *fragment) per() int { return max(f.elem.register()/f.elem.bits(), 1) * len(f.slots) }

// register returns the width of the registers that hold elements of a type.
func (t typ) register() int {
	if t == tF64 {
		return 64
	}
	return 32
}

// at returns the bits of an element.
func (f *fragment) at(w *warp, lane, i int) uint64 {
	n := f.elem.register() / f.elem.bits()
	return w.regs[f.slots[i/n]][lane] >> (i % n * f.elem.bits()) & widthMask(f.elem.bits())
}

func (f *fragment) set(w *warp, lane, i int, v uint64) {
	n, b := f.elem.register()/f.elem.bits(), f.elem.bits()
	r := &w.regs[f.slots[i/n]][lane]
	shift := i % n * b
	*r = *r&^(widthMask(b)<<shift) | v<<shift
}

// shapeOf returns m, n and k of m16n16k16.
func shapeOf(s string) (m, n, k int) {
	p := strings.FieldsFunc(s, func(c rune) bool { return c == 'm' || c == 'n' || c == 'k' })
	m, _ = strconv.Atoi(p[0])
	n, _ = strconv.Atoi(p[1])
	k, _ = strconv.Atoi(p[2])
	return m, n, k
}

func newFragment(m *match, which string, t typ) *fragment {
	mm, n, k := shapeOf(m.get("shape"))
	f := &fragment{rows: mm, cols: n, elem: t}
	switch which {
	case "a":
		f.cols = k
	case "b":
		f.rows = k
	}
	if t == tTF32 {
		t = tF32
	}
	f.access = access{typ: t, size: t.bytes(), n: 1, bytes: t.bytes()}
	return f
}

func lowerWmmaLoad(l *lowerer, m *match)  { l.wmmaMemory(m, 1, 0, wmmaLoad) }
func lowerWmmaStore(l *lowerer, m *match) { l.wmmaMemory(m, 0, 1, wmmaStore) }

func (l *lowerer) wmmaMemory(m *match, addr, regs int, run func(*warp, *instr)) {
	args := m.in.args
	which := m.get("frag") + m.get("a") + m.get("b") + m.get("c")
	f := newFragment(m, which, m.typ("type"))
	f.row = m.get("layout") == "row"
	in := instr{kind: opSync, uniform: true, run: run, x: f, d: l.sink}
	l.addressOf(&args[addr], spaceOf(m.get("space")), &in, &f.access)
	f.slots = l.vector(&args[regs], f.elem, regs == 0)
	switch {
	case len(args) > 2:
		f.stride = l.source(&args[2], tU32)
	case f.row:
		f.stride = l.bits(uint64(f.cols))
	default:
		f.stride = l.bits(uint64(f.rows))
	}
	l.emit(in)
}

// each calls g for every element with its lane, index in the lane and address.
func (f *fragment) each(w *warp, in *instr, g func(lane, i int, addr uint64)) {
	first := bits.TrailingZeros32(w.mask)
	base, stride := f.addr(w, in, first), w.regs[f.stride][first]
	for l := range lanes {
		if w.mask>>l&1 != 0 && (f.addr(w, in, l) != base || w.regs[f.stride][l] != stride) {
			w.fault(BadOperand, l, "address and stride differ from those of lane %d", first)
		}
	}
	if base%32 != 0 {
		w.memFault(Misaligned, first, f.space, base, "a matrix is aligned to 32 bytes")
	}
	n := f.per()
	for l := range lanes {
		for i := range n {
			at := (l*n + i) % (f.rows * f.cols)
			r, c := at/f.cols, at%f.cols
			if !f.row {
				r, c = c, r
			}
			g(l, i, base+(uint64(r)*stride+uint64(c))*uint64(f.size))
		}
	}
}

func wmmaLoad(w *warp, in *instr) {
	f := in.x.(*fragment)
	f.each(w, in, func(l, i int, addr uint64) {
		f.set(w, l, i, get(w.view(&f.access, l, addr, f.size, accessRead)))
	})
}

func wmmaStore(w *warp, in *instr) {
	f := in.x.(*fragment)
	f.each(w, in, func(l, i int, addr uint64) {
		copy(w.view(&f.access, l, addr, f.size, accessWrite), put(f.at(w, l, i), f.size))
	})
}

type wmmaInfo struct {
	a, b, c, d *fragment
	k          int
	satfinite  bool
}

func lowerWmma(l *lowerer, m *match) {
	at, bt := tF16, tF16
	if m.has("atype") {
		at, bt = m.typ("atype"), m.typ("btype")
	}
	if at != bt {
		l.fail(m.in.pos, "wmma.mma of .%v and .%v", at, bt)
	}
	x := &wmmaInfo{a: newFragment(m, "a", at), b: newFragment(m, "b", bt), c: newFragment(m, "c", m.typ("ctype")), d: newFragment(m, "d", m.typ("dtype")), satfinite: m.has("satfinite")}
	_, _, x.k = shapeOf(m.get("shape"))
	for i, f := range []*fragment{x.d, x.a, x.b, x.c} {
		f.slots = l.vector(&m.in.args[i], f.elem, i == 0)
	}
	l.emit(instr{kind: opSync, uniform: true, run: wmma, x: x, d: l.sink})
}

// matrix gathers a fragment's values.
func (f *fragment) matrix(w *warp) []uint64 {
	out := make([]uint64, f.rows*f.cols)
	n := f.per()
	for l := range lanes {
		for i := range n {
			out[(l*n+i)%len(out)] = f.at(w, l, i)
		}
	}
	return out
}

func wmma(w *warp, in *instr) {
	x := in.x.(*wmmaInfo)
	a, b, c := x.a.matrix(w), x.b.matrix(w), x.c.matrix(w)
	rows, cols := x.d.rows, x.d.cols
	out := make([]uint64, rows*cols)
	df, cf, af := formatOf(x.d.elem), formatOf(x.c.elem), formatOf(x.a.elem)
	decode := func(v uint64) float64 {
		if x.a.elem == tTF32 {
			return float64(f32(v &^ 0x1fff))
		}
		return af.decode(v)
	}
	for r := range rows {
		for j := range cols {
			o := r*cols + j
			switch {
			case x.a.elem == tF64:
				s := f64(c[o])
				for k := range x.k {
					s = math.FMA(f64(a[r*x.k+k]), f64(b[k*cols+j]), s)
				}
				out[o] = b64(s)
			case !x.a.elem.isFloat():
				s := int64(int32(c[o]))
				for k := range x.k {
					s += small(a[r*x.k+k], x.a.elem) * small(b[k*cols+j], x.b.elem)
				}
				out[o] = uint64(uint32(s))
				if x.satfinite {
					out[o] = saturate32(s)
				}
			default:
				s := float32(cf.decode(c[o]))
				for k := range x.k {
					s += float32(float32(decode(a[r*x.k+k])) * float32(decode(b[k*cols+j])))
				}
				out[o] = df.encode(float64(s), nearest)
			}
		}
	}
	n := x.d.per()
	for l := range lanes {
		for i := range n {
			x.d.set(w, l, i, out[(l*n+i)%len(out)])
		}
	}
	w.block.wk.macs += int64(rows * cols * x.k)
}

func small(v uint64, t typ) int64 {
	if t.isSigned() {
		return sx(v, 8)
	}
	return int64(v)
}
