package tokenizer

import "unicode/utf8"

// step is one stage of pre-tokenization, which cuts a text into pieces. Exactly one of the
// two functions is set.
type step struct {
	name string // of the stage, with its pattern: part of the digest

	// scan returns the length of the piece that a text starts with, always above 0;
	// the pieces cover the text.
	scan func(s string) int

	// split calls piece for each piece in order; parts may be left out.
	split func(s string, piece func(start, end int))
}

// Patterns that have a hand-written scanner.
const (
	// patternQwen2 is the Split pattern of Qwen2 and Qwen2.5, patternLlama3 that of
	// Llama 3 (numbers in groups of three).
	patternQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	// patternGPT2 is the pattern of ByteLevel with use_regex (Radford et al. 2019).
	patternGPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
)

// scanGPT2 matches patternGPT2 at the start of s.
func scanGPT2(s string) int {
	if s[0] == '\'' {
		if n := contraction(s); n > 0 {
			return n
		}
	}
	start := 0
	if s[0] == ' ' && len(s) > 1 {
		start = 1
	}
	c, n := first(s[start:])
	if c != space {
		return start + n + run(s[start+n:], c)
	}
	return whitespace(s, run(s, space))
}

// scanQwen2 matches patternQwen2 at the start of s.
func scanQwen2(s string) int { return scanQwenLlama(s, 1) }

// scanLlama3 matches patternLlama3 at the start of s.
func scanLlama3(s string) int { return scanQwenLlama(s, 3) }

func scanQwenLlama(s string, digits int) int {
	if s[0] == '\'' {
		if n := anyCaseContraction(s); n > 0 {
			return n
		}
	}
	c, n := first(s)
	switch {
	case c == letter:
		return n + run(s[n:], letter)
	case c == number:
		for i := 1; i < digits && n < len(s); i++ {
			c, more := first(s[n:])
			if c != number {
				break
			}
			n += more
		}
		return n
	}
	if len(s) > n && s[0] != '\r' && s[0] != '\n' {
		if c, more := first(s[n:]); c == letter {
			return n + more + run(s[n+more:], letter)
		}
	}
	start := 0
	if s[0] == ' ' && len(s) > 1 {
		start = 1
	}
	if c, n := first(s[start:]); c == other {
		end := start + n
		end += run(s[end:], other)
		for end < len(s) && (s[end] == '\r' || s[end] == '\n') {
			end++
		}
		return end
	}
	end := run(s, space)
	for i := end; i > 0; i-- { // \s*[\r\n]+ ends after the last line break of the run
		if s[i-1] == '\n' || s[i-1] == '\r' {
			return i
		}
	}
	return whitespace(s, end)
}

// whitespace matches \s+(?!\S)|\s+ at the start of s, whose white space ends at end. A run
// before a word leaves its last character to the word.
func whitespace(s string, end int) int {
	if end == len(s) {
		return end
	}
	_, last := utf8.DecodeLastRuneInString(s[:end])
	if end > last {
		return end - last
	}
	return end
}

// contraction matches 's|'t|'re|'ve|'m|'ll|'d at the start of s, which has the apostrophe.
func contraction(s string) int {
	if len(s) > 1 {
		switch s[1] {
		case 's', 't', 'm', 'd':
			return 2
		}
	}
	if len(s) > 2 {
		switch s[1:3] {
		case "re", "ve", "ll":
			return 3
		}
	}
	return 0
}

// anyCaseContraction matches (?i:'s|'t|'re|'ve|'m|'ll|'d) at the start of s, which has
// the apostrophe; U+017F folds to s.
func anyCaseContraction(s string) int {
	if len(s) > 1 {
		switch s[1] | 0x20 {
		case 's', 't', 'm', 'd':
			return 2
		}
	}
	if len(s) > 2 {
		if s[1:3] == "\u017f" {
			return 3
		}
		switch [2]byte{s[1] | 0x20, s[2] | 0x20} {
		case [2]byte{'r', 'e'}, [2]byte{'v', 'e'}, [2]byte{'l', 'l'}:
			return 3
		}
	}
	return 0
}

// scanDigit is Digits with individual_digits: each numeric character is a piece.
func scanDigit(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	if isNumeric(r) {
		return n
	}
	return digitRun(s, false)
}

// scanDigits is Digits without individual_digits: each run of numeric characters is a piece.
func scanDigits(s string) int {
	r, _ := utf8.DecodeRuneInString(s)
	return digitRun(s, isNumeric(r))
}

func digitRun(s string, numeric bool) int {
	for i, r := range s {
		if isNumeric(r) != numeric {
			return i
		}
	}
	return len(s)
}
