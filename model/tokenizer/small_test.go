package tokenizer_test

import (
	"encoding/json"
	"maps"
	"testing"
	"testing/fstest"

	"xrun/model/tokenizer"
)

// object is a part of a tokenizer.json.
type object = map[string]any

// byteAlphabet lists GPT-2's characters for the 256 bytes, computed as in encoder.py.
func byteAlphabet() []string {
	var list []string
	extra := rune(256)
	for b := range rune(256) {
		if b >= '!' && b <= '~' || b >= '¡' && b <= '¬' || b >= '®' {
			list = append(list, string(b))
		} else {
			list = append(list, string(extra))
			extra++
		}
	}
	return list
}

// small returns a tokenizer with the 256 bytes and a few merges, after the given changes.
func small(change ...func(doc, model object)) object {
	vocab := object{}
	for i, s := range byteAlphabet() {
		vocab[s] = i
	}
	merges := []any{"Ġ t", "h e", "Ġt he", "l l", "he ll", "i n", "in g", "Ġ Ġ", "Ã ©"}
	for i, s := range []string{"Ġt", "he", "Ġthe", "ll", "hell", "in", "ing", "ĠĠ", "Ã©"} {
		vocab[s] = 256 + i
	}
	model := object{"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": "",
		"end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges}
	doc := object{"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": []any{added(265, "<|end|>", object{"special": true})},
		"normalizer": nil, "pre_tokenizer": byteLevel(true), "post_processor": nil, "decoder": byteLevel(true), "model": model}
	for _, f := range change {
		f(doc, model)
	}
	return doc
}

func byteLevel(regex bool) object {
	return object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex}
}

// splitThenBytes returns a Split on a pattern followed by ByteLevel.
func splitThenBytes(pattern string) object {
	return object{"type": "Sequence", "pretokenizers": []any{
		object{"type": "Split", "pattern": object{"Regex": pattern}, "behavior": "Isolated", "invert": false}, byteLevel(false)}}
}

func added(id int, content string, flags object) object {
	t := object{"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false}
	maps.Copy(t, flags)
	return t
}

// directory returns a file system with the document and other files, given as pairs of name and
// text.
func directory(t testing.TB, doc any, others ...string) fstest.MapFS {
	t.Helper()
	src, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	dir := fstest.MapFS{"tokenizer.json": {Data: src}}
	for i := 0; i < len(others); i += 2 {
		dir[others[i]] = &fstest.MapFile{Data: []byte(others[i+1])}
	}
	return dir
}

func load(t testing.TB, doc any, others ...string) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Load(directory(t, doc, others...))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}
