package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"sort"
	"strings"
)

// MaxHeader is the size in bytes of the largest header accepted, which is the limit of the
// format's reference implementation.
const MaxHeader = 100_000_000

// Limits on the contents of a header, so that a small file cannot use much memory. The
// largest mixtures of experts have about 90,000 tensors in all their shards together, with
// entries of 150 bytes, and no model has tensors of more than a few dimensions.
const (
	maxTensors  = 1 << 17
	maxEntry    = 4 << 10
	maxMetadata = 16 << 20
	maxDims     = 16
)

// header is a parsed file header. base is the offset of the data section.
type header struct {
	tensors  []Info // by data offset
	metadata map[string]string
	base     int64
}

// readHeader parses and checks the header of a file of the given size.
func readHeader(r io.ReaderAt, size int64, file string) (*header, error) {
	fail := func(off int64, format string, args ...any) error {
		return &FormatError{file, off, fmt.Sprintf(format, args...)}
	}
	if size < 8 {
		return nil, fail(size, "the file ends inside the 8-byte header length; it is truncated or not a safetensors file")
	}
	var b [8]byte
	if n, err := r.ReadAt(b[:], 0); n < len(b) {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	n := binary.LittleEndian.Uint64(b[:])
	if n > MaxHeader {
		return nil, fail(0, "the header length %d exceeds the format's limit of %d; this is not a safetensors file", n, MaxHeader)
	}
	if int64(n) > size-8 {
		return nil, fail(0, "the header length %d runs past the end of the file of %d bytes; it is truncated", n, size)
	}
	text := make([]byte, n)
	if k, err := r.ReadAt(text, 8); k < len(text) {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	h := &header{base: 8 + int64(n)}
	if err := h.parse(text, file); err != nil {
		return nil, err
	}
	if err := h.checkLayout(size, file); err != nil {
		return nil, err
	}
	return h, nil
}

// parse fills h from the JSON text. It reads tokens, because encoding/json would silently
// accept a repeated name.
func (h *header) parse(text []byte, file string) error {
	if len(text) == 0 || text[0] != '{' {
		return &FormatError{file, 8, "the header does not start with '{'; this is not a safetensors file"}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	at := func() int64 { return 8 + d.InputOffset() }
	broken := func(err error) error {
		off := at()
		var s *json.SyntaxError
		if errors.As(err, &s) {
			off = 8 + s.Offset
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return &FormatError{file, off, "the header ends in the middle of its JSON"}
		}
		return &FormatError{file, off, "reading the header: " + err.Error()}
	}
	if _, err := d.Token(); err != nil {
		return broken(err)
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return broken(err)
		}
		name, _ := t.(string)
		off := at()
		if seen[name] {
			return &FormatError{file, off, fmt.Sprintf("%q is defined twice", name)}
		}
		seen[name] = true
		if name == "__metadata__" {
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return broken(err)
			}
			if len(raw) > maxMetadata {
				return &FormatError{file, off, fmt.Sprintf("the metadata has %d bytes; at most %d are read", len(raw), maxMetadata)}
			}
			if err := json.Unmarshal(raw, &h.metadata); err != nil {
				return &FormatError{file, off, "the metadata must be an object of strings"}
			}
			continue
		}
		if len(h.tensors) == maxTensors {
			return &FormatError{file, off, fmt.Sprintf("the header lists more than %d tensors", maxTensors)}
		}
		info, err := parseEntry(d, name, file, off)
		if err != nil {
			var f *FormatError
			if errors.As(err, &f) {
				return err
			}
			return broken(err)
		}
		h.tensors = append(h.tensors, info)
	}
	if _, err := d.Token(); err != nil {
		return broken(err)
	}
	if rest := bytes.TrimRight(text[d.InputOffset():], " "); len(rest) > 0 {
		return &FormatError{file, at(), "bytes follow the header's JSON object"}
	}
	return nil
}

// parseEntry reads {"dtype":…, "shape":[…], "data_offsets":[a, b]} and checks that the length
// of the range matches type and shape. Offset stays relative to the data section.
func parseEntry(d *json.Decoder, name, file string, off int64) (Info, error) {
	var e struct {
		DType   DType    `json:"dtype"`
		Shape   []uint64 `json:"shape"`
		Offsets []uint64 `json:"data_offsets"`
	}
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return Info{}, err
		}
		return Info{}, &FormatError{file, off, fmt.Sprintf("tensor %q: %v", name, err)}
	}
	if len(raw) > maxEntry {
		return Info{}, &FormatError{file, off, fmt.Sprintf("tensor %q: its entry has %d bytes; at most %d are read", name, len(raw), maxEntry)}
	}
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&e); err != nil {
		problem := strings.TrimPrefix(err.Error(), "json: ")
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			want := "whole numbers from 0"
			if wrong.Field == "dtype" {
				want = "a string"
			}
			problem = fmt.Sprintf("%s holds %s; want %s", cmp.Or(wrong.Field, "the entry"), wrong.Value, want)
		}
		return Info{}, &FormatError{file, off, fmt.Sprintf("tensor %q: %s", name, problem)}
	}
	fail := func(format string, args ...any) (Info, error) {
		return Info{}, &FormatError{file, off, fmt.Sprintf("tensor %q: ", name) + fmt.Sprintf(format, args...)}
	}
	size := e.DType.Size()
	if size == 0 {
		return fail("unknown dtype %q", string(e.DType))
	}
	if e.Shape == nil {
		return fail("shape is missing")
	}
	if len(e.Offsets) != 2 {
		return fail("data_offsets has %d numbers; want 2", len(e.Offsets))
	}
	if len(e.Shape) > maxDims {
		return fail("shape has %d dimensions; at most %d are supported", len(e.Shape), maxDims)
	}
	bytesWanted, shape := uint64(size), make([]int, len(e.Shape))
	for i, n := range e.Shape {
		hi, lo := bits.Mul64(bytesWanted, n)
		if hi != 0 || lo > math.MaxInt64 || n > math.MaxInt {
			return fail("the product of shape %v overflows", e.Shape)
		}
		bytesWanted, shape[i] = lo, int(n)
	}
	a, b := e.Offsets[0], e.Offsets[1]
	if b < a || b > math.MaxInt64 {
		return fail("data_offsets [%d, %d] are not a range", a, b)
	}
	if b-a != bytesWanted {
		return fail("data_offsets [%d, %d] hold %d bytes, but %s %v needs %d", a, b, b-a, e.DType, shape, bytesWanted)
	}
	return Info{Name: name, DType: e.DType, Shape: shape, File: file, Offset: int64(a), Size: int64(b - a)}, nil
}

