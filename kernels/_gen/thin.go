package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// thin generates the products of few rows, in AVX2 for every path.
func (s *isa) thin() {
	if s.width != 8 {
		return
	}
	for rows := 1; rows <= 8; rows++ {
		s.thinProduct(rows, plain)
		s.thinProduct(rows, rounded)
		s.thinProduct(rows, wide)
		s.thinProduct(rows, keys)
	}
}

// thinProduct generates
//
//	func thin<rows><format>(c *float32, ldc int, x, w *float32, stride, blocks int)
//
// which computes the chains of rows×8 elements over blocks of 16 bytes of w:
// c[r·ldc + j] = Σ x[k·rows + r]·w[j·stride + k], with ldc and stride in bytes. The 8
// rows of w are transposed in registers. Rounded rounds w to bf16, Wide takes w in
// bf16; both take the odd index of each pair first (x is packed that way) and flush
// denormals. Keys also takes w in bf16, but keeps the order and denormals.
func (s *isa) thinProduct(rows int, f format) {
	pointer := "*float32"
	if f == keys {
		pointer = "*uint16"
	}
	TEXT(name("thin%d%s", rows, f), NOSPLIT, "func(c *float32, ldc int, x *float32, w "+pointer+", stride int, blocks int)")
	Doc(name("thin%d%s computes %d rows and 8 columns, see kernels/_gen/thin.go.", rows, f, rows))
	c := Load(Param("c"), GP64())
	x := Load(Param("x"), GP64())
	w := Load(Param("w"), GP64())
	stride := Load(Param("stride"), GP64())
	blocks := Load(Param("blocks"), GP64())
	var slot Mem
	var round rounder
	flush := f == rounded || f == wide
	if flush {
		slot = AllocLocal(8)
		mode := GP64()
		MOVQ(U32(modeFlush), mode)
		enterFlush(slot, mode, "entered")
		data := roundingConstants()
		round = rounder{data, data.Offset(32), data.Offset(64), data.Offset(96), reg.Y4, reg.Y5}
	}
	stride3 := GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)

	// Y0 to Y3 hold rows, then columns of w; Y4 to Y7 are scratch.
	acc := s.regs[8 : 8+rows]
	for _, a := range acc {
		s.zero(a)
	}
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	w4 := GP64()
	LEAQ(Mem{Base: w, Index: stride, Scale: 4}, w4)
	Label("block")
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
		VMOVUPS(at(w, i), y[i].AsX())
		VINSERTF128(Imm(1), at(w4, i), y[i], y[i])
		if f == rounded {
			round.round(y[i])
		}
	}
	transpose(y, s.regs[4:8])
	step := func(q int, column reg.VecPhysical) {
		for r := range rows {
			b := s.regs[5+r%3]
			VBROADCASTSS(Mem{Base: x, Disp: 4 * (q*rows + r)}, b)
			VFMADD231PS(b, column, acc[r])
		}
	}
	per := 4 // indices in a block
	switch f {
	case plain:
		for q := range 4 {
			step(q, y[q])
		}
	case rounded:
		for q := range 4 {
			step(q, y[q^1])
		}
	case keys: // words of two
		per = 8
		for q := range 4 {
			VPSLLD(Imm(16), y[q], reg.Y4)
			step(2*q, reg.Y4)
			VPAND(roundingConstants().Offset(64), y[q], reg.Y4)
			step(2*q+1, reg.Y4)
		}
	case wide: // words of two
		per = 8
		for q := range 4 {
			VPAND(round.high, y[q], reg.Y4)
			step(2*q, reg.Y4)
			VPSLLD(Imm(16), y[q], reg.Y4)
			step(2*q+1, reg.Y4)
		}
	}
	ADDQ(Imm(16), w)
	ADDQ(Imm(16), w4)
	ADDQ(imm(4*per*rows), x)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	Load(Param("ldc"), blocks)
	for r, a := range acc {
		VMOVUPS(a, Mem{Base: c})
		if r < rows-1 {
			ADDQ(blocks, c)
		}
	}
	if flush {
		LDMXCSR(slot)
	}
	VZEROUPPER()
	RET()
}
