package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// maxID is the highest token id allowed. Ids index tables, so this bounds the memory that a
// broken file can make us allocate. The largest vocabularies in use have about 260,000
// tokens.
const maxID = 1<<22 - 1

// document holds the contents of tokenizer.json, checked field by field but not yet across
// fields.
type document struct {
	added      []addedToken
	addedPos   []int // byte offset of each added token
	nfc        bool
	steps      []step
	byteLevel  bool // a ByteLevel pre-tokenizer is the last step
	post       postProcessor
	decoder    bool
	model      model
	modelFound bool

	prefixLevel int // see Tokenizer
}

// addedToken is one entry of added_tokens.
type addedToken struct {
	id                         int32
	content                    string
	singleWord, lstrip, rstrip bool
	normalized, special        bool
}

// parse reads tokenizer.json.
func parse(r *jsonReader) (*document, error) {
	d := &document{prefixLevel: -1}
	s := seen{}
	err := r.object("", func(key []byte) error {
		field := string(key)
		if err := s.first(r, field); err != nil {
			return err
		}
		switch field {
		case "version":
			v, err := r.text(field)
			if err == nil && v != "1.0" {
				err = r.fail(field, "is %q, want \"1.0\"", v)
			}
			return err
		case "truncation", "padding": // ignored; see the package documentation
			return r.skip(field)
		case "added_tokens":
			return d.parseAdded(r)
		case "normalizer":
			return d.parseNormalizer(r, field, 0)
		case "pre_tokenizer":
			return d.parsePreTokenizer(r, field)
		case "post_processor":
			return d.parsePost(r, field, 0)
		case "decoder":
			return d.parseDecoder(r)
		case "model":
			d.modelFound = true
			return d.model.parse(r)
		}
		return r.fail(field, "unknown field")
	})
	if err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	for _, c := range []struct {
		ok    bool
		field string
	}{{d.modelFound, "model"}, {d.byteLevel, "pre_tokenizer"}, {d.decoder, "decoder"}} {
		if !c.ok && c.field == "model" {
			return nil, fmt.Errorf("reading %s: model: is missing", r.file)
		}
		if !c.ok {
			return nil, fmt.Errorf("reading %s: %s: is missing, want ByteLevel (only byte-level BPE is supported)", r.file, c.field)
		}
	}
	return d, nil
}

// component reads {"type": ..., ...} and calls member for every field but type, which may be
// at any position. A type that is not in types is an error; want describes what is expected.
func (r *jsonReader) component(field string, types []string, want string, member func(typ, key string) error) (string, error) {
	r.next()
	start := r.pos
	typ, s := "", seen{}
	err := r.object(field, func(k []byte) error {
		key := string(k)
		if err := s.first(r, field+"."+key); err != nil {
			return err
		}
		if key == "type" {
			var err error
			typ, err = r.text(field + ".type")
			return err
		}
		return r.skip(field + "." + key)
	})
	if err != nil {
		return "", err
	}
	if typ == "" {
		return "", r.failAt(start, field, "has no \"type\"")
	}
	if !slices.Contains(types, typ) {
		return "", r.failAt(start, field, "%q is not supported; want %s", typ, want)
	}
	r.pos = start
	return typ, r.object(field, func(k []byte) error {
		if string(k) == "type" {
			return r.skip(field)
		}
		return member(typ, string(k))
	})
}

func (d *document) parseAdded(r *jsonReader) error {
	if r.null() {
		return nil
	}
	return r.array("added_tokens", func(i int) error {
		field := fmt.Sprintf("added_tokens[%d]", i)
		r.next()
		pos := r.pos
		t, hasID, s := addedToken{}, false, seen{}
		err := r.object(field, func(k []byte) (err error) {
			key := field + "." + string(k)
			if err := s.first(r, key); err != nil {
				return err
			}
			switch string(k) {
			case "id":
				hasID = true
				t.id, err = r.id(key)
			case "content":
				t.content, err = r.text(key)
			case "single_word":
				t.singleWord, err = r.boolean(key)
			case "lstrip":
				t.lstrip, err = r.boolean(key)
			case "rstrip":
				t.rstrip, err = r.boolean(key)
			case "normalized":
				t.normalized, err = r.boolean(key)
			case "special":
				t.special, err = r.boolean(key)
			default:
				err = r.fail(key, "unknown field")
			}
			return err
		})
		switch {
		case err != nil:
			return err
		case !hasID || len(s) != 7:
			return r.failAt(pos, field, "needs id, content, single_word, lstrip, rstrip, normalized and special")
		case t.content == "":
			return r.failAt(pos, field+".content", "is empty")
		}
		d.added, d.addedPos = append(d.added, t), append(d.addedPos, pos)
		return nil
	})
}

