package suites

import (
	"fmt"
	"strings"
)

// template is text with {name} in place of a variable; {{ and }} stand for
// single braces. Variables are replaced in one pass: braces in a value stay.
type template []piece

// piece is literal text or, with name set, a variable.
type piece struct {
	lit, name string
}

// parseTemplate compiles src; known says which names exist, and list completes
// the message about one that does not.
func parseTemplate(src string, known func(string) bool, list func() string) (template, error) {
	var t template
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			t = append(t, piece{lit: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(src) && src[i+1] == c:
			lit.WriteByte(c)
			i++
		case c == '{':
			end := strings.IndexByte(src[i:], '}')
			if end < 0 {
				return nil, fmt.Errorf("%q has a { without its }; write {{ for a brace", src)
			}
			name := src[i+1 : i+end]
			if !known(name) {
				return nil, fmt.Errorf("%q names {%s}, which is none of %s; write {{ for a brace", src, name, list())
			}
			flush()
			t = append(t, piece{name: name})
			i += end
		case c == '}':
			return nil, fmt.Errorf("%q has a } without its {; write }} for a brace", src)
		default:
			lit.WriteByte(c)
		}
	}
	flush()
	return t, nil
}

// render replaces the variables; a variable missing from every scope is a
// programmer error, since parseTemplate checked the names.
func (t template) render(scopes ...map[string]string) string {
	if len(t) == 1 && t[0].name == "" {
		return t[0].lit
	}
	var b strings.Builder
	for _, p := range t {
		if p.name == "" {
			b.WriteString(p.lit)
			continue
		}
		found := false
		for _, s := range scopes {
			if v, ok := s[p.name]; ok {
				b.WriteString(v)
				found = true
				break
			}
		}
		if !found {
			panic("suites: template variable {" + p.name + "} is not set")
		}
	}
	return b.String()
}
