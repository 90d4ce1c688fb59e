package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// aheadA is the number of bytes by which a is prefetched, about a hundred cycles, and
// unroll the number of positions of the chain computed in a round.
const (
	aheadA = 1024
	unroll = 8
)

// Bytes from a tile's end to its other words.
const endStep, endResidual, endResidualStep, endBias, endRound = 8, 16, 24, 32, 40

// tiles generates the register tiles over packed panels, one function for panels of mr
// rows and one for each smaller number of rows.
func (s *isa) tiles() {
	for rows := 1; rows <= s.mr; rows++ {
		s.tile(rows)
	}
}

// tile generates
//
//	func tile<rows><suffix>(c *float32, ldc int, a, b *float32, k, panels, mode int, end *uintptr)
//
// which, for each panel of a, starts the chains of rows×nr elements of c or, with mode
// bit 0, continues them. Rows of c are ldc apart. The chains run over k positions of
// the panel (mr values each) and of b (nr values each). Then c advances by mr rows and
// a by a panel. Bit 1 flushes denormals. Bit 2 stores past the caches; c and ldc must
// then be multiples of the vector size. If end is not nil, the chains end here:
// instead of being stored to c, they get bias and residual added, are rounded to bf16
// if asked, and are stored where end says; see [isa.end].
func (s *isa) tile(rows int) {
	TEXT(name("tile%d%s", rows, s.suffix), NOSPLIT, "func(c *float32, ldc int, a *float32, b *float32, k int, panels int, mode int, end *uintptr)")
	Doc(name("tile%d%s computes panels of %d rows and %d columns, see kernels/_gen/tile.go.", rows, s.suffix, rows, s.nr))
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	a := Load(Param("a"), GP64())
	b0 := Load(Param("b"), GP64())
	k0 := Load(Param("k"), GP64())
	panels := Load(Param("panels"), GP64())
	mode := Load(Param("mode"), GP64())
	SHLQ(Imm(2), ldc)
	var slot Mem
	if !s.dot {
		slot = AllocLocal(8)
		enterFlush(slot, mode, "entered")
	}
	acc := s.regs[:2*rows]
	free := s.regs[2*s.mr:]
	bv := free[:2]
	av := free[2:4]
	b, k, row, next := GP64(), GP64(), GP64(), GP64()
	stepA, stepB := 4*s.mr, 4*s.nr
	Label("panel")
	// The rows of c. Those of this panel are needed at its end (or at once, if the
	// chains continue), those of the next panel later.
	TESTQ(U32(modeLoad), mode)
	JZ(LabelRef("start"))
	MOVQ(c, row)
	for i := range rows {
		VMOVUPS(Mem{Base: row}, acc[2*i])
		VMOVUPS(Mem{Base: row, Disp: s.bytes()}, acc[2*i+1])
		if i < rows-1 {
			ADDQ(ldc, row)
		}
	}
	JMP(LabelRef("loaded"))
	Label("start")
	for _, r := range acc {
		s.zero(r)
	}
	Label("loaded")
	walk, other := row, next // of destination and residual
	Load(Param("end"), k)
	TESTQ(k, k)
	JZ(LabelRef("goeson"))
	s.fetchRows(walk, Mem{Base: k, Disp: endStep}, rows, k, 0)
	MOVQ(Mem{Base: k, Disp: endResidual}, other)
	TESTQ(other, other)
	JZ(LabelRef("goeson"))
	s.fetchRows(other, Mem{Base: k, Disp: endResidualStep}, rows, k, endResidual)
	Label("goeson")
	if rows == s.mr {
		MOVQ(ldc, next)
		IMUL3Q(imm(s.mr), next, next)
		ADDQ(c, next)
		CMPQ(panels, Imm(1))
		JE(LabelRef("noprefetch"))
		TESTQ(U32(modeStream), mode)
		JNZ(LabelRef("noprefetch"))
		for i := range rows {
			PREFETCHT0(Mem{Base: next})
			if s.bytes() == 64 {
				PREFETCHT0(Mem{Base: next, Disp: 64})
			}
			if i < rows-1 {
				ADDQ(ldc, next)
			}
		}
		Label("noprefetch")
	}

	step := func(u int) {
		VMOVUPS(Mem{Base: b, Disp: u * stepB}, bv[0])
		VMOVUPS(Mem{Base: b, Disp: u*stepB + s.bytes()}, bv[1])
		for i := range rows {
			t := av[i%2]
			VBROADCASTSS(Mem{Base: a, Disp: u*stepA + 4*i}, t)
			s.fma(bv[0], t, acc[2*i])
			s.fma(bv[1], t, acc[2*i+1])
		}
	}
	MOVQ(b0, b)
	MOVQ(k0, k)
	SUBQ(imm(unroll), k)
	JL(LabelRef("rest"))
	Label("several")
	if rows == s.mr {
		for i := range unroll * stepA / 64 {
			PREFETCHT0(Mem{Base: a, Disp: aheadA + 64*i})
		}
	}
	for u := range unroll {
		step(u)
	}
	ADDQ(imm(unroll*stepA), a)
	ADDQ(imm(unroll*stepB), b)
	SUBQ(imm(unroll), k)
	JGE(LabelRef("several"))
	Label("rest")
	ADDQ(imm(unroll), k)
	JZ(LabelRef("store"))
	Label("one")
	step(0)
	ADDQ(imm(stepA), a)
	ADDQ(imm(stepB), b)
	DECQ(k)
	JNZ(LabelRef("one"))

	Label("store")
	Load(Param("end"), k)
	TESTQ(k, k)
	JNZ(LabelRef("end"))
	if rows == s.mr {
		TESTQ(U32(modeStream), mode)
		JNZ(LabelRef("stream"))
	}
	s.storeRows(c, row, ldc, acc, false)
	JMP(LabelRef("stored"))
	if rows == s.mr {
		Label("stream")
		s.storeRows(c, row, ldc, acc, true)
		SFENCE()
		JMP(LabelRef("stored"))
	}
	Label("end")
	if !s.dot {
		leaveFlush(slot, mode, "plain") // the addition is an ordinary one
	}
	s.end(acc, k, row, next)
	if rows == s.mr {
		if !s.dot {
			flushAgain(slot, mode, "flushing")
		}
		MOVQ(c, row)
		for range rows - 1 {
			ADDQ(ldc, row)
		}
	}
	Label("stored")
	if rows == s.mr {
		MOVQ(row, c)
		ADDQ(ldc, c)
		DECQ(panels)
		JNZ(LabelRef("panel"))
	}
	if !s.dot {
		leaveFlush(slot, mode, "left")
	}
	VZEROUPPER()
	RET()
}

