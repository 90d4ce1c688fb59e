package suites

import (
	"fmt"
	"strings"
)

// noteChoices counts the items that no model can be asked fairly: those with an
// empty choice, and those of which two choices are the same text. They are scored
// like any other; of two equal scores the first counts.
func (s *Suite) noteChoices() {
	s.noteItems("an empty choice", "", func(it *item) string {
		if i := it.emptyChoice(); i >= 0 {
			return it.labels[i]
		}
		return ""
	})
	s.noteItems("two choices of the same text", "; of equal scores the first counts", func(it *item) string {
		if i, j := it.sameChoices(); j > 0 {
			return it.labels[i] + " and " + it.labels[j]
		}
		return ""
	})
}

// noteItems notes the items of which odd says something, and where the first few are.
func (s *Suite) noteItems(what, then string, odd func(it *item) string) {
	const few = 3
	n := 0
	var places []string
	for i := range s.items {
		it := &s.items[i]
		which := odd(it)
		if which == "" {
			continue
		}
		if n++; n <= few {
			places = append(places, fmt.Sprintf("%s:%d %s", s.testName(it.subset), it.row.line, which))
		}
	}
	switch {
	case n == 0:
		return
	case n > few:
		places = append(places, fmt.Sprintf("%d more", n-few))
	}
	have := "have"
	if n == 1 {
		have = "has"
	}
	s.note("%d of %d items %s %s (%s)%s", n, len(s.items), have, what, strings.Join(places, ", "), then)
}

// emptyChoice is the first choice without a text, -1 if all have one.
func (it *item) emptyChoice() int {
	for i, t := range it.texts {
		if strings.TrimSpace(t) == "" {
			return i
		}
	}
	return -1
}

// sameChoices are the first two choices of the same text; j is 0 if all differ.
func (it *item) sameChoices() (i, j int) {
	for j := range it.texts {
		for i := range j {
			if it.texts[i] == it.texts[j] {
				return i, j
			}
		}
	}
	return 0, 0
}
