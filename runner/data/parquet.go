package data

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// column is one leaf of a parquet file that items are made of.
type column struct {
	name  string // of the top-level field
	field string // "role", "content", "from" or "value" inside a list of turns; ""
	depth int    // lists around it: 0 a text, 1 a turn's field, 2 a text of history
}

// readParquet reads text columns, lists of turns ({role, content} or {from,
// value}) and lists of pairs of texts, as the hub's data sets have them. Other
// columns are passed over.
func (b *builder) readParquet(r io.ReaderAt, size int64) (err error) {
	b.rowWord = " row "
	defer func() {
		// The reader trusts offsets and counts of the file; a damaged one may
		// send it out of bounds.
		if p := recover(); p != nil {
			err = fmt.Errorf("reading %s: the file is damaged: %v; get it again", b.name, p)
		}
	}()
	if err := checkFooter(r, size); err != nil {
		return fmt.Errorf("reading %s: is no whole parquet file: %w; it may be cut short, get it again", b.name, err)
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return fmt.Errorf("reading %s: is no whole parquet file: %w; it may be cut short, get it again", b.name, err)
	}
	columns, names := leaves(f)
	b.first, b.others = names, otherColumns(f)
	const mostRows = 1 << 28
	if n := f.NumRows(); n < 0 || n > mostRows {
		return fmt.Errorf("reading %s: it claims %d rows; want at most %d", b.name, n, mostRows)
	}
	if err := checkCodec(f); err != nil {
		return fmt.Errorf("reading %s: %w", b.name, err)
	}
	for i := range columns {
		if err := checkPages(r, size, f, i); err != nil {
			return fmt.Errorf("reading %s: %w; the file is damaged, get it again", b.name, err)
		}
	}
	line := 0
	for _, g := range f.RowGroups() {
		if g.NumRows() == 0 {
			continue
		}
		if line, err = b.readGroup(g, columns, names, line); err != nil {
			return err
		}
	}
	if int64(line) != f.NumRows() {
		return fmt.Errorf("reading %s: it has %d rows and claims %d; get it again", b.name, line, f.NumRows())
	}
	return nil
}

// checkCodec refuses LZ4: the library stumbles over what pyarrow writes with it.
func checkCodec(f *parquet.File) error {
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			if k := c.MetaData.Codec; k == format.Lz4 || k == format.Lz4Raw {
				return fmt.Errorf("column %q is packed with %s, which is not read; write the file with zstd or snappy", strings.Join(c.MetaData.PathInSchema, "."), k)
			}
		}
	}
	return nil
}

func (b *builder) readGroup(g parquet.RowGroup, columns []*column, names []string, line int) (int, error) {
	rows := g.Rows()
	defer rows.Close()
	buf := make([]parquet.Row, 64)
	for {
		n, err := rows.ReadRows(buf)
		for _, row := range buf[:n] {
			line++
			rec, rerr := b.record(row, columns, names, line)
			if rerr == nil {
				rerr = b.add(rec)
			}
			if rerr != nil {
				return line, rerr
			}
		}
		if errors.Is(err, io.EOF) {
			return line, nil
		}
		if err != nil {
			return line, fmt.Errorf("reading %s: after row %d: %w; the file is damaged, get it again", b.name, line, err)
		}
		if n == 0 {
			return line, fmt.Errorf("reading %s: no progress after row %d; the file is damaged, get it again", b.name, line)
		}
	}
}

// leaves lists the usable leaf columns by their index, nil for others, and the
// names of the fields they make up.
func leaves(f *parquet.File) (columns []*column, names []string) {
	columns = make([]*column, len(f.Schema().Columns()))
	for i, path := range f.Schema().Columns() {
		leaf, ok := f.Schema().Lookup(path...)
		if !ok || leaf.Node.Type().Kind() != parquet.ByteArray {
			continue
		}
		c := &column{name: path[0]}
		depth := leaf.MaxRepetitionLevel
		last := path[len(path)-1]
		switch {
		case depth == 0 && len(path) == 1:
		case depth == 0 && len(path) == 2 && slices.Contains(turnFields, last): // one turn
			c.field, c.depth = last, 1
		case depth == 1 && slices.Contains(turnFields, last):
			c.field, c.depth = last, 1
		case depth == 2 && strings.HasSuffix(last, "element") || depth == 2 && last == "item":
			c.depth = 2
		default:
			continue
		}
		columns[i] = c
		if !slices.Contains(names, path[0]) {
			names = append(names, path[0])
		}
	}
	return columns, names
}

// otherColumns names the type of each top-level column that cannot hold texts. One
// of nulls only, as pandas writes where no row has a value, is not among them.
func otherColumns(f *parquet.File) map[string]string {
	others := map[string]string{}
	for _, path := range f.Schema().Columns() {
		leaf, ok := f.Schema().Lookup(path...)
		if !ok || len(path) != 1 || leaf.MaxRepetitionLevel > 0 || leaf.Node.Type().Kind() == parquet.ByteArray {
			continue
		}
		if t := leaf.Node.Type(); t.Kind() >= 0 { // of a column of nulls it is -1
			others[path[0]] = t.String()
		}
	}
	return others
}

var turnFields = []string{"role", "content", "from", "value"}

// record gathers a row's values by field. Nulls are absent.
func (b *builder) record(row parquet.Row, columns []*column, names []string, line int) (record, error) {
	rec := record{line: line}
	turns := map[string][2][]string{} // roles and contents
	history := map[string][][]string{}
	for _, v := range row {
		i := v.Column()
		if i < 0 || i >= len(columns) || columns[i] == nil {
			continue
		}
		c := columns[i]
		if v.IsNull() {
			if c.depth == 0 {
				rec.nulls = append(rec.nulls, c.name)
			}
			continue
		}
		text := string(v.ByteArray())
		if !utf8.ValidString(text) {
			return rec, b.fails(line, "%q is not UTF-8; get the file again", c.name)
		}
		switch c.depth {
		case 0:
			rec.names, rec.values = append(rec.names, c.name), append(rec.values, text)
		case 1:
			t := turns[c.name]
			k := 0
			if c.field == "content" || c.field == "value" {
				k = 1
			}
			t[k] = append(t[k], text)
			turns[c.name] = t
		case 2:
			h := history[c.name]
			if v.RepetitionLevel() < 2 || len(h) == 0 {
				h = append(h, nil)
			}
			h[len(h)-1] = append(h[len(h)-1], text)
			history[c.name] = h
		}
	}
	for _, name := range names {
		if t, ok := turns[name]; ok {
			if len(t[0]) != len(t[1]) {
				return rec, b.fails(line, "%q has %d roles and %d contents; a turn needs both", name, len(t[0]), len(t[1]))
			}
			m := make([]Message, len(t[0]))
			for i := range m {
				m[i] = Message{Role: t[0][i], Content: t[1][i]}
			}
			rec.names, rec.values = append(rec.names, name), append(rec.values, m)
		}
		if h, ok := history[name]; ok {
			pairs := make([][2]string, len(h))
			for i, p := range h {
				if len(p) != 2 {
					return rec, b.fails(line, "%q: turn %d has %d texts; want a question and its answer", name, i+1, len(p))
				}
				pairs[i] = [2]string{p[0], p[1]}
			}
			rec.names, rec.values = append(rec.names, name), append(rec.values, pairs)
		}
	}
	return rec, nil
}
