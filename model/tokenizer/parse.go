package tokenizer

import (
	"fmt"
	"strings"
)

// maxID is the highest token id a file may name: ids index tables, so it bounds
// what a broken file can make us allocate. The largest vocabularies in use have
// about 260,000 tokens.
const maxID = 1<<22 - 1

// document is what tokenizer.json says, checked field by field but not yet across fields.
type document struct {
	added      []addedToken
	addedPos   []int // byte offset of each added token
	nfc        bool
	steps      []step
	byteLevel  bool // a ByteLevel pre-tokenizer closes the steps
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

// postProcessor is what happens to ids and offsets after the model.
type postProcessor struct {
	trim          bool // ByteLevel with trim_offsets
	trimPrefix    bool // its add_prefix_space
	before, after []int32
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
		case "truncation", "padding": // settings of a call, see the package comment
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

// component reads {"type": ..., ...}, calling member for every field but type, which
// may stand anywhere.
func (r *jsonReader) component(field string, member func(typ, key string) error) (string, error) {
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
			return r.failAt(pos, field, "wants id, content, single_word, lstrip, rstrip, normalized and special")
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
	typ, err := r.component(field, func(typ, key string) error {
		if typ == "Sequence" && key == "normalizers" {
			return r.array(field, func(i int) error {
				return d.parseNormalizer(r, fmt.Sprintf("%s.normalizers[%d]", field, i), depth+1)
			})
		}
		return r.fail(field+"."+key, "unsupported field of %s", typ)
	})
	switch {
	case err != nil:
		return err
	case typ == "NFC":
		d.nfc = true
	case typ != "Sequence":
		return r.fail(field, "%q is not supported; want null or NFC", typ)
	}
	return nil
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

// parseStep reads one pre-tokenizer and appends what it does to the steps.
func (d *document) parseStep(r *jsonReader, field string, depth int) error {
	if depth > 4 {
		return r.fail(field, "nested more than 4 deep")
	}
	start := r.pos
	var split splitOptions
	addPrefix, useRegex, digits := true, true, false
	typ, err := r.component(field, func(typ, key string) (err error) {
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
					return r.fail(at, "wants one of Regex and String")
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
	default:
		return r.failAt(start, field, "%q is not supported; want ByteLevel, Split, Digits or a Sequence of them", typ)
	}
	return nil
}

func (d *document) parsePost(r *jsonReader, field string, depth int) error {
	if r.null() {
		return nil
	}
	if depth > 4 {
		return r.fail(field, "nested more than 4 deep")
	}
	r.next()
	start := r.pos
	trim, addPrefix := true, true
	var single []templatePiece
	special := map[string][]int32{}
	typ, err := r.component(field, func(typ, key string) (err error) {
		at := field + "." + key
		switch typ + "." + key {
		case "Sequence.processors":
			return r.array(at, func(i int) error {
				return d.parsePost(r, fmt.Sprintf("%s[%d]", at, i), depth+1)
			})
		case "ByteLevel.add_prefix_space":
			addPrefix, err = r.boolean(at)
		case "ByteLevel.trim_offsets":
			trim, err = r.boolean(at)
		case "ByteLevel.use_regex": // acts in a pre-tokenizer only
			_, err = r.boolean(at)
		case "TemplateProcessing.single":
			single, err = r.template(at)
		case "TemplateProcessing.pair": // one text is encoded at a time
			err = r.skip(at)
		case "TemplateProcessing.special_tokens":
			err = r.specialTokens(at, special)
		default:
			err = r.fail(at, "unsupported field of %s", typ)
		}
		return err
	})
	if err != nil {
		return err
	}
	switch typ {
	case "Sequence":
	case "ByteLevel":
		if trim && d.post.trim {
			return r.failAt(start, field, "trims offsets a second time")
		}
		if trim {
			d.post.trim, d.post.trimPrefix = true, addPrefix
		}
	case "TemplateProcessing":
		return d.post.setTemplate(r, start, field, single, special)
	default:
		return r.failAt(start, field, "%q is not supported; want ByteLevel, TemplateProcessing or a Sequence of them", typ)
	}
	return nil
}

// templatePiece is the text ("A") or a special token of a TemplateProcessing template.
type templatePiece struct {
	sequence, special string
}

func (r *jsonReader) template(field string) ([]templatePiece, error) {
	var pieces []templatePiece
	err := r.array(field, func(i int) error {
		at := fmt.Sprintf("%s[%d]", field, i)
		var p templatePiece
		err := r.object(at, func(k []byte) error {
			kind := string(k)
			return r.object(at+"."+kind, func(k []byte) error {
				if string(k) == "type_id" {
					_, err := r.id(at + "." + kind + ".type_id")
					return err
				}
				if string(k) != "id" {
					return r.fail(at+"."+kind, "unknown field %q", k)
				}
				id, err := r.text(at + "." + kind + ".id")
				switch kind {
				case "Sequence":
					p.sequence = id
				case "SpecialToken":
					p.special = id
				default:
					return r.fail(at, "is %q, want Sequence or SpecialToken", kind)
				}
				return err
			})
		})
		if err == nil && (p.sequence == "") == (p.special == "") {
			err = r.fail(at, "wants one of Sequence and SpecialToken, with an id")
		}
		pieces = append(pieces, p)
		return err
	})
	return pieces, err
}

func (r *jsonReader) specialTokens(field string, into map[string][]int32) error {
	return r.object(field, func(k []byte) error {
		name := string(k)
		at := field + "." + name
		if _, ok := into[name]; ok {
			return r.fail(at, "stands in the file twice")
		}
		into[name] = nil
		return r.object(at, func(k []byte) error {
			switch string(k) {
			case "id":
				_, err := r.text(at + ".id")
				return err
			case "ids":
				return r.array(at+".ids", func(int) error {
					id, err := r.id(at + ".ids")
					into[name] = append(into[name], id)
					return err
				})
			case "tokens":
				return r.skip(at + ".tokens")
			}
			return r.fail(at, "unknown field %q", k)
		})
	})
}

// setTemplate keeps the ids that stand before and after the text.
func (p *postProcessor) setTemplate(r *jsonReader, pos int, field string, single []templatePiece, special map[string][]int32) error {
	if len(p.before)+len(p.after) > 0 {
		return r.failAt(pos, field, "a second template adds tokens")
	}
	found := false
	for _, piece := range single {
		switch ids, known := special[piece.special]; {
		case piece.sequence == "A" && !found:
			found = true
		case piece.sequence != "":
			return r.failAt(pos, field+".single", "wants sequence A once")
		case !known:
			return r.failAt(pos, field+".single", "special token %q is not in special_tokens", piece.special)
		case found:
			p.after = append(p.after, ids...)
		default:
			p.before = append(p.before, ids...)
		}
	}
	if !found {
		return r.failAt(pos, field+".single", "wants sequence A once")
	}
	return nil
}

func (d *document) parseDecoder(r *jsonReader) error {
	if r.null() {
		return nil
	}
	r.next()
	start := r.pos
	typ, err := r.component("decoder", func(typ, key string) error {
		switch key {
		case "add_prefix_space", "trim_offsets", "use_regex": // no effect in decoding
			_, err := r.boolean("decoder." + key)
			return err
		}
		return r.failAt(start, "decoder", "%q is not supported; want ByteLevel", typ)
	})
	if err == nil && typ != "ByteLevel" {
		err = r.failAt(start, "decoder", "%q is not supported; want ByteLevel", typ)
	}
	d.decoder = true
	return err
}

// quote shows a token of a file in a message, cut where it is long.
func quote(s string) string {
	const limit = 60
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return fmt.Sprintf("%q", s)
}
