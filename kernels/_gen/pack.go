package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// format mirrors gemm's: what is packed.
type format string

const (
	plain   format = "Plain"   // f32
	rounded format = "Rounded" // f32, rounded to bf16
	wide    format = "Wide"    // bf16
	keys    format = "Keys"    // bf16, of thin products only
	// The same two, as words of two values for VDPBF16PS: the even index below,
	// the odd one above.
	pairRounded format = "PairRounded"
	pairWide    format = "PairWide"
)

func (f format) pointer() string {
	if f == wide || f == pairWide {
		return "*uint16"
	}
	return "*float32"
}

// size returns the size of an element in memory.
func (f format) size() int {
	if f == wide || f == pairWide {
		return 2
	}
	return 4
}

// packs generates the packing functions, in AVX2 for every path.
func (s *isa) packs() {
	if s.width != 8 {
		return
	}
	for _, f := range []format{plain, rounded, wide} {
		for _, lanes := range []int{4, 6, 8} {
			s.along(f, lanes)
		}
		for _, lanes := range []int{6, 12, 16, 32} {
			s.down(f, lanes)
		}
	}
	for _, f := range []format{pairRounded, pairWide} {
		for _, lanes := range []int{4, 8} {
			s.along(f, lanes)
		}
		for _, lanes := range []int{12, 32} {
			s.pairDown(f, lanes)
		}
	}
}

// panelAhead is the number of bytes by which a panel is prefetched before it is
// written.
const panelAhead = 1024

