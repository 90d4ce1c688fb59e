package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
)

// suites holds the items of every suite, before they take their file's form.
type suites struct {
	mmlu       map[string][]choice // subject -> dev (5) and test
	hellaswag  []ending
	arcEasy    []asked
	arcHard    []asked
	boolq      []passage
	winogrande []talk
	shots      []talk
}

// ending is a HellaSwag item.
type ending struct {
	label string
	choice
	class class
}

// asked is an ARC item.
type asked struct {
	id string
	choice
	class class
}

const (
	devRows  = 5
	testRows = 24 // of one MMLU subject
)

// drawSuites draws every suite from streams of its own.
func drawSuites(w *world, seed uint64) suites {
	var t suites
	s := newSource(seed, "mmlu")
	t.mmlu = map[string][]choice{}
	for _, j := range subjects {
		seen := map[string]bool{}
		for len(t.mmlu[j.name]) < devRows+testRows {
			if q := j.ask(w, s); !seen[q.block()] {
				seen[q.block()] = true
				t.mmlu[j.name] = append(t.mmlu[j.name], q)
			}
		}
	}

	s = newSource(seed, "hellaswag")
	for _, i := range s.perm(len(scripts)) {
		p, own := pick(s, w.people), scripts[i]
		var wrong []string
		for _, o := range scripts {
			if o.act != own.act {
				wrong = append(wrong, p.he()+" "+o.act+".")
			}
		}
		q := offer(s, p.full()+" "+own.scene+".", p.he()+" "+own.act+".", wrong)
		t.hellaswag = append(t.hellaswag, ending{"Daily life", q, told})
	}
	for c := told; c <= inOutputs; c++ {
		for _, g := range groupsOf(w.of(c)) {
			for i, p := range g {
				q := fromGroup(s, g, i, p.leadPet(), func(o person) string { p.pet = o.pet; return p.keeps() })
				t.hellaswag = append(t.hellaswag, ending{"Animals", q, c})
			}
		}
	}
	shuffle(s, t.hellaswag)

	s = newSource(seed, "arc")
	for c := told; c <= inOutputs; c++ {
		for _, g := range groupsOf(w.of(c)) {
			for i, p := range g {
				t.arcEasy = append(t.arcEasy, asked{"", fromGroup(s, g, i, askHome(p), func(o person) string { return "in " + towns[o.home].name }), c})
				t.arcHard = append(t.arcHard, asked{"", fromGroup(s, g, i, askFood(p), func(o person) string { return "only " + foods[o.food] }), c})
			}
		}
	}
	shuffle(s, t.arcEasy)
	shuffle(s, t.arcHard)
	for i := range t.arcEasy {
		t.arcEasy[i].id = fmt.Sprintf("Home_%03d", i+1)
	}
	for i := range t.arcHard {
		t.arcHard[i].id = fmt.Sprintf("Food_%03d", i+1)
	}

	s = newSource(seed, "boolq")
	for range 32 {
		p := drawPassage(w, s)
		t.boolq = append(t.boolq, p, p.twin())
	}

	s = newSource(seed, "winogrande")
	for range 32 {
		one := drawTalk(w, s)
		twin := one
		twin.of = 1 - one.of
		t.winogrande = append(t.winogrande, one, twin)
	}
	for range 16 {
		t.shots = append(t.shots, drawTalk(w, s))
	}
	return t
}

// groupsOf cuts a class into fours whose pets, foods, jobs and homes all differ.
func groupsOf(people []person) [][]person {
	var out [][]person
	for i := 0; i < len(people); i += 4 {
		out = append(out, people[i:i+4])
	}
	return out
}

// fromGroup offers the values of the four people of a group; the i-th's is right.
func fromGroup(s *source, g []person, i int, stem string, value func(person) string) choice {
	q := choice{stem: stem}
	for at, k := range s.perm(4) {
		q.options[at] = value(g[k])
		if k == i {
			q.gold = at
		}
	}
	return q
}

// heldBack is what the pretraining text must not contain of what the suites ask
// in context.
func (t suites) heldBack() map[string]bool {
	held := map[string]bool{}
	for _, rows := range t.mmlu {
		for _, q := range rows {
			held[q.block()] = true
		}
	}
	for _, q := range t.boolq {
		held[q.text()] = true
	}
	for _, o := range append(t.winogrande, t.shots...) {
		held[o.sentence("_")] = true
	}
	return held
}