// checkLayout makes offsets absolute and checks that the tensors cover the data section
// exactly, without overlaps, gaps or remaining bytes.
func (h *header) checkLayout(size int64, file string) error {
	sort.SliceStable(h.tensors, func(i, j int) bool {
		a, b := h.tensors[i], h.tensors[j]
		if a.Offset != b.Offset {
			return a.Offset < b.Offset
		}
		return a.Size < b.Size
	})
	data, end, before := size-h.base, int64(0), ""
	for i := range h.tensors {
		t := &h.tensors[i]
		switch {
		case t.Offset < end:
			return &FormatError{file, h.base + t.Offset, fmt.Sprintf("tensor %q overlaps tensor %q", t.Name, before)}
		case t.Offset > end:
			return &FormatError{file, h.base + end, fmt.Sprintf("%d bytes before tensor %q belong to no tensor", t.Offset-end, t.Name)}
		case t.Size > data-t.Offset:
			return &FormatError{file, size, fmt.Sprintf("the file ends inside tensor %q, which needs bytes up to %d; it is truncated", t.Name, h.base+t.Offset+t.Size)}
		}
		end, before = t.Offset+t.Size, t.Name
		t.Offset += h.base
	}
	if end != data {
		return &FormatError{file, h.base + end, fmt.Sprintf("%d bytes at the end belong to no tensor", data-end)}
	}
	h.tensors = slices.Clip(h.tensors)
	return nil
}
