package gemm

import (
	"fmt"

	"xrun/kernels/pool"
)

// Forward sets dst[T,N] = x[T,K]·w[N,K]ᵀ, plus bias[N] and residual[T,N] if
// they are not nil, each one float32 addition after the chain over K. dst is
// F32, or BF16 and then rounded once at the end. x F32 gives the plain chain of
// w, the F32 master weights; x BF16 gives the bf16 chain, for which w is BF16 or
// rounded to it. residual is F32 and may be dst.
func Forward(p *pool.Pool, dst, x, w Matrix, bias []float32, residual *Matrix) {
	dst.check("dst", x.Rows, w.Rows)
	x.check("x", x.Rows, w.Cols)
	if w.check("w", w.Rows, w.Cols); w.BF16 != nil && x.F32 != nil {
		panic("kernels: gemm: w is bf16 and x f32")
	}
	if bias != nil && len(bias) != w.Rows {
		panic(fmt.Sprintf("kernels: gemm: bias has %d elements, want %d", len(bias), w.Rows))
	}
	j := newJob()
	thin := x.Rows <= active().thinRows
	j.product(x.Rows, w.Rows, side{m: x, along: true}, side{m: w, along: true}, w.Cols, x.BF16 != nil, !thin)
	j.out, j.bias = dst, bias
	if residual != nil {
		residual.checkF32("residual", x.Rows, w.Rows)
		j.res = *residual
	}
	if thin {
		j.runThinProduct(p)
	} else {
		j.run(p)
	}
	j.release()
}

// GradInput sets dx[T,K] = dy[T,N]·w[N,K], a chain over N ascending; with add,
// the finished product is added to dx by one float32 addition. dx and w are
// F32; dy BF16 gives the bf16 chain with w rounded to bf16.
func GradInput(p *pool.Pool, dx, dy, w Matrix, add bool) {
	dx.checkF32("dx", dy.Rows, w.Cols)
	dy.check("dy", dy.Rows, w.Rows)
	w.checkF32("w", w.Rows, w.Cols)
	j := newJob()
	j.product(dy.Rows, w.Cols, side{m: dy, along: true}, side{m: w}, w.Rows, dy.BF16 != nil, true)
	j.listRows(0, int32(w.Rows))
	j.out = dx
	if add {
		j.res = dx
	}
	j.run(p)
	j.release()
}

// GradWeight sets dw[N,K] = dy[T,N]ᵀ·x[T,K], a chain over tokens in order,
// which goes on from dw with carry and otherwise overwrites it. dw is F32; dy
// and x are both F32 or both BF16. starts holds the first row of each
// sequence, ascending, then T; in bf16, pairs of tokens are counted from
// there, and the odd end of a sequence is paired with a row of zeros. With
// carry, a sequence may be split over calls after an even number of its rows.
func GradWeight(p *pool.Pool, dw, dy, x Matrix, starts []int32, carry bool) {
	dw.checkF32("dw", dy.Cols, x.Cols)
	dy.check("dy", x.Rows, dy.Cols)
	x.check("x", x.Rows, x.Cols)
	if (dy.BF16 != nil) != (x.BF16 != nil) && x.Rows > 0 {
		panic("kernels: gemm: dy and x differ in type")
	}
	checkStarts(starts, x.Rows)
	j := newJob()
	j.product(dy.Cols, x.Cols, side{m: dy}, side{m: x}, x.Rows, x.BF16 != nil, true)
	j.listRows(starts...)
	j.out, j.carry = dw, carry
	j.run(p)
	j.release()
}

func checkStarts(starts []int32, tokens int) {
	last := int32(0)
	for _, s := range starts {
		if s < last {
			panic("kernels: gemm: starts do not ascend")
		}
		last = s
	}
	if len(starts) == 0 && tokens == 0 {
		return
	}
	if len(starts) < 2 || starts[0] != 0 || int(last) != tokens {
		panic(fmt.Sprintf("kernels: gemm: starts do not cover rows [0, %d)", tokens))
	}
}

// product prepares an F32 (plain) or a bf16 product. b is rounded if it is F32.
// Words of two are packed only if pairs allows it.
func (j *job) product(m, n int, a, b side, k int, bf16, pairs bool) {
	j.path = active()
	j.m, j.n, j.k, j.flushing, j.carry = m, n, k, bf16, false
	if bf16 {
		j.k = (k + 1) &^ 1
		a.format, b.format = wide, wide
		if b.m.F32 != nil {
			b.format = rounded
		}
		if pairs && j.path.pairs {
			j.k /= 2
			a.format += pairRounded - rounded
			b.format += pairRounded - rounded
		}
	}
	j.a, j.b = a, b
}

