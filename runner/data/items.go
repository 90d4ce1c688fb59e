package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"xrun/runner/strictjson"
	"xrun/schema"
)

// record is one item as its file has it. A value is a string, a
// json.RawMessage, or from parquet []Message or [][2]string; nil is absent.
type record struct {
	line   int
	names  []string
	values []any
	nulls  []string // fields that are there and hold nothing
}

func (r record) get(name string) any {
	for i, n := range r.names {
		if n == name {
			return r.values[i]
		}
	}
	return nil
}

// builder turns records into items.
type builder struct {
	name, format string
	columns      map[string]string // ours to the file's
	used         map[string]bool   // columns of the mapping that some record has
	first        []string          // names of the first record
	others       map[string]string // columns of another type than text, with it
	rowWord      string            // "" for lines of text, " row " otherwise
	numbered     bool              // errors name the item too: many may share a line
	items        []Item
}

// kinds lists what an item may be, in the order "auto" tries them, each with the
// names (ours) that tell it.
var kinds = []struct {
	name string
	mark [][]string // any of these, all present
}{
	{"preference", [][]string{{"chosen"}}},
	{"chat", [][]string{{"messages"}}},
	{"instruct", [][]string{{"instruction", "output"}}},
	{"qa", [][]string{{"question", "answer"}}},
	{"text", [][]string{{"text"}}},
	// What remains is a file with a part missing; its error names the part.
	{"instruct", [][]string{{"instruction"}, {"output"}}},
	{"qa", [][]string{{"question"}, {"answer"}}},
}

// fails reports a fault of one record.
func (b *builder) fails(line int, format string, args ...any) error {
	if b.numbered {
		format = fmt.Sprintf("item %d: ", len(b.items)+1) + format
	}
	return fmt.Errorf("%s:%s%d: "+format, append([]any{b.name, b.rowWord, line}, args...)...)
}

// add converts a record and keeps its item.
func (b *builder) add(r record) error {
	if b.first == nil {
		b.first = slices.Clone(r.names)
	}
	if err := b.decide(r); err != nil {
		return err
	}
	for ours, theirs := range b.columns {
		if !b.used[ours] && slices.Contains(r.names, theirs) {
			b.used[ours] = true
		}
	}
	it := Item{Line: r.line}
	var err error
	switch b.format {
	case "instruct":
		err = b.instruct(r, &it, "instruction", "output")
	case "qa":
		err = b.instruct(r, &it, "question", "answer")
	case "chat":
		err = b.chat(r, &it)
	case "preference":
		err = b.preference(r, &it)
	case "text":
		it.Bare = true
		it.Output, err = b.text(r, "text", true)
	default:
		return fmt.Errorf("reading %s: %q is no kind of data; want auto, instruct, chat, qa, preference or text", b.name, b.format)
	}
	if err != nil {
		return err
	}
	b.items = append(b.items, it)
	return nil
}

// decide settles "auto" by the first record.
func (b *builder) decide(r record) error {
	if b.format != "auto" && b.format != "" {
		return nil
	}
	for _, k := range kinds {
		for _, mark := range k.mark {
			if !slices.ContainsFunc(mark, func(ours string) bool { return b.find(r, ours) == nil }) {
				b.format = k.name
				return nil
			}
		}
	}
	if len(r.names) == 1 && strings.ContainsAny(r.names[0], ";\t") {
		return b.fails(r.line, "the header is the one column %q; cells are divided by commas, so save the file with these", r.names[0])
	}
	return b.fails(r.line, "an item with %s is of no known kind; say which column is which, such as columns: {question: %q, answer: ...}", list(r.names), first(r.names))
}

func list(names []string) string {
	if len(names) == 0 {
		return "no fields"
	}
	q := make([]string, min(len(names), 8))
	for i := range q {
		q[i] = fmt.Sprintf("%q", names[i])
	}
	if len(q) < len(names) {
		q = append(q, "...")
	}
	return strings.Join(q, ", ")
}

func first(names []string) string {
	if len(names) == 0 {
		return "name"
	}
	return names[0]
}

// finish checks what only the whole file shows.
func (b *builder) finish() error {
	if len(b.items) == 0 {
		return fmt.Errorf("reading %s: it has no items", b.name)
	}
	for _, ours := range slices.Sorted(maps.Keys(b.columns)) {
		if !b.used[ours] {
			return fmt.Errorf("reading %s: no item has %q, which data.columns.%s names; %s", b.name, b.columns[ours], ours, nearest(b.columns[ours], b.first))
		}
	}
	return nil
}

