package reports

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// The bytes of a table are part of what a run promises: the same rows give the
// same file on every machine. parquet-go keeps that promise when
//   - created_by is pinned (it carries the library's version otherwise),
//   - no column has a dictionary (its run-length coder depends on AVX2),
//   - pages are compressed by zstd (snappy differs between its assembly and Go),
//   - the rows come in one call (batches not a multiple of 64 shift the pages).
//
// Pages carry CRC-32 sums, which parquet-go checks. Page headers have none, so
// a digest of everything before the footer stands in the footer's metadata.
const (
	createdBy = "xrun"
	bodyKey   = "xrun.body" // "BYTES:sha256 in hex" of the file up to its page index
	readBatch = 1024        // rows read at a time: a footer cannot make us allocate more
)

// WriteRows writes rows as one parquet table to w. Row types are structs of
// strings, bools, int32, int64, float64 and []string tagged for parquet-go, such
// as [Step]; a type without a column is a programmer's error and panics.
func WriteRows[T any](w io.Writer, rows []T) error {
	rows = oneNaN(rows)
	body := &digestWriter{w: w, sum: sha256.New()}
	pw := parquet.NewGenericWriter[T](body, parquet.SchemaOf(new(T)), parquet.CreatedBy(createdBy, "1", "0"),
		parquet.Compression(&zstd.Codec{}), parquet.DataPageVersion(2), parquet.WriteBufferSize(0))
	if _, err := pw.Write(rows); err != nil {
		return fmt.Errorf("writing rows: %w", err)
	}
	// The row group goes out before the digest is asked for; Close adds the
	// page index and the footer only.
	if err := pw.Flush(); err != nil {
		return fmt.Errorf("writing rows: %w", err)
	}
	pw.SetKeyValueMetadata(bodyKey, fmt.Sprintf("%d:%x", body.n, body.sum.Sum(nil)))
	if err := pw.Close(); err != nil {
		return fmt.Errorf("writing rows: %w", err)
	}
	return nil
}

