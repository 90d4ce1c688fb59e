package main

import (
	"fmt"
	"slices"
	"strings"
)

// choice is a question with four choices, as MMLU and ARC ask it.
type choice struct {
	stem    string
	options [4]string
	gold    int
}

// letters are the labels of the options.
const letters = "ABCD"

// block is the question in MMLU's form, up to "Answer:".
func (q choice) block() string {
	var b strings.Builder
	b.WriteString(q.stem)
	for i, o := range q.options {
		fmt.Fprintf(&b, "\n%c. %s", letters[i], o)
	}
	return b.String() + "\nAnswer:"
}

// solved is block with its answer.
func (q choice) solved() string { return q.block() + " " + letters[q.gold:q.gold+1] }

// offer mixes the right option with wrong ones, all different.
func offer(s *source, stem, right string, wrong []string) choice {
	q := choice{stem: stem, gold: s.below(4)}
	q.options[q.gold] = right
	for i, k := range s.perm(len(wrong)) {
		if at := i; at < 3 {
			if at >= q.gold {
				at++
			}
			q.options[at] = wrong[k]
		}
	}
	return q
}

// subject is one MMLU subject of this world: its real name puts it into its
// group of the report, what it asks is ours.
type subject struct {
	name string
	ask  func(w *world, s *source) choice
}

// header is the first line of MMLU's prompt, with its two spaces.
func (j subject) header() string {
	return "The following are multiple choice questions (with answers) about  " + strings.ReplaceAll(j.name, "_", " ") + ".\n\n"
}

// subjects has one of each of MMLU's four groups.
var subjects = []subject{
	{"elementary_mathematics", askSum},
	{"formal_logic", askNext},
	{"high_school_geography", askTown},
	{"miscellaneous", askKind},
}

// inOrder offers the sorted options that are left after dropping wrong ones.
// Sorted options make letters learnable for so small a model: an option's place
// says something about its letter before a model has learned to look it up.
func inOrder(s *source, stem string, all []string, right int) choice {
	q := choice{stem: stem}
	keep := []int{right}
	for _, i := range s.perm(len(all)) {
		if len(keep) < 4 && i != right {
			keep = append(keep, i)
		}
	}
	slices.Sort(keep)
	for at, i := range keep {
		q.options[at] = all[i]
		if i == right {
			q.gold = at
		}
	}
	return q
}

// run offers four numbers in a row.
func run(s *source, stem string, right int) choice {
	first := max(0, right-3)
	first += s.below(min(right, 6) - first + 1)
	q := choice{stem: stem, gold: right - first}
	for i := range q.options {
		q.options[i] = fmt.Sprint(first + i)
	}
	return q
}

func askSum(_ *world, s *source) choice {
	a := s.below(10)
	b := s.below(10 - a)
	return run(s, fmt.Sprintf("%d + %d =", a, b), a+b)
}

// askNext continues a row of numbers.
func askNext(_ *world, s *source) choice {
	step := 1 + s.below(2)
	a := s.below(10 - 3*step)
	return run(s, fmt.Sprintf("What follows %d, %d, %d?", a, a+step, a+2*step), a+3*step)
}

func askTown(_ *world, s *source) choice {
	t := pick(s, towns)
	return inOrder(s, "What is near "+t.name+"?", landforms, slices.Index(landforms, t.near))
}

// kinds are the categories askKind knows.
var kinds = []struct {
	article, name string
	words         []string
}{
	{"a", "colour", colours}, {"a", "job", jobs}, {"an", "animal", animals}, {"a", "food", foods}, {"a", "thing", things},
}

func askKind(_ *world, s *source) choice {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = pick(s, k.words)
	}
	right := s.below(len(kinds))
	return inOrder(s, "Which is "+kinds[right].article+" "+kinds[right].name+"?", words, right)
}

// passage is two people who own some of the same.
type passage struct {
	a, b  person
	count [2]int
	of    string
}

func drawPassage(w *world, s *source) passage {
	p, n := s.perm(len(w.people)), s.perm(9)
	return passage{w.people[p[0]], w.people[p[1]], [2]int{n[0] + 1, n[1] + 1}, pick(s, belongings)}
}

func (p passage) text() string {
	return fmt.Sprintf("%s has %d %s. %s has %d %s.", p.a.full(), p.count[0], p.of, p.b.full(), p.count[1], p.of)
}

// question asks whether the first has more.
func (p passage) question() string {
	return fmt.Sprintf("does %s have more %s than %s", p.a.full(), p.of, p.b.full())
}

func (p passage) yes() bool { return p.count[0] > p.count[1] }

// twin is the passage with the numbers exchanged.
func (p passage) twin() passage {
	p.count[0], p.count[1] = p.count[1], p.count[0]
	return p
}

// talk is a sentence in which two people speak of the work of one of them.
type talk struct {
	a, b person
	// of is 0 for the work of a, 1 for that of b
	of int
}

// drawTalk pairs people of different work.
func drawTalk(w *world, s *source) talk {
	for {
		p := s.perm(len(w.people))
		if a, b := w.people[p[0]], w.people[p[1]]; a.job != b.job {
			return talk{a, b, s.below(2)}
		}
	}
}

func (t talk) who() person { return [2]person{t.a, t.b}[t.of] }

// sentence has name in the place of the blank.
func (t talk) sentence(name string) string {
	return fmt.Sprintf("%s and %s spoke of the work of %s as a %s.", t.a.full(), t.b.full(), name, jobs[t.who().job])
}
