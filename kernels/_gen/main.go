// Command _gen writes the assembly of package gemm. It is a module of its own, so that
// users of the program do not depend on avo; the underscore keeps it out of ./... .
// Run it with go generate in kernels/gemm.
package main

import (
	"flag"
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	width := flag.Int("width", 8, "float32 values of a vector register: 8 (AVX2) or 16 (AVX-512)")
	dot := flag.Bool("dot", false, "only the tiles of VDPBF16PS")
	arm := flag.Bool("neon", false, "arm64's tiles instead, to ../gemm/neon_arm64.{s,go}")
	flag.Parse()
	if *arm {
		if err := neon("../gemm/neon_arm64.s", "../gemm/neon_arm64.go", "gemm"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ConstraintExpr("amd64,!noasm")
	isa := newISA(*width)
	if *dot {
		isa.dot = true
		isa.suffix = "Dot"
		isa.tiles()
		isa.peak()
	} else {
		isa.tiles()
		isa.strips()
		isa.packs()
		isa.thin()
		isa.finish()
		isa.peak()
	}
	Generate()
}

// isa describes an instruction set to the generator functions.
type isa struct {
	width  int    // float32 values of a register
	mr, nr int    // rows and columns of the register tile
	suffix string // of function names
	dot    bool   // VDPBF16PS instead of FMA
	regs   []reg.VecPhysical
}

func newISA(width int) *isa {
	if width == 16 {
		return &isa{width: 16, mr: 12, nr: 32, suffix: "AVX512", regs: []reg.VecPhysical{
			reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
			reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31}}
	}
	return &isa{width: 8, mr: 6, nr: 16, suffix: "AVX2", regs: []reg.VecPhysical{
		reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}}
}

func (s *isa) bytes() int { return 4 * s.width }

func (s *isa) zero(r reg.VecPhysical) {
	if s.width == 16 {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
}

// flags of the tiles' mode argument; they mirror gemm's constants.
const (
	modeLoad   = 1
	modeFlush  = 2
	modeStream = 4
)

// enterFlush saves MXCSR in slot and, if the flush bit of mode is set,
// replaces it by the default with FTZ and DAZ.
func enterFlush(slot Mem, mode reg.Register, label string) {
	STMXCSR(slot)
	TESTQ(U32(modeFlush), mode)
	JZ(LabelRef(label))
	t := GP32()
	MOVL(U32(0x9fc0), t)
	MOVL(t, slot.Offset(4))
	LDMXCSR(slot.Offset(4))
	Label(label)
}

// leaveFlush restores MXCSR to its value on entry. Status bits raised in between are
// lost; Go does not read them.
func leaveFlush(slot Mem, mode reg.Register, label string) {
	TESTQ(U32(modeFlush), mode)
	JZ(LabelRef(label))
	LDMXCSR(slot)
	Label(label)
}

// flushAgain undoes a leaveFlush.
func flushAgain(slot Mem, mode reg.Register, label string) { leaveFlush(slot.Offset(4), mode, label) }

func name(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// imm is a 32-bit immediate operand; avo treats smaller ones as signed.
func imm(n int) Op { return I32(int32(n)) }
