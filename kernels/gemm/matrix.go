package gemm

import "fmt"

// Matrix is a row-major matrix in the caller's memory. Exactly one of F32 and
// BF16 is set; BF16 holds the upper 16 bits of float32 values. Element (i, j)
// is at i*Stride+j. A matrix without elements may leave both slices nil; it then fits
// operands of either type.
type Matrix struct {
	F32                []float32
	BF16               []uint16
	Rows, Cols, Stride int
}

// NewF32 returns the matrix of the given shape over data, without gaps.
func NewF32(data []float32, rows, cols int) Matrix {
	return Matrix{F32: data, Rows: rows, Cols: cols, Stride: cols}
}

// NewBF16 returns the matrix of the given shape over data, without gaps.
func NewBF16(data []uint16, rows, cols int) Matrix {
	return Matrix{BF16: data, Rows: rows, Cols: cols, Stride: cols}
}

// SliceRows returns rows [lo, hi) as a view.
func (m Matrix) SliceRows(lo, hi int) Matrix {
	if lo < 0 || hi < lo || hi > m.Rows {
		panic(fmt.Sprintf("kernels: rows [%d, %d) of a matrix of %d rows", lo, hi, m.Rows))
	}
	v := m
	v.Rows = hi - lo
	if lo == hi {
		return v
	}
	if m.BF16 != nil {
		v.BF16 = m.BF16[lo*m.Stride:]
	} else if m.F32 != nil {
		v.F32 = m.F32[lo*m.Stride:]
	}
	return v
}

func (m *Matrix) empty() bool { return m.Rows == 0 || m.Cols == 0 }

// check panics unless m is a well-formed rows×cols matrix.
func (m *Matrix) check(name string, rows, cols int) {
	if m.Rows != rows || m.Cols != cols {
		panic(fmt.Sprintf("kernels: gemm: %s is [%d, %d], want [%d, %d]", name, m.Rows, m.Cols, rows, cols))
	}
	if m.F32 != nil && m.BF16 != nil {
		panic("kernels: gemm: " + name + " has two element types")
	}
	if m.empty() {
		return
	}
	need := (m.Rows-1)*m.Stride + m.Cols
	if m.Stride < m.Cols || max(len(m.F32), len(m.BF16)) < need {
		panic(fmt.Sprintf("kernels: gemm: %s [%d, %d] with stride %d has %d elements, needs %d",
			name, m.Rows, m.Cols, m.Stride, max(len(m.F32), len(m.BF16)), need))
	}
}

func (m *Matrix) checkF32(name string, rows, cols int) {
	m.check(name, rows, cols)
	if m.BF16 != nil {
		panic("kernels: gemm: " + name + " must be f32")
	}
}
