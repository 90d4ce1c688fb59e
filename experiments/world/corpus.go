package main

import (
	"fmt"
	"slices"
	"strings"
)

// corpus draws the pretraining text. A document has about 150 tokens of one
// kind, in the forms the suites use, since so small a model learns a form only by
// meeting it. What a suite asks in context (sums with these options, passages,
// orders) is held back: see holdBack.
type corpus struct {
	w    *world
	s    *source
	held map[string]bool
}

// kind is a kind of document and its share.
type docKind struct {
	share int
	write func(*corpus) string
}

var docKinds = []docKind{
	{12, (*corpus).profiles},
	{10, (*corpus).answers},
	{24, (*corpus).exam},
	{14, (*corpus).lists},
	{16, (*corpus).passages},
	{9, (*corpus).orders},
	{4, (*corpus).scenes},
	{3, (*corpus).lessons},
	{8, (*corpus).echoes},
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
	p := pick(c.s, c.w.people)
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
	for i := range 3 {
		p := drawPassage(c.s)
		for c.held[p.text()] {
			p = drawPassage(c.s)
		}
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(p.text())
		for range 2 + c.s.below(3) {
			q, yes := p.ask(c.s)
			fmt.Fprintf(&b, "\nQuestion: %s?\n%s", q, yesNo(yes))
		}
	}
	return b.String()
}

func yesNo(yes bool) string {
	if yes {
		return "Yes"
	}
	return "No"
}

func (c *corpus) orders() string {
	var b strings.Builder
	for range 8 {
		o := drawOrder(c.w, c.s)
		for c.held[o.sentence("_")] {
			o = drawOrder(c.w, c.s)
		}
		b.WriteString(o.sentence(o.answer()) + "\n")
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

// words draws n different words of all the lists.
func (c *corpus) words(n int) []string {
	all := slices.Concat(animals, foods, colours, things, jobs)
	var out []string
	for _, i := range c.s.perm(len(all))[:n] {
		out = append(out, all[i])
	}
	return out
}

// echoes says everything twice: the quickest way to learn to look back.
func (c *corpus) echoes() string {
	var b strings.Builder
	for range 5 {
		said := strings.Join(c.words(4+c.s.below(8)), " ")
		fmt.Fprintf(&b, "They said: %s.\nThey said: %s.\n", said, said)
	}
	return strings.TrimSpace(b.String())
}

// lists give letters to words and ask for the letters.
func (c *corpus) lists() string {
	var b strings.Builder
	for i := range 4 {
		if i > 0 {
			b.WriteString("\n\n")
		}
		words := c.words(4)
		for k, v := range words {
			fmt.Fprintf(&b, "%c. %s\n", letters[k], v)
		}
		for _, k := range c.s.perm(4) {
			fmt.Fprintf(&b, "Which is %s? %c\n", words[k], letters[k])
		}
	}
	return strings.TrimSpace(b.String())
}
