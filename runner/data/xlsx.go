package data

import (
	"fmt"
	"io"
	"strings"

	"github.com/xuri/excelize/v2"
)

// readXLSX reads the first sheet of a workbook, whose first row names the
// columns. Cells are taken as stored, not as formatted.
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
		if err := b.checkFormulas(f, sheet, full, header, line); err != nil {
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

// checkFormulas refuses an empty cell that holds a formula: its value was never
// computed, and reading it as empty would lose it silently.
func (b *builder) checkFormulas(f *excelize.File, sheet string, row, header []string, line int) error {
	for i, v := range row {
		if v != "" {
			continue
		}
		cell, err := excelize.CoordinatesToCellName(i+1, line)
		if err != nil {
			return b.fails(line, "%w", err)
		}
		formula, err := f.GetCellFormula(sheet, cell)
		if err != nil {
			return b.fails(line, "%w", err)
		}
		if formula != "" {
			return b.fails(line, "cell %s (%q) holds the formula =%s without a value; open the workbook in a spreadsheet program and save it", cell, header[i], formula)
		}
	}
	return nil
}