// fetchRows prefetches rows of 2 vectors from the address stored at e+disp on.
func (s *isa) fetchRows(at reg.Register, step Mem, rows int, e reg.Register, disp int) {
	MOVQ(Mem{Base: e, Disp: disp}, at)
	for i := range rows {
		for line := 0; line < 2*s.bytes(); line += 64 {
			PREFETCHT0(Mem{Base: at, Disp: line})
		}
		if i < rows-1 {
			ADDQ(step, at)
		}
	}
}

// end finishes the chains acc of a tile. e points to the words
//
//	dst, bytes between its rows, residual, bytes between its rows, bias, round
//
// Residual and bias may be nil. The bias is added first, then the residual. If round is
// set, dst is bf16. dst and residual advance by the rows done. The registers walk and
// other, and all vector registers but acc, may be overwritten.
func (s *isa) end(acc []reg.VecPhysical, e, walk, other reg.Register) {
	MOVQ(Mem{Base: e, Disp: endBias}, other)
	TESTQ(other, other)
	JZ(LabelRef("nobias"))
	for i, r := range acc {
		VADDPS(Mem{Base: other, Disp: i % 2 * s.bytes()}, r, r)
	}
	Label("nobias")
	MOVQ(Mem{Base: e, Disp: endResidual}, other)
	TESTQ(other, other)
	JZ(LabelRef("noresidual"))
	for i, r := range acc {
		VADDPS(Mem{Base: other, Disp: i % 2 * s.bytes()}, r, r)
		if i%2 == 1 {
			ADDQ(Mem{Base: e, Disp: endResidualStep}, other)
		}
	}
	MOVQ(other, Mem{Base: e, Disp: endResidual})
	Label("noresidual")
	MOVQ(Mem{Base: e}, walk)
	CMPQ(Mem{Base: e, Disp: endRound}, Imm(0))
	JNE(LabelRef("round"))
	for i, r := range acc {
		VMOVUPS(r, Mem{Base: walk, Disp: i % 2 * s.bytes()})
		if i%2 == 1 {
			ADDQ(Mem{Base: e, Disp: endStep}, walk)
		}
	}
	JMP(LabelRef("ended"))
	Label("round")
	for i := 0; i < len(acc); i += 2 {
		s.storeRounded(acc[i:i+2], walk)
		ADDQ(Mem{Base: e, Disp: endStep}, walk)
	}
	Label("ended")
	MOVQ(walk, Mem{Base: e})
}

