package chat

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	tokEOF kind = iota
	tokData
	tokVarBegin
	tokVarEnd
	tokBlockBegin
	tokBlockEnd
	tokName
	tokString
	tokInt
	tokFloat
	tokOp
)

type token struct {
	kind kind
	text string // of data, a name, a string or an operator
	num  any    // int64 or float64
	line int
}

func (t token) String() string {
	switch t.kind {
	case tokEOF:
		return "the end of the template"
	case tokVarEnd:
		return "}}"
	case tokBlockEnd:
		return "%}"
	case tokData, tokVarBegin, tokBlockBegin:
		return "template text"
	case tokString:
		return "the string " + strconv.Quote(t.text)
	case tokInt, tokFloat:
		return fmt.Sprint("the number ", t.num)
	}
	return strconv.Quote(t.text)
}

// isSpace is Python's str.isspace.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// lexer splits a template into tokens like jinja2's lexer with trim_blocks and
// lstrip_blocks.
type lexer struct {
	src    string
	pos    int
	line   int
	tokens []token
}

func (l *lexer) fail(format string, args ...any) {
	panic(&templateError{l.line, fmt.Sprintf(format, args...)})
}

func (l *lexer) emit(k kind, text string) {
	l.tokens = append(l.tokens, token{kind: k, text: text, line: l.line})
}

// advance consumes n bytes and counts their lines.
func (l *lexer) advance(n int) string {
	s := l.src[l.pos : l.pos+n]
	l.line += strings.Count(s, "\n")
	l.pos += n
	return s
}

func lex(src string) []token {
	src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	l := &lexer{src: strings.TrimSuffix(src, "\n"), line: 1}
	lineStarting := true // the text begins its line
	for {
		at := nextTag(l.src[l.pos:])
		if at < 0 {
			if rest := l.advance(len(l.src) - l.pos); rest != "" {
				l.emit(tokData, rest)
			}
			l.emit(tokEOF, "")
			return l.tokens
		}
		text, tag := l.src[l.pos:l.pos+at], l.src[l.pos+at+1]
		sign := byte(0)
		if i := l.pos + at + 2; i < len(l.src) && (l.src[i] == '-' || l.src[i] == '+') {
			sign = l.src[i]
		}
		start := strings.LastIndexByte(text, '\n') + 1
		switch {
		case sign == '-':
			text = strings.TrimRightFunc(text, isSpace)
		case sign == 0 && tag != '{' && (start > 0 || lineStarting) && strings.TrimLeftFunc(text[start:], isSpace) == "":
			text = text[:start]
		}
		if text != "" {
			l.emit(tokData, text)
		}
		l.advance(at + 2)
		if sign != 0 {
			l.advance(1)
		}
		end := ""
		switch tag {
		case '#':
			end = l.comment()
		case '%':
			l.emit(tokBlockBegin, "")
			end = l.inside(tokBlockEnd)
		default:
			l.emit(tokVarBegin, "")
			end = l.inside(tokVarEnd)
		}
		lineStarting = strings.HasSuffix(end, "\n")
	}
}

// nextTag returns the position of the next {{, {% or {#.
func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && (s[i+1] == '{' || s[i+1] == '%' || s[i+1] == '#') {
			return i
		}
	}
	return -1
}

// close consumes the end of a tag and the white space that it strips.
func (l *lexer) close(end string, strip, trimNewline bool) string {
	n := len(end)
	rest := l.src[l.pos+n:]
	if strip {
		n += len(rest) - len(strings.TrimLeftFunc(rest, isSpace))
	} else if trimNewline && strings.HasPrefix(rest, "\n") {
		n++
	}
	return l.advance(n)
}

func (l *lexer) comment() string {
	i := strings.Index(l.src[l.pos:], "#}")
	if i < 0 {
		l.fail("a comment is not closed")
	}
	sign := byte(0)
	if i > 0 && (l.src[l.pos+i-1] == '-' || l.src[l.pos+i-1] == '+') {
		sign = l.src[l.pos+i-1]
	}
	l.advance(i)
	return l.close("#}", sign == '-', sign == 0)
}

