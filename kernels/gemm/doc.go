// Package gemm multiplies matrices with a fixed order of summation.
//
// It is not a BLAS: there are only the three products of a linear layer
// ([Forward], [GradInput], [GradWeight]) and the small ones of attention
// ([MulChain] and its kin), each defined to the bit. Most readers need the first and the
// third, which take the worker pool to run on.
//
// # Order
//
// Each element of a result is one chain of fused multiply-adds over the inner
// index k, ascending, from +0 or from a carried value. Vectors go over
// columns of the result, registers over a tile of it, never over k; a block
// of k stores its chains and the next one reloads them. So tiles, threads and
// vector width may be anything: the bits are the same.
//
// With bf16 operands k goes in pairs (2i, 2i+1), the odd element first, then
// the even one, denormal operands and results flushed to zeros of their sign
// (x86's FTZ and DAZ: a result is tiny if it is below 2^-126 after rounding).
// This is what VDPBF16PS computes. An odd end is paired with a zero, which is
// executed: it turns -0 into +0. Where k counts tokens, pairs count from the
// start of each sequence, so that micro-batches do not show.
//
// [num.FMA32] and [num.FMA32Flush] define the two steps in software, and the
// portable path is made of them. Bias and residual are one float32 addition
// each, after the chain; a bf16 result is rounded once, at the end.
//
// # Blocking
//
// The scheme is that of Goto & van de Geijn, "Anatomy of high-performance
// matrix multiplication" (2008). Operands are packed into panels of as many lanes
// as the register tile has rows (a) or columns (b): of the smaller one at most 6 MB
// at a time, for all workers, of the larger one what a worker needs next, less than
// 1 MB. Of the float32 master weights there is never a second copy.
//
//	a: [block of k][panel][k][mr]      b: [block of k][panel][k][nr]
//
// Packing transposes where the chain runs along rows, rounds weights to bf16,
// widens bf16 to float32, swaps pairs and adds the zeros of odd ends; the
// tiles then see one plain product. Workers claim pieces of packing the smaller
// operand, then pieces of the result, for which they pack panels of the larger one
// themselves, a block of k at a time: those stay in the cache of who uses them, and
// nobody waits for them. A line that another core reads costs about three times as
// much to write as one's own, which is why the smaller operand is the shared one.
// Both kinds of packing ask for the rows that come next. Within a block, a panel of b
// (24 KB) stays in L1 while it meets 144 rows of a, which stay in L2 (220 KB), and the
// tile of 6×16 (AVX2) or 12×32 (AVX-512) chains is held in registers, a broadcast, b
// loaded, c stored once a block, while a is fetched some steps ahead into L1. Everything large
// lies in huge pages: the rows of c and of a matrix that is packed down its
// columns would each be a page of their own, more than the processor's
// translation buffer holds; they cost a tenth of the speed. A large result that
// is only overwritten goes past the caches. The tiles that end the chains add bias
// and residual, round to bf16 and store the result, which was asked for while the
// tile was computed; only a cut column of tiles leaves that to a pass over its rows.
//
// Note: I tried tiles that read x where it lies, without packing it. Six streams
// cost 5 % of a tile's speed, in a busy machine more; packing costs 1 to 5 %.
//
// Products of at most 8 rows (generation) pack nothing but x: they read w
// once and transpose it in registers, 8 rows at a time, each from another eighth
// of the piece. So memory is read in eight long streams of ascending addresses,
// which the processor fetches ahead by itself: as fast as a loop that reads and
// xors one stream, and often faster.
//
// Note: I tried 8 and 16 neighbouring rows, the next ones fetched in order of
// addresses: 82 and 76 % of that loop, where the eight streams reach 104 %;
// fetching each stream 512 bytes ahead (no gain), sixteen streams (64 %), and, for
// bf16 weights, two or four rows of each part at once (two thirds of the speed).
//
// # Paths
//
// The best of these that the processor has and whose tiles pass a comparison
// with the portable path at start-up; the environment variable XRUN_SIMD
// forces one, and [CheckPath] says whether that can be:
//
//	avx512bf16  VDPBF16PS for bf16 operands, avx512 otherwise
//	avx512      512-bit vectors; bf16 widened, FTZ and DAZ inside the tiles
//	avx2        256-bit vectors; the same
//	neon        arm64: f32 products; bf16 is portable, because ARM's flush
//	            decides before rounding
//	noasm       portable Go, everywhere, and all there is under the build tag
//	            noasm
//
// avx512 goes before avx512bf16 where two multiply-adds are faster than one
// VDPBF16PS, which is measured at start-up: on Intel's processors.
//
// The assembly is written by kernels/_gen (go generate). What was run: avx2 on
// Zen 3; noasm; neon under qemu; and the AVX-512 paths, VDPBF16PS among them, on an
// Intel Xeon of family 6, model 207 (Emerald Rapids), and on Bochs' model of a
// Sapphire Rapids (bochs.sh), an interpreter of the instruction set by others: the
// tests of this package on each path, and experiments/smoke.cue with the bytes of
// avx2. The self-check stands between any other processor and a wrong result.
package gemm
