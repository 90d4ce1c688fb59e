package data

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sort"
	"strings"
	"sync"
)

// Tokenizer is what preparing needs of model/tokenizer.
type Tokenizer interface {
	// Encode returns the tokens of a text, special tokens in it recognized.
	Encode(text string) []int32
	// EncodePrompt is Encode with what the tokenizer's post-processor puts
	// around a text.
	EncodePrompt(text string) []int32
	// Decode returns the text of tokens.
	Decode(tokens []int32, skipSpecial bool) string
	// BOS and EOS return the tokens of tokenizer_config.json.
	BOS() (id int32, text string, ok bool)
	EOS() (id int32, text string, ok bool)
}

// Options say how items become rows. The fields are those of the spec's data
// section.
type Options struct {
	Template string // "alpaca", "plain" or "chat"
	System   string // for items without a system message
	// Chat renders a conversation with the tokenizer's own template; nil where
	// the tokenizer has none.
	Chat      func(messages []Message, generationPrompt bool) (string, error)
	MaxLength int    // tokens of a row, at least 2
	Truncate  string // "right", "prompt" or "drop"
	Holdout   int    // items taken out of the training set
	BOS       string // "auto", "always" or "never"
	End       string // "eos", "none" or the text of a special token
	Name      string // of the data set, for errors
	Threads   int    // 0 = all cores; the result does not depend on it
}

// Row is an item in tokens: the first Prompt of them are its prompt, the others
// its output and end token.
type Row struct {
	Tokens []int32
	Prompt int
	// Item is the item's index in the data set, from 0, and Line its place in
	// the file.
	Item, Line int
	// Ended says that the last token is the end token.
	Ended bool
}

// Targets returns how many tokens of the row are targets of the output and of
// the prompt. The first token of a row never is one.
func (r Row) Targets() (output, prompt int) {
	p := min(r.Prompt, len(r.Tokens))
	return len(r.Tokens) - min(len(r.Tokens), max(1, p)), max(0, p-1)
}

// Prepared is a data set in tokens.
type Prepared struct {
	// Rows are trained on, in the order of the items.
	Rows []Row
	// HeldOut are not.
	HeldOut []Row
	Ledger  Ledger
}

// Prepare puts items through the template and the tokenizer. The end token is
// appended before truncation. Items whose output leaves no target stay, because
// other label modes train on their prompts; a set without any target is an
// error.
func Prepare(items []Item, tok Tokenizer, opt Options) (*Prepared, error) {
	if opt.Name == "" {
		opt.Name = "data"
	}
	if opt.MaxLength < 2 {
		return nil, fmt.Errorf("preparing %s: maxLength %d leaves no target; want at least 2", opt.Name, opt.MaxLength)
	}
	e, err := newEncoder(tok, opt)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", opt.Name, err)
	}
	rows, err := e.all(items)
	if err != nil {
		return nil, err
	}
	p := &Prepared{}
	p.Ledger.Items = len(items)
	var kept []Row
	for i, r := range rows {
		l := &p.Ledger
		if items[i].Output == "" {
			l.EmptyOutputs++
		}
		if r.cut {
			l.Truncated++
		}
		switch {
		case r.dropped:
			l.Dropped = append(l.Dropped, i+1)
		case len(r.Tokens) == 0:
			l.NoTokens = append(l.NoTokens, i+1)
		default:
			kept = append(kept, r.Row)
			if out, _ := r.Targets(); out == 0 {
				l.WithoutTarget = append(l.WithoutTarget, i+1)
			}
		}
	}
	if len(p.Ledger.WithoutTarget) == len(kept) {
		return nil, fmt.Errorf("preparing %s: none of its %d items has a token to learn (%d are cut before their output, %d are longer than %d tokens and dropped); raise maxLength, or use truncate: \"prompt\"",
			opt.Name, len(items), p.Ledger.Truncated, len(p.Ledger.Dropped), opt.MaxLength)
	}
	if p.Rows, p.HeldOut, err = holdOut(kept, items, opt); err != nil {
		return nil, err
	}
	p.Ledger.count(p.Rows, p.HeldOut)
	return p, nil
}

// EncodePrompt returns the tokens of a prompt as training sees them: the
// beginning token by Options.BOS, and a chat template's text without further
// special tokens, because it writes its own (as transformers does).
func EncodePrompt(text string, tok Tokenizer, opt Options) ([]int32, error) {
	e, err := newEncoder(tok, opt)
	if err != nil {
		return nil, err
	}
	return e.prompt(text), nil
}

// encoder tokenizes items one way.
type encoder struct {
	Options
	tok     Tokenizer
	bos     int32
	end     int32
	endText string
	hasEnd  bool
}

func newEncoder(tok Tokenizer, opt Options) (*encoder, error) {
	e := &encoder{Options: opt, tok: tok}
	if opt.BOS == "always" {
		id, _, ok := tok.BOS()
		if !ok {
			return nil, errors.New(`the tokenizer has no bos_token; set data.bos to "auto" or "never"`)
		}
		e.bos = id
	}
	switch opt.End {
	case "none":
	case "eos", "":
		if e.end, e.endText, e.hasEnd = tok.EOS(); !e.hasEnd {
			return nil, errors.New(`the tokenizer has no eos_token; set data.end to a special token's text or "none"`)
		}
	default:
		ids := tok.Encode(opt.End)
		if len(ids) != 1 {
			return nil, fmt.Errorf("data.end %q is %d tokens; want the text of one special token, \"eos\" or \"none\"", opt.End, len(ids))
		}
		e.end, e.endText, e.hasEnd = ids[0], opt.End, true
	}
	return e, nil
}

