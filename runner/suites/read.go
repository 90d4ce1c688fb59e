package suites

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"xrun/runner/strictjson"
	"xrun/schema"
)

// maxFile bounds what is read into memory of one suite file.
const maxFile = 1 << 30

// Root is where suites' files lie: a directory or files in the binary. Name is
// its name in messages; one that begins with "builtin:" marks small embedded
// suites, whose sizes are not compared with the published ones.
type Root struct {
	FS   fs.FS
	Name string
}

func (r Root) builtin() bool { return strings.HasPrefix(r.Name, "builtin:") }

// display is a file's name in messages.
func (r Root) display(name string) string {
	if r.Name == "" || filepath.IsAbs(name) {
		return name
	}
	if r.builtin() {
		return r.Name + "/" + name
	}
	return filepath.Join(r.Name, name)
}

// stat says whether name is there and whether it is a directory. Names that
// leave the root (absolute, or with ..) are looked up in the file system.
func (r Root) stat(name string) (exists, dir bool, err error) {
	var st fs.FileInfo
	if outside(name) {
		st, err = os.Stat(r.path(name))
	} else if r.FS == nil {
		return false, false, nil
	} else {
		st, err = fs.Stat(r.FS, path.Clean(name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	return true, st.IsDir(), nil
}

func outside(name string) bool { return !fs.ValidPath(path.Clean(filepath.ToSlash(name))) }

func (r Root) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.Name, name)
}

// File is a file that a suite was read from.
type File struct {
	// Role is what it is for: "test", "shots" or "annotations", with /SUBSET
	// where there are subsets.
	Role   string `json:"role"`
	Name   string `json:"-"` // as messages name it
	SHA256 string `json:"sha256"`
	Rows   int    `json:"-"`
	data   []byte
}

// read reads a whole file, checks that it is UTF-8 and drops a byte order mark;
// bom and crlf report what was there.
func (r Root) read(name, role string) (f File, bom, crlf bool, err error) {
	f = File{Role: role, Name: r.display(name)}
	wrap := func(err error) (File, bool, bool, error) {
		return f, false, false, fmt.Errorf("reading %s: %w", f.Name, err)
	}
	var file fs.File
	if outside(name) {
		file, err = os.Open(r.path(name))
	} else {
		file, err = r.FS.Open(path.Clean(name))
	}
	if err != nil {
		return wrap(reason(err))
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return wrap(reason(err))
	}
	if len(data) > maxFile {
		return wrap(fmt.Errorf("longer than %d bytes", maxFile))
	}
	sum := sha256.Sum256(data)
	f.SHA256 = hex.EncodeToString(sum[:])
	data, bom = bytes.CutPrefix(data, []byte("\ufeff"))
	if i := invalidUTF8(data); i >= 0 {
		return f, bom, false, fmt.Errorf("reading %s:%d: byte %#02x is not UTF-8; save the file as UTF-8", f.Name, lineAt(data, i), data[i])
	}
	f.data = data
	return f, bom, bytes.Contains(data, []byte("\r\n")), nil
}

// reason drops the path that the caller names anyway.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func lineAt(b []byte, i int) int { return 1 + bytes.Count(b[:i], []byte("\n")) }

// jsonlRows reads one JSON object a line. Blank lines may only end the file:
// row numbers are keys of annotations.
func jsonlRows(f File) ([]row, error) {
	var rows []row
	data := f.data
	for line := 1; len(data) > 0; line++ {
		var text []byte
		text, data, _ = bytes.Cut(data, []byte("\n"))
		text = bytes.TrimRight(text, "\r")
		if len(bytes.TrimSpace(text)) == 0 {
			if len(bytes.TrimSpace(data)) == 0 {
				break
			}
			return nil, fmt.Errorf("reading %s:%d: a blank line between rows; remove it", f.Name, line)
		}
		v, err := decodeObject(text)
		if err != nil {
			return nil, fmt.Errorf("reading %s:%d: %w", f.Name, line, err)
		}
		rows = append(rows, row{line: line, number: len(rows), value: v})
	}
	return rows, nil
}

// decodeObject reads exactly one JSON object.
func decodeObject(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if bytes.HasPrefix(bytes.TrimLeft(text, " \t"), []byte("[")) {
		return nil, errors.New("a JSON list where each line is an object; write an object a line, without the brackets and commas")
	}
	if err := dec.Decode(&v); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the JSON object is cut off")
		}
		return nil, err
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, fmt.Errorf("a JSON %s where each line is an object", kind(v))
	}
	if rest := bytes.TrimLeft(text[dec.InputOffset():], " \t\r"); len(rest) > 0 {
		return nil, fmt.Errorf("column %d: bytes after the object's end: %q", len(text)-len(rest)+1, short(string(rest)))
	}
	return v, strictjson.Check(text)
}

// csvRows reads a CSV file by its definition's columns. dropped reports that a
// row of column names was left out.
func csvRows(f File, def schema.SuiteFiles) (rows []row, dropped bool, err error) {
	r := csv.NewReader(bytes.NewReader(f.data))
	r.FieldsPerRecord = -1
	columns := def.Columns
	for first := true; ; first = false {
		rec, err := r.Read()
		if err == io.EOF {
			return rows, dropped, nil
		}
		var pe *csv.ParseError
		if errors.As(err, &pe) {
			return nil, false, fmt.Errorf("reading %s:%d:%d: %w (a row that begins in line %d)", f.Name, pe.Line, pe.Column, pe.Err, pe.StartLine)
		}
		if err != nil {
			return nil, false, fmt.Errorf("reading %s: %w", f.Name, err)
		}
		line, _ := r.FieldPos(0)
		if first && def.Header == "first" {
			if columns, err = headerNames(rec); err != nil {
				return nil, false, fmt.Errorf("reading %s:%d: %w", f.Name, line, err)
			}
			continue
		}
		if len(rec) != len(columns) {
			return nil, false, fmt.Errorf("reading %s:%d: %d columns, want %d (%s); a text with a comma or line break needs quotes",
				f.Name, line, len(rec), len(columns), strings.Join(columns, ", "))
		}
		if first && def.Header == "drop" && isHeader(rec, columns) {
			dropped = true
			continue
		}
		v := make(map[string]any, len(columns))
		for i, c := range columns {
			v[c] = rec[i]
		}
		rows = append(rows, row{line: line, number: len(rows), value: v})
	}
}

func headerNames(rec []string) ([]string, error) {
	seen := map[string]bool{}
	for i, c := range rec {
		if c == "" || seen[c] {
			return nil, fmt.Errorf("column %d of the header is %q, empty or named twice", i+1, c)
		}
		seen[c] = true
	}
	return append([]string{}, rec...), nil
}

// isHeader recognises a row of names where the file should have none: its first
// and last cells are the columns' names, or the ones redistributions use.
func isHeader(rec, columns []string) bool {
	names := func(cell string, own string, others ...string) bool {
		cell = strings.ToLower(strings.TrimSpace(cell))
		return cell == strings.ToLower(own) || slices.Contains(others, cell)
	}
	last := len(columns) - 1
	return names(rec[0], columns[0], "question", "input", "prompt") && names(rec[last], columns[last], "answer", "target", "label")
}
