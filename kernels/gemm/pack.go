package gemm

import (
	"math"

	"xrun/kernels/num"
)

// side describes how one operand of a product is read and packed. Its lanes are the
// rows or columns of the result to which it contributes; k is the index of the chain.
type side struct {
	m Matrix
	// along means that the chain runs along rows: lane l, index k is element (l, k).
	// Otherwise the chain runs down columns, and it is element (k, l).
	along  bool
	format format // of the packed values
	// rows, if the chain runs down columns, lists the source row of each position
	// (two rows for each word of a pair format). -1 stands for a row of zeros.
	rows []int32
}

// format is the form of packed values.
type format int

const (
	plain   format = iota // f32, unchanged
	rounded               // f32, rounded to bf16
	wide                  // bf16
	// The previous two as words of two bf16 values, for VDPBF16PS: position q holds
	// index 2q in the lower half and 2q+1 in the upper half.
	pairRounded
	pairWide
)

// pairs reports whether packed values are words of two.
func (s *side) pairs() bool { return s.format >= pairRounded }

// at returns the packed value of a lane at index q, or of the q-th word.
func (s *side) at(lane, q int) float32 {
	if !s.pairs() {
		return s.value(lane, q)
	}
	even, odd := math.Float32bits(s.value(lane, 2*q)), math.Float32bits(s.value(lane, 2*q+1))
	return math.Float32frombits(even>>16 | odd)
}

// value returns the value of a lane at index k, or of the k-th listed row.
func (s *side) value(lane, k int) float32 {
	var r, c int
	if s.along {
		r, c = lane, k
		if k >= s.m.Cols {
			return 0
		}
	} else if r, c = int(s.rows[k]), lane; r < 0 {
		return 0
	}
	switch i := r*s.m.Stride + c; s.format {
	case plain:
		return s.m.F32[i]
	case rounded, pairRounded:
		return num.WidenBF16(num.RoundBF16(s.m.F32[i]))
	default:
		return num.WidenBF16(s.m.BF16[i])
	}
}

// pack writes lanes [lane, lane+lanes) of s for chain positions [k0, k1) to dst, as
// panels of [k1-k0][width] that are panel values apart. Lanes beyond the last become
// zeros. In the formats rounded and wide, position q holds index q^1, so that the odd
// element of each pair comes first; k0 and k1 are then even. In the pair formats a
// position is a word.
func pack(dst []float32, panel int, s *side, lane, lanes, width, k0, k1 int) {
	if s.format == plain {
		packPlain(dst, panel, s, lane, lanes, width, k0, k1)
		return
	}
	swap := s.swap()
	for ; lanes > 0; lane, lanes = lane+width, lanes-width {
		n := min(lanes, width)
		for q := k0; q < k1; q++ {
			row := dst[(q-k0)*width:][:width]
			for l := range row[:n] {
				row[l] = s.at(lane+l, q^swap)
			}
			clear(row[n:])
		}
		dst = dst[min(panel, len(dst)):]
	}
}

// packPlain is pack for the format plain, row by row of the matrix.
func packPlain(dst []float32, panel int, s *side, lane, lanes, width, k0, k1 int) {
	for ; lanes > 0; lane, lanes = lane+width, lanes-width {
		n := min(lanes, width)
		to := dst[:width*(k1-k0)]
		dst = dst[min(panel, len(dst)):]
		if n < width {
			clear(to)
		}
		if s.along {
			for l := range n {
				at := (lane + l) * s.m.Stride
				for q, v := range s.m.F32[at+k0 : at+k1] {
					to[q*width+l] = v
				}
			}
			continue
		}
		for q, r := range s.rows[k0:k1] {
			copy(to[q*width:][:n], s.m.F32[int(r)*s.m.Stride+lane:])
		}
	}
}

// swap returns 1 if position q holds index q^1, otherwise 0. Lists of rows are already
// in the order of positions.
func (s *side) swap() int {
	if s.along && (s.format == rounded || s.format == wide) {
		return 1
	}
	return 0
}
