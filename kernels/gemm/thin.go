package gemm

import (
	"xrun/kernels/num"
	"xrun/kernels/pool"
)

// runThinProduct computes a Forward of few rows on p.
func (j *job) runThinProduct(p *pool.Pool) {
	if j.m == 0 || j.n == 0 {
		return
	}
	j.growScratch(p)
	j.packThin(grow(&j.packed, j.m*j.k))
	// Few pieces, because the first memory access of each has to be waited for.
	j.thinWidth = even(j.n, min(ceilDiv(j.n, 2*p.Threads()), thinLimit), 16)
	// Allocate for every worker now: which worker takes which piece may change from
	// one product to the next.
	for i := range j.scratch {
		grow(&j.scratch[i].edge, j.m*(j.thinWidth+thinCols))
	}
	each(p, j.m*j.n*j.k < smallWork, ceilDiv(j.n, j.thinWidth), j.thinPiece)
}

// packThin packs all of x, on the caller's thread.
func (j *job) packThin(dst []float32) {
	x := &j.a.m
	if j.a.format != wide {
		pack(dst, len(dst), &j.a, 0, j.m, j.m, 0, j.k)
		return
	}
	for r := range j.m {
		row := x.BF16[r*x.Stride:][:x.Cols]
		for q, v := range row {
			dst[(q^1)*j.m+r] = num.WidenBF16(v)
		}
		if len(row) < j.k {
			dst[(len(row)^1)*j.m+r] = 0
		}
	}
}

func (j *job) runThin(worker, i int) {
	j.path.thin(j, worker, i*j.thinWidth, min((i+1)*j.thinWidth, j.n))
}
