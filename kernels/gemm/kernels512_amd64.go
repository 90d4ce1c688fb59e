//go:build amd64 && !noasm

package gemm

import "unsafe"

// avx512 is the path of 512-bit vectors: the same generator as AVX2 with a
// larger tile. Rows of few and epilogues stay with AVX2.
var avx512 = path{
	name:     "avx512",
	mr:       12,
	nr:       32,
	pack:     packSIMD,
	tile:     tileAVX512,
	finish:   finishSIMD,
	mulChain: mulChainAVX512,
	mulRows:  mulRowsAVX2,
	thinRows: thinRows,
	thin:     thinProduct,
	peak:     peakAVX512, peakFlops: 12 * 32, peakRounds: 1 << 20,
}

// avx512bf16 is avx512 with VDPBF16PS for bf16 operands, which it packs as
// words of two.
var avx512bf16 = path{
	name:      "avx512bf16",
	mr:        12,
	nr:        32,
	pairs:     true,
	pack:      packSIMD,
	tile:      tileDot,
	finish:    finishSIMD,
	mulChain:  mulChainAVX512,
	mulRows:   mulRowsAVX2,
	thinRows:  thinRows,
	thin:      thinProduct,
	peakPairs: peakDot,
	peak:      peakAVX512, peakFlops: 12 * 32, peakRounds: 1 << 20,
}

func tileAVX512(c []float32, ldc int, a, b []float32, k, m, mode int, e *ending) {
	cp, ap, bp, end := unsafe.SliceData(c), unsafe.SliceData(a), unsafe.SliceData(b), e.words()
	if full := m / 12; full > 0 {
		tile12AVX512(cp, ldc, ap, bp, k, full, mode, end)
		if m -= 12 * full; m == 0 {
			return
		}
		cp, ap = &c[12*full*ldc], unsafe.SliceData(a[12*full*k:])
	}
	switch m {
	case 1:
		tile1AVX512(cp, ldc, ap, bp, k, 1, mode, end)
	case 2:
		tile2AVX512(cp, ldc, ap, bp, k, 1, mode, end)
	case 3:
		tile3AVX512(cp, ldc, ap, bp, k, 1, mode, end)
	case 4:
		tile4AVX512(cp, ldc, ap, bp, k, 1, mode, end)
	case 5:
		tile5AVX512(cp, ldc, ap, bp, k, 1, mode, end)
	case 6:
		tile6AVX512(cp, ldc, ap, bp, k, 1, mode, end)
	case 7:
		tile7AVX512(cp, ldc, ap, bp, k, 1, mode, end)
	case 8:
		tile8AVX512(cp, ldc, ap, bp, k, 1, mode, end)
	case 9:
		tile9AVX512(cp, ldc, ap, bp, k, 1, mode, end)
	case 10:
		tile10AVX512(cp, ldc, ap, bp, k, 1, mode, end)
	case 11:
		tile11AVX512(cp, ldc, ap, bp, k, 1, mode, end)
	}
}

// tileDot is the tile of avx512bf16: modeFlush says that the operands are
// words of two bf16 values; the instruction flushes by itself.
func tileDot(c []float32, ldc int, a, b []float32, k, m, mode int, e *ending) {
	if mode&modeFlush == 0 {
		tileAVX512(c, ldc, a, b, k, m, mode, e)
		return
	}
	cp, ap, bp, end := unsafe.SliceData(c), unsafe.SliceData(a), unsafe.SliceData(b), e.words()
	if full := m / 12; full > 0 {
		tile12Dot(cp, ldc, ap, bp, k, full, mode, end)
		if m -= 12 * full; m == 0 {
			return
		}
		cp, ap = &c[12*full*ldc], unsafe.SliceData(a[12*full*k:])
	}
	switch m {
	case 1:
		tile1Dot(cp, ldc, ap, bp, k, 1, mode, end)
	case 2:
		tile2Dot(cp, ldc, ap, bp, k, 1, mode, end)
	case 3:
		tile3Dot(cp, ldc, ap, bp, k, 1, mode, end)
	case 4:
		tile4Dot(cp, ldc, ap, bp, k, 1, mode, end)
	case 5:
		tile5Dot(cp, ldc, ap, bp, k, 1, mode, end)
	case 6:
		tile6Dot(cp, ldc, ap, bp, k, 1, mode, end)
	case 7:
		tile7Dot(cp, ldc, ap, bp, k, 1, mode, end)
	case 8:
		tile8Dot(cp, ldc, ap, bp, k, 1, mode, end)
	case 9:
		tile9Dot(cp, ldc, ap, bp, k, 1, mode, end)
	case 10:
		tile10Dot(cp, ldc, ap, bp, k, 1, mode, end)
	case 11:
		tile11Dot(cp, ldc, ap, bp, k, 1, mode, end)
	}
}

func mulChainAVX512(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k int, carry bool) {
	if k == 0 {
		mulChainPortable(c, cStride, a, aRow, aCol, b, bStride, m, n, k, carry)
		return
	}
	for k0 := 0; k0 < k; k0 += chainBlock {
		depth, load := min(chainBlock, k-k0), 0
		if carry || k0 > 0 {
			load = 1
		}
		for j := 0; j < n; j += 32 {
			bp := &b[k0*bStride+j]
			for i := 0; i < m; i += 6 {
				cp, ap := &c[i*cStride+j], &a[i*aRow+k0*aCol]
				if n-j < 32 {
					stripCutAVX512(min(m-i, 6), cp, cStride, ap, aRow, aCol, bp, bStride, depth, load, 1<<(n-j)-1)
				} else {
					stripAVX512(min(m-i, 6), cp, cStride, ap, aRow, aCol, bp, bStride, depth, load)
				}
			}
		}
	}
}

func stripAVX512(rows int, c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, load int) {
	switch rows {
	case 1:
		strip1AVX512(c, ldc, a, aRow, aCol, b, ldb, k, load)
	case 2:
		strip2AVX512(c, ldc, a, aRow, aCol, b, ldb, k, load)
	case 3:
		strip3AVX512(c, ldc, a, aRow, aCol, b, ldb, k, load)
	case 4:
		strip4AVX512(c, ldc, a, aRow, aCol, b, ldb, k, load)
	case 5:
		strip5AVX512(c, ldc, a, aRow, aCol, b, ldb, k, load)
	default:
		strip6AVX512(c, ldc, a, aRow, aCol, b, ldb, k, load)
	}
}

func stripCutAVX512(rows int, c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, load int, mask uint32) {
	switch rows {
	case 1:
		strip1CutAVX512(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	case 2:
		strip2CutAVX512(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	case 3:
		strip3CutAVX512(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	case 4:
		strip4CutAVX512(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	case 5:
		strip5CutAVX512(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	default:
		strip6CutAVX512(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	}
}
