package suites

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
)

// Definition is a suite as data. Templates are text with {name} for a field of
// the row, {subject} (the subset with spaces for underscores), {subset}, and in
// texts of a choice {label} and {choice}; {{ and }} are braces.
type Definition struct {
	// Name is the suite's name, Protocol its family ("opencompass", "lm-eval",
	// "generate") and Variant the form of it.
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	Variant  string `json:"variant,omitempty"`
	// Origin says where the files come from, for messages.
	Origin string `json:"origin,omitempty"`

	Files  Files   `json:"files"`
	Fields []Field `json:"fields,omitempty"`
	// ID is the path of the item's own name; "" or a path that the first row
	// lacks means the row number.
	ID string `json:"id,omitempty"`
	// Cluster is a template; items whose text agrees are not independent, which
	// widens the standard error.
	Cluster string  `json:"cluster,omitempty"`
	Choices Choices `json:"choices"`
	Gold    Gold    `json:"gold"`
	Prompt  Prompt  `json:"prompt"`
	// Question is a template for what identifies the item, without examples and
	// instructions, where {choice} is the gold one; training texts are searched
	// for it. Empty: prompt.context.
	Question string `json:"question,omitempty"`
	Shots    *Shots `json:"shots,omitempty"`
	// Scores are the rules, one figure each: "ppl" and "ll" of opencompass,
	// "acc" and "acc_norm" of lm-eval, "exact_match" of generate.
	Scores      []string     `json:"scores"`
	Generate    *Generate    `json:"generate,omitempty"`
	Annotations *Annotations `json:"annotations,omitempty"`
	Expect      *Expect      `json:"expect,omitempty"`
	// Groups, where a suite has subsets, are the averages over them.
	Groups []Group `json:"groups,omitempty"`
}

// Files says which file to read and how. A candidate is a path under the root;
// {subset} makes the suite one file per subset.
type Files struct {
	Test []string `json:"test"`
	// Format is "jsonl" (one object a line) or "csv".
	Format string `json:"format"`
	// Columns name a CSV file's columns. Header says whether its first row
	// holds names: "first" (they are the columns), "none", or "drop" (Columns
	// hold, and a first row that repeats their names, as some redistributions
	// have it, is dropped and noted).
	Columns []string `json:"columns,omitempty"`
	Header  string   `json:"header,omitempty"`
}

// Field is a named text of a row: the value at Path, or a template over earlier
// fields, then split, replaced and trimmed in this order.
type Field struct {
	Name string `json:"name"`
	// Path is a column or key; a.b goes into an object, [2] into a list.
	Path     string `json:"path,omitempty"`
	Template string `json:"template,omitempty"`
	// Split cuts the text at every separator, at most Max times where Max is
	// above 0, and keeps piece Piece; negative counts from the end.
	Split *Split `json:"split,omitempty"`
	// Replace puts New, a template over earlier fields, for every Old.
	Replace *Replace `json:"replace,omitempty"`
	Trim    bool     `json:"trim,omitempty"`
}

// Split is a cut of a field's text; see [Field].
type Split struct {
	Sep   string `json:"sep"`
	Max   int    `json:"max,omitempty"`
	Piece int    `json:"piece"`
}

// Replace is a replacement in a field's text; see [Field].
type Replace struct {
	Old string `json:"old"`
	New string `json:"new"`
}

// Choices are an item's candidates.
type Choices struct {
	// Labels in the order that decides ties. With List, items may have fewer.
	Labels []string `json:"labels,omitempty"`
	// Texts are templates, one a label; List is a path to a list instead, such
	// as "question.choices[].text".
	Texts []string `json:"texts,omitempty"`
	List  string   `json:"list,omitempty"`
	// Only leaves out, and counts, rows with another number of choices; 0 takes
	// every row.
	Only int `json:"only,omitempty"`
}

