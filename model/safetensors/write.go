package safetensors

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unsafe"

	"xrun/kernels/num"
)

// Tensor is one tensor to be written as F32 or BF16.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	// Values are the tensor's elements, row-major. If it is nil, Read is called, with
	// ascending first, to copy elements [first, first+len(dst)) into dst.
	Values []float32
	Read   func(first int, dst []float32) error
}

// pieceElements is the number of elements that Write requests from a tensor at once.
const pieceElements = piece / 4

// Write writes the tensors in the given order. metadata may be nil; its key "format" is set to
// "pt", which transformers requires. Equal arguments give equal bytes.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	head, err := encodeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w) // for small tensors; large pieces bypass it
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(head)))
	if _, err := out.Write(n[:]); err != nil {
		return err
	}
	if _, err := out.Write(head); err != nil {
		return err
	}
	vals, b := make([]float32, pieceElements), make([]byte, pieceElements*4)
	for _, t := range tensors {
		total := Info{Shape: t.Shape}.Elements()
		for at := 0; at < total; at += pieceElements {
			v := vals[:min(pieceElements, total-at)]
			if t.Values != nil {
				v = t.Values[at : at+len(v)]
			} else if err := t.Read(at, v); err != nil {
				return fmt.Errorf("writing tensor %q: %w", t.Name, err)
			}
			if _, err := out.Write(encode(b, v, t.DType)); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// encodeHeader builds the header by hand, because encoding/json would sort the tensors by
// name and readers expect them in the order of their data. It is padded with spaces to a
// multiple of 8, so that the data are aligned.
func encodeHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	meta := map[string]string{"format": "pt"}
	for k, v := range metadata {
		meta[k] = v
	}
	m, err := json.Marshal(meta) // sorts its keys
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(`{"__metadata__":`)
	b.Write(m)
	seen, off := map[string]bool{"__metadata__": true}, 0
	for _, t := range tensors {
		if seen[t.Name] {
			return nil, fmt.Errorf("writing tensor %q: the name is used twice", t.Name)
		}
		seen[t.Name] = true
		if t.DType != F32 && t.DType != BF16 {
			return nil, fmt.Errorf("writing tensor %q: cannot write %s", t.Name, t.DType)
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		shape, err := json.Marshal(append([]int{}, t.Shape...))
		if err != nil {
			return nil, err
		}
		size := Info{Shape: t.Shape}.Elements() * t.DType.Size()
		fmt.Fprintf(&b, `,%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, t.DType, shape, off, off+size)
		off += size
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > MaxHeader {
		return nil, errors.New("writing the header: it exceeds the format's limit")
	}
	return []byte(b.String()), nil
}

// littleEndian reports whether float32 in memory have the byte order of the format.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// encode returns the bytes of v as type d: the memory of v itself if possible,
// otherwise v converted into b. BF16 rounds to nearest even; a NaN stays one.
func encode(b []byte, v []float32, d DType) []byte {
	if d == F32 && littleEndian {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
	}
	if d == F32 {
		for i, x := range v {
			binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
		}
		return b[:4*len(v)]
	}
	for i, x := range v {
		binary.LittleEndian.PutUint16(b[2*i:], num.RoundBF16(x))
	}
	return b[:2*len(v)]
}