// inside reads the tokens of a tag up to its end.
func (l *lexer) inside(end kind) string {
	text := "}}"
	if end == tokBlockEnd {
		text = "%}"
	}
	var open []byte // brackets
	for {
		rest := l.src[l.pos:]
		rest = rest[len(rest)-len(strings.TrimLeftFunc(rest, isSpace)):]
		l.advance(len(l.src) - l.pos - len(rest))
		if rest == "" {
			l.fail("a tag is not closed with %s", text)
		}
		if len(open) == 0 {
			for _, sign := range []string{"-", "+", ""} {
				if !strings.HasPrefix(rest, sign+text) || sign == "+" && end == tokVarEnd {
					continue
				}
				l.emit(end, "")
				return l.close(sign+text, sign == "-", end == tokBlockEnd && sign == "")
			}
		}
		switch c := rest[0]; {
		case c == '_' || c < utf8.RuneSelf && unicode.IsLetter(rune(c)):
			n := 0
			for n < len(rest) && (rest[n] == '_' || isAlnum(rest[n])) {
				n++
			}
			l.emit(tokName, rest[:n])
			l.advance(n)
		case c >= '0' && c <= '9':
			l.number(rest)
		case c == '\'' || c == '"':
			l.str(rest, c)
		default:
			op := operator(rest)
			switch op {
			case "":
				r, _ := utf8.DecodeRuneInString(rest)
				l.fail("unexpected character %q", r)
			case "(", "[", "{":
				open = append(open, op[0])
			case ")", "]", "}":
				if len(open) == 0 || map[byte]string{'(': ")", '[': "]", '{': "}"}[open[len(open)-1]] != op {
					l.fail("unexpected %q", op)
				}
				open = open[:len(open)-1]
			}
			l.emit(tokOp, op)
			l.advance(len(op))
		}
	}
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func operator(s string) string {
	for _, op := range []string{"//", "**", "==", "!=", ">=", "<="} {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	if strings.IndexByte("+-/*%~[](){}><=.:|,;", s[0]) >= 0 {
		return s[:1]
	}
	return ""
}

// number reads an integer or a decimal number. Other notations are errors.
func (l *lexer) number(s string) {
	n := 0
	for n < len(s) && (s[n] == '_' || isAlnum(s[n])) {
		n++
	}
	// After a dot that selects an item, as in x.0.1, digits are an integer.
	afterDot := len(l.tokens) > 0 && l.tokens[len(l.tokens)-1].text == "."
	isFloat := false
	if !afterDot && n+1 < len(s) && s[n] == '.' && s[n+1] >= '0' && s[n+1] <= '9' {
		isFloat = true
		for n++; n < len(s) && isAlnum(s[n]); n++ {
		}
	}
	t := token{kind: tokInt, text: s[:n], line: l.line}
	var err error
	switch {
	case strings.Trim(s[:n], "0123456789.") != "":
		l.fail("the number %s is not supported; want digits", quote(s[:n]))
	case isFloat:
		t.kind = tokFloat
		t.num, err = strconv.ParseFloat(s[:n], 64)
	case n > 1 && s[0] == '0' && strings.Trim(s[:n], "0") != "":
		l.fail("the number %s starts with 0", quote(s[:n]))
	default:
		t.num, err = strconv.ParseInt(s[:n], 10, 64)
	}
	if err != nil {
		l.fail("the number %s is too large", quote(s[:n]))
	}
	l.tokens = append(l.tokens, t)
	l.advance(n)
}

// str reads a string literal with Python's escapes.
func (l *lexer) str(s string, mark byte) {
	var out strings.Builder
	for i := 1; i < len(s); {
		c := s[i]
		if c == mark {
			l.emit(tokString, out.String())
			l.advance(i + 1)
			return
		}
		if c != '\\' || i+1 >= len(s) {
			out.WriteByte(c)
			i++
			continue
		}
		i += 2
		switch c := s[i-1]; c {
		case '\n': // continues the line
		case '\\', '\'', '"':
			out.WriteByte(c)
		case 'a', 'b', 'f', 'n', 'r', 't', 'v':
			out.WriteByte("\a\b\f\n\r\t\v"[strings.IndexByte("abfnrtv", c)])
		case 'x', 'u', 'U':
			width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
			v, err := strconv.ParseUint(s[i:min(i+width, len(s))], 16, 32)
			if err != nil || i+width > len(s) || !utf8.ValidRune(rune(v)) {
				l.fail("malformed or unsupported escape \\%c in a string", c)
			}
			out.WriteRune(rune(v))
			i += width
		case '0', '1', '2', '3', '4', '5', '6', '7', 'N':
			l.fail("the escape \\%c in a string is not supported", c)
		default:
			out.WriteByte('\\')
			i--
		}
	}
	l.fail("a string is not closed")
}

// quote quotes text of the template for a message, truncated if it is long.
func quote(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "..."
	}
	return strconv.Quote(s)
}
