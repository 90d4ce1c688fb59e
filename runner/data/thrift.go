package data

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// The parquet library makes room for as many list elements, values and bytes as
// a file's own headers claim; thirty bytes can claim gigabytes. So headers are
// walked first, in Thrift's compact protocol, and claims that the file cannot
// hold are refused.

// checkFooter walks the file's footer: every element of a list takes a byte of it
// at least.
func checkFooter(r io.ReaderAt, size int64) error {
	const tail = 8 // length of the footer, "PAR1"
	var b [tail]byte
	if size < 4+tail {
		return fmt.Errorf("%d bytes are too few", size)
	}
	if _, err := r.ReadAt(b[:], size-tail); err != nil && err != io.EOF {
		return err
	}
	if string(b[4:]) != "PAR1" {
		return nil // the library says what it is instead
	}
	n := int64(binary.LittleEndian.Uint32(b[:4]))
	if n > size-tail-4 {
		return fmt.Errorf("its footer claims %d bytes of %d", n, size)
	}
	footer := make([]byte, n)
	if _, err := r.ReadAt(footer, size-tail-n); err != nil && err != io.EOF {
		return err
	}
	t := thrift{b: footer}
	t.structure(0, nil)
	return t.err
}

// Limits of what one column chunk may unfold to.
const (
	mostChunkBytes  = 2 << 30
	mostChunkValues = 1 << 28
)

// checkPages walks the page headers of a column chunk.
func checkPages(r io.ReaderAt, size int64, f *parquet.File, column int) error {
	for _, g := range f.Metadata().RowGroups {
		if column >= len(g.Columns) {
			return errors.New("a row group lacks columns")
		}
		if g.NumRows == 0 {
			continue // where its pages would be is anybody's guess
		}
		m := g.Columns[column].MetaData
		start := m.DataPageOffset
		if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < start {
			start = m.DictionaryPageOffset
		}
		if start < 4 || m.TotalCompressedSize < 0 || m.TotalCompressedSize > size-start {
			return fmt.Errorf("a column claims bytes %d to %d of %d", start, start+m.TotalCompressedSize, size)
		}
		if m.NumValues < 0 || m.NumValues > mostChunkValues {
			return fmt.Errorf("a column claims %d values", m.NumValues)
		}
		if err := checkChunk(r, start, start+m.TotalCompressedSize, m.NumValues); err != nil {
			return err
		}
	}
	return nil
}

func checkChunk(r io.ReaderAt, at, end, values int64) error {
	var unfolded int64
	for at < end {
		h, err := readPageHeader(r, at, end)
		if err != nil {
			return fmt.Errorf("page header at byte %d: %w", at, err)
		}
		unfolded += h.whole
		if h.packed < 0 || h.packed > end-at-h.size || h.whole < 0 || unfolded > mostChunkBytes || h.values < 0 || h.values > max(values, mostChunkValues) {
			return fmt.Errorf("the page at byte %d claims %d bytes, %d unpacked, and %d values", at, h.packed, h.whole, h.values)
		}
		at += h.size + h.packed
	}
	return nil
}

// pageHeader is what a page claims: the header's own bytes, the page's bytes as
// stored and unpacked, its values.
type pageHeader struct{ size, packed, whole, values int64 }

// readPageHeader reads a header of unknown length: most are short, but one may
// hold long texts as statistics.
func readPageHeader(r io.ReaderAt, at, end int64) (h pageHeader, err error) {
	for _, room := range []int64{4 << 10, 16 << 20} {
		b := make([]byte, min(room, end-at))
		if _, err := r.ReadAt(b, at); err != nil && err != io.EOF {
			return h, err
		}
		h = pageHeader{}
		t := thrift{b: b}
		// PageHeader: 2 unpacked size, 3 stored size; DataPageHeader (5),
		// DictionaryPageHeader (7) and DataPageHeaderV2 (8) each begin with the
		// number of values.
		t.structure(0, func(outer, inner int, v int64) {
			switch {
			case outer == 2 && inner == 0:
				h.whole = v
			case outer == 3 && inner == 0:
				h.packed = v
			case (outer == 5 || outer == 7 || outer == 8) && inner == 1:
				h.values = v
			}
		})
		if h.size, err = int64(t.i), t.err; err == nil {
			return h, nil
		}
	}
	return h, err
}