// Gold finds the right choice (or, for generate, the right answer) of a row.
type Gold struct {
	Path string `json:"path"`
	// Map turns the value into a label; a value outside it is an error.
	Map map[string]string `json:"map,omitempty"`
	// Among is a path to a list of the file's own labels: the gold choice is
	// the one at the value's position in it.
	Among string `json:"among,omitempty"`
	// Index says that the value counts the choices, from First on.
	Index bool `json:"index,omitempty"`
	First int  `json:"first,omitempty"`
	// JSONType, where set ("string"), is the value's type in the published
	// file; another one is noted with Warning.
	JSONType string `json:"jsonType,omitempty"`
	Warning  string `json:"warning,omitempty"`
}

// Prompt is the text of a candidate: Head, shots, Context, Answer. In family
// opencompass they are one text; in lm-eval Answer is the continuation.
type Prompt struct {
	Head    string `json:"head,omitempty"`
	Context string `json:"context,omitempty"`
	Answer  string `json:"answer,omitempty"`
	// Mask, for "ll": the number of tokens of this text, encoded alone, is the
	// number of first tokens left out of the sum.
	Mask string `json:"mask,omitempty"`
}

// Shots are solved examples before the question: the rows Rows (from 0) of a
// file, each rendered by Text with the gold {label} and {choice}, joined by Join
// and followed by End.
type Shots struct {
	Files []string `json:"files"`
	Rows  []int    `json:"rows"`
	Text  string   `json:"text"`
	Join  string   `json:"join,omitempty"`
	End   string   `json:"end,omitempty"`
}

// Generate is the greedy form: at most MaxNew tokens, cut before the first of
// Stop. Answer and gold are compared after Normalize.
type Generate struct {
	MaxNew int      `json:"maxNew"`
	Stop   []string `json:"stop,omitempty"`
	// Extract takes a match from the answer: the regular expression's first
	// non-empty group (or the whole match), of match number Match, negative
	// from the end. Without a match the answer is empty.
	Extract string `json:"extract,omitempty"`
	Match   int    `json:"match,omitempty"`
	// GoldExtract does the same to the gold text, which must match.
	GoldExtract string `json:"goldExtract,omitempty"`
	// Remove deletes every match of these from both; Lower folds case; blanks
	// at the ends go last.
	Remove []string `json:"remove,omitempty"`
	Lower  bool     `json:"lower,omitempty"`
}

// Annotations are a file of contamination classes: a JSON object of
// KEY -> [class, recall].
type Annotations struct {
	Files []string `json:"files"`
	// Key is a template with {id}, {row} (from 0), {row1} (from 1), {subset}.
	Key string `json:"key"`
	// Extra makes figures of the classes beside the suite's own instead of in
	// their place; Suffix names them.
	Extra  bool   `json:"extra,omitempty"`
	Suffix string `json:"suffix,omitempty"`
	// SHA256 of the published file, and Source its name, for the notes.
	SHA256 []string `json:"sha256,omitempty"`
}

// Expect is what the published files hold, for the notes.
type Expect struct {
	Items int `json:"items,omitempty"`
	// Subsets holds the number of items of each subset.
	Subsets map[string]int `json:"subsets,omitempty"`
}

// Group is an average over subsets.
type Group struct {
	Name     string   `json:"name"` // "" = the suite itself
	Members  []string `json:"members"`
	Weights  []int    `json:"weights,omitempty"` // of a weighted average
	Weighted bool     `json:"weighted,omitempty"`
}

// ParseDefinition reads a definition from JSON. An unknown key is an error.
func ParseDefinition(name string, data []byte) (Definition, error) {
	var d Definition
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		line := 1 + bytes.Count(data[:min(int(dec.InputOffset()), len(data))], []byte("\n"))
		return d, fmt.Errorf("reading suite definition %s:%d: %w", name, line, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return d, fmt.Errorf("reading suite definition %s: bytes after the object's end, at byte %d", name, dec.InputOffset())
	}
	if _, err := d.compile(); err != nil {
		return d, fmt.Errorf("reading suite definition %s: %w", name, err)
	}
	return d, nil
}

// Check reports the first thing wrong with a definition.
func (d Definition) Check() error {
	_, err := d.compile()
	return err
}

// program is a compiled definition.
type program struct {
	def          Definition
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
	subsetScoped bool
}