// listRows lists the source rows of all positions of a chain that runs down
// the rows of b (and of a, in weight gradients), which starts divide into
// sequences: in the bf16 formats each is filled up to an even number of rows
// and the odd row of each pair comes first, unless pairs become words.
func (j *job) listRows(starts ...int32) {
	j.order = j.order[:0]
	swap := int32(0)
	if j.b.format == rounded || j.b.format == wide {
		swap = 1
	}
	for i := 1; i < len(starts); i++ {
		lo, hi := starts[i-1], starts[i]
		if !j.flushing {
			for t := lo; t < hi; t++ {
				j.order = append(j.order, t)
			}
			continue
		}
		for t := int32(0); t < (hi-lo+1)&^1; t++ {
			if r := lo + (t ^ swap); r < hi {
				j.order = append(j.order, r)
			} else {
				j.order = append(j.order, -1)
			}
		}
	}
	j.k = len(j.order)
	if j.b.pairs() {
		j.k /= 2
	}
	j.b.rows = j.order
	if !j.a.along {
		j.a.rows = j.order
	}
}

// MulChain computes, on the calling goroutine and without allocation,
//
//	c[i*cStride+j] (+)= Σ a[i*aRow+q*aCol] · b[q*bStride+j]
//
// for i < m, j < n, over q < k ascending: one plain f32 chain an element,
// from +0, or with carry from the value in c. The strides of a are free, so
// that a may be read transposed; b and c are row-major. It packs nothing: a
// strip of 16 columns of b is read straight from memory once for every 6 rows
// of c, out of L1 when k is a few hundred or less (longer chains are cut into
// such blocks). It is at its best with n a multiple of 16 and m of 6, and
// with a bStride that is no multiple of 1024.
func MulChain(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k int, carry bool) {
	shape := 0
	if carry {
		shape = chainLoad
	}
	mulShape(c, cStride, a, aRow, aCol, b, bStride, m, n, k, shape)
}

// MulLower is [MulChain], from +0, with chains that grow: that of row i goes over
// q < k+i. So one more key is seen by each query.
func MulLower(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k int) {
	mulShape(c, cStride, a, aRow, aCol, b, bStride, m, n, k, chainLower)
}

// MulUpper is [MulChain], from the values in c, with chains that begin later: that
// of row i goes over i ≤ q < k, where k is at least m. So each key is seen by one
// query less.
func MulUpper(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k int) {
	if k < m {
		panic("kernels: gemm: chains that begin behind their end")
	}
	mulShape(c, cStride, a, aRow, aCol, b, bStride, m, n, k, chainLoad|chainUpper)
}

func mulShape(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k, shape int) {
	if m <= 0 || n <= 0 {
		return
	}
	if cStride < n || bStride < n || aRow < 0 || aCol < 0 || k < 0 {
		panic("kernels: gemm: bad strides")
	}
	// The last elements, so that no path need check again.
	_ = c[(m-1)*cStride+n-1]
	last := k
	if shape&chainLower != 0 {
		last += m - 1
	}
	if last > 0 {
		_ = a[(m-1)*aRow+(last-1)*aCol]
		_ = b[(last-1)*bStride+n-1]
	}
	active().mulChain(c, cStride, a, aRow, aCol, b, bStride, m, n, k, shape)
}

// MulRows computes, on the calling goroutine and without allocation,
//
//	c[i*cStride+j] = Σ x[q*m+i] · w[j*wStride+q]
//
// for i < m, j < n, over q < k ascending: one plain f32 chain an element, from +0.
// It is MulChain for few rows and a b that lies transposed and is read once, as
// the keys of a generated token: at the speed of memory for m of at most 8 and k a
// multiple of 4, slowly for others.
func MulRows(c []float32, cStride int, x, w []float32, wStride, m, n, k int) {
	if checkRows(c, cStride, x, len(w), wStride, m, n, k) {
		active().mulRows(c, cStride, x, w, wStride, m, n, k)
	}
}

// MulRowsBF16 is [MulRows] with bfloat16 w: the same plain chains, denormals kept.
// It is at its best with k a multiple of 8.
func MulRowsBF16(c []float32, cStride int, x []float32, w []uint16, wStride, m, n, k int) {
	if checkRows(c, cStride, x, len(w), wStride, m, n, k) {
		active().mulRowsBF16(c, cStride, x, w, wStride, m, n, k)
	}
}

// checkRows reports whether there is anything to compute.
func checkRows(c []float32, cStride int, x []float32, w, wStride, m, n, k int) bool {
	if m <= 0 || n <= 0 {
		return false
	}
	if cStride < n || wStride < k || k < 0 || (n-1)*wStride+k > w {
		panic("kernels: gemm: bad strides")
	}
	_ = c[(m-1)*cStride+n-1]
	if k > 0 {
		_ = x[k*m-1]
	}
	return true
}
