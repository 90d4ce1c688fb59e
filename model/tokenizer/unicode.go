package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// class is what the split patterns ask of a character.
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

// classOf gives a character's class in Unicode 16.
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

// first returns the class and length of the character a text starts with; the text
// is not empty. A byte that is not UTF-8 counts as U+FFFD.
func first(s string) (class, int) {
	if c := s[0]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, n := utf8.DecodeRuneInString(s)
	return classOf(r), n
}

// run returns the length of the longest prefix of a text within one class.
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

// isNumeric is Rust's char::is_numeric, which the Digits pre-tokenizer asks: the
// numbers of Unicode 17.
func isNumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= utf8.RuneSelf && (unicode.IsNumber(r) || unicode.Is(numbers16, r) || unicode.Is(numbers17, r))
}

// isWord is \w of Rust's regex crate (UTS 18, Unicode 16), which single_word asks.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc,
		unicode.Other_Alphabetic, unicode.Join_Control, letters16, words16)
}

// The characters that Unicode 15.1 and 16 added to the letters and numbers of
// unicode.Version 15, numbers of 17 beside them; taken by asking tokenizers 0.23.3
// about every code point. A newer package unicode has them already.
var (
	letters16 = &unicode.RangeTable{
		R16: []unicode.Range16{
			{Lo: 0x1C89, Hi: 0x1C8A, Stride: 1}, {Lo: 0xA7CB, Hi: 0xA7CD, Stride: 1}, {Lo: 0xA7DA, Hi: 0xA7DC, Stride: 1},
		},
		R32: []unicode.Range32{
			{Lo: 0x105C0, Hi: 0x105F3, Stride: 1}, {Lo: 0x10D4A, Hi: 0x10D65, Stride: 1}, {Lo: 0x10D6F, Hi: 0x10D85, Stride: 1},
			{Lo: 0x10EC2, Hi: 0x10EC4, Stride: 1}, {Lo: 0x11380, Hi: 0x11389, Stride: 1}, {Lo: 0x1138B, Hi: 0x1138B, Stride: 1},
			{Lo: 0x1138E, Hi: 0x1138E, Stride: 1}, {Lo: 0x11390, Hi: 0x113B5, Stride: 1}, {Lo: 0x113B7, Hi: 0x113B7, Stride: 1},
			{Lo: 0x113D1, Hi: 0x113D1, Stride: 1}, {Lo: 0x113D3, Hi: 0x113D3, Stride: 1}, {Lo: 0x11BC0, Hi: 0x11BE0, Stride: 1},
			{Lo: 0x13460, Hi: 0x143FA, Stride: 1}, {Lo: 0x16100, Hi: 0x1611D, Stride: 1}, {Lo: 0x16D40, Hi: 0x16D6C, Stride: 1},
			{Lo: 0x18CFF, Hi: 0x18CFF, Stride: 1}, {Lo: 0x1E5D0, Hi: 0x1E5ED, Stride: 1}, {Lo: 0x1E5F0, Hi: 0x1E5F0, Stride: 1},
			{Lo: 0x2EBF0, Hi: 0x2EE5D, Stride: 1},
		},
	}
	numbers16 = &unicode.RangeTable{
		R32: []unicode.Range32{
			{Lo: 0x10D40, Hi: 0x10D49, Stride: 1}, {Lo: 0x116D0, Hi: 0x116E3, Stride: 1}, {Lo: 0x11BF0, Hi: 0x11BF9, Stride: 1},
			{Lo: 0x16130, Hi: 0x16139, Stride: 1}, {Lo: 0x16D70, Hi: 0x16D79, Stride: 1}, {Lo: 0x1CCF0, Hi: 0x1CCF9, Stride: 1},
			{Lo: 0x1E5F1, Hi: 0x1E5FA, Stride: 1},
		},
	}
	numbers17 = &unicode.RangeTable{
		R16: []unicode.Range16{},
		R32: []unicode.Range32{{Lo: 0x11DE0, Hi: 0x11DE9, Stride: 1}, {Lo: 0x16FF4, Hi: 0x16FF6, Stride: 1}},
	}
	// words16 adds the marks and decimal numbers of Unicode 16 to letters16.
	words16 = &unicode.RangeTable{
		R16: []unicode.Range16{{Lo: 0x0897, Hi: 0x0897, Stride: 1}},
		R32: []unicode.Range32{
			{Lo: 0x10D40, Hi: 0x10D49, Stride: 1}, {Lo: 0x10D69, Hi: 0x10D6D, Stride: 1}, {Lo: 0x10EFC, Hi: 0x10EFC, Stride: 1},
			{Lo: 0x113B8, Hi: 0x113C0, Stride: 1}, {Lo: 0x113C2, Hi: 0x113C2, Stride: 1}, {Lo: 0x113C5, Hi: 0x113C5, Stride: 1},
			{Lo: 0x113C7, Hi: 0x113CA, Stride: 1}, {Lo: 0x113CC, Hi: 0x113D0, Stride: 1}, {Lo: 0x113D2, Hi: 0x113D2, Stride: 1},
			{Lo: 0x113E1, Hi: 0x113E2, Stride: 1}, {Lo: 0x116D0, Hi: 0x116E3, Stride: 1}, {Lo: 0x11BF0, Hi: 0x11BF9, Stride: 1},
			{Lo: 0x11F5A, Hi: 0x11F5A, Stride: 1}, {Lo: 0x1611E, Hi: 0x16139, Stride: 1}, {Lo: 0x16D70, Hi: 0x16D79, Stride: 1},
			{Lo: 0x1CCF0, Hi: 0x1CCF9, Stride: 1}, {Lo: 0x1E5EE, Hi: 0x1E5EF, Stride: 1}, {Lo: 0x1E5F1, Hi: 0x1E5FA, Stride: 1},
		},
	}
)
