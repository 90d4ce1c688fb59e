package tokenizer

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/dlclark/regexp2/v2"
)

// splitOptions are the fields of a Split pre-tokenizer.
type splitOptions struct {
	kind     string // "Regex" or "String"
	pattern  string
	behavior string
	invert   bool
}

// newSplit returns the step described by a Split.
func newSplit(o splitOptions) (step, error) {
	if o.kind == "" {
		return step{}, fmt.Errorf("a Split has no pattern")
	}
	if o.behavior != "Isolated" && o.behavior != "Removed" {
		return step{}, fmt.Errorf("the behavior %q is not supported; want Isolated or Removed", o.behavior)
	}
	if o.kind == "Regex" {
		// These match every character, so there is nothing between matches, and Isolated
		// is the same as Removed.
		scan := map[string]func(string) int{patternQwen2: scanQwen2, patternLlama3: scanLlama3, patternGPT2: scanGPT2}[o.pattern]
		if scan != nil && (o.behavior == "Isolated" || o.invert) {
			return step{name: o.pattern, scan: scan}, nil
		}
	}
	find, err := finder(o)
	if err != nil {
		return step{}, err
	}
	dropMatch := o.behavior == "Removed" && !o.invert
	dropRest := o.behavior == "Removed" && o.invert
	return step{
		name: fmt.Sprintf("%s %q %s invert=%v", o.kind, o.pattern, o.behavior, o.invert),
		split: func(s string, piece func(start, end int)) {
			end := 0
			for _, m := range find(s) {
				if m[0] > end && !dropRest {
					piece(end, m[0])
				}
				if m[1] > m[0] && !dropMatch {
					piece(m[0], m[1])
				}
				end = m[1]
			}
			if end < len(s) && !dropRest {
				piece(end, len(s))
			}
		},
	}, nil
}

// finder returns a function that returns the byte ranges of all matches.
func finder(o splitOptions) (func(s string) [][]int, error) {
	if o.kind == "String" {
		if o.pattern == "" {
			return nil, fmt.Errorf("the pattern is empty")
		}
		return func(s string) (all [][]int) {
			for at := 0; ; {
				i := strings.Index(s[at:], o.pattern)
				if i < 0 {
					return all
				}
				all = append(all, []int{at + i, at + i + len(o.pattern)})
				at += i + len(o.pattern)
			}
		}, nil
	}
	pattern, err := portable(o.pattern)
	if err != nil {
		return nil, fmt.Errorf("the pattern %s: %w", quote(o.pattern), err)
	}
	re, err := regexp2.Compile(pattern, regexp2.Multiline) // ^ and $ match at every line, as in Oniguruma
	if err != nil {
		return nil, fmt.Errorf("the pattern %s: %w", quote(o.pattern), err)
	}
	return func(s string) [][]int {
		all, err := re.FindAllStringIndex(s, -1)
		if err != nil {
			panic("tokenizer: " + err.Error()) // only a timeout can cause one, and none is set
		}
		return all
	}, nil
}

// portable rewrites an Oniguruma pattern for regexp2. It adds the characters of Unicode 16 to
// Unicode categories, and rejects syntax that the two engines interpret differently.
func portable(pattern string) (string, error) {
	var out strings.Builder
	inClass := false
	for i := 0; i < len(pattern); {
		rest := pattern[i:]
		switch {
		case len(rest) > 1 && rest[0] == '\\':
			text, width, err := portableEscape(rest, inClass)
			if err != nil {
				return "", err
			}
			out.WriteString(text)
			i += width
			continue
		case rest[0] == '[' && inClass:
			return "", fmt.Errorf("a character class inside another is not supported")
		case rest[0] == '[':
			inClass = true
			if strings.HasPrefix(rest, "[]") || strings.HasPrefix(rest, "[^]") {
				return "", fmt.Errorf("an unescaped ] at the start of a character class is not supported")
			}
		case rest[0] == ']':
			inClass = false
		case inClass && strings.HasPrefix(rest, "&&"):
			return "", fmt.Errorf("the class intersection && is not supported")
		case inClass:
		case len(rest) > 1 && rest[1] == '+' && strings.ContainsRune("?*+}", rune(rest[0])):
			return "", fmt.Errorf("the quantifier %s is not supported", rest[:2])
		case strings.HasPrefix(rest, "(?") && len(rest) > 2 && !strings.ContainsRune(":=!<>i", rune(rest[2])):
			return "", fmt.Errorf("the group %s is not supported", rest[:3])
		}
		out.WriteByte(rest[0])
		i++
	}
	return out.String(), nil
}

// portableEscape rewrites the escape at the start of a pattern and returns its width.
func portableEscape(s string, inClass bool) (string, int, error) {
	c, category, width := s[1], "", 2
	switch {
	case c == 'd':
		category = "Nd"
	case c == 'p' || c == 'P':
		end := strings.IndexByte(s, '}')
		if end < 0 || s[2] != '{' {
			return "", 0, fmt.Errorf("\\%c without {} is not supported", c)
		}
		if category, width = s[3:end], end+1; category != "Han" && unicode.Categories[category] == nil || strings.HasPrefix(category, "C") {
			return "", 0, fmt.Errorf("%s is not supported; want a general category or Han", s[:width])
		}
		if c == 'P' && inClass {
			return "", 0, fmt.Errorf("%s inside a character class is not supported", s[:width])
		}
	case strings.IndexByte("rntfvsS", c) < 0 && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'):
		return "", 0, fmt.Errorf("\\%c is not supported", c)
	}
	if category == "" {
		return s[:width], width, nil
	}
	var members strings.Builder
	fmt.Fprintf(&members, `\p{%s}`, category)
	table := added16(category)
	for _, r := range table.R16 {
		fmt.Fprintf(&members, "%c-%c", rune(r.Lo), rune(r.Hi))
	}
	for _, r := range table.R32 {
		fmt.Fprintf(&members, "%c-%c", rune(r.Lo), rune(r.Hi))
	}
	switch {
	case inClass:
		return members.String(), width, nil
	case c == 'P':
		return "[^" + members.String() + "]", width, nil
	}
	return "[" + members.String() + "]", width, nil
}
