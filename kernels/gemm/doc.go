// Package gemm multiplies matrices with a fixed order of summation.
//
// It is not a BLAS: it has only the three products of a linear layer ([Forward],
// [GradInput], [GradWeight]) and the small ones of attention ([MulChain] and its
// variants), each defined to the bit. Most readers need two calls: [Forward] and
// [GradWeight], which run on a worker pool that the caller passes.
//
// # Order
//
// Each element of a result is one chain of fused multiply-adds over the inner
// index k, ascending, from +0 or from a carried value. Vectors run over columns
// of the result and registers over a tile of it, never over k; a block of k
// stores its chains and the next block reloads them. The bits therefore do not
// depend on the tiles, the threads or the vector width.
//
// With bf16 operands, k is taken in pairs (2i, 2i+1), the odd element first.
// Denormal operands and results are flushed to zeros of the same sign, as x86's
// FTZ and DAZ do; a result is tiny if it is below 2^-126 after rounding. This is
// what VDPBF16PS computes. The last element of an odd chain is paired with a zero,
// and that step is executed: it turns -0 into +0. Where k counts tokens, pairs are
// counted from the start of each sequence, so that results do not depend on the
// micro-batch.
//
// [num.FMA32] and [num.FMA32Flush] define the two kinds of step in software, and
// the portable path is built from them. Bias and residual are one float32 addition
// each, after the chain; a bf16 result is rounded once, at the end.
//
// # Blocking
//
// The scheme is that of Goto & van de Geijn, "Anatomy of high-performance matrix
// multiplication" (2008). Operands are packed into panels of as many lanes as the
// register tile has rows (a) or columns (b). Of the smaller operand, at most 6 MB
// are packed at a time, for all workers; of the larger one, each worker packs what
// it needs next, less than 1 MB. There is never a full copy of the float32 master
// weights.
//
//	a: [block of k][panel][k][mr]      b: [block of k][panel][k][nr]
//
// Packing transposes if the chain runs along rows, rounds weights to bf16, widens
// bf16 to float32, swaps pairs and adds the zeros of odd chains, so that the tiles
// compute one plain product. Workers first share the packing of the smaller
// operand. Then they claim pieces of the result and pack the panels of the larger
// operand for these themselves, a block of k at a time, so that the panels stay in
// the cache of the core that uses them and no worker waits for another. Writing a
// cache line that another core reads costs about three times as much as writing a
// private one, which is why the smaller operand is the shared one. Both kinds of
// packing prefetch the next rows.
//
// Within a block, a panel of b (24 KB) stays in L1 while it is multiplied by 144
// rows of a, which stay in L2 (220 KB). A tile of 6×16 (AVX2) or 12×32 (AVX-512)
// chains is held in registers: a is broadcast and prefetched into L1 some steps
// ahead, b is loaded, and c is stored once a block. The tiles that end the chains
// also add bias and residual, round to bf16 and store the result, whose lines they
// prefetch while they compute; only a partial column of tiles leaves that to a
// separate pass over its rows. A large result that is only overwritten is stored
// past the caches.
//
// Large arrays lie in huge pages. With small pages, each row of c, and of a matrix
// that is packed down its columns, would be on a page of its own, more than the
// TLB holds; that costs a tenth of the speed.
//
// Note: tiles that read x in place, without packing it, were tried. Reading six
// streams costs 5 % of a tile's speed, more on a busy machine; packing costs 1 to
// 5 %.
//
// Products of at most 8 rows (generation) pack only x. They read w once and
// transpose it in registers, 8 rows at a time, one from each eighth of the piece.
// Memory is thus read in eight long streams of ascending addresses, which the
// hardware prefetches: as fast as a loop that reads and xors one stream, and often
// faster.
//
// Note: these alternatives were tried: 8 and 16 neighbouring rows, prefetching the
// next ones in order of addresses (82 and 76 % of the speed of that loop, where the
// eight streams reach 104 %); prefetching each stream 512 bytes ahead (no gain);
// sixteen streams (64 %); and, for bf16 weights, two or four rows of each part at
// once (two thirds of the speed).
//
// # Paths
//
// The package uses the best of these paths that the processor supports and whose
// tiles pass a comparison with the portable path at start-up. The environment
// variable XRUN_SIMD forces one; [CheckPath] reports whether it is available.
//
//	avx512bf16  VDPBF16PS for bf16 operands, avx512 otherwise
//	avx512      512-bit vectors; bf16 widened, FTZ and DAZ inside the tiles
//	avx2        256-bit vectors; the same
//	neon        arm64: f32 products; bf16 is portable, because ARM detects
//	            tininess before rounding
//	noasm       portable Go, available everywhere; the only path under the
//	            build tag noasm
//
// avx512 is preferred to avx512bf16 where two multiply-adds are faster than one
// VDPBF16PS, as on Intel's processors; this is measured at start-up.
//
// kernels/_gen writes the assembly (go generate). These paths have been run: avx2
// on Zen 3; noasm; neon under qemu; and the AVX-512 paths, including VDPBF16PS, on
// an Intel Xeon of family 6, model 207 (Emerald Rapids) and on Bochs, an
// independent emulator, as a Sapphire Rapids (bochs.sh). On each, the tests of this
// package passed and experiments/smoke.cue gave the bytes of avx2. On any other
// processor, the self-check guards against wrong results.
package gemm
