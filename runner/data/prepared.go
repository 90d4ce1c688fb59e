package data

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// magic opens a stored training set: eight bytes, the last the format's number.
const magic = "xrunrow1"

// WriteTo writes the set: magic, the ledger as JSON with its length, the number
// of rows and held-out rows, then each row as unsigned varints (item, line,
// prompt, ended, length, tokens). The same set gives the same bytes.
func (p *Prepared) WriteTo(w io.Writer) (int64, error) {
	c := &counter{w: w}
	b := bufio.NewWriterSize(c, 1<<16)
	ledger, err := json.Marshal(p.Ledger)
	if err != nil {
		return 0, fmt.Errorf("writing a prepared set: %w", err)
	}
	var scratch []byte
	put := func(n uint64) { scratch = binary.AppendUvarint(scratch, n) }
	scratch = append(scratch, magic...)
	put(uint64(len(ledger)))
	scratch = append(scratch, ledger...)
	put(uint64(len(p.Rows)))
	put(uint64(len(p.HeldOut)))
	for _, rows := range [][]Row{p.Rows, p.HeldOut} {
		for _, r := range rows {
			put(uint64(r.Item))
			put(uint64(r.Line))
			put(uint64(r.Prompt))
			ended := uint64(0)
			if r.Ended {
				ended = 1
			}
			put(ended)
			put(uint64(len(r.Tokens)))
			for _, t := range r.Tokens {
				put(uint64(uint32(t)))
			}
			b.Write(scratch) // an error stays in b until Flush
			scratch = scratch[:0]
		}
	}
	b.Write(scratch)
	err = b.Flush()
	return c.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// ReadPrepared reads what WriteTo wrote. Every token takes a byte at least, so
// nothing larger than a multiple of b is allocated.
func ReadPrepared(b []byte) (*Prepared, error) {
	r := &reader{b: b}
	if !bytes.HasPrefix(b, []byte(magic)) {
		return nil, fmt.Errorf("reading a prepared set: it does not start with %q; delete it and run again", magic)
	}
	r.at = len(magic)
	p := &Prepared{}
	if n := r.length(1); r.bad == "" {
		if err := json.Unmarshal(b[r.at:r.at+n], &p.Ledger); err != nil {
			return nil, fmt.Errorf("reading a prepared set: its ledger: %w; delete it and run again", err)
		}
		r.at += n
	}
	const smallest = 5 // bytes of a row
	rows, held := r.length(smallest), 0
	held = r.length(smallest)
	p.Rows = r.rows(rows)
	p.HeldOut = r.rows(held)
	if r.bad == "" && r.at != len(b) {
		r.bad = fmt.Sprintf("%d bytes follow its end", len(b)-r.at)
	}
	if r.bad != "" {
		return nil, fmt.Errorf("reading a prepared set: at byte %d: %s; delete it and run again", r.at, r.bad)
	}
	return p, nil
}

// reader decodes a prepared set; bad says what went wrong first.
type reader struct {
	b   []byte
	at  int
	bad string
}

func (r *reader) uint(most uint64) uint64 {
	if r.bad != "" {
		return 0
	}
	n, size := binary.Uvarint(r.b[r.at:])
	if size <= 0 {
		r.bad = "it is cut short"
		return 0
	}
	if n > most {
		r.bad = fmt.Sprintf("the number %d is out of range", n)
		return 0
	}
	r.at += size
	return n
}

// length reads a count of things that take at least size bytes each.
func (r *reader) length(size int) int {
	n := r.uint(1 << 40)
	if r.bad == "" && n > uint64(len(r.b)-r.at)/uint64(size) {
		r.bad = "it is cut short"
		return 0
	}
	return int(n)
}

func (r *reader) rows(n int) []Row {
	if n == 0 || r.bad != "" {
		return nil
	}
	rows := make([]Row, 0, n)
	for range n {
		var x Row
		x.Item = int(r.uint(1 << 40))
		x.Line = int(r.uint(1 << 40))
		prompt := r.uint(1 << 40)
		x.Ended = r.uint(1) == 1
		length := r.length(1)
		if r.bad == "" && prompt > uint64(length) {
			r.bad = fmt.Sprintf("a prompt of %d tokens in a row of %d", prompt, length)
		}
		if r.bad != "" {
			return nil
		}
		x.Prompt = int(prompt)
		x.Tokens = make([]int32, length)
		for i := range x.Tokens {
			x.Tokens[i] = int32(r.uint(1<<31 - 1))
		}
		rows = append(rows, x)
	}
	return rows
}

// Text returns the row as text: its prompt, its targets under labels output, and
// the end token, "" where the row was cut before it.
func (r Row) Text(tok Tokenizer) (prompt, target, end string) {
	stop := len(r.Tokens)
	if r.Ended {
		stop--
		end = tok.Decode(r.Tokens[stop:], false)
	}
	return tok.Decode(r.Tokens[:r.Prompt], false), tok.Decode(r.Tokens[r.Prompt:stop], false), end
}

// Over returns how many tokens steps optimizer steps of perStep rows read, and in
// how many pairs a token sees itself or an earlier one of its row: exactly for
// whole epochs, in proportion to the rows for a part of one, whose rows the
// shuffle draws.
func (p *Prepared) Over(steps, perStep int) (tokens int64, pairs float64) {
	if len(p.Rows) == 0 || perStep <= 0 {
		return 0, 0
	}
	for _, r := range p.Rows {
		n := int64(len(r.Tokens))
		tokens += n
		pairs += float64(n * (n + 1) / 2)
	}
	perEpoch := (len(p.Rows) + perStep - 1) / perStep
	epochs, rest, rows := int64(steps/perEpoch), int64(min(steps%perEpoch*perStep, len(p.Rows))), int64(len(p.Rows))
	share := float64(epochs) + float64(rest)/float64(rows)
	return epochs*tokens + tokens*rest/rows, float64(pairs * share)
}