// along generates
//
//	func along<lanes><format>(dst *float32, step int, src T, stride, blocks int)
//
// which transposes lanes rows of src, stride bytes apart, over 8·blocks columns into
// dst: one row of lanes values for each column, step bytes apart. The formats Rounded
// and Wide put the odd column of each pair first; the pair formats make one row of
// words from two columns.
func (s *isa) along(f format, lanes int) {
	TEXT(name("along%d%s", lanes, f), NOSPLIT, "func(dst *float32, step int, src "+f.pointer()+", stride int, blocks int)")
	Doc(name("along%d%s transposes %d rows into a panel, see kernels/_gen/pack.go.", lanes, f, lanes))
	dst := Load(Param("dst"), GP64())
	step := Load(Param("step"), GP64())
	src := Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	blocks := Load(Param("blocks"), GP64())
	step3, stride3, src4 := GP64(), GP64(), GP64()
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, step3)
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	LEAQ(Mem{Base: src, Index: stride, Scale: 4}, src4)
	next, next4 := GP64(), GP64() // the rows after these, prefetched while these are used
	switch lanes {
	case 4:
		MOVQ(src4, next)
	case 6:
		LEAQ(Mem{Base: src, Index: stride3, Scale: 2}, next)
	case 8:
		LEAQ(Mem{Base: src, Index: stride, Scale: 8}, next)
	}
	LEAQ(Mem{Base: next, Index: stride, Scale: 4}, next4)
	var r rounder
	if f != plain {
		r = newRounder(f == rounded || f == pairRounded)
	}
	at := func(base, unit, triple reg.Register, i int) Mem {
		switch i {
		case 0:
			return Mem{Base: base}
		case 3:
			return Mem{Base: base, Index: triple, Scale: 1}
		}
		return Mem{Base: base, Index: unit, Scale: uint8(i)}
	}
	store := func(v reg.VecPhysical, q int) {
		m := at(dst, step, step3, q)
		switch lanes {
		case 8:
			VMOVUPS(v, m)
		case 4:
			VMOVUPS(v.AsX(), m)
		default:
			VMOVUPS(v.AsX(), m)
			VEXTRACTF128(Imm(1), v, reg.X10)
			VMOVSD(reg.X10, m.Offset(16))
		}
	}
	// quad transposes 4 columns (or, of bf16, 4 pairs of columns) at offset.
	quad := func(offset int) []reg.VecPhysical {
		y := s.regs[:4]
		for i := range y {
			VMOVUPS(at(src, stride, stride3, i).Offset(offset), y[i].AsX())
			if i+4 < lanes {
				VINSERTF128(Imm(1), at(src4, stride, stride3, i).Offset(offset), y[i], y[i])
			}
			if f == rounded || f == pairRounded {
				r.round(y[i])
			}
		}
		transpose(y, s.regs[4:8])
		return y
	}
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	Label("block")
	for i := range lanes {
		if i < 4 {
			PREFETCHT0(at(next, stride, stride3, i))
		} else {
			PREFETCHT0(at(next4, stride, stride3, i-4))
		}
	}
	for i := range lanes / 2 {
		PREFETCHT0(Mem{Base: dst, Disp: panelAhead + 64*i})
	}
	switch f {
	case pairWide:
		for q, v := range quad(0) {
			store(v, q)
		}
		LEAQ(Mem{Base: dst, Index: step, Scale: 4}, dst)
		ADDQ(Imm(16), src)
		ADDQ(Imm(16), src4)
		ADDQ(Imm(16), next)
		ADDQ(Imm(16), next4)
	case pairRounded:
		for half := range 2 {
			y := quad(16 * half)
			for q := range 2 {
				VPSRLD(Imm(16), y[2*q], y[2*q])
				VPOR(y[2*q], y[2*q+1], y[2*q])
				store(y[2*q], 2*half+q)
			}
		}
		LEAQ(Mem{Base: dst, Index: step, Scale: 4}, dst)
		ADDQ(Imm(32), src)
		ADDQ(Imm(32), src4)
		ADDQ(Imm(32), next)
		ADDQ(Imm(32), next4)
	case wide:
		y := quad(0)
		for half := range 2 {
			for q := range 2 {
				odd, even := reg.Y8, reg.Y9
				VPAND(r.high, y[2*half+q], odd)
				VPSLLD(Imm(16), y[2*half+q], even)
				store(odd, 2*q)
				store(even, 2*q+1)
			}
			LEAQ(Mem{Base: dst, Index: step, Scale: 4}, dst)
		}
		ADDQ(Imm(16), src)
		ADDQ(Imm(16), src4)
		ADDQ(Imm(16), next)
		ADDQ(Imm(16), next4)
	default:
		for half := range 2 {
			for q, v := range quad(16 * half) {
				if f == rounded {
					q ^= 1
				}
				store(v, q)
			}
			LEAQ(Mem{Base: dst, Index: step, Scale: 4}, dst)
		}
		ADDQ(Imm(32), src)
		ADDQ(Imm(32), src4)
		ADDQ(Imm(32), next)
		ADDQ(Imm(32), next4)
	}
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}

// transpose replaces 4 rows by their columns, in each half of the registers.
func transpose(y, t []reg.VecPhysical) {
	VUNPCKLPS(y[1], y[0], t[0])
	VUNPCKHPS(y[1], y[0], t[1])
	VUNPCKLPS(y[3], y[2], t[2])
	VUNPCKHPS(y[3], y[2], t[3])
	VUNPCKLPD(t[2], t[0], y[0])
	VUNPCKHPD(t[2], t[0], y[1])
	VUNPCKLPD(t[3], t[1], y[2])
	VUNPCKHPD(t[3], t[1], y[3])
}

// rounder rounds float32 registers to bf16, to nearest even. Its constants are in
// registers, Y12 to Y15, or, where registers are scarce, in memory. Y8 and Y9 are
// scratch.
type rounder struct {
	one, bias, high, quiet Op
	nan, t                 reg.VecPhysical
}

