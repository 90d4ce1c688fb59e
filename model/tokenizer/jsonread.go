package tokenizer

import (
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxFileBytes = 256 << 20 // the largest tokenizer.json files have about 35 MB
	maxDepth     = 64        // nesting of skipped values
)

// jsonReader reads one strict JSON document (RFC 8259) in memory. Its errors have the byte
// offset and the field. encoding/json takes three times as long for the 7 MB of a Qwen
// tokenizer.json, drops duplicate keys, and gives no offset for a value of the wrong type.
type jsonReader struct {
	file    string
	src     []byte
	pos     int
	scratch []byte // decoded form of the last string with escapes
}

// readFile returns a file's bytes, at most maxFileBytes of them.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("reading %s: is a directory", name)
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("reading %s: has %d bytes, more than the %d a tokenizer may have", name, info.Size(), maxFileBytes)
	}
	src := make([]byte, info.Size())
	n, err := io.ReadFull(f, src)
	if err != nil && info.Size() > 0 {
		return nil, fmt.Errorf("reading %s: after %d of %d bytes: %w", name, n, info.Size(), err)
	}
	return src, nil
}

// newJSONReader checks that the document is UTF-8.
func newJSONReader(file string, src []byte) (*jsonReader, error) {
	r := &jsonReader{file: file, src: src}
	if !utf8.Valid(src) {
		for r.pos < len(src) {
			c, n := utf8.DecodeRune(src[r.pos:])
			if c == utf8.RuneError && n == 1 {
				break
			}
			r.pos += n
		}
		return nil, r.fail("", "is not UTF-8")
	}
	return r, nil
}

// fail returns an error for the reader's position.
func (r *jsonReader) fail(field, format string, args ...any) error {
	return r.failAt(r.pos, field, format, args...)
}

func (r *jsonReader) failAt(pos int, field, format string, args ...any) error {
	if field != "" {
		field += ": "
	}
	return fmt.Errorf("reading %s: byte %d: %s%s", r.file, pos, field, fmt.Sprintf(format, args...))
}

// next skips white space and returns the first byte of the next value, or 0 at the end.
func (r *jsonReader) next() byte {
	for r.pos < len(r.src) {
		switch c := r.src[r.pos]; c {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return c
		}
	}
	return 0
}

// found describes the input at the reader's position, for messages.
func (r *jsonReader) found() string {
	switch c := r.next(); {
	case r.pos >= len(r.src):
		return "the end of the file"
	case c == '{':
		return "an object"
	case c == '[':
		return "a list"
	case c == '"':
		return "a string"
	case c == 't' || c == 'f':
		return "true or false"
	case c == 'n':
		return "null"
	case c == '-' || c >= '0' && c <= '9':
		return "a number"
	default:
		c, _ := utf8.DecodeRune(r.src[r.pos:])
		return strconv.QuoteRune(c)
	}
}

// object calls member for every key. member must read the value. The key is valid until the
// next string is read.
func (r *jsonReader) object(field string, member func(key []byte) error) error {
	if r.next() != '{' {
		return r.fail(field, "want an object, found %s", r.found())
	}
	r.pos++
	if r.next() == '}' {
		r.pos++
		return nil
	}
	for {
		if r.next() != '"' {
			return r.fail(field, "want a key, found %s", r.found())
		}
		key, err := r.str(field)
		if err != nil {
			return err
		}
		if r.next() != ':' {
			return r.fail(field, "want ':' after a key, found %s", r.found())
		}
		r.pos++
		if err := member(key); err != nil {
			return err
		}
		switch r.next() {
		case ',':
			r.pos++
		case '}':
			r.pos++
			return nil
		default:
			return r.fail(field, "want ',' or '}', found %s", r.found())
		}
	}
}

// array calls element for every element. element must read it.
func (r *jsonReader) array(field string, element func(i int) error) error {
	if r.next() != '[' {
		return r.fail(field, "want a list, found %s", r.found())
	}
	r.pos++
	if r.next() == ']' {
		r.pos++
		return nil
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return err
		}
		switch r.next() {
		case ',':
			r.pos++
		case ']':
			r.pos++
			return nil
		default:
			return r.fail(field, "want ',' or ']', found %s", r.found())
		}
	}
}

// str reads a string. The result is valid until the next string is read.
func (r *jsonReader) str(field string) ([]byte, error) {
	if r.next() != '"' {
		return nil, r.fail(field, "want a string, found %s", r.found())
	}
	start := r.pos + 1
	for i := start; i < len(r.src); i++ {
		switch c := r.src[i]; {
		case c == '"':
			r.pos = i + 1
			return r.src[start:i], nil
		case c == '\\':
			return r.escaped(field, start, i)
		case c < 0x20:
			return nil, r.failAt(i, field, "a control character stands in a string")
		}
	}
	r.pos = len(r.src)
	return nil, r.fail(field, "the file ends inside a string")
}

