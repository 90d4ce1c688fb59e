package tokenizer

import (
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalize returns s in Normalization Form C, with the procedure of the Rust crate that
// tokenizers uses: canonical decomposition, sorting by combining class, recomposition. It
// uses the tables of x/text, but not its NFC, which breaks runs of more than 30 marks with
// U+034F.
func normalize(s string) string {
	if isNFC(s) {
		return s
	}
	out := make([]byte, 0, len(s)+8)
	for _, c := range compose(decompose(s)) {
		if c.r < 0 {
			out = append(out, byte(-1-c.r))
		} else {
			out = utf8.AppendRune(out, c.r)
		}
	}
	return string(out)
}

// isNFC reports whether s is in form C. Below U+0300, no character decomposes permanently or
// combines.
func isNFC(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0xCC {
			return norm.NFC.IsNormalString(s)
		}
	}
	return true
}

// normChar is a character during normalization. A negative r is -1 minus a byte that is not
// valid UTF-8.
type normChar struct {
	r     rune
	class uint8
}

// Hangul syllables compose by arithmetic (The Unicode Standard, section 3.12).
const (
	hangulS, hangulL, hangulV, hangulT = 0xAC00, 0x1100, 0x1161, 0x11A7
	countL, countV, countT             = 19, 21, 28
	countS                             = countL * countV * countT
)

// decompose returns the canonical decomposition of s in canonical order.
func decompose(s string) []normChar {
	out := make([]normChar, 0, len(s))
	pending := 0 // start of the characters that are not yet sorted
	emit := func(r rune) {
		c := normChar{r, combiningClass(r)}
		if c.class == 0 {
			sortMarks(out[pending:])
			pending = len(out)
		}
		out = append(out, c)
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			emit(-1 - rune(s[i]))
		case r >= hangulS && r < hangulS+countS:
			x := r - hangulS
			emit(hangulL + x/(countV*countT))
			emit(hangulV + x/countT%countV)
			if t := x % countT; t > 0 {
				emit(hangulT + t)
			}
		case r >= 0xC0 && !unicode.Is(after9, r) && norm.NFC.PropertiesString(s[i:]).Decomposition() != nil:
			d := norm.NFC.PropertiesString(s[i:]).Decomposition()
			for len(d) > 0 {
				r, n := utf8.DecodeRune(d)
				emit(r)
				d = d[n:]
			}
		default:
			emit(r)
		}
		i += n
	}
	sortMarks(out[pending:])
	return out
}

func sortMarks(c []normChar) {
	if len(c) > 1 {
		slices.SortStableFunc(c, func(a, b normChar) int { return int(a.class) - int(b.class) })
	}
}

func combiningClass(r rune) uint8 {
	if r < 0x300 || unicode.Is(after9, r) {
		return 0
	}
	var b [utf8.UTFMax]byte
	return norm.NFC.Properties(b[:utf8.EncodeRune(b[:], r)]).CCC()
}

// compose combines each starter with the unblocked marks after it, in place.
func compose(in []normChar) []normChar {
	out := in[:0]
	starter, last := -1, uint8(0) // index in out; class of the last mark kept after it
	for _, c := range in {
		if starter >= 0 && (last == 0 || last < c.class) {
			if r := composePair(out[starter].r, c.r); r != 0 {
				out[starter].r = r
				continue
			}
		}
		if c.class == 0 {
			starter, last = len(out), 0
		} else if starter >= 0 {
			last = c.class
		}
		out = append(out, c)
	}
	return out
}

// composePair returns the primary composite of two characters, or 0 if there is none.
func composePair(a, b rune) rune {
	switch {
	case a >= hangulL && a < hangulL+countL && b >= hangulV && b < hangulV+countV:
		return hangulS + ((a-hangulL)*countV+(b-hangulV))*countT
	case a >= hangulS && a < hangulS+countS && (a-hangulS)%countT == 0 && b > hangulT && b < hangulT+countT:
		return a + b - hangulT
	}
	return composites()[[2]rune{a, b}]
}