// newRounder loads the constants. Unless full is set, it loads only the mask of the
// high half.
func newRounder(full bool) rounder {
	constant := func(v uint32, y reg.VecPhysical) Op {
		t := GP32()
		MOVL(U32(v), t)
		VMOVD(t, y.AsX())
		VPBROADCASTD(y.AsX(), y)
		return y
	}
	r := rounder{high: constant(0xffff0000, reg.Y12), nan: reg.Y8, t: reg.Y9}
	if full {
		r.one, r.bias, r.quiet = constant(1, reg.Y13), constant(0x7fff, reg.Y14), constant(0x7fc00000, reg.Y15)
	}
	return r
}

// round rounds y in place; NaN becomes a quiet NaN.
func (r rounder) round(y reg.VecPhysical) {
	VCMPPS(Imm(3), y, y, r.nan)
	VPAND(r.quiet, r.nan, r.nan)
	VPSRLD(Imm(16), y, r.t)
	VPAND(r.one, r.t, r.t)
	VPADDD(r.bias, r.t, r.t)
	VPADDD(r.t, y, y)
	VPAND(r.high, y, y)
	VPOR(r.nan, y, y)
}

// roundingConstants defines a rounder's constants in memory: one, bias, high and
// quiet.
func roundingConstants() Mem {
	if roundingData.Symbol.Name != "" {
		return roundingData
	}
	roundingData = GLOBL("rounding", RODATA|NOPTR)
	for i, v := range []uint32{1, 0x7fff, 0xffff0000, 0x7fc00000} {
		for j := range 8 {
			DATA(32*i+4*j, U32(v))
		}
	}
	return roundingData
}

var roundingData Mem

// rowsAhead is the number of rows by which rows are prefetched.
const rowsAhead = 8

// down generates
//
//	func down<lanes><format>(dst *float32, panel int, src T, stride int, rows *int32, k, panels int)
//
// which copies lanes consecutive values of each of the k listed rows, stride bytes
// apart, to consecutive rows of a panel, and the values after them to the next panels,
// panel bytes apart. -1 stands for a row of zeros.
func (s *isa) down(f format, lanes int) {
	TEXT(name("down%d%s", lanes, f), NOSPLIT, "func(dst *float32, panel int, src "+f.pointer()+", stride int, rows *int32, k int, panels int)")
	Doc(name("down%d%s copies listed rows into panels, see kernels/_gen/pack.go.", lanes, f))
	dst := Load(Param("dst"), GP64())
	panel := Load(Param("panel"), GP64())
	src := Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	rows := Load(Param("rows"), GP64())
	k := Load(Param("k"), GP64())
	panels := Load(Param("panels"), GP64())
	var r rounder
	if f == rounded {
		r = newRounder(true)
	}
	at, to, left, ahead := GP64(), GP64(), GP64(), GP64()
	TESTQ(k, k)
	JZ(LabelRef("done"))
	Label("row")
	MOVLQSX(Mem{Base: rows}, at)
	ADDQ(Imm(4), rows)
	MOVQ(dst, to)
	MOVQ(panels, left)
	TESTQ(at, at)
	JL(LabelRef("zero"))
	IMULQ(stride, at)
	ADDQ(src, at)
	size := f.size()
	LEAQ(Mem{Base: at, Index: stride, Scale: rowsAhead}, ahead)
	Label("panel")
	PREFETCHT0(Mem{Base: ahead})
	ADDQ(imm(lanes*size), ahead)
	for l, i := 0, 0; l < lanes; i++ {
		n := chunk(lanes - l)
		from, to := Mem{Base: at, Disp: l * size}, Mem{Base: to, Disp: l * 4}
		y := s.regs[i%2]
		switch {
		case f == wide && n == 8:
			VPMOVZXWD(from, y)
			VPSLLD(Imm(16), y, y)
		case f == wide && n == 4:
			VPMOVZXWD(from, y.AsX())
			VPSLLD(Imm(16), y.AsX(), y.AsX())
		case f == wide:
			VMOVD(from, y.AsX())
			VPMOVZXWD(y.AsX(), y.AsX())
			VPSLLD(Imm(16), y.AsX(), y.AsX())
		case n == 8:
			VMOVUPS(from, y)
		case n == 4:
			VMOVUPS(from, y.AsX())
		default:
			VMOVSD(from, y.AsX())
		}
		if f == rounded {
			r.round(y)
		}
		storeChunk(y, to, n)
		l += n
	}
	ADDQ(imm(lanes*size), at)
	ADDQ(panel, to)
	DECQ(left)
	JNZ(LabelRef("panel"))
	Label("next")
	ADDQ(imm(4*lanes), dst)
	DECQ(k)
	JNZ(LabelRef("row"))
	Label("done")
	VZEROUPPER()
	RET()
	Label("zero")
	s.zero(s.regs[0])
	Label("zeros")
	for l := 0; l < lanes; {
		n := chunk(lanes - l)
		storeChunk(s.regs[0], Mem{Base: to, Disp: l * 4}, n)
		l += n
	}
	ADDQ(panel, to)
	DECQ(left)
	JNZ(LabelRef("zeros"))
	JMP(LabelRef("next"))
}

