package runner

import (
	"fmt"
	"slices"
	"strings"

	"xrun/runner/data"
	"xrun/runner/suites"
)

// overlaps is which items of the study's suites stand in its training sets.
type overlaps struct {
	*suites.Overlap
	first []int // by suite, the number of its first item
	sets  []comparedSet
}

// comparedSet is a training set whose items are numbered from from.
type comparedSet struct {
	name string
	from int
}

// place names the training item of a number, counted from 1 in its set.
func (o *overlaps) place(number int) (text string, item int) {
	set := o.sets[0]
	several := false
	for _, s := range o.sets[1:] {
		several = several || s.name != set.name
		if number >= s.from {
			set = s
		}
	}
	item = number - set.from + 1
	if several {
		return fmt.Sprintf("item %d of %s", item, set.name), item
	}
	return fmt.Sprintf("training item %d", item), item
}

// compareSets looks for every suite's items in every training set of the study:
// one class an item, so that base and tuned models are split alike.
func (s *study) compareSets() (*overlaps, error) {
	o := &overlaps{Overlap: suites.NewOverlap()}
	for _, from := range s.suites {
		suite, err := from.open()
		if err != nil {
			return nil, err
		}
		o.first = append(o.first, o.AddSuite(suite))
	}
	var read []string // digests of what was compared
	number := 0
	for _, c := range s.cells {
		p := s.prepares[c.Name]
		if p == nil || slices.Contains(read, string(p.key)) {
			continue
		}
		read = append(read, string(p.key))
		items, err := s.items(p.set)
		if err != nil {
			return nil, err
		}
		o.sets = append(o.sets, comparedSet{p.set.Source, number})
		for _, r := range p.Rows {
			o.Train(number+r.Item, trainingText(items[r.Item]))
		}
		number += len(items)
	}
	return o, nil
}

// trainingText is all that a training item says.
func trainingText(it data.Item) string {
	parts := []string{it.System}
	for _, turn := range it.History {
		parts = append(parts, turn[0], turn[1])
	}
	for _, m := range it.Messages {
		parts = append(parts, m.Content)
	}
	return strings.Join(append(parts, it.Instruction, it.Input, it.Output), "\n")
}

// overlapFacts lists, for each suite, how much of it stands in the training
// sets, and each item that does.
func (a *assembly) overlapFacts(o *overlaps) {
	for k, from := range a.suites {
		suite := a.open(from)
		if suite == nil {
			return
		}
		counts := map[string]int{}
		for i := range suite.Len() {
			class, source := o.Class(o.first[k] + i)
			counts[class]++
			what := map[string]string{suites.OverlapQuestion: "question", suites.OverlapBoth: "question and answer"}[class]
			if what == "" {
				continue
			}
			it := suite.Item(i)
			name := suite.Name() + " " + it.ID
			if it.Subset != "" {
				name = suite.Name() + " " + it.Subset + " " + it.ID
			}
			text, item := o.place(source)
			a.number("overlap item", "", name, what+" in "+text, float64(item))
		}
		found := counts[suites.OverlapQuestion] + counts[suites.OverlapBoth]
		text := fmt.Sprintf("%s of %s, %d with the answer", plural(found, "question"), plural(suite.Len(), "item"), counts[suites.OverlapBoth])
		if n := counts[suites.OverlapShort]; n > 0 {
			text += fmt.Sprintf("; %d too short to compare", n)
		}
		a.number("overlap", "", suite.Name(), text, float64(found))
	}
}
