package suites

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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
