package tokenizer

import (
	"unicode/utf8"
)

// Decode returns the text of ids. If skipSpecial is set, special tokens are left out. Ids
// that are not tokens are left out too. Bytes that are not valid UTF-8 become U+FFFD, one
// for each maximal part of a character, as in tokenizers (The Unicode Standard, section
// 3.9).
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	var out []byte
	for _, id := range ids {
		if id < 0 || int(id) >= len(t.decoded) || skipSpecial && t.special[id] {
			continue
		}
		out = append(out, t.decoded[id]...)
	}
	if utf8.Valid(out) {
		return string(out)
	}
	text := make([]byte, 0, len(out)+16)
	for len(out) > 0 {
		r, n := utf8.DecodeRune(out)
		if r == utf8.RuneError && n == 1 {
			n = brokenPrefix(out)
			text = utf8.AppendRune(text, utf8.RuneError)
		} else {
			text = append(text, out[:n]...)
		}
		out = out[n:]
	}
	return string(text)
}

// brokenPrefix returns the length, at least 1, of the longest incomplete character with
// which b begins. b must not begin with a complete one.
func brokenPrefix(b []byte) int {
	low, high, n := byte(0x80), byte(0xBF), 0 // range of the second byte, bytes that follow the first
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		n = 1
	case c >= 0xE0 && c <= 0xEF:
		n = 2
		if c == 0xE0 {
			low = 0xA0
		} else if c == 0xED {
			high = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		n = 3
		if c == 0xF0 {
			low = 0x90
		} else if c == 0xF4 {
			high = 0x8F
		}
	}
	i := 1
	for ; i <= n && i < len(b); i++ {
		if b[i] < low || b[i] > high {
			break
		}
		low, high = 0x80, 0xBF
	}
	return i
}
