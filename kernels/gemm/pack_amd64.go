//go:build amd64 && !noasm

package gemm

import "unsafe"

// packSIMD is pack, with whole panels and blocks in assembly.
func packSIMD(dst []float32, panel int, s *side, lane, lanes, width, k0, k1 int) {
	depth := k1 - k0
	if !s.along {
		packRows(dst, panel, s, lane, lanes, width, k0, k1)
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
			pack(dst[done*width:], panel, s, lane, min(lanes, width), width, k0+done, k1)
		}
		dst = dst[min(panel, len(dst)):]
	}
}

// whole returns how many of the positions [k0, k1) lie in whole blocks of 8 columns of
// the matrix.
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

// downPanels is the number of panels that are packed side by side, so that the cache
// lines read from each row are used whole at once.
const downPanels = 8

// packRows packs panels whose chains run down listed rows of the matrix.
func packRows(dst []float32, panel int, s *side, lane, lanes, width, k0, k1 int) {
	depth := k1 - k0
	for lanes >= width && depth > 0 {
		n := min(lanes/width, downPanels)
		downLanes(&dst[0], panel, s, lane, width, k0, depth, n)
		lane, lanes = lane+n*width, lanes-n*width
		dst = dst[min(n*panel, len(dst)):]
	}
	if lanes > 0 {
		pack(dst, panel, s, lane, lanes, width, k0, k1)
	}
}

// zeros is the row paired with the last row of an odd sequence in words of two.
var zeros [32]float32

// downLanes packs several whole panels. The rows are listed in the order of positions:
// swapped for the formats rounded and wide, two for each position of a pair format.
func downLanes(d *float32, panel int, s *side, lane, width, k0, depth, panels int) {
	if s.m.Rows == 0 {
		for i := range panels {
			clear(unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(d), 4*i*panel)), width*depth))
		}
		return
	}
	stride := s.m.Stride
	switch s.format {
	case plain:
		switch p, rows := &s.m.F32[lane], &s.rows[k0]; width {
		case 6:
			down6Plain(d, 4*panel, p, 4*stride, rows, depth, panels)
		case 12:
			down12Plain(d, 4*panel, p, 4*stride, rows, depth, panels)
		case 16:
			down16Plain(d, 4*panel, p, 4*stride, rows, depth, panels)
		case 32:
			down32Plain(d, 4*panel, p, 4*stride, rows, depth, panels)
		}
	case rounded:
		switch p, rows := &s.m.F32[lane], &s.rows[k0]; width {
		case 6:
			down6Rounded(d, 4*panel, p, 4*stride, rows, depth, panels)
		case 12:
			down12Rounded(d, 4*panel, p, 4*stride, rows, depth, panels)
		case 16:
			down16Rounded(d, 4*panel, p, 4*stride, rows, depth, panels)
		case 32:
			down32Rounded(d, 4*panel, p, 4*stride, rows, depth, panels)
		}
	case wide:
		switch p, rows := &s.m.BF16[lane], &s.rows[k0]; width {
		case 6:
			down6Wide(d, 4*panel, p, 2*stride, rows, depth, panels)
		case 12:
			down12Wide(d, 4*panel, p, 2*stride, rows, depth, panels)
		case 16:
			down16Wide(d, 4*panel, p, 2*stride, rows, depth, panels)
		case 32:
			down32Wide(d, 4*panel, p, 2*stride, rows, depth, panels)
		}
	default:
		for range panels {
			downPairs(d, s, lane, width, k0, depth)
			d, lane = (*float32)(unsafe.Add(unsafe.Pointer(d), 4*panel)), lane+width
		}
	}
}

// downPairs packs one panel of words of two.
func downPairs(d *float32, s *side, lane, width, k0, depth int) {
	stride, rows := s.m.Stride, &s.rows[2*k0]
	none := (*uint16)(unsafe.Pointer(&zeros[0]))
	switch {
	case s.format == pairRounded && width == 12:
		down12PairRounded(d, &s.m.F32[lane], 4*stride, rows, depth, &zeros[0])
	case s.format == pairRounded:
		down32PairRounded(d, &s.m.F32[lane], 4*stride, rows, depth, &zeros[0])
	case width == 12:
		down12PairWide(d, &s.m.BF16[lane], 2*stride, rows, depth, none)
	default:
		down32PairWide(d, &s.m.BF16[lane], 2*stride, rows, depth, none)
	}
}

// finishSIMD is finishPortable in assembly.
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
