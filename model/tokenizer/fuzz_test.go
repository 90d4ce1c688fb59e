package tokenizer_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"

	"xrun/model/tokenizer"
)

// Split patterns with a hand-written scanner: GPT-2's, Qwen2's and Llama 3's.
const (
	gpt2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	qwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	llama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// FuzzEncode checks for any text that decoding returns it, that scanners cut it like their
// patterns in the regular expression engine, and that NFC equals that of x/text.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{
		"the hell <|end|>  singing's 'LL 'ſ \r\n\r\n x", "naïve e\u0301 \u1112\u1161\u11a8 क़ ㍿ 👩‍👧 \u202e", "   \t\n \u00a0\u3000a  ", "１２３ 1234 ٣ Ⅷ 𝟘!?",
		strings.Repeat("inglthe", 40), "a\u0323\u0301\u0327 \u0344 \u0958 \U00011131\U00011127", "\x00\x7f\u0085\u2028'",
	} {
		f.Add(s)
	}
	plain := load(f, small())
	composed := load(f, small(func(doc, _ object) { doc["normalizer"] = object{"type": "NFC"} }))
	var pairs [][2]*tokenizer.Tokenizer
	for _, pattern := range []string{gpt2, qwen2, llama3} {
		pairs = append(pairs, [2]*tokenizer.Tokenizer{
			load(f, small(func(doc, _ object) { doc["pre_tokenizer"] = splitThenBytes(pattern) })),
			load(f, small(func(doc, _ object) { doc["pre_tokenizer"] = splitThenBytes("(?:" + pattern + ")") })),
		})
	}
	f.Fuzz(func(t *testing.T, s string) {
		ids := plain.Encode(s)
		if again := plain.Encode(s); !cmp.Equal(ids, again) {
			t.Errorf("%q: a second call gives other ids", s)
		}
		if !utf8.ValidString(s) {
			return
		}
		if got := plain.Decode(ids, false); got != s {
			t.Errorf("%q comes back as %q", s, got)
		}
		for i, pair := range pairs {
			if diff := cmp.Diff(pieces(pair[1], pair[1].Encode(s)), pieces(pair[0], pair[0].Encode(s))); diff != "" {
				t.Errorf("%q: pattern %d (-regexp +scanner):\n%s", s, i, diff)
			}
		}
		// Above 30 marks x/text breaks a run; after U+0FFF characters of Unicode 10 and
		// later begin, which tokenizers does not normalize.
		if strings.Contains(s, "<|end|>") || strings.ContainsFunc(s, func(r rune) bool {
			return r > 0xFFF || r >= 0x7FD && r < 0x900 || r == 0x9FE || r == 0xC3C || r == 0xD3B || r == 0xD3C || r == 0xEBA
		}) {
			return
		}
		if want := norm.NFC.String(s); !strings.Contains(want, "\u034f") {
			if got := composed.Decode(composed.Encode(s), false); got != want {
				t.Errorf("%q: NFC is %q, want %q", s, got, want)
			}
		}
	})
}

// FuzzLoad looks for files that make Load or the tokenizer it returns panic.
func FuzzLoad(f *testing.F) {
	for _, doc := range []object{
		small(),
		small(func(doc, model object) {
			doc["pre_tokenizer"] = splitThenBytes(qwen2)
			doc["post_processor"] = byteLevel(false)
			model["merges"] = []any{[]any{"h", "e"}}
		}),
		{"version": "1.0", "decoder": byteLevel(false), "pre_tokenizer": splitThenBytes("[a-z]|\\d+$"),
			"model": object{"vocab": object{"a": 0, "b": 1, "ab": 2}, "merges": []any{"a b"}, "unk_token": "a"}},
	} {
		src, err := json.Marshal(doc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tok, err := tokenizer.Load(fstest.MapFS{"tokenizer.json": {Data: src}})
		if err != nil {
			return
		}
		const text = "ab the 12 é <|end|>\n "
		ids := tok.EncodePrompt(text)
		tok.Decode(ids, true)
		tok.Digest()
		for _, id := range ids {
			if tok.Token(id) == "" {
				t.Errorf("id %d is no token", id)
			}
		}
	})
}
