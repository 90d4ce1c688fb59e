package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"unicode/utf8"
)

// loadConfig reads the files beside tokenizer.json. As in transformers,
// tokenizer_config.json overrides special_tokens_map.json, and chat_template.jinja overrides
// the chat_template of tokenizer_config.json.
func (t *Tokenizer) loadConfig(fsys fs.FS) error {
	for _, file := range []string{"special_tokens_map.json", "tokenizer_config.json"} {
		src, err := readFile(fsys, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		r, err := newJSONReader(file, src)
		if err != nil {
			return err
		}
		if err := t.parseConfig(r); err != nil {
			return err
		}
	}
	src, err := readFile(fsys, "chat_template.jinja")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !utf8.Valid(src) {
		err = fmt.Errorf("reading chat_template.jinja: is not UTF-8")
	}
	t.chatTemplate = string(src)
	return err
}

func (t *Tokenizer) parseConfig(r *jsonReader) error {
	s := seen{}
	err := r.object("", func(k []byte) error {
		field := string(k)
		if err := s.first(r, field); err != nil {
			return err
		}
		switch field {
		case "bos_token":
			return t.parseNamed(r, field, &t.bos)
		case "eos_token":
			return t.parseNamed(r, field, &t.eos)
		case "pad_token":
			return t.parseNamed(r, field, &t.pad)
		case "chat_template":
			return t.parseChatTemplate(r)
		case "added_tokens_decoder":
			return t.checkAdded(r)
		}
		return r.skip(field)
	})
	if err != nil {
		return err
	}
	return r.end()
}

// parseNamed reads a token: its text, or an object with the text as content.
func (t *Tokenizer) parseNamed(r *jsonReader, field string, into *namedToken) error {
	if r.null() {
		*into = namedToken{}
		return nil
	}
	start := r.pos
	text := ""
	var err error
	if r.next() == '{' {
		err = r.object(field, func(k []byte) error {
			if string(k) != "content" {
				return r.skip(field)
			}
			text, err = r.text(field + ".content")
			return err
		})
	} else {
		text, err = r.text(field)
	}
	if err != nil {
		return err
	}
	id, ok := t.find(text)
	if !ok {
		return r.failAt(start, field, "%s is not a token of tokenizer.json", quote(text))
	}
	*into = namedToken{id, text, true}
	return nil
}

// parseChatTemplate reads a template, or the one named "default" in a list of templates.
func (t *Tokenizer) parseChatTemplate(r *jsonReader) error {
	const field = "chat_template"
	if r.next() != '[' {
		text, err := r.textOrNull(field)
		t.chatTemplate = text
		return err
	}
	return r.array(field, func(i int) error {
		name, text := "", ""
		err := r.object(field, func(k []byte) (err error) {
			switch string(k) {
			case "name":
				name, err = r.text(field + ".name")
			case "template":
				text, err = r.text(field + ".template")
			default:
				err = r.skip(field)
			}
			return err
		})
		if name == "default" {
			t.chatTemplate = text
		}
		return err
	})
}

// checkAdded compares added_tokens_decoder with the added tokens of tokenizer.json.
// transformers adds missing tokens to the tokenizer, so a difference would change ids.
func (t *Tokenizer) checkAdded(r *jsonReader) error {
	byID := make(map[string]*addedToken, len(t.added))
	for i := range t.added {
		byID[fmt.Sprint(t.added[i].id)] = &t.added[i]
	}
	return r.object("added_tokens_decoder", func(k []byte) error {
		id := string(k)
		field := "added_tokens_decoder." + id
		r.next()
		start := r.pos
		have := byID[id]
		if have == nil {
			return r.failAt(start, field, "tokenizer.json has no added token of that id")
		}
		want := *have
		err := r.object(field, func(k []byte) (err error) {
			at := field + "." + string(k)
			switch string(k) {
			case "content":
				want.content, err = r.text(at)
			case "single_word":
				want.singleWord, err = r.boolean(at)
			case "lstrip":
				want.lstrip, err = r.boolean(at)
			case "rstrip":
				want.rstrip, err = r.boolean(at)
			case "normalized":
				want.normalized, err = r.boolean(at)
			default:
				err = r.skip(at)
			}
			return err
		})
		if err == nil && want != *have {
			err = r.failAt(start, field, "%s differs from added_tokens of tokenizer.json (%s); make the two files agree", quote(want.content), quote(have.content))
		}
		return err
	})
}
