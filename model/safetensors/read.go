package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
)

// The file names of a transformers directory.
const (
	SingleFile = "model.safetensors"
	IndexFile  = "model.safetensors.index.json"
)

// maxIndex bounds the size of an index file.
const maxIndex = 64 << 20

// piece is the size of the read buffer in bytes.
const piece = 1 << 20

// Set is a set of tensors: those of one file or of all shards of a model. Several goroutines
// may read it.
type Set struct {
	tensors  map[string]Info
	names    []string // in byte order
	metadata map[string]string
	readers  map[string]io.ReaderAt
	closers  []io.Closer
}

// Open opens a model's weights in fsys: model.safetensors, or the shards named in
// model.safetensors.index.json. The set must be closed after use.
func Open(fsys fs.FS) (*Set, error) {
	s, err := OpenFile(fsys, SingleFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	s, err = openIndex(fsys)
	if errors.Is(err, fs.ErrNotExist) && !errors.As(err, new(*missingShard)) {
		return nil, fmt.Errorf("looking for weights: there is neither %s nor %s: %w", SingleFile, IndexFile, fs.ErrNotExist)
	}
	return s, err
}

// OpenFile opens one safetensors file of fsys.
func OpenFile(fsys fs.FS, name string) (*Set, error) {
	s := newSet()
	h, err := s.openShard(fsys, name)
	if err != nil {
		s.Close()
		return nil, err
	}
	s.metadata = h.metadata
	for _, t := range h.tensors {
		s.add(t)
	}
	sort.Strings(s.names)
	return s, nil
}

// New returns the tensors in r, which holds size bytes. name is used in errors.
func New(r io.ReaderAt, size int64, name string) (*Set, error) {
	h, err := readHeader(r, size, name)
	if err != nil {
		return nil, err
	}
	s := newSet()
	s.metadata, s.readers[name] = h.metadata, r
	for _, t := range h.tensors {
		s.add(t)
	}
	sort.Strings(s.names)
	return s, nil
}

func newSet() *Set {
	return &Set{tensors: map[string]Info{}, readers: map[string]io.ReaderAt{}}
}

func (s *Set) add(t Info) {
	s.tensors[t.Name] = t
	s.names = append(s.names, t.Name)
}

// missingShard reports a missing shard, as distinct from a missing model.
type missingShard struct {
	file string
	err  error
}

func (e *missingShard) Error() string {
	return fmt.Sprintf("%s names the shard %s, which cannot be opened: %v", IndexFile, e.file, e.err)
}
func (e *missingShard) Unwrap() error { return e.err }

func openIndex(fsys fs.FS) (*Set, error) {
	f, err := fsys.Open(IndexFile)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", IndexFile, err)
	}
	if len(text) > maxIndex {
		return nil, &FormatError{IndexFile, maxIndex, fmt.Sprintf("the index is larger than %d bytes", maxIndex)}
	}
	where, err := parseIndex(text)
	if err != nil {
		return nil, err
	}
	shards := map[string][]string{}
	for name, file := range where {
		shards[file] = append(shards[file], name)
	}
	s := newSet()
	for _, file := range slices.Sorted(maps.Keys(shards)) {
		h, err := s.openShard(fsys, file)
		if err != nil {
			s.Close()
			if errors.Is(err, fs.ErrNotExist) {
				return nil, &missingShard{file, err}
			}
			return nil, err
		}
		found := map[string]Info{}
		for _, t := range h.tensors {
			found[t.Name] = t
		}
		slices.Sort(shards[file])
		for _, name := range shards[file] {
			t, ok := found[name]
			if !ok {
				s.Close()
				return nil, fmt.Errorf("reading %s: tensor %q is listed in %s, but that file does not contain it", IndexFile, name, file)
			}
			s.add(t)
		}
	}
	sort.Strings(s.names)
	return s, nil
}

// parseIndex returns the weight_map of an index file. Shards must be in the directory of the
// index; other paths are errors.
func parseIndex(text []byte) (map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	fail := func(off int64, format string, args ...any) error {
		return &FormatError{IndexFile, off, fmt.Sprintf(format, args...)}
	}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fail(d.InputOffset(), "want a JSON object")
	}
	var where map[string]string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fail(d.InputOffset(), "%v", err)
		}
		if key != "weight_map" {
			var skip json.RawMessage
			if err := d.Decode(&skip); err != nil {
				return nil, fail(d.InputOffset(), "%v", err)
			}
			continue
		}
		if where != nil {
			return nil, fail(d.InputOffset(), "weight_map is defined twice")
		}
		where = map[string]string{}
		if t, err := d.Token(); err != nil || t != json.Delim('{') {
			return nil, fail(d.InputOffset(), "weight_map: want a JSON object")
		}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, fail(d.InputOffset(), "%v", err)
			}
			file, err := d.Token()
			if err != nil {
				return nil, fail(d.InputOffset(), "%v", err)
			}
			n, _ := name.(string)
			f, ok := file.(string)
			if !ok || !plainName(f) {
				return nil, fail(d.InputOffset(), "tensor %q: the shard %q is not a plain file name", n, fmt.Sprint(file))
			}
			if len(where) == maxTensors {
				return nil, fail(d.InputOffset(), "weight_map lists more than %d tensors", maxTensors)
			}
			if _, twice := where[n]; twice {
				return nil, fail(d.InputOffset(), "tensor %q is listed twice", n)
			}
			where[n] = f
		}
		if _, err := d.Token(); err != nil {
			return nil, fail(d.InputOffset(), "%v", err)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fail(d.InputOffset(), "the index ends in the middle of its JSON")
	}
	if len(where) == 0 {
		return nil, fail(d.InputOffset(), "weight_map is missing or empty")
	}
	return where, nil
}