// storeRounded stores a row of two vectors as bf16.
func (s *isa) storeRounded(acc []reg.VecPhysical, to reg.Register) {
	free := s.regs[2*s.mr:]
	data := roundingConstants()
	if s.width == 8 {
		r := rounder{data, data.Offset(32), data.Offset(64), data.Offset(96), free[0], free[1]}
		for _, y := range acc {
			r.round(y)
			VPSRLD(Imm(16), y, y)
		}
		VPACKUSDW(acc[1], acc[0], acc[0]) // in each half of the registers
		VPERMQ(Imm(0xd8), acc[0], acc[0])
		VMOVDQU(acc[0], Mem{Base: to})
		return
	}
	for half, z := range acc {
		t := free[half]
		VPSRLD(Imm(16), z, t)
		VPANDD_BCST(data, t, t)
		VPADDD_BCST(data.Offset(32), t, t)
		VPADDD(z, t, t)
		VCMPPS(Imm(3), z, z, reg.K1)
		VPORD_BCST(data.Offset(96), z, reg.K1, t) // NaN becomes a quiet NaN
		VPSRLD(Imm(16), t, t)
		VPMOVDW(t, Mem{Base: to, Disp: half * s.bytes() / 2})
	}
}

// storeRows stores acc to the rows from c on. Afterwards row points to the last one.
func (s *isa) storeRows(c, row, ldc reg.Register, acc []reg.VecPhysical, stream bool) {
	MOVQ(c, row)
	for i := range len(acc) / 2 {
		if stream {
			VMOVNTPS(acc[2*i], Mem{Base: row})
			VMOVNTPS(acc[2*i+1], Mem{Base: row, Disp: s.bytes()})
		} else {
			VMOVUPS(acc[2*i], Mem{Base: row})
			VMOVUPS(acc[2*i+1], Mem{Base: row, Disp: s.bytes()})
		}
		if i < len(acc)/2-1 {
			ADDQ(ldc, row)
		}
	}
}

// fma continues acc by b·a.
func (s *isa) fma(b, a, acc reg.VecPhysical) {
	if s.dot {
		dpbf16(b, a, acc)
		return
	}
	VFMADD231PS(b, a, acc)
}

// strips generates the tiles of MulChain, whose operands are not packed.
func (s *isa) strips() {
	for rows := 1; rows <= min(s.mr, 6); rows++ {
		s.strip(rows, false)
		s.strip(rows, true)
	}
}

// Bits of a strip's mode; they mirror gemm's constants.
const (
	chainLoad  = 1
	chainUpper = 2
	chainLower = 4
)