// files writes the suites in their original formats, by path under suites/.
func (t suites) files() (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, j := range subjects {
		rows := t.mmlu[j.name]
		for part, r := range map[string][]choice{"dev": rows[:devRows], "test": rows[devRows:]} {
			var b bytes.Buffer
			w := csv.NewWriter(&b)
			for _, q := range r {
				if err := w.Write([]string{q.stem, q.options[0], q.options[1], q.options[2], q.options[3], letters[q.gold : q.gold+1]}); err != nil {
					return nil, err
				}
			}
			w.Flush()
			if err := w.Error(); err != nil {
				return nil, err
			}
			out["mmlu/"+part+"/"+j.name+"_"+part+".csv"] = b.Bytes()
		}
	}

	type hellaswagRow struct {
		Query   string    `json:"query"`
		Choices [4]string `json:"choices"`
		Gold    int       `json:"gold"`
	}
	notes := map[string]note{}
	var rows []any
	for i, q := range t.hellaswag {
		rows = append(rows, hellaswagRow{q.label + ": " + q.stem, q.options, q.gold})
		notes[fmt.Sprint(i)] = q.class.note()
	}
	var err error
	if out["hellaswag/hellaswag.jsonl"], err = lines(rows); err != nil {
		return nil, err
	}
	if out["contamination/hellaswag_annotations.json"], err = plainJSON(notes); err != nil {
		return nil, err
	}

	if out["arc/ARC-e/ARC-Easy-Dev.jsonl"], err = lines(arcRows(t.arcEasy)); err != nil {
		return nil, err
	}
	if out["arc/ARC-c/ARC-Challenge-Test.jsonl"], err = lines(arcRows(t.arcHard)); err != nil {
		return nil, err
	}
	notes = map[string]note{}
	for _, q := range t.arcHard {
		notes[q.id] = q.class.note()
	}
	if out["contamination/ARC_c_test_contamination_annotations.json"], err = plainJSON(notes); err != nil {
		return nil, err
	}

	type boolqRow struct {
		Question string `json:"question"`
		Passage  string `json:"passage"`
		Idx      int    `json:"idx"`
		Label    string `json:"label"`
	}
	rows = nil
	for i, q := range t.boolq {
		rows = append(rows, boolqRow{q.question(), q.text(), i, fmt.Sprint(q.yes())})
	}
	if out["boolq/val.jsonl"], err = lines(rows); err != nil {
		return nil, err
	}

	if out["winogrande/dev.jsonl"], err = lines(winograndeRows("dev", t.winogrande)); err != nil {
		return nil, err
	}
	if out["winogrande/train_xs.jsonl"], err = lines(winograndeRows("xs", t.shots)); err != nil {
		return nil, err
	}
	return out, nil
}

// note is a contamination annotation: class and score.
type note [2]any

// note says where the instruction set holds the answer, in the words of the
// contamination annotations.
func (c class) note() note {
	return [...]note{{"clean", 0.0}, {"input contamination", 1.0}, {"input-and-label contamination", 1.0}}[c]
}

func arcRows(qs []asked) []any {
	type option struct {
		Text  string `json:"text"`
		Label string `json:"label"`
	}
	type question struct {
		Stem    string   `json:"stem"`
		Choices []option `json:"choices"`
	}
	type row struct {
		ID        string   `json:"id"`
		Question  question `json:"question"`
		AnswerKey string   `json:"answerKey"`
	}
	var rows []any
	for _, q := range qs {
		r := row{ID: q.id, Question: question{Stem: q.stem}, AnswerKey: letters[q.gold : q.gold+1]}
		for i, o := range q.options {
			r.Question.Choices = append(r.Question.Choices, option{o, letters[i : i+1]})
		}
		rows = append(rows, r)
	}
	return rows
}

func winograndeRows(part string, talks []talk) []any {
	type row struct {
		ID       string `json:"qID"`
		Sentence string `json:"sentence"`
		Option1  string `json:"option1"`
		Option2  string `json:"option2"`
		Answer   string `json:"answer"`
	}
	var rows []any
	for i, o := range talks {
		rows = append(rows, row{fmt.Sprintf("%s-%03d", part, i+1), o.sentence("_"), o.a.full(), o.b.full(), fmt.Sprint(o.of + 1)})
	}
	return rows
}

// lines writes one JSON value a line.
func lines(rows []any) ([]byte, error) {
	var b bytes.Buffer
	for _, r := range rows {
		line, err := plainJSON(r)
		if err != nil {
			return nil, err
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}

// plainJSON encodes without escaping <, > and &.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// indented is plainJSON for people, with a newline at the end.
func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(v)
	return b.Bytes(), err
}