// escaped continues a string whose first backslash is at i.
func (r *jsonReader) escaped(field string, start, i int) ([]byte, error) {
	out := append(r.scratch[:0], r.src[start:i]...)
	for i < len(r.src) {
		c := r.src[i]
		if c == '"' {
			r.scratch, r.pos = out, i+1
			return out, nil
		}
		if c < 0x20 {
			return nil, r.failAt(i, field, "a control character stands in a string")
		}
		if c != '\\' {
			out = append(out, c)
			i++
			continue
		}
		if i+1 >= len(r.src) {
			break
		}
		i++
		switch c := r.src[i]; c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			c, ok := r.hex4(i + 1)
			if !ok {
				return nil, r.failAt(i-1, field, "\\u needs four hexadecimal digits")
			}
			if utf16.IsSurrogate(c) {
				low, ok := r.hex4(i + 7)
				if !ok || r.src[i+5] != '\\' || r.src[i+6] != 'u' || utf16.DecodeRune(c, low) == utf8.RuneError {
					return nil, r.failAt(i-1, field, "a lone surrogate stands in a string")
				}
				c = utf16.DecodeRune(c, low)
				i += 6
			}
			out = utf8.AppendRune(out, c)
			i += 4
		default:
			return nil, r.failAt(i-1, field, "unknown escape in a string")
		}
		i++
	}
	r.pos = len(r.src)
	return nil, r.fail(field, "the file ends inside a string")
}

func (r *jsonReader) hex4(i int) (rune, bool) {
	if i+4 > len(r.src) {
		return 0, false
	}
	v := rune(0)
	for _, c := range r.src[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			v = v<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// text reads a string and returns a copy of it.
func (r *jsonReader) text(field string) (string, error) {
	b, err := r.str(field)
	return string(b), err
}

// textOrNull reads a string, or null as the empty string.
func (r *jsonReader) textOrNull(field string) (string, error) {
	if r.null() {
		return "", nil
	}
	return r.text(field)
}

// id reads a token id: an integer from 0 to maxID.
func (r *jsonReader) id(field string) (int32, error) {
	r.next()
	start, v := r.pos, 0
	for r.pos < len(r.src) && r.src[r.pos] >= '0' && r.src[r.pos] <= '9' {
		v = min(v*10+int(r.src[r.pos]-'0'), maxID+1)
		r.pos++
	}
	digits := r.pos - start
	switch {
	case digits == 0:
		return 0, r.fail(field, "want a token id, found %s", r.found())
	case digits > 1 && r.src[start] == '0':
		return 0, r.failAt(start, field, "a number starts with 0")
	case r.pos < len(r.src) && (r.src[r.pos] == '.' || r.src[r.pos] == 'e' || r.src[r.pos] == 'E'):
		return 0, r.failAt(start, field, "a token id must be an integer")
	case v > maxID:
		return 0, r.failAt(start, field, "the token id is above %d", maxID)
	}
	return int32(v), nil
}

// boolean reads true or false.
func (r *jsonReader) boolean(field string) (bool, error) {
	r.next()
	switch {
	case r.word("true"):
		return true, nil
	case r.word("false"):
		return false, nil
	}
	return false, r.fail(field, "want true or false, found %s", r.found())
}

// null reads null if it is next.
func (r *jsonReader) null() bool {
	r.next()
	return r.word("null")
}

func (r *jsonReader) word(w string) bool {
	if len(r.src)-r.pos >= len(w) && string(r.src[r.pos:r.pos+len(w)]) == w {
		r.pos += len(w)
		return true
	}
	return false
}

// skip skips any value.
func (r *jsonReader) skip(field string) error { return r.skipDepth(field, 0) }

func (r *jsonReader) skipDepth(field string, depth int) error {
	if depth > maxDepth {
		return r.fail(field, "nested more than %d deep", maxDepth)
	}
	switch c := r.next(); {
	case c == '{':
		return r.object(field, func([]byte) error { return r.skipDepth(field, depth+1) })
	case c == '[':
		return r.array(field, func(int) error { return r.skipDepth(field, depth+1) })
	case c == '"':
		_, err := r.str(field)
		return err
	case c == 't' || c == 'f':
		_, err := r.boolean(field)
		return err
	case c == 'n' && r.null():
		return nil
	case c == '-' || c >= '0' && c <= '9':
		return r.number(field)
	}
	return r.fail(field, "want a value, found %s", r.found())
}

// number skips any number.
func (r *jsonReader) number(field string) error {
	start := r.pos
	for r.pos < len(r.src) {
		switch c := r.src[r.pos]; {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
			r.pos++
			continue
		}
		break
	}
	if _, err := strconv.ParseFloat(string(r.src[start:r.pos]), 64); err != nil {
		if e, ok := err.(*strconv.NumError); !ok || e.Err != strconv.ErrRange {
			return r.failAt(start, field, "malformed number")
		}
	}
	return nil
}

// end checks that nothing follows the document.
func (r *jsonReader) end() error {
	if r.next(); r.pos != len(r.src) {
		return r.fail("", "bytes follow the end of the document, first %s", r.found())
	}
	return nil
}

// seen detects keys that appear twice in an object.
type seen map[string]bool

func (s seen) first(r *jsonReader, field string) error {
	if s[field] {
		return r.fail(field, "appears twice")
	}
	s[field] = true
	return nil
}
