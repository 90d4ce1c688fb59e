package suites

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"xrun/schema"
)

// program is a compiled definition.
type program struct {
	def          schema.Definition
	fields       []compiledField
	texts        []template
	head         template
	context      template
	answer       template
	mask         template
	question     template
	shot         template
	cluster      template
	annotation   template
	extract      *regexp.Regexp
	goldExtract  *regexp.Regexp
	remove       []*regexp.Regexp
	labelIndex   map[string]int
	subsetScoped bool            // one file per subset
	known        map[string]bool // names that a template of a row may use
}

type compiledField struct {
	schema.SuiteField
	text, new template
}

// families lists the scoring rules of each protocol family.
var families = map[string][]string{
	"opencompass": {"ppl", "ll"},
	"lm-eval":     {"acc", "acc_norm", "acc_bytes"},
	"generate":    {"exact_match"},
}

// Check reports the first thing wrong with a definition.
func Check(d schema.Definition) error {
	_, err := compile(d)
	return err
}

// compile checks a definition and parses its templates.
func compile(d schema.Definition) (*program, error) {
	p := &program{def: d, labelIndex: map[string]int{}, known: map[string]bool{"subject": true, "subset": true}}
	answers := p.choices
	if d.Protocol == "generate" {
		answers = p.generation
	}
	for _, step := range []func() error{p.rules, p.files, p.rowFields, p.paths, answers, p.prompt, p.annotations, p.groups} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("defining suite %s: %w", d.Name, err)
		}
	}
	return p, nil
}

// rules checks name, protocol and scores.
func (p *program) rules() error {
	d := p.def
	if d.Name == "" {
		return fmt.Errorf("it has no name")
	}
	rules, ok := families[d.Protocol]
	if !ok {
		return fmt.Errorf("protocol %q is none of generate, lm-eval, opencompass", d.Protocol)
	}
	if len(d.Scores) == 0 {
		return fmt.Errorf("it has no scores; %s has %s", d.Protocol, strings.Join(rules, ", "))
	}
	seen := map[string]bool{}
	for _, s := range d.Scores {
		if !slices.Contains(rules, s) || seen[s] {
			return fmt.Errorf("score %q is unknown to %s or named twice; it has %s", s, d.Protocol, strings.Join(rules, ", "))
		}
		seen[s] = true
	}
	if seen["ll"] != (d.Prompt.Mask != "") {
		return fmt.Errorf(`prompt.mask and the score "ll" belong together`)
	}
	if len(d.Scores) > 1 && seen["ll"] {
		return fmt.Errorf(`the score "ll" sums other tokens than "ppl"; make them two suites`)
	}
	return nil
}

// files checks what is read and how.
func (p *program) files() error {
	f := p.def.Files
	if len(f.Test) == 0 {
		return fmt.Errorf("files.test names no file")
	}
	all := append([]string{}, f.Test...)
	if p.def.Shots != nil {
		all = append(all, p.def.Shots.Files...)
	}
	for _, name := range all {
		if strings.Contains(name, "{subset}") {
			p.subsetScoped = true
		}
		if name == "" || strings.HasPrefix(name, "/") || strings.Contains(name, "..") {
			return fmt.Errorf("file %q is not a path below the root", name)
		}
	}
	for _, name := range f.Test {
		if p.subsetScoped && strings.Count(name, "{subset}") != 1 {
			return fmt.Errorf("file %q must hold {subset} once, as the others do", name)
		}
	}
	switch f.Format {
	case "jsonl":
		if len(f.Columns) > 0 || f.Header != "" {
			return fmt.Errorf("columns and header belong to csv files, this one is jsonl")
		}
		return nil
	case "csv":
		return checkColumns(f)
	}
	return fmt.Errorf(`files.format %q is neither "jsonl" nor "csv"`, f.Format)
}

func checkColumns(f schema.SuiteFiles) error {
	switch f.Header {
	case "first":
		if len(f.Columns) > 0 {
			return fmt.Errorf(`header "first" takes the names from the file; drop columns, or say "none" or "drop"`)
		}
		return nil
	case "none", "drop":
		if len(f.Columns) == 0 {
			return fmt.Errorf("header %q needs columns", f.Header)
		}
		_, err := headerNames(f.Columns)
		return err
	}
	return fmt.Errorf(`files.header %q is none of "first", "none", "drop"`, f.Header)
}

// parse compiles a template over the fields known so far and more names.
func (p *program) parse(src string, more ...string) (template, error) {
	return parseTemplate(src, func(n string) bool { return p.known[n] || slices.Contains(more, n) }, func() string {
		names := append([]string{}, more...)
		for n := range p.known {
			names = append(names, n)
		}
		sort.Strings(names)
		return "{" + strings.Join(names, "}, {") + "}"
	})
}

// rowFields compiles the fields in order; each may use those before it.
func (p *program) rowFields() error {
	for i, f := range p.def.Fields {
		if f.Name == "" || p.known[f.Name] || f.Name == "label" || f.Name == "choice" || f.Name == "gold" {
			return fmt.Errorf("field %d has the name %q, which is empty, taken or reserved", i+1, f.Name)
		}
		if (f.Path == "") == (f.Template == "") {
			return fmt.Errorf("field %s needs either path or template", f.Name)
		}
		if f.Split != nil && f.Split.Sep == "" || f.Replace != nil && f.Replace.Old == "" {
			return fmt.Errorf("field %s splits at or replaces the empty text", f.Name)
		}
		if f.Path != "" {
			if _, err := parsePath(f.Path); err != nil {
				return fmt.Errorf("field %s: %w", f.Name, err)
			}
		}
		c := compiledField{SuiteField: f}
		var err error
		if c.text, err = p.parse(f.Template); err != nil {
			return err
		}
		if f.Replace != nil {
			if c.new, err = p.parse(f.Replace.New); err != nil {
				return err
			}
		}
		p.fields = append(p.fields, c)
		p.known[f.Name] = true
	}
	return nil
}