func plainName(f string) bool {
	return f != "" && f != "." && f != ".." && fs.ValidPath(f) && !strings.ContainsAny(f, `/\:`)
}

// openShard opens a file, keeps its reader and parses its header.
func (s *Set) openShard(fsys fs.FS, name string) (*header, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	s.closers = append(s.closers, f)
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("opening %s: it is not a regular file", name)
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, fmt.Errorf("opening %s: its file system does not allow reading at an offset", name)
	}
	s.readers[name] = r
	return readHeader(r, st.Size(), name)
}

// Close closes the files.
func (s *Set) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// Names lists the tensors in byte order.
func (s *Set) Names() []string { return s.names }

// Info describes a tensor. ok is false if there is no tensor of that name.
func (s *Set) Info(name string) (info Info, ok bool) {
	info, ok = s.tensors[name]
	return info, ok
}

// Metadata returns the __metadata__ of a single file.
func (s *Set) Metadata() map[string]string { return s.metadata }

// Float32 reads len(dst) elements of a tensor, row-major, from element first on. It converts
// F16, BF16 and F64 (rounded to nearest even). Other types are errors.
func (s *Set) Float32(name string, first int, dst []float32) error {
	info, err := s.check(name, first, len(dst))
	if err != nil {
		return err
	}
	switch info.DType {
	case F32, F16, BF16, F64:
	default:
		return &FormatError{info.File, info.Offset, fmt.Sprintf("tensor %q is %s; F32, BF16 or F16 is needed", name, info.DType)}
	}
	return s.pieces(info, first, len(dst), func(at int, b []byte) {
		switch info.DType {
		case F32:
			for i := 0; i < len(b); i += 4 {
				dst[at+i/4] = math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))
			}
		case BF16:
			for i := 0; i < len(b); i += 2 {
				dst[at+i/2] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[i:])) << 16)
			}
		case F16:
			for i := 0; i < len(b); i += 2 {
				dst[at+i/2] = halfToFloat(binary.LittleEndian.Uint16(b[i:]))
			}
		case F64:
			for i := 0; i < len(b); i += 8 {
				dst[at+i/8] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b[i:])))
			}
		}
	})
}

// Float64 reads a whole tensor of any floating-point type.
func (s *Set) Float64(name string) ([]float64, error) {
	info, ok := s.tensors[name]
	if !ok {
		return nil, fmt.Errorf("reading tensor %q: there is no such tensor", name)
	}
	dst := make([]float64, info.Elements())
	if info.DType == F64 {
		return dst, s.pieces(info, 0, len(dst), func(at int, b []byte) {
			for i := 0; i < len(b); i += 8 {
				dst[at+i/8] = math.Float64frombits(binary.LittleEndian.Uint64(b[i:]))
			}
		})
	}
	f := make([]float32, len(dst))
	if err := s.Float32(name, 0, f); err != nil {
		return nil, err
	}
	for i, v := range f {
		dst[i] = float64(v)
	}
	return dst, nil
}

// Int64 reads a whole I64 or I32 tensor.
func (s *Set) Int64(name string) ([]int64, error) {
	info, ok := s.tensors[name]
	if !ok {
		return nil, fmt.Errorf("reading tensor %q: there is no such tensor", name)
	}
	if info.DType != I64 && info.DType != I32 {
		return nil, &FormatError{info.File, info.Offset, fmt.Sprintf("tensor %q is %s; I64 or I32 is needed", name, info.DType)}
	}
	dst := make([]int64, info.Elements())
	return dst, s.pieces(info, 0, len(dst), func(at int, b []byte) {
		if info.DType == I32 {
			for i := 0; i < len(b); i += 4 {
				dst[at+i/4] = int64(int32(binary.LittleEndian.Uint32(b[i:])))
			}
			return
		}
		for i := 0; i < len(b); i += 8 {
			dst[at+i/8] = int64(binary.LittleEndian.Uint64(b[i:]))
		}
	})
}

func (s *Set) check(name string, first, n int) (Info, error) {
	info, ok := s.tensors[name]
	if !ok {
		return info, fmt.Errorf("reading tensor %q: there is no such tensor", name)
	}
	if total := info.Elements(); first < 0 || first > total || n > total-first {
		return info, fmt.Errorf("reading tensor %q: elements [%d, %d) are outside its %d", name, first, first+n, total)
	}
	return info, nil
}

// pieces reads n elements from element first on and passes them to use in order, as the index
// of the first element of a piece and the bytes of the piece.
func (s *Set) pieces(info Info, first, n int, use func(at int, b []byte)) error {
	size := info.DType.Size()
	buf := make([]byte, min(piece, n*size))
	for at := 0; at < n; at += piece / size {
		b := buf[:min(piece/size, n-at)*size]
		off := info.Offset + int64(first+at)*int64(size)
		if k, err := s.readers[info.File].ReadAt(b, off); k < len(b) {
			return fmt.Errorf("reading tensor %q from %s at byte %d: %w", info.Name, info.File, off+int64(k), err)
		}
		use(at, b)
	}
	return nil
}

// halfToFloat converts an IEEE binary16 to binary32, exactly.
func halfToFloat(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0: // zero or subnormal: frac * 2^-24
		v := math.Float32bits(float32(frac) * (1.0 / (1 << 24)))
		return math.Float32frombits(sign | v)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