// chunk returns the number of remaining lanes to move at once: 8, 4 or 2.
func chunk(rest int) int {
	n := 8
	for n > rest {
		n /= 2
	}
	return n
}

func storeChunk(y reg.VecPhysical, to Mem, n int) {
	switch n {
	case 8:
		VMOVUPS(y, to)
	case 4:
		VMOVUPS(y.AsX(), to)
	default:
		VMOVSD(y.AsX(), to)
	}
}

// pairDown generates
//
//	func down<lanes><format>(dst *float32, src T, stride int, rows *int32, k int, zeros T)
//
// which joins k pairs of listed rows, the even one first, into rows of words. -1 stands
// for the row zeros.
func (s *isa) pairDown(f format, lanes int) {
	TEXT(name("down%d%s", lanes, f), NOSPLIT, "func(dst *float32, src "+f.pointer()+", stride int, rows *int32, k int, zeros "+f.pointer()+")")
	Doc(name("down%d%s joins pairs of listed rows into a panel, see kernels/_gen/pack.go.", lanes, f))
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	rows := Load(Param("rows"), GP64())
	k := Load(Param("k"), GP64())
	zeros := Load(Param("zeros"), GP64())
	var r rounder
	if f == pairRounded {
		r = newRounder(true)
	}
	even, odd := GP64(), GP64()
	TESTQ(k, k)
	JZ(LabelRef("done"))
	Label("row")
	for i, at := range []reg.Register{even, odd} {
		MOVLQSX(Mem{Base: rows, Disp: 4 * i}, at)
		present := GP64()
		MOVQ(at, present)
		IMULQ(stride, at)
		ADDQ(src, at)
		TESTQ(present, present)
		CMOVQLT(zeros, at)
	}
	ADDQ(Imm(8), rows)
	size := f.size()
	for l := 0; l < lanes; l += 8 {
		whole := lanes-l >= 8
		part := func(y reg.VecPhysical) reg.Register {
			if whole {
				return y
			}
			return y.AsX()
		}
		for i, from := range []reg.Register{even, odd} {
			m, y := Mem{Base: from, Disp: l * size}, s.regs[i]
			if f == pairRounded {
				VMOVUPS(m, part(y))
				r.round(y)
			} else {
				VPMOVZXWD(m, part(y))
			}
		}
		if f == pairRounded {
			VPSRLD(Imm(16), s.regs[0], s.regs[0])
		} else {
			VPSLLD(Imm(16), s.regs[1], s.regs[1])
		}
		VPOR(s.regs[0], s.regs[1], s.regs[0])
		VMOVUPS(part(s.regs[0]), Mem{Base: dst, Disp: 4 * l})
	}
	ADDQ(imm(4*lanes), dst)
	DECQ(k)
	JNZ(LabelRef("row"))
	Label("done")
	VZEROUPPER()
	RET()
}
