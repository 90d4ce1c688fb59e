package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// thinGroups is the number of groups of 8 columns that a thin product of so
// many rows keeps in flight: enough chains to hide the latency of FMA, in the
// registers that the transposition leaves.
func thinGroups(rows int) int { return max(1, min(2, 8/rows)) }

// thin generates the products of few rows, in AVX2 for every path.
func (s *isa) thin() {
	if s.width != 8 {
		return
	}
	for rows := 1; rows <= 8; rows++ {
		s.thinProduct(rows, plain)
		s.thinProduct(rows, rounded)
	}
	s.fetch()
}

// fetch generates
//
//	func fetch(p *float32, lines int)
//
// which asks for so many lines of memory and waits for none.
func (s *isa) fetch() {
	TEXT("fetch", NOSPLIT, "func(p *float32, lines int)")
	Doc("fetch asks for lines of 64 bytes from p on.")
	p := Load(Param("p"), GP64())
	lines := Load(Param("lines"), GP64())
	JMP(LabelRef("test"))
	Label("line")
	PREFETCHT0(Mem{Base: p})
	ADDQ(Imm(64), p)
	DECQ(lines)
	Label("test")
	TESTQ(lines, lines)
	JNZ(LabelRef("line"))
	RET()
}

// thinProduct generates
//
//	func thin<rows><format>(c, x, w, next *float32, stride, blocks int)
//
// which computes the chains of rows×(8·groups) elements over 4·blocks indices:
// c[r·8·groups + j] = Σ x[k·rows + r]·w[j·stride + k], stride in bytes. Rows of
// w are transposed in registers, 4 columns at a time. The rounded form rounds
// w, takes the odd index of each pair first (x is packed that way) and flushes
// denormals. As many bytes from next on, where the rows after these begin, are
// prefetched in order of addresses, which memory likes better than many
// streams.
func (s *isa) thinProduct(rows int, f format) {
	groups := thinGroups(rows)
	TEXT(name("thin%d%s", rows, f), NOSPLIT, "func(c *float32, x *float32, w *float32, next *float32, stride int, blocks int)")
	Doc(name("thin%d%s computes %d rows and %d columns, see kernels/_gen/thin.go.", rows, f, rows, 8*groups))
	c := Load(Param("c"), GP64())
	x := Load(Param("x"), GP64())
	w := Load(Param("w"), GP64())
	stride := Load(Param("stride"), GP64())
	blocks := Load(Param("blocks"), GP64())
	var slot Mem
	var round rounder
	if f == rounded {
		slot = AllocLocal(8)
		mode := GP64()
		MOVQ(U32(modeFlush), mode)
		enterFlush(slot, mode, "entered")
		data := thinConstants()
		round = rounder{data, data.Offset(32), data.Offset(64), data.Offset(96), reg.Y4, reg.Y5}
	}
	stride3, group := GP64(), GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	LEAQ(Mem{Index: stride, Scale: 8, Base: stride}, group)
	SUBQ(stride, group) // 8 rows
	ahead := Load(Param("next"), GP64())

	// Y0 to Y3 hold rows, then columns of w; Y4 to Y7 are scratch.
	acc := func(g, r int) reg.VecPhysical { return s.regs[8+g*rows+r] }
	for i := range groups * rows {
		s.zero(s.regs[8+i])
	}
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	Label("block")
	base, base4 := GP64(), GP64()
	MOVQ(w, base)
	for g := range groups {
		for i := range 2 {
			PREFETCHT0(Mem{Base: ahead, Disp: 128*g + 64*i})
		}
		LEAQ(Mem{Base: base, Index: stride, Scale: 4}, base4)
		at := func(b reg.Register, i int) Mem {
			switch i {
			case 0:
				return Mem{Base: b}
			case 3:
				return Mem{Base: b, Index: stride3, Scale: 1}
			}
			return Mem{Base: b, Index: stride, Scale: uint8(i)}
		}
		y := s.regs[:4]
		for i := range y {
			VMOVUPS(at(base, i), y[i].AsX())
			VINSERTF128(Imm(1), at(base4, i), y[i], y[i])
			if f == rounded {
				round.round(y[i])
			}
		}
		transpose(y, s.regs[4:8])
		for q := range 4 {
			index := q
			if f == rounded {
				index = q ^ 1
			}
			for r := range rows {
				b := s.regs[4+r%4]
				VBROADCASTSS(Mem{Base: x, Disp: 4 * (q*rows + r)}, b)
				VFMADD231PS(b, y[index], acc(g, r))
			}
		}
		if g < groups-1 {
			ADDQ(group, base)
		}
	}
	ADDQ(Imm(16), w)
	ADDQ(imm(16*rows), x)
	ADDQ(imm(128*groups), ahead)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	for r := range rows {
		for g := range groups {
			VMOVUPS(acc(g, r), Mem{Base: c, Disp: 32 * (r*groups + g)})
		}
	}
	if f == rounded {
		LDMXCSR(slot)
	}
	VZEROUPPER()
	RET()
}

// thinConstants defines the constants of the thin products' rounder.
func thinConstants() Mem {
	if thinData.Symbol.Name != "" {
		return thinData
	}
	thinData = GLOBL("thinRounding", RODATA|NOPTR)
	for i, v := range []uint32{1, 0x7fff, 0xffff0000, 0x7fc00000} {
		for j := range 8 {
			DATA(32*i+4*j, U32(v))
		}
	}
	return thinData
}

var thinData Mem
