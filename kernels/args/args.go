// Package args checks the arguments of a kernels.Engine's operations. All engines
// share it, because the conformance tests also check the wording of the errors.
//
// It does not depend on any engine. Each function returns an error that describes
// the problem, or nil. Where the interface says that a mismatch is a bug, an engine
// panics with the error; where the data are at fault, it keeps the error for Sync.
// Most readers need [Tensor] and [Table].
package args

import (
	"fmt"

	"xrun/kernels"
)

// Arguments of Tensor that match any type and any size.
const (
	AnyType kernels.DType = 0
	AnySize int           = -1
)

// Tensor checks that x has type t and shape [rows, cols], except where these are
// AnyType or AnySize.
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

// Describe returns the type and shape of a tensor, as in f32 [3, 7].
func Describe(x kernels.Tensor) string {
	return fmt.Sprintf("%v [%d, %d]", x.DType(), x.Rows(), x.Cols())
}

// Vectors returns how many vectors of the weight's size x holds for a norm: one a
// row, or several side by side.
func Vectors(op string, x, weight kernels.Tensor) (int, error) {
	n := weight.Cols()
	if n == 0 || x.Cols() == 0 {
		if n != x.Cols() {
			return 0, fmt.Errorf("%s: weight is %s, want %d columns", op, Describe(weight), x.Cols())
		}
		return 0, nil
	}
	if x.Cols()%n != 0 {
		return 0, fmt.Errorf("%s: weight is %s, want %d columns or a part of them", op, Describe(weight), x.Cols())
	}
	return x.Rows() * (x.Cols() / n), nil
}

// Weights returns the type required of a weight matrix in an operation that
// computes no gradient, given the type of x: F32 if x is F32, either if x is BF16.
func Weights(x kernels.DType) kernels.DType {
	if x == kernels.BF16 {
		return AnyType
	}
	return kernels.F32
}

// Count checks that a list, such as ids, has one element for each of want rows.
func Count(op, name string, got, want int) error {
	if got != want {
		return fmt.Errorf("%s: %d %s for %d rows", op, got, name, want)
	}
	return nil
}

// Groups checks that n tensors make up whole groups of the given size.
func Groups(op string, n, size int) error {
	if n%size != 0 {
		return fmt.Errorf("%s: %d tensors, want groups of %d", op, n, size)
	}
	return nil
}

// Heads checks that the query heads divide evenly among the key-value heads.
func Heads(op string, s kernels.HeadShape) error {
	if s.Heads <= 0 || s.KVHeads <= 0 || s.HeadDim <= 0 || s.Heads%s.KVHeads != 0 {
		return fmt.Errorf("%s: %d query heads of size %d over %d key-value heads", op, s.Heads, s.HeadDim, s.KVHeads)
	}
	return nil
}

// Sequences checks that the sequences lie within the given number of rows.
func Sequences(op string, seqs []kernels.Sequence, rows int) error {
	for i, q := range seqs {
		if q.First < 0 || q.Len < 0 || q.First+q.Len > rows {
			return fmt.Errorf("%s: sequence %d is rows [%d, %d) of %d", op, i, q.First, q.First+q.Len, rows)
		}
	}
	return nil
}

// NoPast checks that no sequence has a Past.
func NoPast(op string, seqs []kernels.Sequence) error {
	for i, q := range seqs {
		if len(q.Past) > 0 {
			return fmt.Errorf("%s: sequence %d has a past", op, i)
		}
	}
	return nil
}

// Starts checks that starts, the first rows of the sequences followed by the number
// of rows, ascends from 0 to rows.
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

// Table checks that all ids are rows of a table of n rows.
func Table(op, name string, ids []int32, n int) error {
	for i, id := range ids {
		if id < 0 || int(id) >= n {
			return fmt.Errorf("computing %s: %s %d at row %d is outside the table of %d rows", op, name, id, i, n)
		}
	}
	return nil
}
