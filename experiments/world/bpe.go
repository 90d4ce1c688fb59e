package main

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// splitPattern is Qwen2's pre-tokenizer. Go's regexp lacks its lookahead, so
// pieces below restates it: everything but a run of blanks is the same.
const splitPattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

var splitter = regexp.MustCompile(`^(?:(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+)`)

// pieces splits text as splitPattern does.
func pieces(text string, each func(string)) {
	for text != "" {
		n := len(splitter.FindString(text))
		p := text[:n]
		// \s+(?!\S): a run of blanks leaves its last one to the word after it.
		if n > 1 && n < len(text) && strings.TrimSpace(p) == "" && !strings.HasSuffix(p, "\n") && !strings.HasSuffix(p, "\r") {
			_, last := utf8.DecodeLastRuneInString(p)
			p = p[:n-last]
		}
		each(p)
		text = text[len(p):]
	}
}

// counts is how often each piece occurs.
type counts map[string]int

func (c counts) add(text string) { pieces(text, func(p string) { c[p]++ }) }

// pair is two neighbouring symbols.
type pair [2]string

// train learns byte-level BPE merges (Sennrich, Haddow and Birch 2016): the most
// frequent pair of neighbours becomes a symbol; of equally frequent ones the
// first in byte order. It stops at n merges, or when no pair occurs twice.
func train(c counts, n int) []pair {
	type word struct {
		symbols []string
		count   int
	}
	var words []word
	for p, k := range c {
		var sym []string
		for i := range len(p) {
			sym = append(sym, visible[p[i]])
		}
		words = append(words, word{sym, k})
	}
	var merges []pair
	for len(merges) < n {
		freq := map[pair]int{}
		for _, w := range words {
			for i := 1; i < len(w.symbols); i++ {
				freq[pair{w.symbols[i-1], w.symbols[i]}] += w.count
			}
		}
		var best pair
		most := 1
		for p, k := range freq {
			if k > most || k == most && most > 1 && slices.Compare(p[:], best[:]) < 0 {
				best, most = p, k
			}
		}
		if most < 2 {
			break
		}
		merges = append(merges, best)
		for i := range words {
			words[i].symbols = join(words[i].symbols, best)
		}
	}
	return merges
}

// join replaces each occurrence of p, from the left, by its concatenation.
func join(symbols []string, p pair) []string {
	out := symbols[:0]
	for i := 0; i < len(symbols); i++ {
		if i+1 < len(symbols) && symbols[i] == p[0] && symbols[i+1] == p[1] {
			out = append(out, p[0]+p[1])
			i++
			continue
		}
		out = append(out, symbols[i])
	}
	return out
}

// visible is GPT-2's drawing of every byte as a printable rune.
var visible = func() (v [256]string) {
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if !(b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae) {
			r, next = next, next+1
		}
		v[b] = string(r)
	}
	return v
}()

// specials are the added tokens, after the vocabulary.
var specials = []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}

// vocabulary gives ids to the bytes, in the order of their drawings, then to the
// merges; specials follow.
func vocabulary(merges []pair) []string {
	v := slices.Clone(visible[:])
	slices.SortFunc(v, cmp.Compare)
	for _, m := range merges {
		v = append(v, m[0]+m[1])
	}
	return v
}

// tokenizerJSON writes tokenizer.json in the shape Qwen2 has it.
func tokenizerJSON(merges []pair) ([]byte, error) {
	type added struct {
		ID         int    `json:"id"`
		Content    string `json:"content"`
		SingleWord bool   `json:"single_word"`
		LStrip     bool   `json:"lstrip"`
		RStrip     bool   `json:"rstrip"`
		Normalized bool   `json:"normalized"`
		Special    bool   `json:"special"`
	}
	vocab := vocabulary(merges)
	ids := orderedIDs(vocab)
	var extra []added
	for i, s := range specials {
		extra = append(extra, added{ID: len(vocab) + i, Content: s, Special: true})
	}
	var lines []string
	for _, m := range merges {
		lines = append(lines, m[0]+" "+m[1])
	}
	level := func() map[string]any {
		return map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}
	}
	return indented(map[string]any{
		"version": "1.0", "truncation": nil, "padding": nil,
		"added_tokens": extra,
		"normalizer":   map[string]any{"type": "NFC"},
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "Split", "pattern": map[string]any{"Regex": splitPattern}, "behavior": "Isolated", "invert": false},
			level(),
		}},
		"post_processor": level(),
		"decoder":        level(),
		"model": map[string]any{
			"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": "", "end_of_word_suffix": "",
			"fuse_unk": false, "byte_fallback": false, "vocab": ids, "merges": lines,
		},
	})
}

// orderedIDs writes the vocabulary as an object in the order of its ids.
func orderedIDs(vocab []string) json.RawMessage {
	var b strings.Builder
	b.WriteByte('{')
	for id, v := range vocab {
		if id > 0 {
			b.WriteByte(',')
		}
		key, _ := plainJSON(v) // a string always encodes
		b.Write(key)
		b.WriteByte(':')
		n, _ := plainJSON(id)
		b.Write(n)
	}
	b.WriteByte('}')
	return json.RawMessage(b.String())
}
