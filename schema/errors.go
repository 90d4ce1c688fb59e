package schema

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// Error is one problem of a spec.
type Error struct {
	File string
	// Line and Column count from 1, the column in bytes; 0 where the problem has
	// no place in the file.
	Line, Column int
	// Path names the field, such as "train.lr" or "eval.suites[1]"; it is empty
	// where the problem is not one field's.
	Path string
	// Message says what is wrong and Hint what to do.
	Message, Hint string
}

// Error returns "file:line:column: path: message; hint" without absent parts.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	if e.Path != "" {
		b.WriteString(": " + e.Path)
	}
	b.WriteString(": " + e.Message)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Errors lists every problem of a spec, in the file's order.
type Errors []Error

// Error returns one line for each problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, x := range e {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems as single errors.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, x := range e {
		list[i] = x
	}
	return list
}

// sorted orders the problems by place, dropping repetitions.
func (e Errors) sorted() Errors {
	sort.SliceStable(e, func(i, j int) bool {
		if e[i].Line != e[j].Line {
			return e[i].Line < e[j].Line
		}
		return e[i].Column < e[j].Column
	})
	kept := e[:0]
	seen := map[Error]bool{}
	for _, x := range e {
		if !seen[x] {
			seen[x] = true
			kept = append(kept, x)
		}
	}
	return kept
}

// position is a place in the spec; the zero value is no place.
type position struct{ line, column int }

// checker collects the problems of one file.
type checker struct {
	file     string
	errs     Errors
	at       map[string]position // where each path's value stands
	reported map[string]bool     // paths already found faulty
	kept     map[string][]int    // of each list, the indices of its sound elements
	suite    func(Definition) error
}

func newChecker(file string) *checker {
	return &checker{file: file, at: map[string]position{}, reported: map[string]bool{}, kept: map[string][]int{}}
}

// item returns the path of the i-th sound element of a list.
func (c *checker) item(list string, i int) string {
	if k := c.kept[list]; i < len(k) {
		i = k[i]
	}
	return fmt.Sprintf("%s[%d]", list, i)
}

// addAt reports a problem at a place.
func (c *checker) addAt(p position, path, message, hint string) {
	c.reported[path] = true
	c.errs = append(c.errs, Error{File: c.file, Line: p.line, Column: p.column, Path: path, Message: message, Hint: hint})
}

// add reports a problem of the value at path, or of its nearest parent that the
// file has.
func (c *checker) add(path, message, hint string) {
	at := path
	for {
		if p, ok := c.at[at]; ok {
			c.addAt(p, path, message, hint)
			return
		}
		i := strings.LastIndexAny(at, ".[")
		if i < 0 {
			c.addAt(c.at[""], path, message, hint)
			return
		}
		at = at[:i]
	}
}

// faulty reports whether path or anything under it was found faulty.
func (c *checker) faulty(path string) bool {
	for p := range c.reported {
		if p == path || strings.HasPrefix(p, path+"[") {
			return true
		}
	}
	return false
}

// didYouMean returns the hint for a word that is none of the known ones.
func didYouMean(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "known: " + strings.Join(known, ", ")
}

// Nearest returns the known word closest to word, or "" if none is near: at
// most a third of the letters may differ, two for short words. The first of
// equals wins.
func Nearest(word string, known []string) string {
	best, bestDistance := "", max(2, utf8.RuneCountInString(word)/3)+1
	if utf8.RuneCountInString(word) > 64 {
		return ""
	}
	for _, k := range known {
		d := distance(strings.ToLower(word), strings.ToLower(k))
		if d < bestDistance && d < utf8.RuneCountInString(k) {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is the number of single-letter insertions, deletions, replacements
// and swaps of neighbours between two words (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, prev, cur := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		cur[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(y)]
}