func (d *document) parseNormalizer(r *jsonReader, field string, depth int) error {
	if r.null() {
		return nil
	}
	if depth > 4 {
		return r.fail(field, "nested more than 4 deep")
	}
	typ, err := r.component(field, []string{"NFC", "Sequence"}, "null or NFC", func(typ, key string) error {
		if typ == "Sequence" && key == "normalizers" {
			return r.array(field, func(i int) error {
				return d.parseNormalizer(r, fmt.Sprintf("%s.normalizers[%d]", field, i), depth+1)
			})
		}
		return r.fail(field+"."+key, "unsupported field of %s", typ)
	})
	if err == nil && typ == "NFC" {
		d.nfc = true
	}
	return err
}

func (d *document) parsePreTokenizer(r *jsonReader, field string) error {
	if r.null() {
		return nil
	}
	if r.next() != '{' {
		return r.fail(field, "want an object, found %s", r.found())
	}
	return d.parseStep(r, field, 0)
}

// parseStep reads one pre-tokenizer and appends its steps.
func (d *document) parseStep(r *jsonReader, field string, depth int) error {
	if depth > 4 {
		return r.fail(field, "nested more than 4 deep")
	}
	start := r.pos
	var split splitOptions
	addPrefix, useRegex, digits := true, true, false
	types := []string{"ByteLevel", "Digits", "Split", "Sequence"}
	typ, err := r.component(field, types, "ByteLevel, Split, Digits or a Sequence of them", func(typ, key string) (err error) {
		at := field + "." + key
		switch typ + "." + key {
		case "Sequence.pretokenizers":
			return r.array(at, func(i int) error {
				return d.parseStep(r, fmt.Sprintf("%s[%d]", at, i), depth+1)
			})
		case "ByteLevel.add_prefix_space":
			addPrefix, err = r.boolean(at)
		case "ByteLevel.use_regex":
			useRegex, err = r.boolean(at)
		case "ByteLevel.trim_offsets": // acts in a post-processor only
			_, err = r.boolean(at)
		case "Digits.individual_digits":
			digits, err = r.boolean(at)
		case "Split.pattern":
			err = r.object(at, func(k []byte) error {
				if split.kind != "" {
					return r.fail(at, "needs one of Regex and String")
				}
				if split.kind = string(k); split.kind != "Regex" && split.kind != "String" {
					return r.fail(at, "is %q, want Regex or String", split.kind)
				}
				split.pattern, err = r.text(at)
				return err
			})
		case "Split.behavior":
			split.behavior, err = r.text(at)
		case "Split.invert":
			split.invert, err = r.boolean(at)
		default:
			err = r.fail(at, "unsupported field of %s", typ)
		}
		return err
	})
	if err != nil || typ == "Sequence" {
		return err
	}
	if d.byteLevel {
		return r.failAt(start, field, "%s follows ByteLevel; ByteLevel must be last", typ)
	}
	switch typ {
	case "ByteLevel":
		d.byteLevel = true
		if addPrefix {
			d.prefixLevel = len(d.steps)
		}
		if useRegex {
			d.steps = append(d.steps, step{name: "gpt2", scan: scanGPT2})
		}
	case "Digits":
		if digits {
			d.steps = append(d.steps, step{name: "digits", scan: scanDigit})
		} else {
			d.steps = append(d.steps, step{name: "digit runs", scan: scanDigits})
		}
	case "Split":
		st, err := newSplit(split)
		if err != nil {
			return r.failAt(start, field, "%v", err)
		}
		d.steps = append(d.steps, st)
	}
	return nil
}

func (d *document) parseDecoder(r *jsonReader) error {
	if r.null() {
		return nil
	}
	d.decoder = true
	_, err := r.component("decoder", []string{"ByteLevel"}, "ByteLevel", func(_, key string) error {
		switch key {
		case "add_prefix_space", "trim_offsets", "use_regex": // no effect in decoding
			_, err := r.boolean("decoder." + key)
			return err
		}
		return r.fail("decoder."+key, "unsupported field of ByteLevel")
	})
	return err
}

// quote quotes a token of a file for a message, truncated if it is long.
func quote(s string) string {
	const limit = 60
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return fmt.Sprintf("%q", s)
}
