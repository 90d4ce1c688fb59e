package tokenizer

import (
	"bytes"
	"fmt"
	"strconv"
)

// byteRune is GPT-2's printable character for each byte (Radford et al. 2019, encoder.py):
// printable Latin-1 represents itself, and the other 68 bytes are, in order, U+0100 and up.
var byteRune = func() (table [256]rune) {
	n := rune(0)
	for b := range table {
		if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
			table[b] = rune(b)
		} else {
			table[b] = 256 + n
			n++
		}
	}
	return table
}()

// runeByte is the inverse of byteRune, with -1 for runes that represent no byte.
var runeByte = func() (table [256 + 68]int16) {
	for r := range table {
		table[r] = -1
	}
	for b, r := range byteRune {
		table[r] = int16(b)
	}
	return table
}()

// rawBytes appends the bytes to which a token decodes: its characters mapped back to bytes,
// or its own UTF-8 if one of the characters represents no byte.
func rawBytes(dst []byte, token string) []byte {
	start := len(dst)
	for _, r := range token {
		if int(r) >= len(runeByte) || runeByte[r] < 0 {
			return append(dst[:start], token...)
		}
		dst = append(dst, byte(runeByte[r]))
	}
	return dst
}

// model is the BPE vocabulary and its merges.
type model struct {
	tokens       []string         // by id, in GPT-2's printable characters; "" where an id is not used
	ids          map[string]int32 // the inverse, without added tokens
	merges       pairTable
	mergeLog     []pairMerge // in the file's order, for the digest
	byteID       [256]int32  // token of a single byte, -1 if the vocabulary lacks it
	unk          string
	unkID        int32 // -1 if there is none
	fuseUnk      bool
	ignoreMerges bool
}

type pairMerge struct{ left, right, joined int32 }