// paths checks the paths outside the fields.
func (p *program) paths() error {
	d := p.def
	if d.Gold.Path == "" {
		return fmt.Errorf("gold.path is missing")
	}
	for _, f := range []struct{ name, path string }{{"id", d.ID}, {"gold.path", d.Gold.Path}, {"gold.among", d.Gold.Among}, {"choices.list", d.Choices.List}} {
		if f.path == "" {
			continue
		}
		if _, err := parsePath(f.path); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// choices checks the candidates and the gold answer.
func (p *program) choices() error {
	c := p.def.Choices
	if p.def.Generate != nil {
		return fmt.Errorf("generate belongs to protocol generate")
	}
	if len(c.Labels) < 2 {
		return fmt.Errorf("choices.labels needs at least two labels")
	}
	for i, l := range c.Labels {
		if _, twice := p.labelIndex[l]; twice || l == "" {
			return fmt.Errorf("label %q is empty or named twice", l)
		}
		p.labelIndex[l] = i
	}
	if (c.List == "") == (len(c.Texts) == 0) {
		return fmt.Errorf("choices need either texts or list")
	}
	if c.List == "" && len(c.Texts) != len(c.Labels) {
		return fmt.Errorf("%d texts for %d labels", len(c.Texts), len(c.Labels))
	}
	if c.Only < 0 || c.Only > len(c.Labels) || c.Only > 0 && c.List == "" {
		return fmt.Errorf("choices.only = %d with %d labels; it is for choices.list", c.Only, len(c.Labels))
	}
	for _, src := range c.Texts {
		t, err := p.parse(src)
		if err != nil {
			return err
		}
		p.texts = append(p.texts, t)
	}
	for v, l := range p.def.Gold.Map {
		if _, ok := p.labelIndex[l]; !ok {
			return fmt.Errorf("gold.map sends %q to %q, which is no label", v, l)
		}
	}
	return nil
}

// generation compiles the normalization of generated answers.
func (p *program) generation() error {
	g := p.def.Generate
	if g == nil || g.MaxNew <= 0 || len(p.def.Choices.Labels) > 0 || p.def.Choices.List != "" {
		return fmt.Errorf("generate needs generate.maxNew and no choices")
	}
	for _, r := range []struct {
		src string
		dst **regexp.Regexp
	}{{g.Extract, &p.extract}, {g.GoldExtract, &p.goldExtract}} {
		if r.src == "" {
			continue
		}
		re, err := regexp.Compile(r.src)
		if err != nil {
			return err
		}
		*r.dst = re
	}
	for _, s := range g.Remove {
		re, err := regexp.Compile(s)
		if err != nil {
			return err
		}
		p.remove = append(p.remove, re)
	}
	return nil
}

// prompt compiles the texts of a candidate.
func (p *program) prompt() error {
	d := p.def
	choice := []string{"label", "choice"}
	if d.Protocol == "generate" {
		choice = nil
	}
	shots := schema.SuiteShots{}
	if d.Shots != nil {
		shots = *d.Shots
		if len(shots.Files) == 0 || len(shots.Rows) == 0 {
			return fmt.Errorf("shots need files and rows")
		}
		for _, n := range shots.Rows {
			if n < 0 {
				return fmt.Errorf("shots.rows counts from 0, so there is no row %d", n)
			}
		}
	}
	for _, t := range []struct {
		dst  *template
		src  string
		more []string
	}{
		{&p.cluster, d.Cluster, nil},
		{&p.head, d.Prompt.Head, nil},
		{&p.context, d.Prompt.Context, choice},
		{&p.answer, d.Prompt.Answer, choice},
		{&p.mask, d.Prompt.Mask, choice},
		{&p.question, d.Question, choice},
		{&p.shot, shots.Text, append([]string{"gold"}, choice...)},
	} {
		var err error
		if *t.dst, err = p.parse(t.src, t.more...); err != nil {
			return err
		}
	}
	if d.Question == "" {
		p.question = p.context
	}
	for _, piece := range p.head {
		if piece.name != "" && piece.name != "subject" && piece.name != "subset" {
			return fmt.Errorf("prompt.head may only name {subject} and {subset}, not {%s}: it stands before the examples, once a subset", piece.name)
		}
	}
	return nil
}

// annotations compiles the key of contamination classes.
func (p *program) annotations() error {
	a := p.def.Annotations
	if a == nil {
		return nil
	}
	if len(a.Files) == 0 {
		return fmt.Errorf("annotations name no file")
	}
	keys := []string{"id", "row", "row1", "subset"}
	var err error
	p.annotation, err = parseTemplate(a.Key, func(n string) bool { return slices.Contains(keys, n) }, func() string { return "{id}, {row}, {row1}, {subset}" })
	if err != nil {
		return fmt.Errorf("annotations: %w", err)
	}
	return nil
}

// groups checks the averages.
func (p *program) groups() error {
	for _, g := range p.def.Groups {
		if len(g.Members) == 0 || g.Weighted && len(g.Weights) != len(g.Members) {
			return fmt.Errorf("group %q has %d members and %d weights", g.Name, len(g.Members), len(g.Weights))
		}
		for _, w := range g.Weights {
			if w <= 0 {
				return fmt.Errorf("group %q has the weight %d, which is not positive", g.Name, w)
			}
		}
	}
	return nil
}
