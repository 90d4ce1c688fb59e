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
	thinRows: thinRows,
	thin:     thinProduct,
	peak:     peakAVX2, peakFlops: 12 * 16, peakRounds: 1 << 20,
}

func tileAVX2(c []float32, ldc int, a, b []float32, k, m int, load, flushing bool) {
	mode := 0
	if load {
		mode |= modeLoad
	}
	if flushing {
		mode |= modeFlush
	}
	cp, ap, bp := unsafe.SliceData(c), unsafe.SliceData(a), unsafe.SliceData(b)
	if full := m / 6; full > 0 {
		tile6AVX2(cp, ldc, ap, bp, k, full, mode)
		if m -= 6 * full; m == 0 {
			return
		}
		cp, ap = &c[6*full*ldc], unsafe.SliceData(a[6*full*k:])
	}
	switch m {
	case 1:
		tile1AVX2(cp, ldc, ap, bp, k, 1, mode)
	case 2:
		tile2AVX2(cp, ldc, ap, bp, k, 1, mode)
	case 3:
		tile3AVX2(cp, ldc, ap, bp, k, 1, mode)
	case 4:
		tile4AVX2(cp, ldc, ap, bp, k, 1, mode)
	case 5:
		tile5AVX2(cp, ldc, ap, bp, k, 1, mode)
	}
}

// packSIMD is pack with whole panels and blocks done in assembly.
func packSIMD(dst []float32, s *side, lane, lanes, width, k0, k1 int) {
	depth := k1 - k0
	if !s.along {
		packRows(dst, s, lane, lanes, width, k0, k1)
		return
	}
	for ; lanes > 0; lane, lanes = lane+width, lanes-width {
		done := 0
		if lanes >= width {
			if done = (min(k1, s.m.Cols) - k0) &^ 7; done > 0 {
				alongLanes(dst, s, lane, width, k0, done/8)
			}
		}
		if done < depth {
			pack(dst[done*width:], s, lane, min(lanes, width), width, k0+done, k1)
		}
		dst = dst[min(depth*width, len(dst)):]
	}
}

// alongLanes transposes the rows of one panel, over 8·blocks columns from k0.
func alongLanes(dst []float32, s *side, lane, width, k0, blocks int) {
	step := 4 * width
	for l := 0; l < width; {
		n := min(width-l, 8)
		if n == 7 || n == 5 {
			panic("kernels: gemm: no packing for such a panel")
		}
		d, at := &dst[l], (lane+l)*s.m.Stride+k0
		switch {
		case s.format == wide && n == 8:
			along8Wide(d, step, &s.m.BF16[at], 2*s.m.Stride, blocks)
		case s.format == wide && n == 6:
			along6Wide(d, step, &s.m.BF16[at], 2*s.m.Stride, blocks)
		case s.format == wide:
			along4Wide(d, step, &s.m.BF16[at], 2*s.m.Stride, blocks)
		case s.format == rounded && n == 8:
			along8Rounded(d, step, &s.m.F32[at], 4*s.m.Stride, blocks)
		case s.format == rounded && n == 6:
			along6Rounded(d, step, &s.m.F32[at], 4*s.m.Stride, blocks)
		case s.format == rounded:
			along4Rounded(d, step, &s.m.F32[at], 4*s.m.Stride, blocks)
		case n == 8:
			along8Plain(d, step, &s.m.F32[at], 4*s.m.Stride, blocks)
		case n == 6:
			along6Plain(d, step, &s.m.F32[at], 4*s.m.Stride, blocks)
		default:
			along4Plain(d, step, &s.m.F32[at], 4*s.m.Stride, blocks)
		}
		l += n
	}
}

// packRows packs panels whose chain runs down the rows of the matrix.
func packRows(dst []float32, s *side, lane, lanes, width, k0, k1 int) {
	swap := s.swap()
	panels, step := lanes/width, 4*width*(k1-k0)
	for q := k0; q < k1 && panels > 0; q++ {
		r := q ^ swap
		if s.rows != nil {
			r = int(s.rows[r])
		}
		if d := dst[(q-k0)*width:]; r < 0 || r >= s.m.Rows {
			for i := range panels {
				clear(d[i*width*(k1-k0):][:width])
			}
		} else {
			rowLanes(d, step, s, r*s.m.Stride+lane, width, panels)
		}
	}
	if rest := lanes - panels*width; rest > 0 {
		pack(dst[panels*width*(k1-k0):], s, lane+panels*width, rest, width, k0, k1)
	}
}

func rowLanes(dst []float32, step int, s *side, at, width, panels int) {
	d := &dst[0]
	switch s.format {
	case plain:
		switch p := &s.m.F32[at]; width {
		case 6:
			row6Plain(d, step, p, panels)
		case 12:
			row12Plain(d, step, p, panels)
		case 16:
			row16Plain(d, step, p, panels)
		case 32:
			row32Plain(d, step, p, panels)
		}
	case rounded:
		switch p := &s.m.F32[at]; width {
		case 6:
			row6Rounded(d, step, p, panels)
		case 12:
			row12Rounded(d, step, p, panels)
		case 16:
			row16Rounded(d, step, p, panels)
		case 32:
			row32Rounded(d, step, p, panels)
		}
	case wide:
		switch p := &s.m.BF16[at]; width {
		case 6:
			row6Wide(d, step, p, panels)
		case 12:
			row12Wide(d, step, p, panels)
		case 16:
			row16Wide(d, step, p, panels)
		case 32:
			row32Wide(d, step, p, panels)
		}
	}
}

// finishSIMD is finishPortable.
func finishSIMD(dst []float32, dst16 []uint16, c, bias, res []float32) {
	n := len(c) &^ 7
	cp, bp, rp := unsafe.SliceData(c), unsafe.SliceData(bias), unsafe.SliceData(res)
	if dst16 != nil {
		finishBF16(unsafe.SliceData(dst16), cp, bp, rp, n/8)
		dst16 = dst16[n:]
	} else {
		finishF32(unsafe.SliceData(dst), cp, bp, rp, n/8)
		dst = dst[n:]
	}
	if n == len(c) {
		return
	}
	if bias != nil {
		bias = bias[n:]
	}
	if res != nil {
		res = res[n:]
	}
	finishPortable(dst, dst16, c[n:], bias, res)
}

// cutMask holds the masks of a strip of n columns at [16-n:].
var cutMask = [32]int32{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}

// chainBlock is the length of chain that MulChain does at a time: so much of a
// strip of b stays in L1.
const chainBlock = 256

func mulChainAVX2(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k int, carry bool) {
	if k == 0 {
		if !carry {
			for i := range m {
				clear(c[i*cStride:][:n])
			}
		}
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
