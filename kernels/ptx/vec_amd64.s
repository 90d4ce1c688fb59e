//go:build !noasm

#include "textflag.h"

// Registers of a warp are 32 values of 64 bits, of which f32 and u32 operations
// use the low halves. VSHUFPS gathers the low halves of eight lanes (in an order
// that is the same for all operands), VPUNPCK spreads the results out again.

#define START \
	MOVQ d+0(FP), DI \
	MOVQ a+8(FP), SI \
	MOVQ b+16(FP), DX \
	VPXOR Y15, Y15, Y15 \
	VPCMPEQD Y14, Y14, Y14 \
	VPSRLD $1, Y14, Y14 \
	MOVQ $4, R8

#define LOAD(p, y) \
	VMOVUPS (p), y \
	VSHUFPS $0x88, 32(p), y, y

// CANONICAL makes every NaN the one that PTX returns.
#define CANONICAL \
	VCMPPS $3, Y0, Y0, Y3 \
	VBLENDVPS Y3, Y14, Y0, Y0

#define STORE \
	VPUNPCKLDQ Y15, Y0, Y3 \
	VPUNPCKHDQ Y15, Y0, Y4 \
	VMOVDQU Y3, (DI) \
	VMOVDQU Y4, 32(DI)

#define NEXT \
	ADDQ $64, DI \
	ADDQ $64, SI \
	ADDQ $64, DX \
	DECQ R8

#define BINARY(name, op, after) \
TEXT name(SB), NOSPLIT, $0-24 \
	START \
loop: \
	LOAD(SI, Y0) \
	LOAD(DX, Y1) \
	op Y1, Y0, Y0 \
	after \
	STORE \
	NEXT \
	JNZ loop \
	VZEROUPPER \
	RET

#define NOTHING

BINARY(·vecAddF32, VADDPS, CANONICAL)
BINARY(·vecSubF32, VSUBPS, CANONICAL)
BINARY(·vecMulF32, VMULPS, CANONICAL)
BINARY(·vecAdd32, VPADDD, NOTHING)
BINARY(·vecSub32, VPSUBD, NOTHING)
BINARY(·vecMul32, VPMULLD, NOTHING)
BINARY(·vecShl32, VPSLLVD, NOTHING)
BINARY(·vecShr32, VPSRLVD, NOTHING)

// func vecFmaF32(d, a, b, c *vec)
TEXT ·vecFmaF32(SB), NOSPLIT, $0-32
	START
	MOVQ c+24(FP), CX
loop:
	LOAD(SI, Y1)
	LOAD(DX, Y2)
	LOAD(CX, Y0)
	VFMADD231PS Y2, Y1, Y0
	CANONICAL
	STORE
	ADDQ $64, CX
	NEXT
	JNZ loop
	VZEROUPPER
	RET

// func vecMad32(d, a, b, c *vec)
TEXT ·vecMad32(SB), NOSPLIT, $0-32
	START
	MOVQ c+24(FP), CX
loop:
	LOAD(SI, Y1)
	LOAD(DX, Y2)
	LOAD(CX, Y0)
	VPMULLD Y2, Y1, Y1
	VPADDD Y1, Y0, Y0
	STORE
	ADDQ $64, CX
	NEXT
	JNZ loop
	VZEROUPPER
	RET

#define WIDE(name, op) \
TEXT name(SB), NOSPLIT, $0-24 \
	MOVQ d+0(FP), DI \
	MOVQ a+8(FP), SI \
	MOVQ b+16(FP), DX \
	MOVQ $4, R8 \
loop: \
	VMOVDQU (SI), Y0 \
	VMOVDQU 32(SI), Y1 \
	op (DX), Y0, Y0 \
	op 32(DX), Y1, Y1 \
	VMOVDQU Y0, (DI) \
	VMOVDQU Y1, 32(DI) \
	NEXT \
	JNZ loop \
	VZEROUPPER \
	RET

WIDE(·vecAdd64, VPADDQ)
WIDE(·vecAnd, VPAND)
WIDE(·vecOr, VPOR)
WIDE(·vecXor, VPXOR)
WIDE(·vecMulWide, VPMULUDQ)
WIDE(·vecMulWideS, VPMULDQ)

// func mulAdd16(c *[16][8]uint32, a *[16][16]uint32, b *[16][8]uint32, k int)
//
// c += a b with k ascending, eight rows at a time in registers.
TEXT ·mulAdd16(SB), NOSPLIT, $0-32
	MOVQ c+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), BX
	MOVQ $2, R8
