// Package args checks the arguments of a kernels.Engine's operations, alike in
// every engine: their words are part of what the conformance tests hold.
//
// It knows no engine and no memory. Each function returns what is wrong as an
// error, nil if nothing is; an engine panics with it where the interface says
// that a mismatch is a bug, and remembers it for Sync where data are at fault.
// Most readers need [Tensor] and [Table].
package args

import (
	"fmt"

	"xrun/kernels"
)

// What Tensor accepts for any type and size.
const (
	AnyType kernels.DType = 0
	AnySize int           = -1
)

// Tensor checks that x is of type t and shape [rows, cols] as far as they are
// given.
func Tensor(op, name string, x kernels.Tensor, t kernels.DType, rows, cols int) error {
	switch {
	case t != AnyType && x.DType() != t:
		return fmt.Errorf("%s: %s is %s, want %v", op, name, Describe(x), t)
	case rows != AnySize && x.Rows() != rows:
		return fmt.Errorf("%s: %s is %s, want %d rows", op, name, Describe(x), rows)
	case cols != AnySize && x.Cols() != cols:
		return fmt.Errorf("%s: %s is %s, want %d columns", op, name, Describe(x), cols)
	}
	return nil
}

// Describe names a tensor by type and shape: f32 [3, 7].
func Describe(x kernels.Tensor) string {
	return fmt.Sprintf("%v [%d, %d]", x.DType(), x.Rows(), x.Cols())
}

// Weights returns the type that a weight matrix of an operation on x without a
// gradient must have: F32 if x is, either if x is BF16.
func Weights(x kernels.DType) kernels.DType {
	if x == kernels.BF16 {
		return AnyType
	}
	return kernels.F32
}

// Count checks the length of a list, of ids for example, with an element for
// each of want rows.
func Count(op, name string, got, want int) error {
	if got != want {
		return fmt.Errorf("%s: %d %s for %d rows", op, got, name, want)
	}
	return nil
}

// Groups checks that n tensors are groups of so many.
func Groups(op string, n, size int) error {
	if n%size != 0 {
		return fmt.Errorf("%s: %d tensors, want groups of %d", op, n, size)
	}
	return nil
}

// Starts checks that the first rows of sequences ascend from 0 to rows.
func Starts(op string, starts []int32, rows int) error {
	if len(starts) == 0 || starts[0] != 0 || int(starts[len(starts)-1]) != rows {
		return fmt.Errorf("%s: starts %v of %d rows must begin with 0 and end with the number of rows", op, starts, rows)
	}
	for i := 1; i < len(starts); i++ {
		if starts[i] < starts[i-1] {
			return fmt.Errorf("%s: starts descend from %d to %d", op, starts[i-1], starts[i])
		}
	}
	return nil
}

// Table checks that all ids are rows of a table of n.
func Table(op, name string, ids []int32, n int) error {
	for i, id := range ids {
		if id < 0 || int(id) >= n {
			return fmt.Errorf("computing %s: %s %d at row %d is outside the table of %d rows", op, name, id, i, n)
		}
	}
	return nil
}
