package gemm

import (
	"fmt"

	"xrun/kernels/pool"
)

// Forward sets dst[T,N] = x[T,K]·w[N,K]ᵀ, plus bias[N] and residual[T,N] if they are
// not nil, each by one float32 addition after the chain over K. dst is F32, or BF16
// and rounded once at the end. If x is F32, w must be F32, and the chain is the plain
// one. If x is BF16, the chain is the bf16 chain, and w is BF16 or is rounded to it.
// residual is F32 and may be dst.
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

// GradInput sets dx[T,K] = dy[T,N]·w[N,K], a chain over N ascending. If add is set, it
// adds the finished product to dx instead, by one float32 addition. dx and w are F32.
// If dy is BF16, the chain is the bf16 chain with w rounded to bf16.
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

// GradWeight sets dw[N,K] = dy[T,N]ᵀ·x[T,K], a chain over tokens in order. With carry
// it continues the chains in dw; otherwise it overwrites dw. dw is F32; dy and x are
// both F32 or both BF16. starts holds the first row of each sequence, ascending,
// followed by T. In bf16, pairs of tokens are counted from these rows, and the last
// token of a sequence of odd length is paired with a row of zeros. With carry, a
// sequence may be split over calls after an even number of its rows.
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

// product prepares a plain F32 product or a bf16 product, for which b is rounded if it
// is F32. Operands are packed as words of two only if pairs is set.
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

// listRows lists the source rows of all positions of a chain that runs down the rows
// of b (and of a, in weight gradients). starts divides the rows into sequences. In the
// bf16 formats each sequence is padded to an even number of rows, and the odd row of
// each pair comes first unless pairs become words.
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
// for i < m, j < n, over q < k ascending: each element is one plain f32 chain, from +0
// or, with carry, from the value in c. a may have any strides, so that it can be read
// transposed; b and c are row-major. Nothing is packed: a strip of 16 columns of b is
// read from memory once for every 6 rows of c, and stays in L1 because longer chains
// are cut into blocks of a few hundred. It is fastest if n is a multiple of 16, m of
// 6, and bStride not a multiple of 1024.
func MulChain(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k int, carry bool) {
	shape := 0
	if carry {
		shape = chainLoad
	}
	mulShape(c, cStride, a, aRow, aCol, b, bStride, m, n, k, shape)
}

// MulLower is [MulChain], from +0, with chains that grow: the chain of row i runs over
// q < k+i, as each query sees one more key than the one before.
func MulLower(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k int) {
	mulShape(c, cStride, a, aRow, aCol, b, bStride, m, n, k, chainLower)
}

// MulUpper is [MulChain], from the values in c, with chains that begin later: the
// chain of row i runs over i ≤ q < k, as each key is seen by one query fewer than the
// one before. k must be at least m.
func MulUpper(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k int) {
	if k < m {
		panic("kernels: gemm: k is less than m")
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
	// Check the last elements here, so that the paths need not.
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
// for i < m, j < n, over q < k ascending: each element is one plain f32 chain from +0.
// It is MulChain for few rows and a transposed b that is read once, such as the keys
// of a generated token. It runs at the speed of memory if m is at most 8 and k a
// multiple of 4, and slowly otherwise.
func MulRows(c []float32, cStride int, x, w []float32, wStride, m, n, k int) {
	if checkRows(c, cStride, x, len(w), wStride, m, n, k) {
		active().mulRows(c, cStride, x, w, wStride, m, n, k)
	}
}

// MulRowsBF16 is [MulRows] with a bfloat16 w: the same plain chains, denormals kept. It
// is fast only if k is a multiple of 8.
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