// ReadRows reads a table that [WriteRows] wrote; name stands in errors. A file
// that is damaged, not parquet, written by other software or made of other
// columns is an error that says which; nothing in it can cause a panic. Empty
// lists come back as nil.
func ReadRows[T any](r io.ReaderAt, size int64, name string) (rows []T, err error) {
	defer func() {
		if err != nil {
			rows, err = nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}()
	defer recoverInto(&err)
	if err := checkFrame(r, size); err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("damaged parquet footer: %w", err)
	}
	if err := checkFile(f, r, size, parquet.SchemaOf(new(T))); err != nil {
		return nil, err
	}
	pr := parquet.NewGenericReader[T](f) // not r, which would be opened again, with a page index that nothing vouches for
	defer pr.Close()
	for {
		batch := make([]T, readBatch)
		n, err := pr.Read(batch)
		rows = append(rows, batch[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("damaged after row %d: %w", len(rows), err)
		}
		if int64(len(rows)) > f.NumRows() || n == 0 {
			return nil, fmt.Errorf("damaged: the footer tells of %d rows, the pages hold others", f.NumRows())
		}
	}
	if int64(len(rows)) != f.NumRows() {
		return nil, fmt.Errorf("damaged: the footer tells of %d rows, the pages hold %d", f.NumRows(), len(rows))
	}
	nilEmptyLists(rows)
	return rows, nil
}

// ReadTable reads the table in the file at path; see [ReadRows].
func ReadTable[T any](path string) ([]T, error) {
	f, size, err := openSized(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	defer f.Close()
	return ReadRows[T](f, size, path)
}

func writeTable[T any](dir Directory, name string, rows []T) error {
	return dir.WriteFile(name, func(w io.Writer) error { return WriteRows(w, rows) })
}

// File names of a run directory's tables.
const (
	ResultsFile = "results.parquet"
	ItemsFile   = "items.parquet"
	StepsFile   = "train.parquet"
	HeldOutFile = "heldout.parquet"
	SamplesFile = "samples.parquet"
	FactsFile   = "facts.parquet"
)

// ReportFile is the file name of a run directory's report.
const ReportFile = "report.md"

// WriteTables writes the six tables of a run. A table without rows is written
// too.
func WriteTables(dir Directory, run *Run) error {
	return errors.Join(
		writeTable(dir, ResultsFile, run.Results),
		writeTable(dir, ItemsFile, run.Items),
		writeTable(dir, StepsFile, run.Steps),
		writeTable(dir, HeldOutFile, run.HeldOut),
		writeTable(dir, SamplesFile, run.Samples),
		writeTable(dir, FactsFile, run.Facts),
	)
}

// ReadTables reads the six tables of the run directory dir. Every table that is
// missing or damaged is in the error, one line each.
func ReadTables(dir string) (*Run, error) {
	run := &Run{}
	err := errors.Join(
		readInto(dir, ResultsFile, &run.Results),
		readInto(dir, ItemsFile, &run.Items),
		readInto(dir, StepsFile, &run.Steps),
		readInto(dir, HeldOutFile, &run.HeldOut),
		readInto(dir, SamplesFile, &run.Samples),
		readInto(dir, FactsFile, &run.Facts),
	)
	if err != nil {
		return nil, err
	}
	return run, nil
}

func readInto[T any](dir, file string, rows *[]T) (err error) {
	*rows, err = ReadTable[T](filepath.Join(dir, file))
	return err
}

// checkFrame looks at what surrounds the data: parquet's magic words and a
// footer length that fits the file.
func checkFrame(r io.ReaderAt, size int64) error {
	const magic = "PAR1"
	if size < int64(2*len(magic)+4) {
		return fmt.Errorf("not a parquet file: it has %d bytes", size)
	}
	var head [4]byte
	var tail [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return err
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil && err != io.EOF {
		return err
	}
	switch {
	case string(head[:]) != magic:
		return fmt.Errorf("not a parquet file: it begins with %q, not %q", head[:], magic)
	case string(tail[4:]) != magic:
		return fmt.Errorf("truncated parquet file: it ends with %q at byte %d, not %q", tail[4:], size-4, magic)
	case int64(binary.LittleEndian.Uint32(tail[:4])) > size-12:
		return fmt.Errorf("damaged parquet file: its footer length at byte %d exceeds the file", size-8)
	}
	return nil
}

// checkFile compares the footer with what WriteRows writes: columns, digest,
// and sizes that a reader would allocate.
func checkFile(f *parquet.File, r io.ReaderAt, size int64, want *parquet.Schema) error {
	if err := sameColumns(f.Schema(), want); err != nil {
		return err
	}
	value, ok := f.Lookup(bodyKey)
	if !ok {
		return fmt.Errorf("not written by xrun (created by %q): its digest is missing", f.Metadata().CreatedBy)
	}
	length, sum, _ := strings.Cut(value, ":")
	n, err := strconv.ParseInt(length, 10, 64)
	if err != nil || n < 0 || n > size {
		return fmt.Errorf("damaged parquet footer: digest %q", value)
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, n)); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return fmt.Errorf("damaged: the first %d bytes do not have the digest in the footer", n)
	}
	return checkChunks(f.Metadata(), n)
}

// checkChunks rejects column chunks that do not lie one behind the other in the
// digested part of the file, as WriteRows puts them (so that no column is read
// for another), or name a codec that it does not use.
func checkChunks(meta *format.FileMetaData, body int64) error {
	at := int64(len("PAR1"))
	for g, group := range meta.RowGroups {
		for _, chunk := range group.Columns {
			m := &chunk.MetaData
			path := strings.Join(m.PathInSchema, ".")
			if m.DataPageOffset != at || m.TotalCompressedSize < 0 || at > body-m.TotalCompressedSize || m.DictionaryPageOffset != 0 {
				return fmt.Errorf("damaged parquet footer: column %s of row group %d is said to lie at byte %d, not %d", path, g, m.DataPageOffset, at)
			}
			at += m.TotalCompressedSize
			if m.Codec != format.Zstd && m.TotalCompressedSize > 0 {
				return fmt.Errorf("damaged parquet footer: column %s of row group %d has codec %v, not zstd", path, g, m.Codec)
			}
		}
	}
	return nil
}

// sameColumns reports the first difference between two schemas, by column name.
func sameColumns(got, want *parquet.Schema) error {
	describe := func(s *parquet.Schema) map[string]string {
		m := map[string]string{}
		for _, path := range s.Columns() {
			leaf, _ := s.Lookup(path...)
			m[strings.Join(path, ".")] = fmt.Sprintf("%s, repetition %d, definition %d",
				leaf.Node.Type(), leaf.MaxRepetitionLevel, leaf.MaxDefinitionLevel)
		}
		return m
	}
	g, w := describe(got), describe(want)
	for _, path := range want.Columns() {
		name := strings.Join(path, ".")
		have, ok := g[name]
		if !ok {
			return fmt.Errorf("foreign table: column %q is missing (it has %s); if another xrun wrote it, run its spec again with this one: finished stages are kept", name, columnList(got))
		}
		if have != w[name] {
			return fmt.Errorf("foreign table: column %q is %s; want %s", name, have, w[name])
		}
	}
	for _, path := range got.Columns() {
		if name := strings.Join(path, "."); w[name] == "" {
			return fmt.Errorf("foreign table: unknown column %q", name)
		}
	}
	return nil
}

func columnList(s *parquet.Schema) string {
	var names []string
	for _, path := range s.Columns() {
		if len(names) == 20 {
			names = append(names, "…")
			break
		}
		names = append(names, path[0])
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// oneNaN returns rows with every NaN replaced by the same one: x86 makes NaNs
// with the sign bit set, ARM without, and both would reach the file.
func oneNaN[T any](rows []T) []T {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		return rows
	}
	copied := false
	for i := range t.NumField() {
		if t.Field(i).Type.Kind() != reflect.Float64 {
			continue
		}
		for r := range rows {
			v := reflect.ValueOf(&rows[r]).Elem().Field(i)
			if x := v.Float(); x == x || math.Float64bits(x) == math.Float64bits(math.NaN()) {
				continue
			}
			if !copied {
				rows, copied = slices.Clone(rows), true
				v = reflect.ValueOf(&rows[r]).Elem().Field(i)
			}
			v.SetFloat(math.NaN())
		}
	}
	return rows
}

// nilEmptyLists makes lists of no element nil, so that rows read equal rows
// written whichever of the two the writer held.
func nilEmptyLists[T any](rows []T) {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		if t.Field(i).Type.Kind() != reflect.Slice {
			continue
		}
		for r := range rows {
			if v := reflect.ValueOf(&rows[r]).Elem().Field(i); v.Len() == 0 {
				v.SetZero()
			}
		}
	}
}

// digestWriter passes bytes on, counting and hashing them.
type digestWriter struct {
	w   io.Writer
	n   int64
	sum hash.Hash
}

func (d *digestWriter) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.n += int64(n)
	d.sum.Write(p[:n])
	return n, err
}

// recoverInto turns a panic of the parquet library, which hostile input can
// cause, into an error.
func recoverInto(err *error) {
	if r := recover(); r != nil {
		line, _, _ := strings.Cut(fmt.Sprint(r), "\n")
		*err = fmt.Errorf("damaged parquet data: %s", line)
	}
}
