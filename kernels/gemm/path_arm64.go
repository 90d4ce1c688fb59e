//go:build !noasm

package gemm

import (
	"sync"
	"unsafe"

	"xrun/kernels/num"
)

// paths lists the paths that can run here, best first. Every arm64 has NEON.
var paths = sync.OnceValue(func() []*path {
	if selfCheck(&neon) != nil {
		return []*path{&portable}
	}
	return []*path{&neon, &portable}
})

// neon is the path of vectors of four for f32; bf16 chains are portable.
var neon = path{
	name:     "neon",
	mr:       6,
	nr:       16,
	pack:     pack,
	tile:     tileNEON,
	finish:   finishPortable,
	mulChain: stripsNEON.mulChain,
	mulRows:  mulRowsNEON, mulRowsBF16: mulRowsBF16NEON,
	peak: peakNEON, peakFlops: 24 * 8, peakRounds: 1 << 20,
}

func tileNEON(c []float32, ldc int, a, b []float32, k, m, mode int, e *ending) {
	if mode&modeFlush != 0 {
		tileGo(c, ldc, a, b, k, m, mode, e, 6, 16)
		return
	}
	if e != nil && e.dst16 != nil {
		tileNEON(c, ldc, a, b, k, m, mode, nil)
		for i := range m {
			e.row(i, c[i*ldc:][:16])
		}
		return
	}
	cp, ap, bp, end := unsafe.SliceData(c), unsafe.SliceData(a), unsafe.SliceData(b), e.words()
	if full := m / 6; full > 0 {
		tile6NEON(cp, ldc, ap, bp, k, full, mode, end)
		if m -= 6 * full; m == 0 {
			return
		}
		cp, ap = &c[6*full*ldc], unsafe.SliceData(a[6*full*k:])
	}
	switch m {
	case 1:
		tile1NEON(cp, ldc, ap, bp, k, 1, mode, end)
	case 2:
		tile2NEON(cp, ldc, ap, bp, k, 1, mode, end)
	case 3:
		tile3NEON(cp, ldc, ap, bp, k, 1, mode, end)
	case 4:
		tile4NEON(cp, ldc, ap, bp, k, 1, mode, end)
	case 5:
		tile5NEON(cp, ldc, ap, bp, k, 1, mode, end)
	}
}

var stripsNEON = strips{width: 16, whole: stripNEON, cut: cutNEON}

func stripNEON(rows int, c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, shape, strips int) {
	switch rows {
	case 1:
		strip1NEON(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 2:
		strip2NEON(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 3:
		strip3NEON(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 4:
		strip4NEON(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	case 5:
		strip5NEON(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	default:
		strip6NEON(c, ldc, a, aRow, aCol, b, ldb, k, shape, strips)
	}
}

func cutNEON(c []float32, ldc int, a []float32, aRow, aCol int, b []float32, ldb, rows, cols, k, shape int) {
	if shape&chainUpper != 0 {
		k += rows - 1
	}
	mulChainPortable(c, ldc, a, aRow, aCol, b, ldb, rows, cols, k, shape)
}

func mulRowsNEON(c []float32, cStride int, x, w []float32, wStride, m, n, k int) {
	done := mulTransposed(c, cStride, x, w, nil, wStride, m, n, k)
	if done < n {
		mulRowsPortable(c[done:], cStride, x, w[done*wStride:], wStride, m, n-done, k)
	}
}

func mulRowsBF16NEON(c []float32, cStride int, x []float32, w []uint16, wStride, m, n, k int) {
	done := mulTransposed(c, cStride, x, nil, w, wStride, m, n, k)
	if done < n {
		mulRowsBF16Portable(c[done:], cStride, x, w[done*wStride:], wStride, m, n-done, k)
	}
}

// mulTransposed is MulRows, or MulRowsBF16 if w16 is not nil, for the columns in whole
// strips, whose number it returns. It transposes w a block at a time.
func mulTransposed(c []float32, cStride int, x, w []float32, w16 []uint16, wStride, m, n, k int) int {
	const cols, block = 16, 64
	whole := n &^ (cols - 1)
	if k == 0 {
		return 0
	}
	var t [block * cols]float32
	for j := 0; j < whole; j += cols {
		for at := 0; at < k; at += block {
			depth, shape := min(block, k-at), 0
			if at > 0 {
				shape = chainLoad
			}
			for l := range cols {
				from := (j+l)*wStride + at
				if w16 == nil {
					for q, v := range w[from:][:depth] {
						t[q*cols+l] = v
					}
					continue
				}
				for q, v := range w16[from:][:depth] {
					t[q*cols+l] = num.WidenBF16(v)
				}
			}
			for i := 0; i < m; i += 6 {
				stripNEON(min(m-i, 6), &c[i*cStride+j], cStride, &x[at*m+i], 1, m, &t[0], cols, depth, shape, 1)
			}
		}
	}
	return whole
}
