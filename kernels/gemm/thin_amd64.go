//go:build amd64 && !noasm

package gemm

import (
	"unsafe"

	"xrun/kernels/num"
)

// A thin product, of at most thinRows rows, is bound by reading w once. It packs only
// x: 8 rows of w at a time are transposed in registers on their way from memory. One
// row comes from each of 8 parts of a piece, so that each part is one stream of
// addresses, which the hardware prefetches.
const thinRows = 8

// thinProduct computes columns [n0, n1) of a product of j.m rows whose packed
// x is j.packed, [k][rows].
func thinProduct(j *job, worker, n0, n1 int) {
	// If 8 does not divide the columns, parts overlap and the overlap is computed twice.
	apart := (n1 - n0) / thinCols
	part := n1 - n0 - (thinCols-1)*apart
	c, out := j.scratch[worker].edge[:j.m*thinCols], j.scratch[worker].edge[j.m*thinCols:]
	w, format, per := &j.b.m, j.b.format, 4 // values in a block of 16 bytes
	if format == wide {
		per = 8
	}
	blocks := min(j.k, w.Cols) / per
	block := thinBlocks[format][j.m-1]
	for i := range part {
		var row *float32
		if at := (n0 + i) * w.Stride; format == wide {
			row = (*float32)(unsafe.Pointer(unsafe.SliceData(w.BF16[at:])))
		} else {
			row = unsafe.SliceData(w.F32[at:])
		}
		block(&c[0], 4*thinCols, unsafe.SliceData(j.packed), row, 16/per*apart*w.Stride, blocks)
		j.thinRest(c, n0+i, apart, per*blocks)
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

// thinRest continues the chains of columns at, at+apart, ... from position done.
func (j *job) thinRest(chains []float32, at, apart, done int) {
	swap := j.b.swap()
	for q := done; q < j.k; q++ {
		for c := range thinCols {
			w := j.b.at(at+c*apart, q^swap)
			for r := range j.m {
				t := &chains[r*thinCols+c]
				if x := j.packed[q*j.m+r]; j.flushing {
					*t = num.FMA32Flush(x, w, *t)
				} else {
					*t = num.FMA32(x, w, *t)
				}
			}
		}
	}
}

// thinBlocks holds the assembly functions by format of w and number of rows.
var thinBlocks = [...][thinRows]func(c *float32, ldc int, x, w *float32, stride, blocks int){
	plain:   {thin1Plain, thin2Plain, thin3Plain, thin4Plain, thin5Plain, thin6Plain, thin7Plain, thin8Plain},
	rounded: {thin1Rounded, thin2Rounded, thin3Rounded, thin4Rounded, thin5Rounded, thin6Rounded, thin7Rounded, thin8Rounded},
	wide:    {thin1Wide, thin2Wide, thin3Wide, thin4Wide, thin5Wide, thin6Wide, thin7Wide, thin8Wide},
}

func mulRowsAVX2(c []float32, cStride int, x, w []float32, wStride, m, n, k int) {
	if m > thinRows || n < thinCols || k%4 != 0 {
		mulRowsPortable(c, cStride, x, w, wStride, m, n, k)
		return
	}
	block := thinBlocks[plain][m-1]
	for j := 0; j < n; j += thinCols {
		at := min(j, n-thinCols) // computes some columns twice if 8 does not divide n
		block(&c[at], 4*cStride, unsafe.SliceData(x), &w[at*wStride], 4*wStride, k/4)
	}
}

func mulRowsBF16AVX2(c []float32, cStride int, x []float32, w []uint16, wStride, m, n, k int) {
	if m > thinRows || n < thinCols || k%8 != 0 {
		mulRowsBF16Portable(c, cStride, x, w, wStride, m, n, k)
		return
	}
	block := thinKeys[m-1]
	for j := 0; j < n; j += thinCols {
		at := min(j, n-thinCols)
		block(&c[at], 4*cStride, unsafe.SliceData(x), &w[at*wStride], 2*wStride, k/8)
	}
}

// thinKeys holds the assembly of the plain chains of bf16 rows, by number of rows.
var thinKeys = [thinRows]func(c *float32, ldc int, x *float32, w *uint16, stride, blocks int){
	thin1Keys, thin2Keys, thin3Keys, thin4Keys, thin5Keys, thin6Keys, thin7Keys, thin8Keys}
