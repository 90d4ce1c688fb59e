package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// readArray reads a JSON array of items.
func (b *builder) readArray(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	at := lineCounter{text: text, line: 1}
	if _, err := d.Token(); err != nil {
		return b.jsonError(err, &at, text)
	}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return b.jsonError(err, &at, text)
		}
		b.numbered = true
		if err := b.addJSON(raw, at.at(int(d.InputOffset())-len(raw))); err != nil {
			return err
		}
		b.numbered = false
	}
	if _, err := d.Token(); err != nil {
		return b.jsonError(err, &at, text)
	}
	end := int(d.InputOffset())
	if rest := bytes.TrimLeft(text[end:], " \t\r\n"); len(rest) > 0 {
		return fmt.Errorf("%s:%d: %d bytes follow the end of the list; remove them", b.name, at.at(len(text)-len(rest)), len(rest))
	}
	return nil
}

// readLines reads one JSON item a line.
func (b *builder) readLines(text []byte) error {
	for line := 1; len(text) > 0; line++ {
		var row []byte
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			row, text = text[:i], text[i+1:]
		} else {
			row, text = text, nil
		}
		row = bytes.TrimSpace(row)
		if len(row) == 0 {
			continue
		}
		if !json.Valid(row) {
			err := json.Unmarshal(row, new(json.RawMessage))
			hint := "each line must be one whole item"
			if line == 1 {
				hint += "; a list of items starts with ["
			}
			return b.fails(line, "is not JSON: %v; %s", err, hint)
		}
		if err := b.addJSON(row, line); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) addJSON(raw []byte, line int) error {
	r, err := object(raw)
	if err != nil {
		return b.fails(line, "it %w", err)
	}
	r.line = line
	return b.add(r)
}

func (b *builder) jsonError(err error, at *lineCounter, text []byte) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return b.fails(at.at(int(syntax.Offset)), "is not JSON: %v (after %d items); correct it there", err, len(b.items))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return b.fails(at.at(len(text)), "the file ends inside its list, after %d items; it is cut short, get it again", len(b.items))
	}
	return b.fails(at.at(len(text)), "is not JSON: %v", err)
}

// lineCounter finds the line of ascending offsets.
type lineCounter struct {
	text []byte
	done int
	line int
}

func (c *lineCounter) at(offset int) int {
	offset = min(max(offset, 0), len(c.text))
	if offset < c.done {
		return 1 + bytes.Count(c.text[:offset], []byte("\n"))
	}
	c.line += bytes.Count(c.text[c.done:offset], []byte("\n"))
	c.done = offset
	return c.line
}

// object splits a JSON object into its fields, values left as they are and nulls
// as absent. raw must be valid JSON. A repeated field is an error: readers
// disagree about which one counts.
func object(raw []byte) (record, error) {
	var r record
	if raw[0] != '{' {
		return r, fmt.Errorf("is %s; want an object in {braces}", jsonKind(raw))
	}
	d := splitter{raw: raw, i: 1}
	for d.space(); d.raw[d.i] != '}'; d.space() {
		if d.raw[d.i] == ',' {
			d.i++
			d.space()
		}
		name, err := unquote(d.value())
		if err != nil {
			return r, fmt.Errorf("has a name that is %w", err)
		}
		d.space()
		d.i++ // the colon
		d.space()
		value := d.value()
		for _, n := range r.names {
			if n == name {
				return r, fmt.Errorf("has %q twice; remove one", name)
			}
		}
		if value[0] == 'n' {
			r.nulls = append(r.nulls, name)
			continue
		}
		r.names = append(r.names, name)
		r.values = append(r.values, json.RawMessage(value))
	}
	return r, nil
}

// splitter walks over valid JSON without building it.
type splitter struct {
	raw []byte
	i   int
}

func (s *splitter) space() {
	for s.raw[s.i] == ' ' || s.raw[s.i] == '\t' || s.raw[s.i] == '\n' || s.raw[s.i] == '\r' {
		s.i++
	}
}

// value returns the value at the cursor and moves past it.
func (s *splitter) value() []byte {
	start, depth := s.i, 0
	for s.i < len(s.raw) {
		switch c := s.raw[s.i]; c {
		case '"':
			for s.i++; s.raw[s.i] != '"'; s.i++ {
				if s.raw[s.i] == '\\' {
					s.i++
				}
			}
			s.i++
			if depth == 0 {
				return s.raw[start:s.i]
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return s.raw[start:s.i]
			}
			if depth--; depth == 0 {
				s.i++
				return s.raw[start:s.i]
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return s.raw[start:s.i]
			}
		}
		s.i++
	}
	return s.raw[start:]
}
