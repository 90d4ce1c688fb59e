// Package data turns data sets into training rows: files into items, items
// through a template into prompt and output, and those into tokens of which the
// first are prompt and the others targets.
//
// It is not a tokenizer and decides nothing about the loss: a row says where its
// prompt ends, and the weight of prompt tokens is the trainer's. Most readers
// need [Read] and [Prepare].
//
// # Files
//
// A file's ending tells its form: .json (an array of items, or an item a line),
// .jsonl, .csv and .xlsx (one sheet, with a header row), .parquet. Its kind, what
// an item means, is one of
//
//	instruct    instruction, input, output, system, history ([[question, answer], ...])
//	chat        messages [{role, content}] or conversations [{from, value}]; system
//	qa          question, answer; input, system
//	preference  chosen (a text, a message or a whole conversation) beside a prompt
//	            in any of the forms above; rejected is not read
//	text        text, all of it output, without a template
//
// and "auto" decides by the names in the first item. Other names are mapped by
// the spec's data.columns. A byte-order mark is dropped and CR LF inside CSV
// cells is read as LF; nothing else is changed. A null counts as absent.
//
// # Templates
//
// See [Prompt]. Prompt and output are tokenized apart and joined, so training
// sees exactly the prompt tokens that generation will see.
package data

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"xrun/schema"
)

// Item is one example before any template.
type Item struct {
	// System is the item's own system message, "" for none.
	System string
	// Instruction and Input are what is asked; Input may be empty.
	Instruction, Input string
	// Output is what is to be learned.
	Output string
	// History holds earlier turns, each a question and its answer.
	History [][2]string
	// Messages holds a conversation up to Output, which is its last assistant
	// turn. It replaces Instruction, Input and History.
	Messages []Message
	// Bare marks an item that is only Output: it passes no template.
	Bare bool
	// Line is the item's line in a text file, its row in .xlsx, or its number
	// from 1 in .parquet.
	Line int
}

// Message is one turn of a conversation.
type Message struct {
	Role    string // "system", "user", "assistant" or "tool"
	Content string
}

// maxFile bounds a data file, which is read whole.
const maxFile = 4 << 30

// Read reads the items of a data set. name tells its form by its ending and
// stands in errors, which give the line (or row) and what to do; format is one
// of the kinds above or "auto"; columns maps our names to the file's.
func Read(r io.ReaderAt, size int64, name, format string, columns map[string]string) ([]Item, error) {
	if size > maxFile {
		return nil, fmt.Errorf("reading %s: it has %d bytes, more than the %d a data set may have; split it or use data.limit on a shorter copy", name, size, int64(maxFile))
	}
	b := &builder{name: name, format: format, columns: columns, used: map[string]bool{}}
	var err error
	switch ending := strings.ToLower(path.Ext(name)); ending {
	case ".json", ".jsonl", ".ndjson", ".csv", ".tsv":
		var text []byte
		if text, err = readText(r, size, name); err != nil {
			return nil, err
		}
		switch {
		case ending == ".csv" || ending == ".tsv":
			err = b.readCSV(text, ending == ".tsv")
		case ending == ".json" && bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("[")):
			err = b.readArray(text)
		default:
			err = b.readLines(text)
		}
	case ".xlsx":
		err = b.readXLSX(r, size)
	case ".parquet":
		err = b.readParquet(r, size)
	default:
		return nil, fmt.Errorf("reading %s: the ending %q is no known form; want .json, .jsonl, .csv, .tsv, .xlsx or .parquet", name, ending)
	}
	if err == nil {
		err = b.finish()
	}
	if err != nil {
		return nil, err
	}
	return b.items, nil
}

// readText reads a text file without its byte-order mark and refuses what is not
// UTF-8.
func readText(r io.ReaderAt, size int64, name string) ([]byte, error) {
	text := make([]byte, size)
	if n, err := r.ReadAt(text, 0); err != nil && !(err == io.EOF && int64(n) == size) {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	for i, line := 0, 1; i < len(text); {
		if text[i] < utf8.RuneSelf {
			if text[i] == '\n' {
				line++
			}
			i++
			continue
		}
		c, n := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && n == 1 {
			return nil, fmt.Errorf("%s:%d: byte 0x%02x is not UTF-8; convert the file to UTF-8", name, line, text[i])
		}
		i += n
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, fmt.Errorf("reading %s: it is empty; want items", name)
	}
	return text, nil
}

// nearest returns a hint naming the closest of the known names, or all of them.
func nearest(word string, known []string) string {
	if near := schema.Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	const most = 12
	if len(known) > most {
		known = append(known[:most:most], "...")
	}
	return "the file has " + strings.Join(known, ", ")
}
