//go:build !noasm

package ptx

import "golang.org/x/sys/cpu"

var vectors = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:noescape
func vecAddF32(d, a, b *vec)

//go:noescape
func vecSubF32(d, a, b *vec)

//go:noescape
func vecMulF32(d, a, b *vec)

//go:noescape
func vecFmaF32(d, a, b, c *vec)

//go:noescape
func vecAdd32(d, a, b *vec)

//go:noescape
func vecSub32(d, a, b *vec)

//go:noescape
func vecMul32(d, a, b *vec)

//go:noescape
func vecMad32(d, a, b, c *vec)

//go:noescape
func vecShl32(d, a, b *vec)

//go:noescape
func vecShr32(d, a, b *vec)

//go:noescape
func vecAdd64(d, a, b *vec)

//go:noescape
func vecAnd(d, a, b *vec)

//go:noescape
func vecOr(d, a, b *vec)

//go:noescape
func vecXor(d, a, b *vec)

//go:noescape
func vecMulWide(d, a, b *vec)

//go:noescape
func vecMulWideS(d, a, b *vec)

//go:noescape
func vecSelp(d, a, b *vec, p uint32)

//go:noescape
func vecEq(a, b *vec) uint32

//go:noescape
func vecGtU32(a, b *vec) uint32

//go:noescape
func vecGtS32(a, b *vec) uint32

//go:noescape
func mulAdd16(c *[16][8]uint32, a *[16][16]uint32, b *[16][8]uint32, k int)

// onVectors returns a loop that uses the vector form f for whole warps and plain otherwise.
func onVectors(plain func(*warp, *instr), f func(d, a, b *vec)) func(*warp, *instr) {
	if !vectors {
		return plain
	}
	return func(w *warp, in *instr) {
		if w.mask == fullMask {
			f(&w.regs[in.d], &w.regs[in.a], &w.regs[in.b])
			return
		}
		plain(w, in)
	}
}

func onVectors3(plain func(*warp, *instr), f func(d, a, b, c *vec)) func(*warp, *instr) {
	if !vectors {
		return plain
	}
	return func(w *warp, in *instr) {
		if w.mask == fullMask {
			f(&w.regs[in.d], &w.regs[in.a], &w.regs[in.b], &w.regs[in.c])
			return
		}
		plain(w, in)
	}
}

var (
	runAddF32   = onVectors(addF32, vecAddF32)
	runSubF32   = onVectors(subF32, vecSubF32)
	runMulF32   = onVectors(mulF32, vecMulF32)
	runFmaF32   = onVectors3(fmaF32, vecFmaF32)
	runAdd32    = onVectors(add[uint32], vecAdd32)
	runSub32    = onVectors(sub[uint32], vecSub32)
	runMul32    = onVectors(mul[uint32], vecMul32)
	runMad32    = onVectors3(mad[uint32], vecMad32)
	runShl32    = onVectors(shl[uint32], vecShl32)
	runShr32    = onVectors(shr, vecShr32)
	runAdd64    = onVectors(add[uint64], vecAdd64)
	runAnd      = onVectors(and, vecAnd)
	runOr       = onVectors(or, vecOr)
	runXor      = onVectors(xor, vecXor)
	runMulWide  = onVectors(mulWide32, vecMulWide)
	runMulWideS = onVectors(mulWideS32, vecMulWideS)
)

func runSelp(w *warp, in *instr) {
	if vectors && w.mask == fullMask {
		vecSelp(&w.regs[in.d], &w.regs[in.a], &w.regs[in.b], w.preds[in.c])
		return
	}
	selp(w, in)
}

func equalLanes(a, b *vec) uint32 {
	if vectors {
		return vecEq(a, b)
	}
	return equalPlain(a, b)
}

func greaterU32(a, b *vec) uint32 {
	if vectors {
		return vecGtU32(a, b)
	}
	return greaterU32Plain(a, b)
}

func greaterS32(a, b *vec) uint32 {
	if vectors {
		return vecGtS32(a, b)
	}
	return greaterS32Plain(a, b)
}
