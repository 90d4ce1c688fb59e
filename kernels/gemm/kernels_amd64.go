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
	mulChain: stripsAVX2.mulChain,
	mulRows:  mulRowsAVX2, mulRowsBF16: mulRowsBF16AVX2,
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

// cutMask[16-n:] holds the masks of a strip of n columns.
var cutMask = [32]int32{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}

var stripsAVX2 = strips{width: 16, whole: stripAVX2, cut: cutAVX2}

func stripAVX2(rows int, c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, shape, strips int) {
	switch rows {
	case 1:
		strip1AVX2(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 2:
		strip2AVX2(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 3:
		strip3AVX2(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 4:
		strip4AVX2(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 5:
		strip5AVX2(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	default:
		strip6AVX2(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	}
}

func cutAVX2(c []float32, ldc int, a []float32, aRow, aCol int, b []float32, ldb, rows, cols, k, shape int) {
	cut := [...]func(c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, shape int, mask *int32){
		strip1CutAVX2, strip2CutAVX2, strip3CutAVX2, strip4CutAVX2, strip5CutAVX2, strip6CutAVX2}[rows-1]
	cut(&c[0], ldc, &a[0], aRow, aCol, &b[0], ldb, k, shape, &cutMask[16-cols])
}
