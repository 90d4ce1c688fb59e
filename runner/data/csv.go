package data

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// readCSV reads comma-separated (or tab-separated) values with a header row, as
// RFC 4180 has it: quotes around a cell with commas, quotes or line breaks, and a
// quote inside doubled.
func (b *builder) readCSV(text []byte, tabs bool) error {
	d := csv.NewReader(bytes.NewReader(text))
	d.FieldsPerRecord = -1
	if tabs {
		d.Comma = '\t'
	}
	header, err := d.Read()
	if err != nil {
		return b.csvError(err)
	}
	header = slices.Clone(header)
	if err := b.checkHeader(header, 1); err != nil {
		return err
	}
	for {
		row, err := d.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return b.csvError(err)
		}
		line, _ := d.FieldPos(0)
		if len(row) != len(header) {
			return b.fails(line, "the row has %d cells and the header %d (%s); quote cells that hold commas, quotes or line breaks", len(row), len(header), list(header))
		}
		if err := b.add(cells(header, row, line)); err != nil {
			return err
		}
	}
}

// checkHeader refuses headers in which a name is no name.
func (b *builder) checkHeader(header []string, line int) error {
	for i, h := range header {
		if h == "" {
			return b.fails(line, "column %d has no name; the first row must name the columns", i+1)
		}
		if slices.Contains(header[:i], h) {
			return b.fails(line, "two columns are named %q; rename one", h)
		}
	}
	b.first = header
	// A header tells at once which columns are missing.
	for _, ours := range slices.Sorted(maps.Keys(b.columns)) {
		if !slices.Contains(header, b.columns[ours]) {
			return b.fails(line, "there is no column %q, which data.columns.%s names; %s", b.columns[ours], ours, nearest(b.columns[ours], header))
		}
	}
	all := make([]any, len(header))
	for i := range all {
		all[i] = ""
	}
	return b.decide(record{line: line, names: header, values: all})
}

func cells(header, row []string, line int) record {
	values := make([]any, len(header))
	for i := range header {
		values[i] = row[i]
	}
	return record{line: line, names: header, values: values}
}

func (b *builder) csvError(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		hint := "a cell with quotes must be quoted and its quotes doubled"
		if errors.Is(p.Err, csv.ErrQuote) && p.StartLine != p.Line {
			hint = fmt.Sprintf("the row starts at line %d; a quoted cell may have no end", p.StartLine)
		}
		return fmt.Errorf("%s:%d:%d: is not CSV: %w; %s", b.name, p.Line, p.Column, p.Err, hint)
	}
	return fmt.Errorf("reading %s: %w", b.name, err)
}