func (e *encoder) prompt(text string) []int32 {
	var ids []int32
	switch {
	case e.BOS == "always":
		if ids = e.tok.Encode(text); len(ids) == 0 || ids[0] != e.bos {
			ids = append([]int32{e.bos}, ids...)
		}
	case e.BOS == "never" || e.Template == "chat":
		ids = e.tok.Encode(text)
	default:
		ids = e.tok.EncodePrompt(text)
	}
	return ids
}

// row is a Row with what happened to it.
type row struct {
	Row
	cut, dropped bool
}

// all encodes the items on several threads; a row depends on its item only. Of
// several faulty items the first is reported.
func (e *encoder) all(items []Item) ([]row, error) {
	rows := make([]row, len(items))
	errs := make([]error, len(items))
	threads := e.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	const block = 64
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(threads, (len(items)+block-1)/block) {
		wg.Go(func() {
			for from := range next {
				for i := from; i < min(from+block, len(items)); i++ {
					rows[i], errs[i] = e.row(items[i], i)
				}
			}
		})
	}
	for from := 0; from < len(items); from += block {
		next <- from
	}
	close(next)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("%s:%d: item %d: %w", e.Name, items[i].Line, i+1, err)
		}
	}
	return rows, nil
}

func (e *encoder) row(it Item, index int) (row, error) {
	prompt, output, err := parts(it, e.Options)
	if err != nil {
		return row{}, err
	}
	if e.Template == "chat" && e.hasEnd && !it.Bare {
		// A template that ends the answer with the end token itself (and often a
		// line break after it) must not get a second one.
		if i := strings.LastIndex(output, e.endText); i >= 0 && strings.TrimSpace(output[i+len(e.endText):]) == "" {
			output = output[:i]
		}
	}
	p := e.prompt(prompt)
	tokens := append(p[:len(p):len(p)], e.tok.Encode(output)...)
	if e.hasEnd {
		tokens = append(tokens, e.end)
	}
	r := row{Row: Row{Tokens: tokens, Prompt: len(p), Item: index, Line: it.Line, Ended: e.hasEnd}}
	e.truncate(&r)
	return r, nil
}

// truncate fits a row into MaxLength.
func (e *encoder) truncate(r *row) {
	over := len(r.Tokens) - e.MaxLength
	if over <= 0 {
		return
	}
	if e.Truncate == "drop" {
		r.dropped = true
		return
	}
	r.cut = true
	if e.Truncate == "prompt" {
		// The beginning token stays in front. Without one the prompt keeps its
		// last token: the first output token needs something to follow.
		head := 0
		if r.Prompt > 0 && (e.BOS == "always" || r.Tokens[0] == e.autoBOS()) {
			head = 1
		}
		if cut := min(over, r.Prompt-max(1, head)); cut > 0 {
			r.Tokens = append(r.Tokens[:head:head], r.Tokens[head+cut:]...)
			r.Prompt -= cut
		}
	}
	if len(r.Tokens) > e.MaxLength {
		r.Tokens, r.Ended = r.Tokens[:e.MaxLength:e.MaxLength], false
		r.Prompt = min(r.Prompt, e.MaxLength)
	}
}

// autoBOS is the tokenizer's bos_token, or -1.
func (e *encoder) autoBOS() int32 {
	if id, _, ok := e.tok.BOS(); ok {
		return id
	}
	return -1
}

// holdOut takes items out of the training set: those whose contents have the
// smallest sha256, so the choice depends on the data alone. Equal items are held
// out together or not at all, so that none is seen in training.
func holdOut(rows []Row, items []Item, opt Options) (train, held []Row, err error) {
	if opt.Holdout == 0 {
		return rows, nil, nil
	}
	if opt.Holdout >= len(rows) {
		return nil, nil, fmt.Errorf("preparing %s: holdout.items is %d of %d rows, which leaves none to train on; hold out fewer", opt.Name, opt.Holdout, len(rows))
	}
	groups := map[[32]byte][]int{}
	var order [][32]byte
	for i, r := range rows {
		if out, _ := r.Targets(); out == 0 {
			continue
		}
		d := digest(items[r.Item])
		if groups[d] == nil {
			order = append(order, d)
		}
		groups[d] = append(groups[d], i)
	}
	sort.Slice(order, func(i, j int) bool { return string(order[i][:]) < string(order[j][:]) })
	out := make([]bool, len(rows))
	left := opt.Holdout
	for _, d := range order {
		if len(groups[d]) > left {
			continue
		}
		for _, i := range groups[d] {
			out[i] = true
		}
		left -= len(groups[d])
	}
	if left > 0 {
		return nil, nil, fmt.Errorf("preparing %s: only %d of %d items can be held out, the others have no target or are repeated too often; hold out fewer", opt.Name, opt.Holdout-left, opt.Holdout)
	}
	for i, r := range rows {
		if out[i] {
			held = append(held, r)
		} else {
			train = append(train, r)
		}
	}
	return train, held, nil
}

// digest identifies an item's contents.
func digest(it Item) (sum [32]byte) {
	h := sha256.New()
	add := func(parts ...string) {
		var n [8]byte
		for _, s := range parts {
			binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
			h.Write(n[:])
			h.Write([]byte(s))
		}
	}
	add(it.System, it.Instruction, it.Input, it.Output)
	for _, t := range it.History {
		add("history", t[0], t[1])
	}
	for _, m := range it.Messages {
		add("message", m.Role, m.Content)
	}
	h.Sum(sum[:0])
	return sum
}
