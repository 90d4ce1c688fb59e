//go:build amd64 && !noasm

package gemm

import (
	"unsafe"

	"xrun/kernels/num"
)

// A thin product, of at most thinRows rows, is bound by reading w once. It
// packs nothing but x: 8 or 16 rows of w at a time are transposed in registers
// on their way from memory, while the next ones are fetched.
const thinRows = 8

// thinCols returns the number of columns of the result that the assembly
// computes at a time; kernels/_gen/thin.go has the same formula.
func thinCols(rows int) int { return 8 * max(1, min(2, 8/rows)) }

// thinProduct computes columns [n0, n1) of a product of j.m rows whose packed
// x is j.bufA, [k][rows].
func thinProduct(j *job, worker, n0, n1 int) {
	cols := thinCols(j.m)
	tmp := grow(&j.scratch[worker].edge, j.m*cols)
	blocks := min(j.k, j.b.m.Cols) / 4
	if n1-n0 >= cols {
		fetch(&j.b.m.F32[n0*j.b.m.Stride], cols*j.b.m.Stride/16)
	}
	for n := n0; n < n1; n += cols {
		// The last block lies on columns that are done already rather than
		// outside the matrix.
		at := max(min(n, n1-cols), 0)
		width := min(cols, n1-at)
		done := 0
		if width == cols {
			done = 4 * blocks
			next := min(n+cols, n1-cols) // this block again, if it is the last
			thinBlock(j.m, j.flushing, tmp, j.bufA, j.b.m.F32[at*j.b.m.Stride:], &j.b.m.F32[next*j.b.m.Stride], 4*j.b.m.Stride, blocks)
		} else {
			clear(tmp)
		}
		j.thinRest(tmp, cols, at, width, done)
		for r := range j.m {
			j.finishRow(r, n, at+width, tmp[r*cols+n-at:][:at+width-n])
		}
	}
}

// thinRest goes on with the chains of tmp from position done of the chain.
func (j *job) thinRest(tmp []float32, cols, at, width, done int) {
	swap := j.b.swap()
	for q := done; q < j.k; q++ {
		for c := range width {
			w := j.b.at(at+c, q^swap)
			for r := range j.m {
				t := &tmp[r*cols+c]
				if x := j.bufA[q*j.m+r]; j.flushing {
					*t = num.FMA32Flush(x, w, *t)
				} else {
					*t = num.FMA32(x, w, *t)
				}
			}
		}
	}
}

func thinBlock(rows int, bf16 bool, c, x, w []float32, next *float32, stride, blocks int) {
	cp, xp, wp := &c[0], unsafe.SliceData(x), unsafe.SliceData(w)
	if bf16 {
		switch rows {
		case 1:
			thin1Rounded(cp, xp, wp, next, stride, blocks)
		case 2:
			thin2Rounded(cp, xp, wp, next, stride, blocks)
		case 3:
			thin3Rounded(cp, xp, wp, next, stride, blocks)
		case 4:
			thin4Rounded(cp, xp, wp, next, stride, blocks)
		case 5:
			thin5Rounded(cp, xp, wp, next, stride, blocks)
		case 6:
			thin6Rounded(cp, xp, wp, next, stride, blocks)
		case 7:
			thin7Rounded(cp, xp, wp, next, stride, blocks)
		default:
			thin8Rounded(cp, xp, wp, next, stride, blocks)
		}
		return
	}
	switch rows {
	case 1:
		thin1Plain(cp, xp, wp, next, stride, blocks)
	case 2:
		thin2Plain(cp, xp, wp, next, stride, blocks)
	case 3:
		thin3Plain(cp, xp, wp, next, stride, blocks)
	case 4:
		thin4Plain(cp, xp, wp, next, stride, blocks)
	case 5:
		thin5Plain(cp, xp, wp, next, stride, blocks)
	case 6:
		thin6Plain(cp, xp, wp, next, stride, blocks)
	case 7:
		thin7Plain(cp, xp, wp, next, stride, blocks)
	default:
		thin8Plain(cp, xp, wp, next, stride, blocks)
	}
}
