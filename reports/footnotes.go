package reports

import (
	"fmt"
	"slices"
	"strings"
)

// footnotes numbers texts in the order of their first use.
type footnotes struct{ texts []string }

func (n *footnotes) numbers(texts []string) (out []string) {
	for _, t := range texts {
		i := slices.Index(n.texts, t)
		if i < 0 {
			i = len(n.texts)
			n.texts = append(n.texts, t)
		}
		out = append(out, fmt.Sprint(i+1))
	}
	return out
}

// mark is the footnotes' numbers for Markdown, raised.
func (n *footnotes) mark(texts ...string) string {
	if len(texts) == 0 {
		return ""
	}
	return " <sup>" + strings.Join(n.numbers(texts), ",") + "</sup>"
}

// plain is the footnotes' numbers for a terminal, in brackets.
func (n *footnotes) plain(texts ...string) string {
	if len(texts) == 0 {
		return ""
	}
	return " [" + strings.Join(n.numbers(texts), ",") + "]"
}

// write lists the texts, a line each.
func (n *footnotes) write(m *markdown) {
	for i, t := range n.texts {
		m.line("<sup>%d</sup> %s  ", i+1, escape(t))
	}
	if len(n.texts) > 0 {
		m.line("")
	}
}
