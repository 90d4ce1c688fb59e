package ptx

import (
	"fmt"
	"strconv"
	"strings"
)

// source is a PTX text and where its lines start.
type source struct {
	name  string
	text  string
	start []int
}

func newSource(name, text string) *source {
	s := &source{name: name, text: text, start: []int{0}}
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' {
			s.start = append(s.start, i+1)
		}
	}
	return s
}

// line returns the text of a line, counted from 1.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.start) {
		return ""
	}
	end := len(s.text)
	if n < len(s.start) {
		end = s.start[n] - 1
	}
	const most = 200 // a line of an initialized array may have megabytes
	t := strings.TrimRight(s.text[s.start[n-1]:end], "\r")
	if len(t) > most {
		t = t[:most] + "..."
	}
	return t
}

func (s *source) errorf(p Pos, format string, args ...any) *SyntaxError {
	return &SyntaxError{Module: s.name, Pos: p, Source: s.line(p.Line), Msg: fmt.Sprintf(format, args...)}
}

type tokenKind uint8

const (
	tokEOF    tokenKind = iota
	tokIdent            // add, %r1, $L__BB0_1
	tokDot              // .f32, .L2::128B
	tokInt              // 12, 0x1F, 0b1, 017, 12U
	tokFloat            // 0f3F800000 (bits is float32)
	tokDouble           // 0d3FF0000000000000, 1.5 (bits is float64)
	tokString           // "..."
	tokPunct            // one character
)

type token struct {
	kind tokenKind
	text string
	bits uint64 // value of a number
	uns  bool   // integer with suffix U
	Pos
}

func (t token) String() string {
	if t.kind == tokEOF {
		return "end of file"
	}
	if len(t.text) > 40 {
		return strconv.Quote(t.text[:40]) + "..."
	}
	return strconv.Quote(t.text)
}

func (t token) is(punct string) bool { return t.kind == tokPunct && t.text == punct }

type lexer struct {
	*source
	off, lineNo int
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
}
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isWord(c byte) bool  { return isLetter(c) || isDigit(c) }

// at returns the byte at the offset, 0 past the end.
func (l *lexer) at(i int) byte {
	if i < len(l.text) {
		return l.text[i]
	}
	return 0
}

func (l *lexer) pos(off int) Pos { return Pos{l.lineNo, off - l.start[l.lineNo-1] + 1} }

// skip passes white space and comments.
func (l *lexer) skip() error {
	for l.off < len(l.text) {
		switch c := l.text[l.off]; {
		case c == '\n':
			l.off++
			l.lineNo++
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
			l.off++
		case c == '/' && l.at(l.off+1) == '/':
			for l.off < len(l.text) && l.text[l.off] != '\n' {
				l.off++
			}
		case c == '/' && l.at(l.off+1) == '*':
			begin := l.pos(l.off)
			end := strings.Index(l.text[l.off+2:], "*/")
			if end < 0 {
				return l.errorf(begin, "comment does not end")
			}
			l.lineNo += strings.Count(l.text[l.off:l.off+2+end], "\n")
			l.off += end + 4
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	begin := l.off
	t := token{Pos: l.pos(begin)}
	if begin >= len(l.text) {
		return t, nil
	}
	c := l.text[begin]
	switch {
	case isLetter(c), c == '%' && isLetter(l.at(begin+1)):
		l.off++
		for isWord(l.at(l.off)) {
			l.off++
		}
		t.kind = tokIdent
	case c == '.' && isWord(l.at(begin+1)):
		l.off++
		for isWord(l.at(l.off)) || l.at(l.off) == ':' && l.at(l.off+1) == ':' && isWord(l.at(l.off+2)) {
			if l.at(l.off) == ':' {
				l.off++
			}
			l.off++
		}
		t.kind = tokDot
	case isDigit(c):
		return l.number()
	case c == '"':
		end := strings.IndexAny(l.text[begin+1:], "\"\n")
		if end < 0 || l.text[begin+1+end] == '\n' {
			return t, l.errorf(t.Pos, "string does not end")
		}
		l.off += end + 2
		t.kind = tokString
	case strings.IndexByte(",;:{}[]()<>@!|+-=*/%~?&^", c) >= 0:
		l.off++
		t.kind = tokPunct
	default:
		return t, l.errorf(t.Pos, "unexpected character %q", c)
	}
	t.text = l.text[begin:l.off]
	return t, nil
}

// number scans an integer or a floating-point literal.
func (l *lexer) number() (token, error) {
	begin := l.off
	t := token{Pos: l.pos(begin), kind: tokInt}
	bad := func() (token, error) {
		return t, l.errorf(t.Pos, "malformed number %q", l.text[begin:min(l.off, len(l.text))])
	}
	if k := l.at(begin+1) | 0x20; l.at(begin) == '0' && (k == 'f' || k == 'd') {
		digits, kind := 8, tokFloat
		if k == 'd' {
			digits, kind = 16, tokDouble
		}
		l.off += 2
		for isWord(l.at(l.off)) {
			l.off++
		}
		t.text, t.kind = l.text[begin:l.off], kind
		v, err := strconv.ParseUint(t.text[2:], 16, 64)
		if err != nil || len(t.text) != digits+2 {
			return bad()
		}
		t.bits = v
		return t, nil
	}
	for isWord(l.at(l.off)) {
		l.off++
	}
	if l.at(l.off) == '.' && isDigit(l.at(l.off+1)) || isFloatText(l.text[begin:l.off]) {
		if l.at(l.off) == '.' {
			l.off++
			for isWord(l.at(l.off)) {
				l.off++
			}
		}
		if s := l.at(l.off); (s == '+' || s == '-') && l.text[l.off-1]|0x20 == 'e' {
			l.off++
			for isDigit(l.at(l.off)) {
				l.off++
			}
		}
		t.text, t.kind = l.text[begin:l.off], tokDouble
		v, err := strconv.ParseFloat(t.text, 64)
		if err != nil || strings.ContainsAny(t.text, "xX_pP") {
			return bad()
		}
		t.bits = floatBits(v)
		return t, nil
	}
	t.text = l.text[begin:l.off]
	digits, base := t.text, 10
	if strings.HasSuffix(digits, "U") {
		digits, t.uns = digits[:len(digits)-1], true
	}
	switch {
	case strings.HasPrefix(digits, "0x"), strings.HasPrefix(digits, "0X"):
		digits, base = digits[2:], 16
	case strings.HasPrefix(digits, "0b"), strings.HasPrefix(digits, "0B"):
		digits, base = digits[2:], 2
	case len(digits) > 1 && digits[0] == '0':
		digits, base = digits[1:], 8
	}
	v, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		return bad()
	}
	t.bits = v
	return t, nil
}

// isFloatText reports whether a word that starts with a digit is a decimal
// number with an exponent.
func isFloatText(s string) bool {
	i := strings.IndexAny(s, "eE")
	if i <= 0 || strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		return false
	}
	for _, c := range []byte(s[:i]) {
		if !isDigit(c) {
			return false
		}
	}
	return true
}