// synonyms are names that mean the same to a reader of items.
var synonyms = map[string][]string{
	"instruction": {"question"}, "question": {"instruction"},
	"output": {"answer"}, "answer": {"output"},
	"messages": {"conversations"},
}

// theirs returns the file's name for one of our fields, and the key that
// data.columns has or would have for it.
func (b *builder) theirs(ours string) (name, key string) {
	if c, ok := b.columns[ours]; ok {
		return c, ours
	}
	for _, s := range synonyms[ours] {
		if c, ok := b.columns[s]; ok {
			return c, s
		}
	}
	return ours, ours
}

// find returns the value of one of our fields, or nil.
func (b *builder) find(r record, ours string) any {
	name, _ := b.theirs(ours)
	v := r.get(name)
	if v == nil && ours == "messages" && name == ours {
		v = r.get("conversations")
	}
	return v
}

// text returns a field that must be a string; "" where it is absent and may be.
func (b *builder) text(r record, ours string, required bool) (string, error) {
	name, key := b.theirs(ours)
	if kind := b.others[name]; kind != "" {
		return "", b.fails(r.line, "column %q holds values of type %s; want texts", name, kind)
	}
	switch v := b.find(r, ours).(type) {
	case nil:
		if !required {
			return "", nil
		}
		if slices.Contains(r.nulls, name) {
			return "", b.fails(r.line, "%q is null; want a text, or remove the item", name)
		}
		near := schema.Nearest(name, r.names)
		hint := fmt.Sprintf("it has %s; name its column in data.columns.%s", list(r.names), key)
		if near != "" {
			hint = fmt.Sprintf("did you mean %q? then write columns: {%s: %q}", near, key, near)
		}
		return "", b.fails(r.line, "there is no %q; %s", name, hint)
	case string:
		return v, nil
	case json.RawMessage:
		s, err := unquote(v)
		if err != nil {
			return "", b.fails(r.line, "%q is %w", name, err)
		}
		return s, nil
	default:
		return "", b.fails(r.line, "%q is a list; want a text", name)
	}
}

// unquote reads a JSON string.
func unquote(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", errors.New(jsonKind(raw) + "; want a string in quotes")
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	if strictjson.HalfPair(raw) >= 0 {
		return "", errors.New("a string with half a surrogate pair (\\ud800 to \\udfff), which is no character; write the whole pair")
	}
	return s, nil
}

func jsonKind(raw []byte) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a truth value"
	case 'n':
		return "null"
	}
	return "a number"
}

func (b *builder) instruct(r record, it *Item, ask, answer string) (err error) {
	if it.Instruction, err = b.text(r, ask, true); err != nil {
		return err
	}
	if it.Output, err = b.text(r, answer, true); err != nil {
		return err
	}
	return b.context(r, it)
}

// context reads what may stand around an instruction.
func (b *builder) context(r record, it *Item) (err error) {
	if it.Input, err = b.text(r, "input", false); err != nil {
		return err
	}
	if it.System, err = b.text(r, "system", false); err != nil {
		return err
	}
	it.History, err = b.history(r)
	return err
}

func (b *builder) history(r record) ([][2]string, error) {
	name, _ := b.theirs("history")
	switch v := b.find(r, "history").(type) {
	case nil:
		return nil, nil
	case [][2]string:
		return v, nil
	case string:
		if v == "" {
			return nil, nil
		}
	case json.RawMessage:
		var turns [][]json.RawMessage
		if err := json.Unmarshal(v, &turns); err != nil {
			break
		}
		out := make([][2]string, len(turns))
		for i, t := range turns {
			if len(t) != 2 {
				return nil, b.fails(r.line, "%q: turn %d has %d texts; want a question and its answer", name, i+1, len(t))
			}
			for j := range t {
				s, err := unquote(t[j])
				if err != nil {
					return nil, b.fails(r.line, "%q: turn %d holds %w", name, i+1, err)
				}
				out[i][j] = s
			}
		}
		return out, nil
	}
	return nil, b.fails(r.line, "%q is no list of [question, answer] pairs", name)
}