type compiledField struct {
	Field
	text, new template
}

// families lists the scoring rules of each protocol family.
var families = map[string][]string{
	"opencompass": {"ppl", "ll"},
	"lm-eval":     {"acc", "acc_norm"},
	"generate":    {"exact_match"},
}

// compile checks a definition and parses its templates.
func (d Definition) compile() (*program, error) {
	p := &program{def: d, labelIndex: map[string]int{}}
	fail := func(format string, args ...any) (*program, error) {
		return nil, fmt.Errorf("defining suite %s: %w", d.Name, fmt.Errorf(format, args...))
	}
	if d.Name == "" {
		return fail("it has no name")
	}
	rules, ok := families[d.Protocol]
	if !ok {
		return fail("protocol %q is none of generate, lm-eval, opencompass", d.Protocol)
	}
	if len(d.Scores) == 0 {
		return fail("it has no scores; %s has %s", d.Protocol, strings.Join(rules, ", "))
	}
	seen := map[string]bool{}
	for _, s := range d.Scores {
		if !contains(rules, s) || seen[s] {
			return fail("score %q is unknown to %s or named twice; it has %s", s, d.Protocol, strings.Join(rules, ", "))
		}
		seen[s] = true
	}
	if len(d.Files.Test) == 0 {
		return fail("files.test names no file")
	}
	for _, f := range append(append([]string{}, d.Files.Test...), shotFiles(d.Shots)...) {
		if strings.Contains(f, "{subset}") {
			p.subsetScoped = true
		}
		if f == "" || strings.HasPrefix(f, "/") || strings.Contains(f, "..") {
			return fail("file %q is not a path below the root", f)
		}
	}
	for _, f := range d.Files.Test {
		if p.subsetScoped && strings.Count(f, "{subset}") != 1 {
			return fail("file %q must hold {subset} once, as the others do", f)
		}
	}
	switch d.Files.Format {
	case "jsonl":
		if len(d.Files.Columns) > 0 || d.Files.Header != "" {
			return fail("columns and header belong to csv files, this one is jsonl")
		}
	case "csv":
		switch d.Files.Header {
		case "first":
			if len(d.Files.Columns) > 0 {
				return fail(`header "first" takes the names from the file; drop columns, or say "none" or "drop"`)
			}
		case "none", "drop":
			if len(d.Files.Columns) == 0 {
				return fail("header %q needs columns", d.Files.Header)
			}
		default:
			return fail(`files.header %q is none of "first", "none", "drop"`, d.Files.Header)
		}
	default:
		return fail(`files.format %q is neither "jsonl" nor "csv"`, d.Files.Format)
	}

	known := map[string]bool{"subject": true, "subset": true}
	list := func() string {
		var names []string
		for n := range known {
			names = append(names, "{"+n+"}")
		}
		sort.Strings(names)
		return strings.Join(names, ", ")
	}
	var firstErr error
	parse := func(src string, more ...string) template {
		t, err := parseTemplate(src, func(n string) bool { return known[n] || contains(more, n) }, list)
		if err != nil && firstErr == nil {
			firstErr = err
		}
		return t
	}
	for i, f := range d.Fields {
		if f.Name == "" || known[f.Name] || f.Name == "label" || f.Name == "choice" {
			return fail("field %d has the name %q, which is empty, taken or reserved", i+1, f.Name)
		}
		if (f.Path == "") == (f.Template == "") {
			return fail("field %s needs either path or template", f.Name)
		}
		if f.Split != nil && f.Split.Sep == "" || f.Replace != nil && f.Replace.Old == "" {
			return fail("field %s splits at or replaces the empty text", f.Name)
		}
		if f.Path != "" {
			if _, err := parsePath(f.Path); err != nil {
				return fail("field %s: %w", f.Name, err)
			}
		}
		c := compiledField{Field: f, text: parse(f.Template)}
		if f.Replace != nil {
			c.new = parse(f.Replace.New)
		}
		p.fields = append(p.fields, c)
		known[f.Name] = true
	}
	for name, path := range map[string]string{"id": d.ID, "gold.path": d.Gold.Path, "gold.among": d.Gold.Among, "choices.list": d.Choices.List} {
		if path != "" {
			if _, err := parsePath(path); err != nil {
				return fail("%s: %w", name, err)
			}
		}
	}
	if d.Gold.Path == "" {
		return fail("gold.path is missing")
	}
	if d.Protocol == "generate" {
		g := d.Generate
		if g == nil || g.MaxNew <= 0 || len(d.Choices.Labels) > 0 || d.Choices.List != "" {
			return fail("generate needs generate.maxNew and no choices")
		}
		var err error
		for _, r := range []struct {
			src string
			dst **regexp.Regexp
		}{{g.Extract, &p.extract}, {g.GoldExtract, &p.goldExtract}} {
			if r.src == "" {
				continue
			}
			if *r.dst, err = regexp.Compile(r.src); err != nil {
				return fail("%w", err)
			}
		}
		for _, s := range g.Remove {
			re, err := regexp.Compile(s)
			if err != nil {
				return fail("%w", err)
			}
			p.remove = append(p.remove, re)
		}
	} else {
		if len(d.Choices.Labels) < 2 {
			return fail("choices.labels needs at least two labels")
		}
		for i, l := range d.Choices.Labels {
			if _, twice := p.labelIndex[l]; twice || l == "" {
				return fail("label %q is empty or named twice", l)
			}
			p.labelIndex[l] = i
		}
		if (d.Choices.List == "") == (len(d.Choices.Texts) == 0) {
			return fail("choices need either texts or list")
		}
		if d.Choices.List == "" && len(d.Choices.Texts) != len(d.Choices.Labels) {
			return fail("%d texts for %d labels", len(d.Choices.Texts), len(d.Choices.Labels))
		}
		if d.Choices.Only < 0 || d.Choices.Only > len(d.Choices.Labels) {
			return fail("choices.only = %d with %d labels", d.Choices.Only, len(d.Choices.Labels))
		}
		for _, t := range d.Choices.Texts {
			p.texts = append(p.texts, parse(t))
		}
		for v, l := range d.Gold.Map {
			if _, ok := p.labelIndex[l]; !ok {
				return fail("gold.map sends %q to %q, which is no label", v, l)
			}
		}
	}
	p.cluster = parse(d.Cluster)
	p.head = parse(d.Prompt.Head)
	for _, piece := range p.head {
		if piece.name != "" && piece.name != "subject" && piece.name != "subset" {
			return fail("prompt.head may only name {subject} and {subset}, not {%s}: it stands before the examples, once a subset", piece.name)
		}
	}
	p.context = parse(d.Prompt.Context, "label", "choice")
	p.answer = parse(d.Prompt.Answer, "label", "choice")
	p.mask = parse(d.Prompt.Mask, "label", "choice")
	if p.question = parse(d.Question, "label", "choice"); d.Question == "" {
		p.question = p.context
	}
	if d.Shots != nil {
		if len(d.Shots.Files) == 0 || len(d.Shots.Rows) == 0 {
			return fail("shots need files and rows")
		}
		p.shot = parse(d.Shots.Text, "label", "choice", "gold")
	}
	if firstErr != nil {
		return fail("%w", firstErr)
	}
	if d.Annotations != nil {
		keys := []string{"id", "row", "row1", "subset"}
		var err error
		p.annotation, err = parseTemplate(d.Annotations.Key, func(n string) bool { return contains(keys, n) }, func() string { return "{id}, {row}, {row1}, {subset}" })
		if err != nil {
			return fail("annotations: %w", err)
		}
	}
	if contains(d.Scores, "ll") != (d.Prompt.Mask != "") {
		return fail(`prompt.mask and the score "ll" belong together`)
	}
	for _, g := range d.Groups {
		if g.Weighted && len(g.Weights) != len(g.Members) {
			return fail("group %q has %d weights for %d members", g.Name, len(g.Weights), len(g.Members))
		}
	}
	return p, nil
}

func shotFiles(s *Shots) []string {
	if s == nil {
		return nil
	}
	return s.Files
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
