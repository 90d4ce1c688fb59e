//go:build amd64 && !noasm

package gemm

import "unsafe"

// avx512 is the path of 512-bit vectors, from the same generator as AVX2 with a larger
// tile. Thin products, packing and epilogues use AVX2.
var avx512 = path{
	name:     "avx512",
	mr:       12,
	nr:       32,
	pack:     packSIMD,
	tile:     tileAVX512,
	finish:   finishSIMD,
	mulChain: stripsAVX512.mulChain,
	mulRows:  mulRowsAVX2, mulRowsBF16: mulRowsBF16AVX2,
	thinRows: thinRows,
	thin:     thinProduct,
	peak:     peakAVX512, peakFlops: 12 * 32, peakRounds: 1 << 20,
}

// avx512bf16 is avx512 with VDPBF16PS for bf16 operands, which are packed as words of
// two.
var avx512bf16 = path{
	name:     "avx512bf16",
	mr:       12,
	nr:       32,
	pairs:    true,
	pack:     packSIMD,
	tile:     tileDot,
	finish:   finishSIMD,
	mulChain: stripsAVX512.mulChain,
	mulRows:  mulRowsAVX2, mulRowsBF16: mulRowsBF16AVX2,
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

// tileDot is the tile of avx512bf16. modeFlush means that the operands are words of two
// bf16 values; the instruction flushes denormals itself.
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

var stripsAVX512 = strips{width: 32, whole: stripAVX512, cut: cutAVX512}

func stripAVX512(rows int, c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, shape, strips int) {
	switch rows {
	case 1:
		strip1AVX512(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 2:
		strip2AVX512(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 3:
		strip3AVX512(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 4:
		strip4AVX512(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 5:
		strip5AVX512(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	default:
		strip6AVX512(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	}
}

func cutAVX512(c []float32, ldc int, a []float32, aRow, aCol int, b []float32, ldb, rows, cols, k, shape int) {
	cut := [...]func(c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, shape int, mask uint32){
		strip1CutAVX512, strip2CutAVX512, strip3CutAVX512, strip4CutAVX512, strip5CutAVX512, strip6CutAVX512}[rows-1]
	cut(&c[0], ldc, &a[0], aRow, aCol, &b[0], ldb, k, shape, 1<<cols-1)
}
