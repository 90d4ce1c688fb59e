package schema

// Definition is a suite as data; #Definition in schema.cue is its form in a
// spec. Templates are text with {name} for a field of the row, {subject} (the
// subset with spaces for underscores), {subset}, and in texts of a choice {label}
// and {choice}; {{ and }} are braces.
type Definition struct {
	// Name is the suite's name, Protocol its family ("opencompass", "lm-eval",
	// "generate") and Variant the form of it.
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	Variant  string `json:"variant,omitempty"`
	// Origin says where the files come from, for messages.
	Origin string `json:"origin,omitempty"`

	Files  SuiteFiles   `json:"files"`
	Fields []SuiteField `json:"fields,omitempty"`
	// ID is the path of the item's own name; "" or a path that the first row
	// lacks means the row number.
	ID string `json:"id,omitempty"`
	// Cluster is a template; items whose text agrees are not independent, which
	// widens the standard error.
	Cluster string       `json:"cluster,omitempty"`
	Choices SuiteChoices `json:"choices,omitzero"`
	Gold    SuiteGold    `json:"gold"`
	Prompt  SuitePrompt  `json:"prompt"`
	// Question is a template for what identifies the item, without examples and
	// instructions, where {choice} is the gold one; training texts are searched
	// for it. Empty: prompt.context.
	Question string      `json:"question,omitempty"`
	Shots    *SuiteShots `json:"shots,omitempty"`
	// Scores are the rules, one figure each: "ppl" and "ll" of opencompass,
	// "acc", "acc_norm" and "acc_bytes" of lm-eval, "exact_match" of generate.
	Scores      []string          `json:"scores"`
	Generate    *SuiteGenerate    `json:"generate,omitempty"`
	Annotations *SuiteAnnotations `json:"annotations,omitempty"`
	Expect      *SuiteExpect      `json:"expect,omitempty"`
	// Groups, where a suite has subsets, are the averages over them.
	Groups []SuiteGroup `json:"groups,omitempty"`
}

// SuiteFiles says which file to read and how. A candidate is a path under the root;
// {subset} makes the suite one file per subset.
type SuiteFiles struct {
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

// SuiteField is a named text of a row: the value at Path, or a template over earlier
// fields, then split, replaced and trimmed in this order.
type SuiteField struct {
	Name string `json:"name"`
	// Path is a column or key; a.b goes into an object, [2] into a list.
	Path     string `json:"path,omitempty"`
	Template string `json:"template,omitempty"`
	// Split cuts the text at every separator, at most Max times where Max is
	// above 0, and keeps piece Piece; negative counts from the end.
	Split *FieldSplit `json:"split,omitempty"`
	// Replace puts New, a template over earlier fields, for every Old.
	Replace *FieldReplace `json:"replace,omitempty"`
	Trim    bool          `json:"trim,omitempty"`
}

// FieldSplit is a cut of a field's text; see [SuiteField].
type FieldSplit struct {
	Sep   string `json:"sep"`
	Max   int    `json:"max,omitempty"`
	Piece int    `json:"piece"`
}

// FieldReplace is a replacement in a field's text; see [SuiteField].
type FieldReplace struct {
	Old string `json:"old"`
	New string `json:"new"`
}

// SuiteChoices are an item's candidates.
type SuiteChoices struct {
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

// SuiteGold finds the right choice (or, for generate, the right answer) of a row.
type SuiteGold struct {
	Path string `json:"path"`
	// Map turns the value into a label; a value outside it is an error.
	Map map[string]string `json:"map,omitempty"`
	// Among is a path to a list of the file's own labels: the gold choice is
	// the one at the value's position in it.
	Among string `json:"among,omitempty"`
	// Index says that the value counts the choices, from First on.
	Index bool `json:"index,omitempty"`
	First int  `json:"first,omitempty"`
	// Same says that the gold choice may be the same one in all rows, which is
	// otherwise an error, because a file without answers looks like this.
	Same bool `json:"same,omitempty"`
	// JSONType, where set ("string"), is the value's type in the published
	// file; another one is noted with Warning.
	JSONType string `json:"jsonType,omitempty"`
	Warning  string `json:"warning,omitempty"`
}

// SuitePrompt is the text of a candidate: Head, shots, Context, Answer. In family
// opencompass they are one text; in lm-eval Answer is the continuation.
type SuitePrompt struct {
	Head    string `json:"head,omitempty"`
	Context string `json:"context,omitempty"`
	Answer  string `json:"answer,omitempty"`
	// Mask, for "ll": the number of tokens of this text, encoded alone, is the
	// number of first tokens left out of the sum.
	Mask string `json:"mask,omitempty"`
}

// SuiteShots are solved examples before the question: the rows Rows (from 0) of a
// file, each rendered by Text with the gold {label} and {choice}, joined by Join
// and followed by End.
type SuiteShots struct {
	Files []string `json:"files"`
	Rows  []int    `json:"rows"`
	Text  string   `json:"text"`
	Join  string   `json:"join,omitempty"`
	End   string   `json:"end,omitempty"`
}

// SuiteGenerate is the greedy form: at most MaxNew tokens, cut before the first of
// Stop. Answer and gold are compared after Extract, Remove and Lower.
type SuiteGenerate struct {
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

// SuiteAnnotations are a file of contamination classes: a JSON object of
// KEY -> [class, recall].
type SuiteAnnotations struct {
	Files []string `json:"files"`
	// Key is a template with {id}, {row} (from 0), {row1} (from 1), {subset}.
	Key string `json:"key"`
	// Extra makes figures of the classes beside the suite's own instead of in
	// their place; Suffix names them.
	Extra  bool   `json:"extra,omitempty"`
	Suffix string `json:"suffix,omitempty"`
	// SHA256 holds the digests of published files, for the notes; of some only the
	// first and last digits are known, with … between.
	SHA256 []string `json:"sha256,omitempty"`
}

// SuiteExpect is what the published files hold, for the notes.
type SuiteExpect struct {
	Items int `json:"items,omitempty"`
	// Subsets holds the number of items of each subset.
	Subsets map[string]int `json:"subsets,omitempty"`
}

// SuiteGroup is an average over subsets.
type SuiteGroup struct {
	Name     string   `json:"name"` // "" = the suite itself
	Members  []string `json:"members"`
	Weights  []int    `json:"weights,omitempty"` // of a weighted average
	Weighted bool     `json:"weighted,omitempty"`
}
