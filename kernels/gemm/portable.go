package gemm

import "xrun/kernels/num"

// portable is the path in plain Go. It defines every bit, and runs where there is no
// assembly.
var portable = path{
	name:     "noasm",
	mr:       4,
	nr:       8,
	pack:     pack,
	tile:     tilePortable,
	finish:   finishPortable,
	mulChain: mulChainPortable,
	mulRows:  mulRowsPortable, mulRowsBF16: mulRowsBF16Portable,
	peak: peakPortable, peakFlops: 16, peakRounds: 1 << 18,
}

func tilePortable(c []float32, ldc int, a, b []float32, k, m, mode int, e *ending) {
	tileGo(c, ldc, a, b, k, m, mode, e, 4, 8)
}

// tileGo computes m rows and nr columns (at most 16) of the chain: c[i][j] +=
// Σ a[k][i]·b[k][j] over packed panels of mr rows (a) and one of nr columns (b).
func tileGo(c []float32, ldc int, a, b []float32, k, m, mode int, e *ending, mr, nr int) {
	var sums [16]float32
	acc := sums[:nr]
	for i := range m {
		panel := a[i/mr*mr*k:]
		row := c[i*ldc:][:nr]
		clear(acc)
		if mode&modeLoad != 0 {
			copy(acc, row)
		}
		for q := range k {
			x, y := panel[q*mr+i%mr], b[q*nr:][:len(acc)]
			if mode&modeFlush != 0 {
				for j := range acc {
					acc[j] = num.FMA32Flush(x, y[j], acc[j])
				}
			} else {
				for j := range acc {
					acc[j] = num.FMA32(x, y[j], acc[j])
				}
			}
		}
		if e != nil {
			e.row(i, acc)
		} else {
			copy(row, acc)
		}
	}
}

// finishPortable finishes one row: dst, or dst16 if it is not nil, = c + bias + res.
// bias and res may be nil.
func finishPortable(dst []float32, dst16 []uint16, c, bias, res []float32) {
	for j, v := range c {
		if bias != nil {
			v += bias[j]
		}
		if res != nil {
			v += res[j]
		}
		if dst16 != nil {
			dst16[j] = num.RoundBF16(v)
		} else {
			dst[j] = v
		}
	}
}

func mulChainPortable(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k, shape int) {
	for i := range m {
		row := c[i*cStride:][:n]
		if shape&chainLoad == 0 {
			clear(row)
		}
		from, to := 0, k
		if shape&chainUpper != 0 {
			from = i
		}
		if shape&chainLower != 0 {
			to = k + i
		}
		for q := from; q < to; q++ {
			x, y := a[i*aRow+q*aCol], b[q*bStride:][:n]
			for j, v := range y {
				row[j] = num.FMA32(x, v, row[j])
			}
		}
	}
}

func mulRowsPortable(c []float32, cStride int, x, w []float32, wStride, m, n, k int) {
	for i := range m {
		for j := range n {
			sum := float32(0)
			for q, v := range w[j*wStride:][:k] {
				sum = num.FMA32(x[q*m+i], v, sum)
			}
			c[i*cStride+j] = sum
		}
	}
}

func mulRowsBF16Portable(c []float32, cStride int, x []float32, w []uint16, wStride, m, n, k int) {
	for i := range m {
		for j := range n {
			sum := float32(0)
			for q, v := range w[j*wStride:][:k] {
				sum = num.FMA32(x[q*m+i], num.WidenBF16(v), sum)
			}
			c[i*cStride+j] = sum
		}
	}
}
