package data

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/xuri/excelize/v2"
)

// readXLSX reads the one sheet of a workbook, whose first row names the columns.
// Numbers are taken as stored, not as formatted; truth values are TRUE and FALSE,
// as a spreadsheet shows them. Dates are stored as numbers of days and refused.
func (b *builder) readXLSX(r io.ReaderAt, size int64) (err error) {
	b.rowWord = " row "
	defer func() {
		// The reader indexes what the file's own numbers say.
		if p := recover(); p != nil {
			err = fmt.Errorf("reading %s: the workbook is damaged: %v; save it again", b.name, p)
		}
	}()
	const most = 1 << 30 // unpacked; a workbook of more is a decompression bomb
	f, err := excelize.OpenReader(io.NewSectionReader(r, 0, size), excelize.Options{RawCellValue: true, UnzipSizeLimit: most})
	if err != nil {
		return fmt.Errorf("reading %s: is no .xlsx workbook: %w; save it as Excel workbook (.xlsx)", b.name, err)
	}
	defer f.Close()
	sheets := f.GetSheetList()
	if len(sheets) == 0 {
		return fmt.Errorf("reading %s: the workbook has no sheet", b.name)
	}
	sheet := sheets[0]
	for _, other := range sheets[1:] {
		if empty, err := isEmpty(f, other); err != nil || !empty {
			return fmt.Errorf("reading %s: the workbook has data in the sheets %q and %q, and which one is meant cannot be told; save the one as a workbook of its own", b.name, sheet, other)
		}
	}
	dates := dateStyles{f: f, known: map[int]bool{}}
	rows, err := f.Rows(sheet)
	if err != nil {
		return fmt.Errorf("reading %s: sheet %q: %w", b.name, sheet, err)
	}
	defer rows.Close()
	var header []string
	for line := 1; rows.Next(); line++ {
		row, err := rows.Columns()
		if err != nil {
			return b.fails(line, "%w", err)
		}
		// Rows come without their empty cells at the end.
		for len(row) > 0 && row[len(row)-1] == "" && header == nil {
			row = row[:len(row)-1]
		}
		if header == nil {
			if len(row) == 0 {
				return b.fails(line, "is empty; the first row must name the columns")
			}
			header = row
			if err := b.checkHeader(header, line); err != nil {
				return err
			}
			continue
		}
		if strings.Join(row, "") == "" {
			continue
		}
		for i := len(header); i < len(row); i++ {
			if row[i] != "" {
				return b.fails(line, "cell %d lies beyond the header's %d columns; name its column", i+1, len(header))
			}
		}
		full := make([]string, len(header))
		copy(full, row)
		if err := b.checkCells(f, dates, sheet, full, header, line); err != nil {
			return err
		}
		if err := b.add(cells(header, full, line)); err != nil {
			return err
		}
	}
	if err := rows.Error(); err != nil {
		return fmt.Errorf("reading %s: sheet %q: %w", b.name, sheet, err)
	}
	return nil
}

// checkCells gives truth values their words and refuses what would change its
// meaning on the way: a formula whose value was never computed, an error value,
// and a date.
func (b *builder) checkCells(f *excelize.File, dates dateStyles, sheet string, row, header []string, line int) error {
	for i, v := range row {
		cell, err := excelize.CoordinatesToCellName(i+1, line)
		if err != nil {
			return b.fails(line, "%w", err)
		}
		if v == "" {
			formula, err := f.GetCellFormula(sheet, cell)
			if err != nil {
				return b.fails(line, "%w", err)
			}
			if formula != "" {
				return b.fails(line, "cell %s (%q) holds the formula =%s without a value; open the workbook in a spreadsheet program and save it", cell, header[i], formula)
			}
			continue
		}
		kind, err := f.GetCellType(sheet, cell)
		if err != nil {
			return b.fails(line, "%w", err)
		}
		switch kind {
		case excelize.CellTypeBool:
			row[i] = map[string]string{"0": "FALSE", "1": "TRUE"}[v]
		case excelize.CellTypeError:
			return b.fails(line, "cell %s (%q) holds the error %s; mend it in the workbook", cell, header[i], v)
		case excelize.CellTypeDate, excelize.CellTypeUnset, excelize.CellTypeNumber:
			date, err := dates.has(sheet, cell)
			if err != nil {
				return b.fails(line, "%w", err)
			}
			if date || kind == excelize.CellTypeDate {
				return b.fails(line, "cell %s (%q) holds a date, stored as %s; make it text in the workbook", cell, header[i], v)
			}
		}
	}
	return nil
}

func isEmpty(f *excelize.File, sheet string) (bool, error) {
	rows, err := f.Rows(sheet)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := rows.Columns()
		if err != nil || strings.Join(row, "") != "" {
			return false, err
		}
	}
	return true, rows.Error()
}

// dateStyles tells cells that are shown as dates or times by their style, which
// is all that sets them apart from numbers.
type dateStyles struct {
	f     *excelize.File
	known map[int]bool
}

// quotedFormat is what stands for itself in a number format.
var quotedFormat = regexp.MustCompile(`"[^"]*"|\\.|\[[^\]]*\]|_.|\*.`)

func (d dateStyles) has(sheet, cell string) (bool, error) {
	at, err := d.f.GetCellStyle(sheet, cell)
	if err != nil {
		return false, err
	}
	if date, ok := d.known[at]; ok {
		return date, nil
	}
	style, err := d.f.GetStyle(at)
	if err != nil {
		return false, err
	}
	// ECMA-376, part 1, 18.8.30: the numbers of formats that every program knows.
	n := style.NumFmt
	date := n >= 14 && n <= 22 || n >= 27 && n <= 36 || n >= 45 && n <= 47 || n >= 50 && n <= 58
	if c := style.CustomNumFmt; c != nil {
		date = strings.ContainsAny(strings.ToLower(quotedFormat.ReplaceAllString(*c, "")), "ymdhs")
	}
	d.known[at] = date
	return date, nil
}
