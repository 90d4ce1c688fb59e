//go:build amd64 && !noasm

package gemm

import "unsafe"

// avx2 is the path of 256-bit vectors. Its bf16 chains run in f32 with FTZ and
// DAZ set inside the tiles.
var avx2 = path{
	name:     "avx2",
	mr:       6,
	nr:       16,
	pack:     packSIMD,
	tile:     tileAVX2,
	finish:   finishSIMD,
	mulChain: mulChainAVX2,
	mulRows:  mulRowsAVX2,
	thinRows: thinRows,
	thin:     thinProduct,
	peak:     peakAVX2, peakFlops: 12 * 16, peakRounds: 1 << 20,
}

func tileAVX2(c []float32, ldc int, a, b []float32, k, m, mode int, e *ending) {
	cp, ap, bp, end := unsafe.SliceData(c), unsafe.SliceData(a), unsafe.SliceData(b), e.words()
	if full := m / 6; full > 0 {
		tile6AVX2(cp, ldc, ap, bp, k, full, mode, end)
		if m -= 6 * full; m == 0 {
			return
		}
		cp, ap = &c[6*full*ldc], unsafe.SliceData(a[6*full*k:])
	}
	switch m {
	case 1:
		tile1AVX2(cp, ldc, ap, bp, k, 1, mode, end)
	case 2:
		tile2AVX2(cp, ldc, ap, bp, k, 1, mode, end)
	case 3:
		tile3AVX2(cp, ldc, ap, bp, k, 1, mode, end)
	case 4:
		tile4AVX2(cp, ldc, ap, bp, k, 1, mode, end)
	case 5:
		tile5AVX2(cp, ldc, ap, bp, k, 1, mode, end)
	}
}

// cutMask holds the masks of a strip of n columns at [16-n:].
var cutMask = [32]int32{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}

// chainBlock is the length of chain that MulChain does at a time: so much of a
// strip of b stays in L1.
const chainBlock = 256

func mulChainAVX2(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k int, carry bool) {
	if k == 0 {
		mulChainPortable(c, cStride, a, aRow, aCol, b, bStride, m, n, k, carry)
		return
	}
	for k0 := 0; k0 < k; k0 += chainBlock {
		depth, load := min(chainBlock, k-k0), 0
		if carry || k0 > 0 {
			load = 1
		}
		for j := 0; j < n; j += 16 {
			bp := &b[k0*bStride+j]
			for i := 0; i < m; i += 6 {
				cp, ap := &c[i*cStride+j], &a[i*aRow+k0*aCol]
				if n-j < 16 {
					stripCutAVX2(min(m-i, 6), cp, cStride, ap, aRow, aCol, bp, bStride, depth, load, &cutMask[16-(n-j)])
				} else {
					stripAVX2(min(m-i, 6), cp, cStride, ap, aRow, aCol, bp, bStride, depth, load)
				}
			}
		}
	}
}

func stripAVX2(rows int, c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, load int) {
	switch rows {
	case 1:
		strip1AVX2(c, ldc, a, aRow, aCol, b, ldb, k, load)
	case 2:
		strip2AVX2(c, ldc, a, aRow, aCol, b, ldb, k, load)
	case 3:
		strip3AVX2(c, ldc, a, aRow, aCol, b, ldb, k, load)
	case 4:
		strip4AVX2(c, ldc, a, aRow, aCol, b, ldb, k, load)
	case 5:
		strip5AVX2(c, ldc, a, aRow, aCol, b, ldb, k, load)
	default:
		strip6AVX2(c, ldc, a, aRow, aCol, b, ldb, k, load)
	}
}

func stripCutAVX2(rows int, c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, load int, mask *int32) {
	switch rows {
	case 1:
		strip1CutAVX2(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	case 2:
		strip2CutAVX2(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	case 3:
		strip3CutAVX2(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	case 4:
		strip4CutAVX2(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	case 5:
		strip5CutAVX2(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	default:
		strip6CutAVX2(c, ldc, a, aRow, aCol, b, ldb, k, load, mask)
	}
}
