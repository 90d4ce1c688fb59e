package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// class is the class of a character in the split patterns.
type class uint8

const (
	other  class = iota // [^\s\p{L}\p{N}]
	letter              // \p{L}
	number              // \p{N}
	space               // \s
)

// asciiClass holds the classes of the first 128 characters.
var asciiClass = func() (table [utf8.RuneSelf]class) {
	for r := range table {
		table[r] = classOf(rune(r))
	}
	return table
}()

// classOf returns a character's class in Unicode 16.
func classOf(r rune) class {
	switch {
	case r >= 0x4E00 && r <= 0x9FFF || r >= 0xAC00 && r <= 0xD7A3: // most of Chinese, Japanese and Korean
		return letter
	case unicode.IsLetter(r) || unicode.Is(letters16, r):
		return letter
	case unicode.IsNumber(r) || unicode.Is(numbers16, r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// first returns the class and length of the first character of a text, which must not be
// empty. A byte that is not valid UTF-8 counts as U+FFFD.
func first(s string) (class, int) {
	if c := s[0]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, n := utf8.DecodeRuneInString(s)
	return classOf(r), n
}

// run returns the length of the longest prefix of a text in one class.
func run(s string, want class) int {
	i := 0
	for i < len(s) {
		if c := s[i]; c < utf8.RuneSelf {
			if asciiClass[c] != want {
				break
			}
			i++
			continue
		}
		c, n := first(s[i:])
		if c != want {
			break
		}
		i += n
	}
	return i
}

// isNumeric is Rust's char::is_numeric, which the Digits pre-tokenizer uses: the numbers of
// Unicode 17.
func isNumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= utf8.RuneSelf && (unicode.IsNumber(r) || unicode.Is(numbers16, r) || unicode.Is(numbers17, r))
}

// isWord is \w of Rust's regex crate (UTS 18, Unicode 16), which single_word uses.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc,
		unicode.Other_Alphabetic, unicode.Join_Control, letters16, marks16, numbers16)
}
