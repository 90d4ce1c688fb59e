// Package safetensors reads and writes the safetensors container of Hugging
// Face (https://huggingface.co/docs/safetensors): an 8-byte little-endian
// header length, a JSON header that gives each tensor's type, shape and byte
// range, then the data, row-major and little-endian.
//
// It is not a tensor library: it converts floating-point types to float32 or float64
// and integers to int64, and does nothing else with them. Files are read lazily
// through [io.ReaderAt] in pieces of bounded size, so opening a model reads only its
// headers. Files are not trusted: every offset, shape and name is checked before
// memory is allocated for it, and a bad file gives one error with the file and the
// byte offset.
//
// Most readers need two calls: [Open], which finds a model's weights in a
// directory (one file, or shards named by model.safetensors.index.json), and
// [Set.Float32], which reads a tensor.
package safetensors

import "fmt"

// DType is an element type, named as in the header.
type DType string

// The element types of the format.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U64  DType = "U64"
	U32  DType = "U32"
	U16  DType = "U16"
	U8   DType = "U8"
	Bool DType = "BOOL"
	F8E4 DType = "F8_E4M3"
	F8E5 DType = "F8_E5M2"
)

// Size returns the number of bytes of one element, or 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case F64, I64, U64:
		return 8
	case F32, I32, U32:
		return 4
	case F16, BF16, I16, U16:
		return 2
	case I8, U8, Bool, F8E4, F8E5:
		return 1
	}
	return 0
}

// Info describes a stored tensor.
type Info struct {
	Name  string
	DType DType
	// Shape lists the dimensions, outermost first; a scalar has none.
	Shape []int
	// File is the name of the file that holds the tensor, Offset the position of
	// its first byte in that file, and Size its number of bytes.
	File         string
	Offset, Size int64
}

// Elements returns the number of elements.
func (i Info) Elements() int {
	n := 1
	for _, d := range i.Shape {
		n *= d
	}
	return n
}

// FormatError describes what is wrong with a file, and where.
type FormatError struct {
	File   string
	Offset int64 // byte offset in File
	Msg    string
}

// Error returns "FILE: byte N: MSG".
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: byte %d: %s", e.File, e.Offset, e.Msg)
}