half:
	VMOVUPS (DI), Y0
	VMOVUPS 32(DI), Y1
	VMOVUPS 64(DI), Y2
	VMOVUPS 96(DI), Y3
	VMOVUPS 128(DI), Y4
	VMOVUPS 160(DI), Y5
	VMOVUPS 192(DI), Y6
	VMOVUPS 224(DI), Y7
	MOVQ BX, DX
	MOVQ SI, R9
	MOVQ k+24(FP), CX
step:
	VMOVUPS (DX), Y8
	VBROADCASTSS (R9), Y9
	VBROADCASTSS 64(R9), Y10
	VBROADCASTSS 128(R9), Y11
	VBROADCASTSS 192(R9), Y12
	VFMADD231PS Y8, Y9, Y0
	VFMADD231PS Y8, Y10, Y1
	VFMADD231PS Y8, Y11, Y2
	VFMADD231PS Y8, Y12, Y3
	VBROADCASTSS 256(R9), Y9
	VBROADCASTSS 320(R9), Y10
	VBROADCASTSS 384(R9), Y11
	VBROADCASTSS 448(R9), Y12
	VFMADD231PS Y8, Y9, Y4
	VFMADD231PS Y8, Y10, Y5
	VFMADD231PS Y8, Y11, Y6
	VFMADD231PS Y8, Y12, Y7
	ADDQ $32, DX
	ADDQ $4, R9
	DECQ CX
	JNZ step
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VMOVUPS Y2, 64(DI)
	VMOVUPS Y3, 96(DI)
	VMOVUPS Y4, 128(DI)
	VMOVUPS Y5, 160(DI)
	VMOVUPS Y6, 192(DI)
	VMOVUPS Y7, 224(DI)
	ADDQ $256, DI
	ADDQ $512, SI
	DECQ R8
	JNZ half
	VZEROUPPER
	RET

DATA laneBits<>+0(SB)/8, $1
DATA laneBits<>+8(SB)/8, $2
DATA laneBits<>+16(SB)/8, $4
DATA laneBits<>+24(SB)/8, $8
GLOBL laneBits<>(SB), RODATA, $32

// func vecSelp(d, a, b *vec, p uint32)
TEXT ·vecSelp(SB), NOSPLIT, $0-28
	MOVQ d+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVL p+24(FP), AX
	MOVQ AX, X5
	VPBROADCASTQ X5, Y5
	VMOVDQU laneBits<>(SB), Y6
	MOVQ $8, R8
loop:
	VPAND Y6, Y5, Y7
	VPCMPEQQ Y6, Y7, Y7
	VMOVDQU (SI), Y0
	VMOVDQU (DX), Y1
	VBLENDVPD Y7, Y0, Y1, Y0
	VMOVDQU Y0, (DI)
	VPSLLQ $4, Y6, Y6
	ADDQ $32, DI
	ADDQ $32, SI
	ADDQ $32, DX
	DECQ R8
	JNZ loop
	VZEROUPPER
	RET

// Comparisons give a bit for each lane. Values of 32 bits are zero-extended, so
// that 64-bit comparisons serve unsigned ones, and signed ones once they are
// shifted up.
#define COMPARE(name, prepare, op) \
TEXT name(SB), NOSPLIT, $0-20 \
	MOVQ a+0(FP), SI \
	MOVQ b+8(FP), DX \
	XORL AX, AX \
	XORL CX, CX \
loop: \
	VMOVDQU (SI), Y0 \
	VMOVDQU (DX), Y1 \
	prepare \
	op Y1, Y0, Y0 \
	VMOVMSKPD Y0, BX \
	SHLL CX, BX \
	ORL BX, AX \
	ADDQ $32, SI \
	ADDQ $32, DX \
	ADDL $4, CX \
	CMPL CX, $32 \
	JNE loop \
	VZEROUPPER \
	MOVL AX, ret+16(FP) \
	RET

#define UP \
	VPSLLQ $32, Y0, Y0 \
	VPSLLQ $32, Y1, Y1

COMPARE(·vecEq, NOTHING, VPCMPEQQ)
COMPARE(·vecGtU32, NOTHING, VPCMPGTQ)
COMPARE(·vecGtS32, UP, VPCMPGTQ)
