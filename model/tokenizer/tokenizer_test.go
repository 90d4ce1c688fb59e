package tokenizer_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/model/tokenizer"
)

// pieces formats ids as their tokens, between bars.
func pieces(tok *tokenizer.Tokenizer, ids []int32) string {
	var list []string
	for _, id := range ids {
		list = append(list, tok.Token(id))
	}
	return strings.Join(list, "|")
}

func TestMerges(t *testing.T) {
	check := func(change func(doc, model object), text, want string) {
		t.Helper()
		tok := load(t, small(change))
		if diff := cmp.Diff(want, pieces(tok, tok.Encode(text))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	same := func(doc, model object) {}
	check(same, "the hell", "t|he|Ġ|hell")                      // he before hell; no merge makes Ġhell
	check(same, " the", "Ġthe")                                 // Ġt first, then he, then both
	check(same, "lll", "ll|l")                                  // the leftmost of two equal ranks
	check(same, "singing's", "s|ing|ing|'|s")                   // the contraction stands apart
	check(same, "a  b", "a|Ġ|Ġ|b")                              // a run leaves its last space to the word
	check(same, "a  ", "a|ĠĠ")                                  // but not at the end
	check(same, "é\xff", "Ã©|ÿ")                                // bytes that are not UTF-8 pass through
	check(same, "<|end|>the<|end|", "<|end|>|t|he|<|||e|n|d||") // a whole added token only
	check(same, strings.Repeat("ing", 60), strings.TrimSuffix(strings.Repeat("ing|", 60), "|"))

	pairs := func(_, model object) {
		model["merges"] = []any{[]any{"h", "e"}, []any{"l", "l"}, []any{"he", "ll"}}
	}
	check(pairs, "hell the", "hell|Ġ|t|he")
	check(func(_, model object) { model["ignore_merges"] = true; model["merges"] = []any{} }, " the hello", "Ġthe|Ġ|h|e|l|l|o")
	check(func(_, model object) { model["merges"] = []any{} }, " the", "Ġ|t|h|e")
	check(func(_, model object) { model["merges"] = []any{"#version: 0.2", "h e"} }, "the", "t|he")
	check(func(doc, model object) { delete(model["vocab"].(object), "q"); doc["added_tokens"] = nil }, "qaq", "a")
	check(func(doc, model object) {
		delete(model["vocab"].(object), "q")
		doc["added_tokens"], model["unk_token"] = nil, "!"
	}, "qqa", "!|!|a")
	check(func(doc, model object) {
		delete(model["vocab"].(object), "q")
		doc["added_tokens"], model["unk_token"], model["fuse_unk"] = nil, "!", true
	}, "qqaq", "!|a|!")
}

func TestAddedTokens(t *testing.T) {
	check := func(text, want string, tokens ...object) {
		t.Helper()
		tok := load(t, small(func(doc, _ object) {
			var list []any
			for i, a := range tokens {
				a["id"] = 265 + i
				list = append(list, a)
			}
			doc["added_tokens"] = list
			doc["normalizer"] = object{"type": "NFC"}
		}))
		if diff := cmp.Diff(want, pieces(tok, tok.Encode(text))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	check("a<x>y>b", "a|<x>y>|b", added(0, "<x>", nil), added(0, "<x>y>", nil)) // the longest
	check("a <x> b", "a|<x>|Ġ|b", added(0, "<x>", object{"lstrip": true}))
	check("a <x> b", "a|Ġ|<x>|b", added(0, "<x>", object{"rstrip": true}))
	check("a<x> <x>b <x>é", "a|<|x|>|Ġ|<|x|>|b|Ġ|<|x|>|Ã©", added(0, "<x>", object{"single_word": true}))
	check("a <x>, b", "a|Ġ|<x>|,|Ġ|b", added(0, "<x>", object{"single_word": true}))
	check("e\u0301! \u00e9!", "é!|Ġ|é!", added(0, "e\u0301!", object{"normalized": true}))
	check("e\u0301! \u00e9!", "e\u0301!|Ġ|Ã©|!", added(0, "e\u0301!", nil))
}

func TestPromptAndNames(t *testing.T) {
	template := object{"type": "TemplateProcessing", "pair": []any{},
		"single":         []any{object{"SpecialToken": object{"id": "<|end|>", "type_id": 0}}, object{"Sequence": object{"id": "A", "type_id": 0}}, object{"SpecialToken": object{"id": "!", "type_id": 0}}},
		"special_tokens": object{"<|end|>": object{"id": "<|end|>", "ids": []any{265}, "tokens": []any{"<|end|>"}}, "!": object{"id": "!", "ids": []any{33}, "tokens": []any{"!"}}}}
	doc := small(func(doc, _ object) {
		doc["post_processor"] = object{"type": "Sequence", "processors": []any{byteLevel(true), template}}
	})
	tok := load(t, doc,
		"tokenizer_config.json", `{"bos_token": "<|end|>", "eos_token": {"content": "hell", "lstrip": false}, "pad_token": null, "chat_template": [{"name": "tool", "template": "t"}, {"name": "default", "template": "d"}]}`,
		"special_tokens_map.json", `{"pad_token": "!", "eos_token": "!"}`)
	if got, want := pieces(tok, tok.EncodePrompt("the")), "<|end|>|t|he"; got != want {
		t.Errorf("prompt: want %s, got %s", want, got)
	}
	before, after := tok.Template()
	got := fmt.Sprintln(before, after)
	for _, name := range []func() (int32, string, bool){tok.BOS, tok.EOS} {
		id, text, ok := name()
		got += fmt.Sprintln(id, text, ok)
	}
	got += fmt.Sprintln(tok.VocabSize(), tok.ChatTemplate(), tok.Token(-1) == "", tok.Token(266) == "")
	want := "[265] [33]\n265 <|end|> true\n260 hell true\n266 d true true\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if tok := load(t, doc, "tokenizer_config.json", `{"chat_template": "x"}`, "chat_template.jinja", "y\n"); tok.ChatTemplate() != "y\n" {
		t.Errorf("chat template: want the file's, got %q", tok.ChatTemplate())
	}
	if _, _, ok := load(t, doc).EOS(); ok {
		t.Error("a directory without tokenizer_config.json has an eos token")
	}
}

// TestDecode checks that invalid UTF-8 is replaced as by Rust's from_utf8_lossy.
func TestDecode(t *testing.T) {
	tok := load(t, small())
	byteID := map[byte]int32{}
	for id := range int32(256) {
		for b := range 256 {
			if tok.Token(id) == byteAlphabet()[b] {
				byteID[byte(b)] = id
			}
		}
	}
	for text, want := range map[string]string{
		"a\xc3\xa9b":           "aéb",
		"\xe2\x82":             "\uFFFD",             // the start of one character
		"\xe2\x82a\xe2":        "\uFFFDa\uFFFD",      // each start alone
		"\xf0\x9f\x92\xc3\xa9": "\uFFFDé",            // a start, then a whole one
		"\xed\xa0\x80":         "\uFFFD\uFFFD\uFFFD", // a surrogate has no start
		"\xc0\x80\xff":         "\uFFFD\uFFFD\uFFFD", // bytes that begin nothing
		"\xf4\x90\x80\x80":     "\uFFFD\uFFFD\uFFFD\uFFFD",
	} {
		var ids []int32
		for _, b := range []byte(text) {
			ids = append(ids, byteID[b])
		}
		if got := tok.Decode(ids, false); got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
	ids := tok.Encode("a<|end|>b")
	if got := tok.Decode(append(ids, 99999, -1), true); got != "ab" {
		t.Errorf("without special tokens: want ab, got %q", got)
	}
	if got := tok.Decode(ids, false); got != "a<|end|>b" {
		t.Errorf("with special tokens: got %q", got)
	}
}

func TestDigest(t *testing.T) {
	base := load(t, small()).Digest()
	if again := load(t, small()).Digest(); again != base {
		t.Errorf("two loads differ: %s, %s", base, again)
	}
	for name, change := range map[string]func(doc, model object){
		"merge order": func(_, m object) {
			m["merges"] = []any{"h e", "Ġ t", "Ġt he", "l l", "he ll", "i n", "in g", "Ġ Ġ", "Ã ©"}
		},
		"normalizer":    func(d, _ object) { d["normalizer"] = object{"type": "NFC"} },
		"pre-tokenizer": func(d, _ object) { d["pre_tokenizer"] = byteLevel(false) },
		"added token":   func(d, _ object) { d["added_tokens"] = []any{added(265, "<|end|>", object{"rstrip": true})} },
		"ids":           func(_, m object) { v := m["vocab"].(object); v["a"], v["b"] = v["b"], v["a"] },
		"ignore_merges": func(_, m object) { m["ignore_merges"] = true },
	} {
		if load(t, small(change)).Digest() == base {
			t.Errorf("%s: the digest stays the same", name)
		}
	}
	for _, name := range []string{"bos", "eos", "pad"} {
		if load(t, small(), "tokenizer_config.json", `{"`+name+`_token": "a"}`).Digest() == base {
			t.Errorf("%s: the digest stays the same", name)
		}
	}
	unchanged := small(func(d, _ object) { d["truncation"] = object{"max_length": 3} })
	if load(t, unchanged, "tokenizer_config.json", `{"chat_template": "x"}`).Digest() != base {
		t.Error("truncation and the chat template enter the digest")
	}
}

// TestConcurrent encodes in many goroutines; run with -race.
func TestConcurrent(t *testing.T) {
	tok := load(t, small())
	want := tok.Encode("the hell singing " + strings.Repeat("x", 200))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if got := tok.Encode("the hell singing " + strings.Repeat("x", 200)); !cmp.Equal(want, got) {
					t.Errorf("want %v, got %v", want, got)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestNoAllocation(t *testing.T) {
	tok := load(t, small())
	text := strings.Repeat("the hell singing, <|end|> 123 's\n", 20)
	ids := tok.Encode(text)
	if n := testing.AllocsPerRun(100, func() { ids = tok.AppendEncode(ids[:0], text) }); n > 0 {
		t.Errorf("AppendEncode allocates %v times", n)
	}
}