// parse reads the field model.
func (m *model) parse(r *jsonReader) error {
	s := seen{}
	vocabSeen, mergesAt := false, -1
	r.next()
	start := r.pos
	err := r.object("model", func(k []byte) (err error) {
		key := string(k)
		field := "model." + key
		if err := s.first(r, field); err != nil {
			return err
		}
		switch key {
		case "type":
			pos := r.pos
			typ, err := r.text(field)
			if err == nil && typ != "BPE" {
				err = r.failAt(pos, field, "%q is not supported; want BPE", typ)
			}
			return err
		case "dropout":
			if r.null() {
				return nil
			}
			start := r.pos
			if err := r.number(field); err != nil {
				return err
			}
			if p, _ := strconv.ParseFloat(string(r.src[start:r.pos]), 64); p != 0 {
				return r.failAt(start, field, "is %v; dropout is not supported, want null", p)
			}
		case "unk_token":
			m.unk, err = r.textOrNull(field)
		case "continuing_subword_prefix", "end_of_word_suffix":
			pos := r.pos
			text, err := r.textOrNull(field)
			if err == nil && text != "" {
				err = r.failAt(pos, field, "is %s, which is not supported; want null or \"\"", quote(text))
			}
			return err
		case "byte_fallback":
			pos := r.pos
			on, err := r.boolean(field)
			if err == nil && on {
				err = r.failAt(pos, field, "is true, which is not supported; want false")
			}
			return err
		case "fuse_unk":
			m.fuseUnk, err = r.boolean(field)
		case "ignore_merges":
			m.ignoreMerges, err = r.boolean(field)
		case "vocab":
			vocabSeen = true
			return m.parseVocab(r)
		case "merges":
			r.next()
			mergesAt = r.pos
			if !vocabSeen { // read again when the vocabulary is known
				return r.skip(field)
			}
			return m.parseMerges(r)
		default:
			err = r.fail(field, "unknown field")
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case !vocabSeen:
		return r.failAt(start, "model.vocab", "is missing")
	case mergesAt < 0:
		return r.failAt(start, "model.merges", "is missing")
	case m.mergeLog == nil:
		after := r.pos
		r.pos = mergesAt
		if err := m.parseMerges(r); err != nil {
			return err
		}
		r.pos = after
	}
	return m.finish(r, start)
}

func (m *model) parseVocab(r *jsonReader) error {
	type entry struct {
		id         int32
		start, end uint32
	}
	r.next()
	pos := r.pos
	var (
		entries []entry
		arena   = make([]byte, 0, (len(r.src)-r.pos)/3)
		highest int32
	)
	err := r.object("model.vocab", func(key []byte) error {
		start := len(arena)
		arena = append(arena, key...)
		id, err := r.id("model.vocab")
		if err == nil && len(key) == 0 {
			err = r.fail("model.vocab", "has an empty token")
		}
		if err == nil && len(entries) > maxID {
			err = r.fail("model.vocab", "has more than %d tokens", maxID+1)
		}
		entries = append(entries, entry{id, uint32(start), uint32(len(arena))})
		highest = max(highest, id)
		return err
	})
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return r.failAt(pos, "model.vocab", "is empty")
	}
	text := string(arena)
	m.tokens = make([]string, highest+1)
	m.ids = make(map[string]int32, len(entries))
	for _, e := range entries {
		token := text[e.start:e.end]
		if other := m.tokens[e.id]; other != "" {
			return r.failAt(pos, "model.vocab", "tokens %s and %s have the same id %d", quote(other), quote(token), e.id)
		}
		m.tokens[e.id] = token
		m.ids[token] = e.id
	}
	if len(m.ids) != len(entries) {
		for id, token := range m.tokens {
			if token != "" && m.ids[token] != int32(id) {
				return r.failAt(pos, "model.vocab", "token %s has the ids %d and %d", quote(token), id, m.ids[token])
			}
		}
	}
	return nil
}

func (m *model) parseMerges(r *jsonReader) error {
	var joined []byte
	form := byte(0)
	m.mergeLog = make([]pairMerge, 0, min(len(m.ids), (len(r.src)-r.pos)/3))
	err := r.array("model.merges", func(i int) error {
		c := r.next()
		if form == 0 {
			form = c
		}
		pos := r.pos
		field := func() string { return fmt.Sprintf("model.merges[%d]", i) }
		if i > maxID {
			return r.fail("model.merges", "has more than %d merges", maxID+1)
		}
		if c != form || c != '"' && c != '[' {
			return r.fail(field(), "want pairs throughout, all as \"a b\" or all as [\"a\", \"b\"], found %s", r.found())
		}
		var left, right int32
		var rightText []byte
		known := func(token []byte) (int32, error) {
			id, ok := m.ids[string(token)]
			if !ok {
				return 0, r.failAt(pos, field(), "token %s is not in the vocabulary", quote(string(token)))
			}
			return id, nil
		}
		if c == '"' {
			text, err := r.str("model.merges")
			if err != nil {
				return err
			}
			if bytes.HasPrefix(text, []byte("#version")) { // a line of merges.txt kept by a converter; tokenizers skips it too
				return nil
			}
			a, b, ok := bytes.Cut(text, []byte(" "))
			if !ok || bytes.IndexByte(b, ' ') >= 0 {
				return r.failAt(pos, field(), "is %s, want two tokens with one space between", quote(string(text)))
			}
			if left, err = known(a); err != nil {
				return err
			}
			if right, err = known(b); err != nil {
				return err
			}
			rightText = b
		} else {
			n := 0
			err := r.array("model.merges", func(j int) error {
				token, err := r.str("model.merges")
				if err != nil {
					return err
				}
				id, err := known(token)
				if n = j + 1; j == 0 {
					left = id
				} else {
					right, rightText = id, token
				}
				return err
			})
			if err == nil && n != 2 {
				err = r.failAt(pos, field(), "has %d tokens, want 2", n)
			}
			if err != nil {
				return err
			}
		}
		joined = append(append(joined[:0], m.tokens[left]...), rightText...)
		id, err := known(joined)
		m.mergeLog = append(m.mergeLog, pairMerge{left, right, id})
		return err
	})
	if err != nil {
		return err
	}
	m.merges = newPairTable(m.mergeLog)
	return nil
}

// finish fills the tables that depend on the whole model.
func (m *model) finish(r *jsonReader, pos int) error {
	missing := 0
	for b, c := range byteRune {
		id, ok := m.ids[string(c)]
		if !ok {
			id = -1
			missing++
		}
		m.byteID[b] = id
	}
	m.unkID = -1
	if m.unk != "" {
		id, ok := m.ids[m.unk]
		if !ok && missing > 0 {
			return r.failAt(pos, "model.unk_token", "%s is not in the vocabulary, which lacks %d of the 256 bytes", quote(m.unk), missing)
		}
		if ok {
			m.unkID = id
		}
	}
	if missing == 256 {
		return r.failAt(pos, "model.vocab", "holds no single byte; is this a byte-level vocabulary?")
	}
	return nil
}