// thrift walks a struct in the compact protocol without building it.
type thrift struct {
	b   []byte
	i   int
	err error
}

// Compact protocol's types.
const (
	thriftTrue, thriftFalse       = 1, 2
	thriftByte, thriftI64         = 3, 6 // and 4, 5 between them, all varints but the byte
	thriftDouble, thriftBinary    = 7, 8
	thriftList, thriftSet         = 9, 10
	thriftMap, thriftStruct, uuid = 11, 12, 13
)

func (t *thrift) fails(what string) {
	if t.err == nil {
		t.err = fmt.Errorf("%s at byte %d of the header", what, t.i)
	}
	t.i = len(t.b)
}

func (t *thrift) next() byte {
	if t.i >= len(t.b) {
		t.fails("it ends early")
		return 0
	}
	t.i++
	return t.b[t.i-1]
}

func (t *thrift) varint() uint64 {
	v, n := binary.Uvarint(t.b[t.i:])
	if n <= 0 {
		t.fails("a number has no end")
		return 0
	}
	t.i += n
	return v
}

func (t *thrift) skip(n uint64) {
	if n > uint64(len(t.b)-t.i) {
		t.fails(fmt.Sprintf("%d bytes are claimed", n))
		return
	}
	t.i += int(n)
}

// structure walks a struct and reports the integers of its fields, inner 0, and
// of the fields of structs in them.
func (t *thrift) structure(depth int, on func(outer, inner int, v int64)) {
	id := 0
	for t.err == nil {
		head := t.next()
		if t.err != nil || head == 0 {
			return
		}
		if delta := int(head >> 4); delta > 0 {
			id += delta
		} else {
			id = int(unzigzag(t.varint()))
		}
		kind := head & 15
		if kind == thriftTrue || kind == thriftFalse {
			continue // the value is in the type
		}
		field := id
		var inner func(int, int, int64)
		if on != nil && depth == 0 {
			inner = func(a, _ int, v int64) { on(field, a, v) }
		}
		t.value(kind, depth+1, inner, func(v int64) {
			if on != nil {
				on(field, 0, v)
			}
		})
	}
}

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

func (t *thrift) value(kind byte, depth int, inner func(int, int, int64), on func(int64)) {
	if depth > 32 {
		t.fails("structs are nested too deeply")
		return
	}
	switch {
	case kind == thriftTrue || kind == thriftFalse || kind == thriftByte:
		t.next()
	case kind > thriftByte && kind <= thriftI64:
		v := unzigzag(t.varint())
		if t.err == nil && on != nil {
			on(v)
		}
	case kind == thriftDouble:
		t.skip(8)
	case kind == uuid:
		t.skip(16)
	case kind == thriftBinary:
		t.skip(t.varint())
	case kind == thriftList || kind == thriftSet:
		head := t.next()
		n := uint64(head >> 4)
		if n == 15 {
			n = t.varint()
		}
		t.elements(n, depth, head&15)
	case kind == thriftMap:
		if n := t.varint(); n > 0 {
			kinds := t.next()
			t.elements(n, depth, kinds>>4, kinds&15)
		}
	case kind == thriftStruct:
		t.structure(depth, inner)
	default:
		t.fails(fmt.Sprintf("type %d is unknown", kind))
	}
}

func (t *thrift) elements(n uint64, depth int, kinds ...byte) {
	if n > uint64(len(t.b)-t.i) {
		t.fails(fmt.Sprintf("%d elements are claimed", n))
		return
	}
	for ; n > 0 && t.err == nil; n-- {
		for _, k := range kinds {
			t.value(k, depth+1, nil, nil)
		}
	}
}
