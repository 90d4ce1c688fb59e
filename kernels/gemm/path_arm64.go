//go:build !noasm

package gemm

import (
	"sync"
	"unsafe"
)

// paths lists what can run here, best first: every arm64 has NEON.
var paths = sync.OnceValue(func() []*path {
	if selfCheck(&neon) != nil {
		return []*path{&portable}
	}
	return []*path{&neon, &portable}
})

// neon computes f32 chains in vectors of four; bf16 chains are portable.
var neon = path{
	name:     "neon",
	mr:       6,
	nr:       16,
	pack:     pack,
	tile:     tileNEON,
	finish:   finishPortable,
	mulChain: stripsNEON.mulChain,
	mulRows:  mulRowsNEON,
	peak:     peakNEON, peakFlops: 24 * 8, peakRounds: 1 << 20,
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

var stripsNEON = strips{
	width: 16,
	whole: [6]func(c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, shape, strips int){
		strip1NEON, strip2NEON, strip3NEON, strip4NEON, strip5NEON, strip6NEON},
	cut: cutNEON,
}

func cutNEON(c []float32, ldc int, a []float32, aRow, aCol int, b []float32, ldb, rows, cols, k, shape int) {
	if shape&chainUpper != 0 {
		k += rows - 1
	}
	mulChainPortable(c, ldc, a, aRow, aCol, b, ldb, rows, cols, k, shape)
}

// mulRowsNEON is mulChain over blocks of w that it transposes.
func mulRowsNEON(c []float32, cStride int, x, w []float32, wStride, m, n, k int) {
	const cols, block = 16, 64
	whole := n &^ (cols - 1)
	if k == 0 {
		whole = 0
	}
	var wt [block * cols]float32
	for j := 0; j < whole; j += cols {
		for k0 := 0; k0 < k; k0 += block {
			depth := min(block, k-k0)
			for l := range cols {
				for q, v := range w[(j+l)*wStride+k0:][:depth] {
					wt[q*cols+l] = v
				}
			}
			shape := 0
			if k0 > 0 {
				shape = chainLoad
			}
			stripsNEON.mulChain(c[j:], cStride, x[k0*m:], 1, m, wt[:], cols, m, cols, depth, shape)
		}
	}
	if whole < n {
		mulRowsPortable(c[whole:], cStride, x, w[whole*wStride:], wStride, m, n-whole, k)
	}
}
