package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// finish generates the epilogue of a row, in AVX2 for every path:
//
//	func finishF32(dst, c, bias, res *float32, blocks int)
//	func finishBF16(dst *uint16, c, bias, res *float32, blocks int)
//
// dst = c + bias + res over 8·blocks columns, rounded to bf16 in the second;
// bias and res may be nil.
func (s *isa) finish() {
	if s.width != 8 {
		return
	}
	s.finishRow("F32", "*float32")
	s.finishRow("BF16", "*uint16")
}

func (s *isa) finishRow(suffix, pointer string) {
	TEXT("finish"+suffix, NOSPLIT, "func(dst "+pointer+", c *float32, bias *float32, res *float32, blocks int)")
	Doc("finish" + suffix + " adds bias and residual to a row, see kernels/_gen/finish.go.")
	dst := Load(Param("dst"), GP64())
	c := Load(Param("c"), GP64())
	bias := Load(Param("bias"), GP64())
	res := Load(Param("res"), GP64())
	blocks := Load(Param("blocks"), GP64())
	var r rounder
	if suffix == "BF16" {
		r = newRounder(true)
	}
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	Label("block")
	y := s.regs[0]
	VMOVUPS(Mem{Base: c}, y)
	optional := func(p reg.Register, label string) {
		TESTQ(p, p)
		JZ(LabelRef(label))
		VADDPS(Mem{Base: p}, y, y)
		ADDQ(Imm(32), p)
		Label(label)
	}
	optional(bias, "nobias")
	optional(res, "nores")
	if suffix == "BF16" {
		r.round(y)
		VPSRLD(Imm(16), y, y)
		VEXTRACTI128(Imm(1), y, reg.X1)
		VPACKUSDW(reg.X1, y.AsX(), y.AsX())
		VMOVDQU(y.AsX(), Mem{Base: dst})
		ADDQ(Imm(16), dst)
	} else {
		VMOVUPS(y, Mem{Base: dst})
		ADDQ(Imm(32), dst)
	}
	ADDQ(Imm(32), c)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}

// peak generates
//
//	func peak<suffix>(n int)
//
// n rounds of 12 independent fused multiply-adds in registers and nothing else. Products
// are compared with its speed.
func (s *isa) peak() {
	TEXT("peak"+s.suffix, NOSPLIT, "func(n int)")
	Doc("peak" + s.suffix + " does n rounds of 12 independent vector multiply-adds.")
	n := Load(Param("n"), GP64())
	for _, r := range s.regs[:14] {
		s.zero(r)
	}
	Label("round")
	for i := range 12 {
		s.fma(s.regs[12], s.regs[13], s.regs[i])
	}
	DECQ(n)
	JNZ(LabelRef("round"))
	VZEROUPPER()
	RET()
}
