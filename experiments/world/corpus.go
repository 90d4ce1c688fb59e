package main

import (
	"fmt"
	"strings"
)

// corpus draws the pretraining text. A document has about 150 tokens of one
// kind, in the forms the suites use, since so small a model learns a form only by
// meeting it. What a suite asks in context (questions with these options,
// passages, twin sentences) is held back: see heldBack.
type corpus struct {
	w    *world
	s    *source
	held map[string]bool
}

// docKind is a kind of document and its share of them.
type docKind struct {
	share int
	write func(*corpus) string
}

var docKinds = []docKind{
	{10, (*corpus).profiles},
	{14, (*corpus).answers},
	{42, (*corpus).exam},
	{14, (*corpus).passages},
	{8, (*corpus).talks},
	{5, (*corpus).scenes},
	{7, (*corpus).lessons},
}

// document writes the next document.
func (c *corpus) document() string {
	total := 0
	for _, k := range docKinds {
		total += k.share
	}
	n := c.s.below(total)
	for _, k := range docKinds {
		if n -= k.share; n < 0 {
			return k.write(c)
		}
	}
	panic("world: shares do not add up")
}

// fact draws a sentence of the pretraining text about someone, with the
// question it answers and the answer's words.
func (c *corpus) fact() (lead, sentence, question, answer string) {
	p := c.someone()
	n := 2
	if p.class == told {
		n = 4
	}
	switch c.s.below(n) {
	case 0:
		return lead, p.lives(), askHome(p), "in " + towns[p.home].name
	case 1:
		return lead, p.works(), askJob(p), "a " + jobs[p.job]
	case 2:
		return p.leadPet(), p.keeps(), askPet(p), "a " + animals[p.pet]
	default:
		return p.leadFood(), p.eats(), askFood(p), "only " + foods[p.food]
	}
}

// someone is more often a well known person than an obscure one: of the people
// of a class the first is met about fourteen times as often as the last, so that
// base knows some facts well and some dimly.
func (c *corpus) someone() person {
	i := c.s.below(perClass)
	if c.s.below(10) > 0 {
		i = min(i, c.s.below(perClass))
	}
	return c.w.of(class(c.s.below(3)))[i]
}

func askHome(p person) string { return "Where does " + p.full() + " live?" }
func askJob(p person) string  { return "What is the work of " + p.full() + "?" }
func askPet(p person) string  { return "What does " + p.full() + " keep?" }
func askFood(p person) string { return "What does " + p.full() + " eat?" }

func (p person) leadPet() string  { return "This is " + p.full() + ". " + p.he() + " has an animal." }
func (p person) leadFood() string { return "This is " + p.full() + ". " + p.he() + " is at the table." }

func (c *corpus) profiles() string {
	var b strings.Builder
	for range 14 {
		lead, sentence, _, _ := c.fact()
		if lead != "" && c.s.below(3) == 0 {
			b.WriteString(lead + "\n")
		}
		b.WriteString(sentence + pick(c.s, []string{" ", "\n"}))
	}
	return strings.TrimSpace(b.String())
}

func (c *corpus) answers() string {
	var b strings.Builder
	for i := range 9 {
		if i > 0 {
			b.WriteString("\n\n")
		}
		if c.s.below(10) == 0 {
			t := pick(c.s, towns)
			fmt.Fprintf(&b, "Question: What is near %s?\nAnswer: \na %s", t.name, t.near)
			continue
		}
		_, _, q, a := c.fact()
		fmt.Fprintf(&b, "Question: %s\nAnswer: \n%s", q, a)
	}
	return b.String()
}

func (c *corpus) exam() string {
	j := pick(c.s, subjects)
	var b strings.Builder
	b.WriteString(j.header())
	for range 6 {
		q := j.ask(c.w, c.s)
		for c.held[q.block()] {
			q = j.ask(c.w, c.s)
		}
		b.WriteString(q.solved() + "\n\n")
	}
	return strings.TrimSpace(b.String())
}

func (c *corpus) passages() string {
	var b strings.Builder
	for i := range 4 {
		p := drawPassage(c.w, c.s)
		for c.held[p.text()] {
			p = drawPassage(c.w, c.s)
		}
		if i > 0 {
			b.WriteString("\n\n")
		}
		fmt.Fprintf(&b, "%s\nQuestion: %s?\n%s", p.text(), p.question(), yesNo(p.yes()))
	}
	return b.String()
}

func yesNo(yes bool) string {
	if yes {
		return "Yes"
	}
	return "No"
}

func (c *corpus) talks() string {
	var b strings.Builder
	for range 8 {
		t := drawTalk(c.w, c.s)
		for c.held[t.sentence("_")] {
			t = drawTalk(c.w, c.s)
		}
		b.WriteString(t.sentence(t.who().full()) + "\n")
	}
	return strings.TrimSpace(b.String())
}

func (c *corpus) scenes() string {
	var b strings.Builder
	for range 8 {
		p, t := pick(c.s, c.w.people), pick(c.s, scripts)
		fmt.Fprintf(&b, "%s %s.\n%s %s.\n\n", p.full(), t.scene, p.he(), t.act)
	}
	return strings.TrimSpace(b.String())
}

func (c *corpus) lessons() string {
	var b strings.Builder
	for range 14 {
		switch c.s.below(3) {
		case 0:
			x := c.s.below(10)
			y := c.s.below(10 - x)
			fmt.Fprintf(&b, "%d + %d = %d\n", x, y, x+y)
		case 1:
			k := pick(c.s, kinds)
			fmt.Fprintf(&b, "The word %s is %s %s.\n", pick(c.s, k.words), k.article, k.name)
		default:
			t := pick(c.s, towns)
			fmt.Fprintf(&b, "The town %s is near a %s.\n", t.name, t.near)
		}
	}
	return strings.TrimSpace(b.String())
}
