//go:build amd64 && !noasm

package gemm

import (
	"unsafe"

	"xrun/kernels/num"
)

// A thin product, of at most thinRows rows, is bound by reading w once. It
// packs nothing but x: 8 rows of w at a time are transposed in registers on
// their way from memory. They are rows of the 8 parts of a piece, so that each
// part is one stream of addresses, which the processor reads ahead by itself.
const thinRows = 8

// thinProduct computes columns [n0, n1) of a product of j.m rows whose packed
// x is j.bufA, [k][rows].
func thinProduct(j *job, worker, n0, n1 int) {
	// Parts overlap by what 8 does not divide: that is computed twice.
	apart := (n1 - n0) / thinCols
	part := n1 - n0 - (thinCols-1)*apart
	c, out := j.scratch[worker].edge[:j.m*thinCols], j.scratch[worker].edge[j.m*thinCols:]
	blocks := min(j.k, j.b.m.Cols) / 4
	for i := range part {
		thinBlock(j.m, j.flushing, &c[0], unsafe.SliceData(j.bufA), unsafe.SliceData(j.b.m.F32[(n0+i)*j.b.m.Stride:]), 4*apart*j.b.m.Stride, blocks)
		j.thinRest(c, n0+i, apart, 4*blocks)
		for r := range j.m {
			for s := range thinCols {
				out[r*(n1-n0)+i+s*apart] = c[r*thinCols+s]
			}
		}
	}
	for r := range j.m {
		j.finishRow(r, n0, n1, out[r*(n1-n0):][:n1-n0])
	}
}

// thinRest goes on with the chains of columns at, at+apart, ... from position
// done of the chain.
func (j *job) thinRest(chains []float32, at, apart, done int) {
	swap := j.b.swap()
	for q := done; q < j.k; q++ {
		for c := range thinCols {
			w := j.b.at(at+c*apart, q^swap)
			for r := range j.m {
				t := &chains[r*thinCols+c]
				if x := j.bufA[q*j.m+r]; j.flushing {
					*t = num.FMA32Flush(x, w, *t)
				} else {
					*t = num.FMA32(x, w, *t)
				}
			}
		}
	}
}

func thinBlock(rows int, bf16 bool, c, x, w *float32, stride, blocks int) {
	if bf16 {
		switch rows {
		case 1:
			thin1Rounded(c, x, w, stride, blocks)
		case 2:
			thin2Rounded(c, x, w, stride, blocks)
		case 3:
			thin3Rounded(c, x, w, stride, blocks)
		case 4:
			thin4Rounded(c, x, w, stride, blocks)
		case 5:
			thin5Rounded(c, x, w, stride, blocks)
		case 6:
			thin6Rounded(c, x, w, stride, blocks)
		case 7:
			thin7Rounded(c, x, w, stride, blocks)
		default:
			thin8Rounded(c, x, w, stride, blocks)
		}
		return
	}
	switch rows {
	case 1:
		thin1Plain(c, x, w, stride, blocks)
	case 2:
		thin2Plain(c, x, w, stride, blocks)
	case 3:
		thin3Plain(c, x, w, stride, blocks)
	case 4:
		thin4Plain(c, x, w, stride, blocks)
	case 5:
		thin5Plain(c, x, w, stride, blocks)
	case 6:
		thin6Plain(c, x, w, stride, blocks)
	case 7:
		thin7Plain(c, x, w, stride, blocks)
	default:
		thin8Plain(c, x, w, stride, blocks)
	}
}
