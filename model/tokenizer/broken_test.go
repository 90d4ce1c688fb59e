package tokenizer_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"xrun/model/tokenizer"
)

// TestBroken has a tokenizer.json for each kind of fault, with the expected error.
func TestBroken(t *testing.T) {
	set := func(key string, v any) func(doc, model object) { return func(doc, _ object) { doc[key] = v } }
	setModel := func(key string, v any) func(doc, model object) { return func(_, model object) { model[key] = v } }
	vocab := func(key string, v any) func(doc, model object) {
		return func(_, model object) { model["vocab"].(object)[key] = v }
	}
	tests := []struct {
		change func(doc, model object)
		want   string
	}{
		{setModel("type", "WordPiece"), `model.type: "WordPiece" is not supported; want BPE`},
		{setModel("dropout", 0.1), "model.dropout: is 0.1; dropout is not supported, want null"},
		{setModel("byte_fallback", true), "model.byte_fallback: is true, which is not supported; want false"},
		{setModel("continuing_subword_prefix", "##"), `model.continuing_subword_prefix: is "##", which is not supported`},
		{setModel("end_of_word_suffix", "</w>"), `model.end_of_word_suffix: is "</w>", which is not supported`},
		{setModel("surprise", 1), "model.surprise: unknown field"},
		{setModel("vocab", object{}), "model.vocab: is empty"},
		{setModel("vocab", []any{}), "model.vocab: want an object, found a list"},
		{func(_, m object) { m["vocab"], m["merges"] = object{"é→": 1}, []any{} }, "model.vocab: holds no single byte; is this a byte-level vocabulary?"},
		{vocab("", 300), "model.vocab: has an empty token"},
		{vocab("new", 3), `model.vocab: tokens `},
		{vocab("new", -1), "model.vocab: want a token id, found a number"},
		{vocab("new", 1.5), "model.vocab: a token id must be an integer"},
		{vocab("new", "7"), "model.vocab: want a token id, found a string"},
		{vocab("new", 1<<22), "model.vocab: the token id is above 4194303"},
		{setModel("merges", []any{"h e", "h q"}), `model.merges[1]: token "hq" is not in the vocabulary`},
		{setModel("merges", []any{"h e", "zz e"}), `model.merges[1]: token "zz" is not in the vocabulary`},
		{setModel("merges", []any{"he"}), `model.merges[0]: is "he", want two tokens with one space between`},
		{setModel("merges", []any{"h e l"}), `model.merges[0]: is "h e l", want two tokens`},
		{setModel("merges", []any{"h e", []any{"l", "l"}}), "model.merges[1]: want pairs throughout"},
		{setModel("merges", []any{[]any{"h", "e", "l"}}), "model.merges[0]: has 3 tokens, want 2"},
		{setModel("merges", []any{3}), "model.merges[0]: want pairs throughout"},
		{func(_, m object) { delete(m, "merges") }, "model.merges: is missing"},
		{func(_, m object) { delete(m["vocab"].(object), "q"); m["unk_token"] = "<unk>" }, `model.unk_token: "<unk>" is not in the vocabulary, which lacks 1 of the 256 bytes`},
		{func(d, _ object) { delete(d, "model") }, "model: is missing"},
		{set("version", "2.0"), `version: is "2.0", want "1.0"`},
		{set("surprise", 1), "surprise: unknown field"},
		{set("normalizer", object{"type": "Lowercase"}), `normalizer: "Lowercase" is not supported; want null or NFC`},
		{set("normalizer", object{"type": "Sequence", "normalizers": []any{object{"type": "NFD"}}}), `normalizer.normalizers[0]: "NFD" is not supported`},
		{set("pre_tokenizer", nil), "pre_tokenizer: is missing, want ByteLevel"},
		{set("pre_tokenizer", object{"type": "Whitespace"}), `pre_tokenizer: "Whitespace" is not supported; want ByteLevel, Split, Digits`},
		{set("pre_tokenizer", object{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}), `pre_tokenizer: "Metaspace" is not supported; want ByteLevel, Split, Digits`},
		{set("normalizer", object{"type": "Prepend", "prepend": "▁"}), `normalizer: "Prepend" is not supported; want null or NFC`},
		{set("post_processor", object{"type": "RobertaProcessing", "sep": []any{"</s>", 2}}), `post_processor: "RobertaProcessing" is not supported; want ByteLevel, TemplateProcessing`},
		{set("pre_tokenizer", object{"use_regex": true}), `pre_tokenizer: has no "type"`},
		{set("pre_tokenizer", object{"type": "Sequence", "pretokenizers": []any{byteLevel(true), byteLevel(true)}}), "pre_tokenizer.pretokenizers[1]: ByteLevel follows ByteLevel; ByteLevel must be last"},
		{set("pre_tokenizer", splitThenBytes("(")), `pre_tokenizer.pretokenizers[0]: the pattern "("`},
		{set("pre_tokenizer", splitThenBytes(`\p{L}++`)), "the quantifier ++ is not supported"},
		{set("pre_tokenizer", splitThenBytes(`[a&&b]`)), "the class intersection && is not supported"},
		{set("pre_tokenizer", splitThenBytes(`\w+`)), `\w is not supported`},
		{set("pre_tokenizer", splitThenBytes(`\p{Greek}`)), `\p{Greek} is not supported; want a general category or Han`},
		{set("post_processor", object{"type": "BertProcessing"}), `post_processor: "BertProcessing" is not supported`},
		{set("post_processor", object{"type": "TemplateProcessing", "single": []any{object{"SpecialToken": object{"id": "x", "type_id": 0}}}, "pair": nil, "special_tokens": object{}}), `post_processor.single: special token "x" is not in special_tokens`},
		{set("post_processor", object{"type": "TemplateProcessing", "single": []any{}, "pair": nil, "special_tokens": object{}}), "post_processor.single: needs sequence A once"},
		{set("decoder", nil), "decoder: is missing, want ByteLevel"},
		{set("decoder", object{"type": "WordPiece", "prefix": "##"}), `decoder: "WordPiece" is not supported; want ByteLevel`},
		{set("added_tokens", []any{object{"id": 265}}), "added_tokens[0]: needs id, content, single_word"},
		{set("added_tokens", []any{added(265, "", nil)}), "added_tokens[0].content: is empty"},
		{set("added_tokens", []any{added(265, "x!", nil), added(266, "x!", nil)}), `added_tokens[1]: "x!" stands in the list twice`},
		{set("added_tokens", []any{added(300, "x!", nil)}), `added_tokens[0].id: "x!" has id 300 where tokenizers gives it 265`},
		{set("added_tokens", []any{added(3, "hell", nil)}), `added_tokens[0].id: "hell" has id 3 where tokenizers gives it 260`},
		{set("added_tokens", []any{object{"id": "x"}}), "added_tokens[0].id: want a token id, found a string"},
		{set("added_tokens", object{}), "added_tokens: want a list, found an object"},
	}
	for _, test := range tests {
		_, err := tokenizer.Load(directory(t, small(test.change)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("want an error with %q, got %v", test.want, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "reading tokenizer.json: ") {
			t.Errorf("the error does not name the file: %v", err)
		}
	}
}

// TestBrokenJSON has syntax errors, with byte offsets.
func TestBrokenJSON(t *testing.T) {
	for src, want := range map[string]string{
		"":                                "byte 0: want an object, found the end of the file",
		"[]":                              "byte 0: want an object, found a list",
		`{"version": "1.0",}`:             `byte 18: want a key, found '}'`,
		`{"version" "1.0"}`:               `byte 11: want ':' after a key, found a string`,
		`{"version": "1.0" "a": 1}`:       `byte 18: want ',' or '}', found a string`,
		`{"version": "1.0", "version": 1`: `byte 29: version: appears twice`,
		`{"version": "1.0`:                "byte 16: version: the file ends inside a string",
		"{\"version\": \"1\n":             "byte 14: version: a control character stands in a string",
		`{"version": "\x"}`:               "byte 13: version: unknown escape in a string",
		`{"version": "\u12"}`:             `byte 13: version: \u needs four hexadecimal digits`,
		`{"version": "\ud800"}`:           "byte 13: version: a lone surrogate stands in a string",
		`{"version": 1}`:                  "byte 12: version: want a string, found a number",
		"{\"version\": \"\xff\"}":         "byte 13: is not UTF-8",
		`{"truncation": tru}`:             "byte 15: truncation: want true or false, found true or false",
		`{"truncation": 1-}`:              "byte 15: truncation: malformed number",
		`{"truncation": ` + strings.Repeat("[", 1000):                                  "truncation: nested more than 64 deep",
		`{"truncation": ` + strings.Repeat("[", 1<<22):                                 "truncation: nested more than 64 deep",
		`{"normalizer": ` + strings.Repeat(`{"type":"Sequence","normalizers":[`, 9000): "nested more than",
	} {
		_, err := tokenizer.Load(fstest.MapFS{"tokenizer.json": {Data: []byte(src)}})
		if err == nil || !strings.HasPrefix(err.Error(), "reading tokenizer.json: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: want an error with %q, got %v", src, want, err)
		}
	}
	whole, err := json.Marshal(small())
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < len(whole); cut += 37 {
		if _, err := tokenizer.Load(fstest.MapFS{"tokenizer.json": {Data: whole[:cut]}}); err == nil {
			t.Errorf("a file cut at byte %d loads", cut)
		}
	}
	if _, err := tokenizer.Load(fstest.MapFS{"tokenizer.json": {Data: append(whole, " x"...)}}); err == nil || !strings.Contains(err.Error(), "bytes follow the end of the document") {
		t.Errorf("trailing bytes: got %v", err)
	}
}

// TestBrokenConfig has faults in the files beside tokenizer.json.
func TestBrokenConfig(t *testing.T) {
	if _, err := tokenizer.Load(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), "tokenizer.json") {
		t.Errorf("an empty directory: got %v", err)
	}
	for _, test := range []struct{ file, src, want string }{
		{"tokenizer_config.json", `{"eos_token": "<nope>"}`, `reading tokenizer_config.json: byte 14: eos_token: "<nope>" is not a token of tokenizer.json`},
		{"tokenizer_config.json", `{"eos_token": 3}`, "reading tokenizer_config.json: byte 14: eos_token: want a string, found a number"},
		{"tokenizer_config.json", `{"eos_token": {"content": "<nope>"}}`, `eos_token: "<nope>" is not a token`},
		{"tokenizer_config.json", `{`, "reading tokenizer_config.json: byte 1: want a key"},
		{"special_tokens_map.json", `[]`, "reading special_tokens_map.json: byte 0: want an object"},
		{"tokenizer_config.json", `{"added_tokens_decoder": {"7": {"content": "x"}}}`, "added_tokens_decoder.7: tokenizer.json has no added token of that id"},
		{"tokenizer_config.json", `{"added_tokens_decoder": {"265": {"content": "<|end|>", "lstrip": true}}}`, "added_tokens_decoder.265: \"<|end|>\" differs from added_tokens of tokenizer.json"},
		{"chat_template.jinja", "\xff", "reading chat_template.jinja: is not UTF-8"},
	} {
		_, err := tokenizer.Load(directory(t, small(), test.file, test.src))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: want an error with %q, got %v", test.src, test.want, err)
		}
	}
}
