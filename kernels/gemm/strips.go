package gemm

// Bits of the shape of a product of strips; kernels/_gen mirrors them.
const (
	chainLoad  = 1 << iota // continue from the values in c, not from +0
	chainUpper             // row i's chain begins at position i
	chainLower             // row i's chain is i positions longer than k
)

// strips is MulChain in assembly, in groups of at most 6 rows and strips of width
// columns.
type strips struct {
	width int
	// whole computes several whole strips side by side. k counts the positions that
	// all rows have; see kernels/_gen/tile.go.
	whole func(rows int, c *float32, ldc int, a *float32, aRow, aCol int, b *float32, ldb, k, shape, strips int)
	// cut computes a strip of fewer than width columns.
	cut func(c []float32, ldc int, a []float32, aRow, aCol int, b []float32, ldb, rows, cols, k, shape int)
}

// chainBlock is the length of chain computed at a time, blockWords the largest number
// of values of b used with it, so that they stay in L1.
const chainBlock, blockWords = 256, 4096

func (s *strips) mulChain(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k, shape int) {
	if k == 0 {
		mulChainPortable(c, cStride, a, aRow, aCol, b, bStride, m, n, k, shape)
		return
	}
	if m > 6 && shape&^chainLoad == 0 {
		// Use each block of b for all rows.
		cols := max(blockWords/min(k, chainBlock)/s.width, 1) * s.width
		for q := 0; q < k; q += chainBlock {
			for j := 0; j < n; j += cols {
				for i := 0; i < m; i += 6 {
					s.block(c[i*cStride+j:], cStride, a[i*aRow+q*aCol:], aRow, aCol, b[q*bStride+j:], bStride, min(m-i, 6), min(n-j, cols), min(k-q, chainBlock), shape)
				}
			}
			shape |= chainLoad
		}
		return
	}
	for i := 0; i < m; i += 6 {
		rows := min(m-i, 6)
		q, left, first := 0, k, shape&^chainLower
		switch {
		case shape&chainUpper != 0:
			q, left = i, k-i-(rows-1)
		case shape&chainLower != 0:
			left = k + i
		}
		for left > 0 {
			depth := min(left, chainBlock)
			mode := first
			if left -= depth; left == 0 {
				mode |= shape & chainLower
			}
			s.block(c[i*cStride:], cStride, a[i*aRow+q*aCol:], aRow, aCol, b[q*bStride:], bStride, rows, n, depth, mode)
			if q += depth; first&chainUpper != 0 {
				q += rows - 1
			}
			first = chainLoad
		}
	}
}

// block computes a group of rows over n columns.
func (s *strips) block(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride, rows, n, k, shape int) {
	whole := n / s.width
	if whole > 0 {
		s.whole(rows, &c[0], cStride, &a[0], aRow, aCol, &b[0], bStride, k, shape, whole)
	}
	if at := whole * s.width; at < n {
		s.cut(c[at:], cStride, a, aRow, aCol, b[at:], bStride, rows, n-at, k, shape)
	}
}
