package suites

import (
	"slices"
	"strings"
	"unicode"

	"xrun/reports"
)

// The classes that Overlap gives an item.
const (
	OverlapNone     = "none"
	OverlapQuestion = "question"
	OverlapBoth     = "question-and-answer"
	OverlapShort    = "too short"
)

// gram is the length in words of the runs compared (Brown et al., 2020);
// minWords is the shortest question that is compared, as a whole, when it has
// fewer words than that.
const (
	gram     = 13
	minWords = 5
)

// Overlap finds suites' items in a training set. Texts are compared as words:
// runs of letters and digits in lower case, everything else apart. An item's
// question is found when a run of 13 of its words, or the whole of a question of
// 5 to 12 words, stands in one training text; its answer is found when the gold
// choice's words stand in the same text too. Shorter questions are too short to
// tell. Add the suites first, then the training texts; memory grows with the
// suites, not with the training set.
type Overlap struct {
	items []overlapItem
	runs  map[uint64][]int32 // hash of a run of words -> items
	sizes []int              // lengths of the runs, ascending
}

type overlapItem struct {
	class  string
	answer []string
	source int // the training text of the first match, -1 before
}

// NewOverlap returns an empty comparison.
func NewOverlap() *Overlap { return &Overlap{runs: map[uint64][]int32{}} }

// Add enters a question and its answer; the result is its number.
func (o *Overlap) Add(question, answer string) int {
	n := len(o.items)
	it := overlapItem{class: OverlapNone, answer: words(answer), source: -1}
	q := words(question)
	size := min(len(q), gram)
	if size < minWords {
		it.class = OverlapShort
	} else {
		if i, ok := slices.BinarySearch(o.sizes, size); !ok {
			o.sizes = slices.Insert(o.sizes, i, size)
		}
		for i := 0; i+size <= len(q); i++ {
			h := hashWords(q[i : i+size])
			if l := o.runs[h]; len(l) == 0 || l[len(l)-1] != int32(n) {
				o.runs[h] = append(l, int32(n))
			}
		}
	}
	o.items = append(o.items, it)
	return n
}

// AddSuite enters every item of a suite and returns the number of the first.
func (o *Overlap) AddSuite(s *Suite) int {
	first := len(o.items)
	for i := range s.items {
		o.Add(s.question(i))
	}
	return first
}

// Train compares a training text, all its turns as one; number names it.
func (o *Overlap) Train(number int, text string) {
	w := words(text)
	for _, size := range o.sizes {
		for i := 0; i+size <= len(w); i++ {
			for _, n := range o.runs[hashWords(w[i:i+size])] {
				it := &o.items[n]
				if it.class == OverlapBoth {
					continue
				}
				if it.class == OverlapNone {
					it.class, it.source = OverlapQuestion, number
				}
				if len(it.answer) > 0 && holds(w, it.answer) {
					it.class, it.source = OverlapBoth, number
				}
			}
		}
	}
}

// Class returns the class of item n and the number of the training text that
// decided it, -1 where none did.
func (o *Overlap) Class(n int) (class string, source int) {
	return o.items[n].class, o.items[n].source
}

// overlapNames are the classes in the names of figures.
var overlapNames = []struct{ class, name string }{
	{OverlapNone, "not in the training set"},
	{OverlapQuestion, "question in the training set"},
	{OverlapBoth, "question and answer in the training set"},
	{OverlapShort, "too short to compare"},
}

// OverlapRows writes every item's class to its rows, the items of s having been
// entered from number first on. Where any item was found, it also returns the
// accuracy of each class, as figures that look at items again, and names these
// in the rows.
func (s *Suite) OverlapRows(rows []reports.Item, o *Overlap, first int) []reports.Result {
	type place struct {
		subset string
		row    int32
	}
	at := make(map[place]int, len(s.items))
	found := false
	for i, it := range s.items {
		at[place{it.subset, int32(it.row.number)}] = i
		class, _ := o.Class(first + i)
		found = found || class == OverlapQuestion || class == OverlapBoth
	}
	var results []reports.Result
	for k, rule := range s.prog.def.Scores {
		suite := s.suiteOf(rule, k > 0)
		leaves := map[string]*leaf{}
		for _, c := range overlapNames {
			leaves[c.class] = &leaf{name: s.Name() + " " + measure(rule) + reports.OverlapMark + c.name, clusters: map[string]*clusterSum{}}
		}
		last := -1
		for j := range rows {
			r := &rows[j]
			if r.Suite != suite {
				continue
			}
			i := at[place{r.Subset, r.Row}]
			r.Overlap, _ = o.Class(first + i)
			if !found {
				continue
			}
			l := leaves[r.Overlap]
			if i != last {
				l.add(*r)
			}
			last = i
			r.Figures = append(r.Figures[:len(r.Figures):len(r.Figures)], l.name)
		}
		for n, c := range overlapNames {
			if l := leaves[c.class]; l.n > 0 {
				results = append(results, reports.Result{
					Suite: suite, Figure: l.name, Group: suite + " overlap", Order: int32(layoutEnd + n),
					Items: int32(l.n), Value: l.value(), StdErr: l.stdErr(), Unit: "%",
				})
			}
		}
	}
	return results
}

// question returns what identifies item i: its question without examples and
// instructions, and the gold answer.
func (s *Suite) question(i int) (question, answer string) {
	it := &s.items[i]
	if s.prog.def.Protocol == "generate" {
		return s.prog.question.render(it.vars), it.answer
	}
	scope := map[string]string{"label": it.labels[it.gold], "choice": it.texts[it.gold]}
	return s.prog.question.render(scope, it.vars), it.texts[it.gold]
}

// words are the runs of letters and digits of a text, in lower case.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// hashWords is FNV-1a over the words, each ended by a byte that no word holds.
func hashWords(w []string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range w {
		for i := 0; i < len(s); i++ {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	return h
}

// holds reports whether the words of part stand together in w.
func holds(w, part []string) bool {
next:
	for i := 0; i+len(part) <= len(w); i++ {
		for j, p := range part {
			if w[i+j] != p {
				continue next
			}
		}
		return true
	}
	return false
}
