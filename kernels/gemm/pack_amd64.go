//go:build amd64 && !noasm

package gemm

import "unsafe"

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
			if done = s.whole(k0, k1); done > 0 {
				alongLanes(dst, s, lane, width, k0, done)
			}
		}
		if done < depth {
			pack(dst[done*width:], s, lane, min(lanes, width), width, k0+done, k1)
		}
		dst = dst[min(depth*width, len(dst)):]
	}
}

// whole returns how many of the positions [k0, k1) make up whole blocks of 8
// columns of the matrix.
func (s *side) whole(k0, k1 int) int {
	if s.pairs() {
		return (min(2*k1, s.m.Cols) - 2*k0) &^ 7 / 2
	}
	return (min(k1, s.m.Cols) - k0) &^ 7
}

// alongLanes transposes the rows of one panel, over count positions from k0.
func alongLanes(dst []float32, s *side, lane, width, k0, count int) {
	step, blocks := 4*width, count/8
	if s.pairs() {
		k0, blocks = 2*k0, count/4
	}
	for l := 0; l < width; {
		n := min(width-l, 8)
		d, at := &dst[l], (lane+l)*s.m.Stride+k0
		switch {
		case s.format == pairWide && n == 8:
			along8PairWide(d, step, &s.m.BF16[at], 2*s.m.Stride, blocks)
		case s.format == pairWide:
			along4PairWide(d, step, &s.m.BF16[at], 2*s.m.Stride, blocks)
		case s.format == pairRounded && n == 8:
			along8PairRounded(d, step, &s.m.F32[at], 4*s.m.Stride, blocks)
		case s.format == pairRounded:
			along4PairRounded(d, step, &s.m.F32[at], 4*s.m.Stride, blocks)
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
	if s.pairs() {
		packPairRows(dst, s, lane, panels, width, k0, k1)
	}
	for q := k0; q < k1 && panels > 0 && !s.pairs(); q++ {
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

// zeros is the row that an odd end is paired with. No group of panels that is
// packed at a time is wider.
var zeros [16384 + 64]float32

// packPairRows is packRows for words of two rows.
func packPairRows(dst []float32, s *side, lane, panels, width, k0, k1 int) {
	step := 4 * width * (k1 - k0)
	source := func(k int) int {
		if s.rows != nil {
			k = int(s.rows[k])
		}
		if k >= s.m.Rows {
			return -1
		}
		return k
	}
	for q := k0; q < k1 && panels > 0; q++ {
		d := &dst[(q-k0)*width]
		even, odd := source(2*q), source(2*q+1)
		if s.format == pairRounded {
			e, o := &zeros[0], &zeros[0]
			if even >= 0 {
				e = &s.m.F32[even*s.m.Stride+lane]
			}
			if odd >= 0 {
				o = &s.m.F32[odd*s.m.Stride+lane]
			}
			if width == 12 {
				row12PairRounded(d, step, e, o, panels)
			} else {
				row32PairRounded(d, step, e, o, panels)
			}
			continue
		}
		none := (*uint16)(unsafe.Pointer(&zeros[0]))
		e, o := none, none
		if even >= 0 {
			e = &s.m.BF16[even*s.m.Stride+lane]
		}
		if odd >= 0 {
			o = &s.m.BF16[odd*s.m.Stride+lane]
		}
		if width == 12 {
			row12PairWide(d, step, e, o, panels)
		} else {
			row32PairWide(d, step, e, o, panels)
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
