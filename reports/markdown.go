package reports

import (
	"bytes"
	"fmt"
	"html"
	"strings"
)

// markdown builds a document. Everything that comes from tables goes through
// one of its escaping methods.
type markdown struct{ bytes.Buffer }

// line writes a line; para a paragraph with an empty line after it.
func (m *markdown) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }
func (m *markdown) para(format string, args ...any) { fmt.Fprintf(m, format+"\n\n", args...) }

// table writes a pipe table; align has one of "<>:" a column.
func (m *markdown) table(align string, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	m.line("| %s |", strings.Join(head, " | "))
	m.WriteString("|")
	for _, a := range align {
		m.WriteString(map[rune]string{'<': " --- |", '>': " ---: |", ':': " :---: |"}[a])
	}
	m.line("")
	for _, r := range rows {
		m.line("| %s |", strings.Join(r, " | "))
	}
	m.line("")
}

// details writes a folded section.
func (m *markdown) details(summary string, body func()) {
	m.para("<details><summary>%s</summary>", html.EscapeString(summary))
	body()
	m.para("</details>")
}

// code writes text in a fence longer than any run of backticks in it.
func (m *markdown) code(language, text string) {
	longest, run := 2, 0
	for _, r := range text {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	fence := strings.Repeat("`", longest+1)
	m.line("%s%s", fence, language)
	m.line("%s", strings.TrimRight(visible(text), "\n"))
	m.para("%s", fence)
}

// escape makes text safe inside a line of Markdown or a table cell.
func escape(s string) string {
	s = visible(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", " "))
	var b strings.Builder
	for i, r := range s {
		switch r {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '\\', '`', '*', '[', ']', '|', '~', '#':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '_': // inside a word it means nothing to GitHub
			if inner := i > 0 && i+1 < len(s) && wordByte(s[i-1]) && wordByte(s[i+1]); !inner {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return dollars(b.String())
}

// dollars keeps prices from being set as a formula, as GitHub sets what stands
// between two dollar signs.
func dollars(s string) string {
	if strings.Count(s, "$") < 2 {
		return s
	}
	return strings.ReplaceAll(s, "$", "<span>$</span>")
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

// inCode is escape for a code span, whose backticks would end it.
func inCode(s string) string {
	s = strings.ReplaceAll(visible(strings.ReplaceAll(s, "\n", " ")), "|", "\\|")
	if strings.Contains(s, "`") {
		return "`` " + s + " ``"
	}
	return "`" + s + "`"
}

// inHTML makes text safe inside an HTML block that Markdown leaves alone: no
// empty line, line breaks and leading spaces kept.
func inHTML(s string) string {
	s = html.EscapeString(visible(s))
	s = strings.ReplaceAll(s, "\n", "<br>")
	s = strings.ReplaceAll(s, "<br> ", "<br>&nbsp;")
	return dollars(strings.ReplaceAll(s, "  ", " &nbsp;"))
}

// visible replaces control characters, and what is no UTF-8, by pictures.
func visible(s string) string {
	clean := strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "\ufffd")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < 0x20:
			return 0x2400 + r
		case r == 0x7f:
			return 0x2421
		case r >= 0x80 && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return 0xfffd // C1 controls, and marks that reorder the text around them
		}
		return r
	}, clean)
}
