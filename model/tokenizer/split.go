package tokenizer

import (
	"fmt"
	"strings"

	"github.com/dlclark/regexp2/v2"
)

// splitOptions are the fields of a Split pre-tokenizer.
type splitOptions struct {
	kind     string // "Regex" or "String"
	pattern  string
	behavior string
	invert   bool
}

// newSplit returns the step a Split describes.
func newSplit(o splitOptions) (step, error) {
	if o.kind == "" {
		return step{}, fmt.Errorf("Split has no pattern")
	}
	if o.behavior != "Isolated" && o.behavior != "Removed" {
		return step{}, fmt.Errorf("Split behavior %q is not supported; want Isolated or Removed", o.behavior)
	}
	if o.kind == "Regex" {
		// These match every character, so nothing lies between two matches: to keep
		// the matches is the same as to remove what lies between.
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

// finder returns a function that gives the byte ranges of all matches.
func finder(o splitOptions) (func(s string) [][]int, error) {
	if o.kind == "String" {
		if o.pattern == "" {
			return nil, fmt.Errorf("Split pattern is empty")
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
		return nil, fmt.Errorf("Split pattern %s: %w", quote(o.pattern), err)
	}
	re, err := regexp2.Compile(pattern, regexp2.Multiline) // ^ and $ stand at every line, as in Oniguruma
	if err != nil {
		return nil, fmt.Errorf("Split pattern %s: %w", quote(o.pattern), err)
	}
	return func(s string) [][]int {
		all, err := re.FindAllStringIndex(s, -1)
		if err != nil {
			panic("tokenizer: " + err.Error()) // only a timeout makes one, and none is set
		}
		return all
	}, nil
}

// portable rewrites an Oniguruma pattern for regexp2, adding the letters and numbers
// of Unicode 16 to \p{L} and \p{N}, and refuses what the two read differently.
func portable(pattern string) (string, error) {
	var out strings.Builder
	depth := 0 // of character classes
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		if len(rest) > 1 && rest[0] == '\\' {
			switch {
			case strings.ContainsRune("hHRXKgyYGOQ", rune(rest[1])):
				return "", fmt.Errorf("\\%c is not supported", rest[1])
			case strings.HasPrefix(rest, `\p{^`):
				return "", fmt.Errorf("\\p{^...} is not supported")
			case strings.HasPrefix(rest, `\p{L}`), strings.HasPrefix(rest, `\p{N}`):
				extra := rest[:5] + added16(rest[3])
				if depth == 0 {
					extra = "[" + extra + "]"
				}
				out.WriteString(extra)
				i += 4
				continue
			}
			out.WriteString(rest[:2])
			i++
			continue
		}
		switch {
		case rest[0] == '[' && depth > 0:
			return "", fmt.Errorf("a character class inside another is not supported")
		case rest[0] == '[':
			depth++
		case rest[0] == ']' && depth > 0:
			depth--
		case depth > 0 && strings.HasPrefix(rest, "&&"):
			return "", fmt.Errorf("the class intersection && is not supported")
		case depth == 0 && len(rest) > 1 && rest[1] == '+' && strings.ContainsRune("?*+", rune(rest[0])):
			return "", fmt.Errorf("the possessive quantifier %s is not supported", rest[:2])
		case depth == 0 && len(rest) > 1 && rest[0] == '}' && rest[1] == '+':
			return "", fmt.Errorf("a quantifier after a quantifier is not supported")
		}
		out.WriteByte(rest[0])
	}
	return out.String(), nil
}

// added16 lists, for use inside a class, what Unicode 16 added to L or N.
func added16(category byte) string {
	var out strings.Builder
	table := letters16
	if category == 'N' {
		table = numbers16
	}
	for _, r := range table.R16 {
		fmt.Fprintf(&out, "%c-%c", rune(r.Lo), rune(r.Hi))
	}
	for _, r := range table.R32 {
		fmt.Fprintf(&out, "%c-%c", rune(r.Lo), rune(r.Hi))
	}
	return out.String()
}
