package main

import (
	"fmt"
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

// without returns the strings of x that differ from drop.
func without(x []string, drop string) []string {
	var out []string
	for _, v := range x {
		if v != drop {
			out = append(out, v)
		}
	}
	return out
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
	{"formal_logic", askOrder},
	{"high_school_geography", askTown},
	{"miscellaneous", askKind},
}

func askSum(_ *world, s *source) choice {
	a := s.below(10)
	b := s.below(10 - a)
	var wrong []string
	for d := range 10 {
		if d != a+b {
			wrong = append(wrong, fmt.Sprint(d))
		}
	}
	return offer(s, fmt.Sprintf("%d + %d =", a, b), fmt.Sprint(a+b), wrong)
}

func askTown(_ *world, s *source) choice {
	t := pick(s, towns)
	var wrong []string
	for _, u := range towns[:6] {
		wrong = append(wrong, u.near)
	}
	return offer(s, "What is near "+t.name+"?", t.near, without(wrong, t.near))
}

// askOrder offers both names and two others.
func askOrder(w *world, s *source) choice {
	p := s.perm(len(w.people))
	a, b := w.people[p[0]], w.people[p[1]]
	pair := pick(s, opposites)
	asked := s.below(2)
	right, wrong := a, b
	if asked == 1 {
		right, wrong = b, a
	}
	return offer(s, fmt.Sprintf("%s is %s than %s. Who is %s?", a.name, pair[0], b.name, pair[asked]),
		right.name, []string{wrong.name, w.people[p[2]].name, w.people[p[3]].name})
}

// kinds are the categories askKind knows.
var kinds = []struct {
	article, name string
	words         []string
}{
	{"a", "colour", colours}, {"a", "job", jobs}, {"an", "animal", animals}, {"a", "food", foods},
}

func askKind(_ *world, s *source) choice {
	k := s.perm(len(kinds))
	right := kinds[k[0]]
	var wrong []string
	for _, o := range k[1:] {
		wrong = append(wrong, pick(s, kinds[o].words))
	}
	return offer(s, "Which is "+right.article+" "+right.name+"?", pick(s, right.words), wrong)
}

// passage is two sentences of fleeting facts and questions about them.
type passage struct{ colour, thing [2]int }

func drawPassage(s *source) passage {
	c, t := s.perm(len(colours)), s.perm(len(things))
	return passage{[2]int{c[0], c[1]}, [2]int{t[0], t[1]}}
}

func (p passage) text() string {
	return fmt.Sprintf("The %s is %s. The %s is %s.", things[p.thing[0]], colours[p.colour[0]], things[p.thing[1]], colours[p.colour[1]])
}

// question asks whether thing i has its own colour or the other's.
func (p passage) question(i int, yes bool) string {
	c := p.colour[i]
	if !yes {
		c = p.colour[1-i]
	}
	return fmt.Sprintf("is the %s %s", things[p.thing[i]], colours[c])
}

// ask draws a question and its answer. Half of the wrong colours are the other
// thing's, half are not in the passage at all.
func (p passage) ask(s *source) (question string, yes bool) {
	i := s.below(2)
	if yes = s.below(2) == 0; yes || s.below(2) == 0 {
		return p.question(i, yes), yes
	}
	c := s.below(len(colours))
	for c == p.colour[0] || c == p.colour[1] {
		c = s.below(len(colours))
	}
	return fmt.Sprintf("is the %s %s", things[p.thing[i]], colours[c]), yes
}

// order is a sentence that compares two people and concludes about one of them.
type order struct {
	a, b person
	pair [2]string
	// which of the pair's words the conclusion uses; 0 concludes on a, 1 on b
	end int
}

func drawOrder(w *world, s *source) order {
	p := s.perm(len(w.people))
	return order{w.people[p[0]], w.people[p[1]], pick(s, opposites), s.below(2)}
}

// sentence has who in the place of the blank.
func (o order) sentence(who string) string {
	return fmt.Sprintf("%s is %s than %s, so %s is the %s one.", o.a.full(), o.pair[0], o.b.full(), who, o.pair[o.end])
}

func (o order) answer() string { return [2]person{o.a, o.b}[o.end].full() }