// strip generates
//
//	func strip<rows><suffix>(c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, mode, strips int)
//
// for rows×nr elements of c and unpacked a and b, with all strides in elements, and for
// the given number of strips of columns side by side. Mode bit 0 continues the chains
// in c. With bit 1, rows-1 more positions precede the k: the first is for row 0 only,
// the second for rows 0 and 1, and so on. With bit 2, rows-1 more positions follow: the
// first is for all rows but row 0, the second for all but rows 0 and 1, and so on.
//
// The form for a cut strip has a mask of the existing columns in place of strips: a
// pointer to nr words of 0 or -1 (AVX2), or bits (AVX-512).
func (s *isa) strip(rows int, cut bool) {
	kind, extra := "", ", strips int"
	if cut {
		kind, extra = "Cut", ", mask *int32"
		if s.width == 16 {
			extra = ", mask uint32"
		}
	}
	TEXT(name("strip%d%s%s", rows, kind, s.suffix), NOSPLIT, "func(c *float32, ldc int, a *float32, aRow int, aCol int, b *float32, ldb int, k int, mode int"+extra+")")
	Doc(name("strip%d%s%s computes %d rows of strips of %d columns, see kernels/_gen/tile.go.", rows, kind, s.suffix, rows, s.nr))
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	aRow := Load(Param("aRow"), GP64())
	aCol := Load(Param("aCol"), GP64())
	first := Load(Param("b"), GP64())
	ldb := Load(Param("ldb"), GP64())
	for _, r := range []reg.Register{ldc, aRow, aCol, ldb} {
		SHLQ(Imm(2), r)
	}
	acc := s.regs[:2*rows]
	free := s.regs[2*s.mr:]
	bv, av := free[:2], free[2:4]
	var masks []reg.VecPhysical
	var maskPtr reg.Register // AVX2: address of the masks
	var opmasks []reg.Register
	if cut {
		if s.width == 16 {
			m := Load(Param("mask"), GP32())
			k1, k2 := K(), K()
			KMOVW(m, k1)
			SHRL(Imm(16), m)
			KMOVW(m, k2)
			opmasks = []reg.Register{k1, k2}
		} else {
			// The masks take the place of a second register for a.
			m := Load(Param("mask"), GP64())
			masks = []reg.VecPhysical{av[1], bv[1]}
			av = av[:1]
			VMOVUPS(Mem{Base: m}, masks[0])
			maskPtr = m
		}
	}
	loadVec := func(m Mem, half int, r reg.VecPhysical) {
		m.Disp += half * s.bytes()
		switch {
		case !cut:
			VMOVUPS(m, r)
		case s.width == 16:
			VMOVUPS_Z(m, opmasks[half], r)
		case half == 0:
			VMASKMOVPS(m, masks[0], r)
		default:
			VMOVUPS(Mem{Base: maskPtr, Disp: 32}, r)
			VMASKMOVPS(m, r, r)
		}
	}
	row, a, b, k, mode := GP64(), GP64(), GP64(), GP64(), GP64()
	Load(Param("mode"), mode)
	Label("strip")
	Load(Param("a"), a)
	MOVQ(first, b)
	TESTQ(U32(chainLoad), mode)
	JZ(LabelRef("start"))
	MOVQ(c, row)
	for i := range rows {
		loadVec(Mem{Base: row}, 0, acc[2*i])
		loadVec(Mem{Base: row}, 1, acc[2*i+1])
		if i < rows-1 {
			ADDQ(ldc, row)
		}
	}
	JMP(LabelRef("loaded"))
	Label("start")
	for _, r := range acc {
		s.zero(r)
	}
	Label("loaded")
	// Rows 0..2 are addressed from a, rows 3..5 from a3.
	var a3 reg.Register = a
	if rows > 3 {
		t := GP64()
		LEAQ(Mem{Base: aRow, Index: aRow, Scale: 2}, t)
		ADDQ(a, t)
		a3 = t
	}
	step := func(from, to int) {
		loadVec(Mem{Base: b}, 0, bv[0])
		loadVec(Mem{Base: b}, 1, bv[1])
		ADDQ(ldb, b)
		for i := from; i < to; i++ {
			base := a
			if i >= 3 {
				base = a3.(reg.GPVirtual)
			}
			m := Mem{Base: base}
			if i%3 > 0 {
				m.Index, m.Scale = aRow, uint8(i%3)
			}
			t := av[i%len(av)]
			VBROADCASTSS(m, t)
			VFMADD231PS(bv[0], t, acc[2*i])
			VFMADD231PS(bv[1], t, acc[2*i+1])
		}
		ADDQ(aCol, a)
		if rows > 3 {
			ADDQ(aCol, a3)
		}
	}
	if rows > 1 {
		TESTQ(U32(chainUpper), mode)
		JZ(LabelRef("whole"))
		for i := range rows - 1 {
			step(0, i+1)
		}
		Label("whole")
	}
	Load(Param("k"), k)
	TESTQ(k, k)
	JZ(LabelRef("done"))
	Label("step")
	step(0, rows)
	DECQ(k)
	JNZ(LabelRef("step"))
	Label("done")
	if rows > 1 {
		TESTQ(U32(chainLower), mode)
		JZ(LabelRef("store"))
		for i := range rows - 1 {
			step(i+1, rows)
		}
		Label("store")
	}
	MOVQ(c, row)
	if cut && s.width == 8 {
		VMOVUPS(Mem{Base: maskPtr, Disp: 32}, masks[1])
	}
	for i := range rows {
		for half := range 2 {
			m := Mem{Base: row, Disp: half * s.bytes()}
			switch {
			case !cut:
				VMOVUPS(acc[2*i+half], m)
			case s.width == 16:
				VMOVUPS(acc[2*i+half], opmasks[half], m)
			default:
				VMASKMOVPS(acc[2*i+half], masks[half], m)
			}
		}
		if i < rows-1 {
			ADDQ(ldc, row)
		}
	}
	if !cut {
		ADDQ(imm(2*s.bytes()), c)
		ADDQ(imm(2*s.bytes()), first)
		strips, err := Param("strips").Resolve()
		if err != nil {
			panic(err)
		}
		DECQ(strips.Addr)
		JNZ(LabelRef("strip"))
	}
	VZEROUPPER()
	RET()
}

// dpbf16 encodes VDPBF16PS acc, b, a (EVEX.512.F3.0F38.W0 52 /r), which
// neither avo nor Go's assembler knows.
func dpbf16(b, a, acc reg.VecPhysical) {
	d, v, m := int(acc.PhysicalIndex()), int(b.PhysicalIndex()), int(a.PhysicalIndex())
	not := func(x, bit int) int { return ^x >> bit & 1 } // the prefix holds complements
	code := []int{
		0x62,
		not(d, 3)<<7 | not(m, 4)<<6 | not(m, 3)<<5 | not(d, 4)<<4 | 2,
		(^v&15)<<3 | 1<<2 | 2,
		2<<5 | not(v, 4)<<3,
		0x52,
		0xc0 | d&7<<3 | m&7,
	}
	Instruction(&ir.Instruction{Opcode: "LONG", Operands: []Op{Imm(uint64(code[0] | code[1]<<8 | code[2]<<16 | code[3]<<24))}})
	Instruction(&ir.Instruction{Opcode: "WORD", Operands: []Op{Imm(uint64(code[4] | code[5]<<8))}})
}
