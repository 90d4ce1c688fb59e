package tokenizer

import "fmt"

// postProcessor describes how ids are processed after the model.
type postProcessor struct {
	trim          bool // ByteLevel with trim_offsets; used in the digest only
	trimPrefix    bool // its add_prefix_space; used in the digest only
	before, after []int32
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
	types := []string{"ByteLevel", "TemplateProcessing", "Sequence"}
	typ, err := r.component(field, types, "ByteLevel, TemplateProcessing or a Sequence of them", func(typ, key string) (err error) {
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
			err = r.fail(at, "needs one of Sequence and SpecialToken, with an id")
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
			return r.fail(at, "appears twice")
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

// setTemplate stores the ids before and after the text.
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
			return r.failAt(pos, field+".single", "needs sequence A once")
		case !known:
			return r.failAt(pos, field+".single", "special token %q is not in special_tokens", piece.special)
		case found:
			p.after = append(p.after, ids...)
		default:
			p.before = append(p.before, ids...)
		}
	}
	if !found {
		return r.failAt(pos, field+".single", "needs sequence A once")
	}
	return nil
}