// composites maps pairs to their primary composites. It is built by inverting the
// decompositions of all characters that form C keeps.
var composites = sync.OnceValue(func() map[[2]rune]rune {
	m := make(map[[2]rune]rune, 1000)
	for _, block := range [][2]rune{{0xC0, 0x3100}, {0x11000, 0x12000}} {
		for r := block[0]; r < block[1]; r++ {
			s := string(r)
			d := norm.NFC.PropertiesString(s).Decomposition()
			if d == nil || unicode.Is(after9, r) || !norm.NFC.IsNormalString(s) {
				continue
			}
			last, n := utf8.DecodeLastRune(d)
			head, n := utf8.DecodeRuneInString(norm.NFC.String(string(d[:len(d)-n])))
			if n > 0 {
				m[[2]rune{head, last}] = r
			}
		}
	}
	return m
})

// after9 holds the characters with a combining class or a decomposition that Unicode 10 to
// 15 added. The tables of tokenizers are those of Unicode 9, where these are plain
// characters. The list was made by testing every code point with tokenizers 0.23.3.
var after9 = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x07FD, Hi: 0x07FD, Stride: 1}, {Lo: 0x0898, Hi: 0x089F, Stride: 1}, {Lo: 0x08CA, Hi: 0x08D3, Stride: 1},
		{Lo: 0x09FE, Hi: 0x09FE, Stride: 1}, {Lo: 0x0C3C, Hi: 0x0C3C, Stride: 1}, {Lo: 0x0D3B, Hi: 0x0D3C, Stride: 1},
		{Lo: 0x0EBA, Hi: 0x0EBA, Stride: 1}, {Lo: 0x1715, Hi: 0x1715, Stride: 1}, {Lo: 0x1ABF, Hi: 0x1ACE, Stride: 1},
		{Lo: 0x1DF6, Hi: 0x1DFA, Stride: 1}, {Lo: 0xA82C, Hi: 0xA82C, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x10D24, Hi: 0x10D27, Stride: 1}, {Lo: 0x10EAB, Hi: 0x10EAC, Stride: 1}, {Lo: 0x10EFD, Hi: 0x10EFF, Stride: 1},
		{Lo: 0x10F46, Hi: 0x10F50, Stride: 1}, {Lo: 0x10F82, Hi: 0x10F85, Stride: 1}, {Lo: 0x11070, Hi: 0x11070, Stride: 1},
		{Lo: 0x1133B, Hi: 0x1133B, Stride: 1}, {Lo: 0x1145E, Hi: 0x1145E, Stride: 1}, {Lo: 0x11839, Hi: 0x1183A, Stride: 1},
		{Lo: 0x11938, Hi: 0x11938, Stride: 1}, {Lo: 0x1193D, Hi: 0x1193E, Stride: 1}, {Lo: 0x11943, Hi: 0x11943, Stride: 1},
		{Lo: 0x119E0, Hi: 0x119E0, Stride: 1}, {Lo: 0x11A34, Hi: 0x11A34, Stride: 1}, {Lo: 0x11A47, Hi: 0x11A47, Stride: 1},
		{Lo: 0x11A99, Hi: 0x11A99, Stride: 1}, {Lo: 0x11D42, Hi: 0x11D42, Stride: 1}, {Lo: 0x11D44, Hi: 0x11D45, Stride: 1},
		{Lo: 0x11D97, Hi: 0x11D97, Stride: 1}, {Lo: 0x11F41, Hi: 0x11F42, Stride: 1}, {Lo: 0x16FF0, Hi: 0x16FF1, Stride: 1},
		{Lo: 0x1E08F, Hi: 0x1E08F, Stride: 1}, {Lo: 0x1E130, Hi: 0x1E136, Stride: 1}, {Lo: 0x1E2AE, Hi: 0x1E2AE, Stride: 1},
		{Lo: 0x1E2EC, Hi: 0x1E2EF, Stride: 1}, {Lo: 0x1E4EC, Hi: 0x1E4EF, Stride: 1},
	},
}
