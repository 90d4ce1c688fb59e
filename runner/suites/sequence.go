package suites

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
	"xrun/schema"
)

// Tokenizer encodes text without adding special tokens.
type Tokenizer interface {
	Encode(text string) []int32
}

// Sequence asks for the log-probabilities of Tokens[From:], each given all
// tokens before it. From is at least 1: the first token has nothing before it.
type Sequence struct {
	Tokens []int32
	From   int
}

// Options are what a model brings to a suite.
type Options struct {
	// MaxLength is the model's longest sequence; 0 is none. A longer one is cut
	// from the left, as both harnesses do, and counted.
	MaxLength int
	// BOS is put before every sequence where the tokenizer's own post-processor
	// does so; empty for most models.
	BOS []int32
	// Empty stands for a context of no token in family lm-eval: the model's bos
	// token, else its eos token.
	Empty []int32
	// Template, where set, gives the tokens of a question put through a template,
	// up to where the answer begins; nil asks with the bare prompt. See
	// [Bare] for the suites that are asked bare in any case.
	Template func(question string) ([]int32, error)
	// Batch is the number of tokens asked of the scorer at a time; 0 is 4 Mi.
	// Larger batches share more prefixes and hold more memory.
	Batch int
}

func (o Options) batch() int {
	if o.Batch <= 0 {
		return defaultBatch
	}
	return o.Batch
}

// Item is an item as the model sees it.
type Item struct {
	Subset, ID string
	Row, Line  int // row from 0 among its file's rows; line from 1 in the file
	Choices    []Choice
	Gold       int    // index into Choices; -1 for generate
	Answer     string // normalized gold answer of generate
	Split      string // contamination class, "" without annotations
	Cluster    string
}

// Choice is one candidate.
type Choice struct {
	Label string
	// Context and Text make the candidate. Family opencompass scores both as one
	// text; lm-eval scores Text, given Context.
	Context, Text string
	// Mask is the text whose token count is left out by the score "ll".
	Mask string
	// Chars and Bytes are the length of the choice that acc_norm and acc_bytes
	// divide by, in characters and in UTF-8.
	Chars, Bytes int
}

// Item renders item i, from 0 to Len()-1.
func (s *Suite) Item(i int) Item { return s.render(&s.items[i]) }

func (s *Suite) render(it *item) Item {
	p := s.prog
	out := Item{Subset: it.subset, ID: it.id, Row: it.row.number, Line: it.row.line, Gold: it.gold, Answer: it.answer, Split: it.split, Cluster: it.cluster}
	prefix := s.prefix[it.subset]
	if p.def.Protocol == "generate" {
		out.Gold = -1
		out.Choices = []Choice{{Context: prefix + p.context.render(it.vars)}}
		return out
	}
	out.Choices = make([]Choice, len(it.labels))
	for c, label := range it.labels {
		scope := map[string]string{"label": label, "choice": it.texts[c]}
		ch := Choice{Label: label, Context: prefix + p.context.render(scope, it.vars), Text: p.answer.render(scope, it.vars), Chars: utf8.RuneCountInString(it.texts[c]), Bytes: len(it.texts[c])}
		if p.mask != nil {
			ch.Mask = p.mask.render(scope, it.vars)
		}
		if c > 0 && ch.Context == out.Choices[0].Context {
			ch.Context = out.Choices[0].Context // one copy
		}
		out.Choices[c] = ch
	}
	return out
}

// PromptDigest is the first 16 hexadecimal digits of the sha256 of the item's
// texts: each distinct context and each choice, every one ended by a zero byte.
func (it Item) PromptDigest() string {
	h := sha256.New()
	last := ""
	for i, c := range it.Choices {
		if i == 0 || c.Context != last {
			h.Write([]byte(c.Context))
			h.Write([]byte{0})
			last = c.Context
		}
		h.Write([]byte(c.Text))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// candidate is a sequence to score and what the rules need beside its
// log-probabilities.
type candidate struct {
	Sequence
	masked    int // tokens that "ll" leaves out
	chars     int
	bytes     int
	truncated bool
}

// Bare reports whether a definition's suites are asked without a template although
// there is one: their candidates are whole sentences, so there is no question to
// put into it.
func Bare(def schema.Definition) bool {
	p := def.Prompt
	return p.Context == "" || p.Mask != ""
}

// encode encodes an item's choices.
func (s *Suite) encode(it Item, tok Tokenizer, opt Options) ([]candidate, error) {
	out := make([]candidate, len(it.Choices))
	var question []int32 // of the choice before, when its context is the same
	var err error
	for i, c := range it.Choices {
		switch {
		case opt.Template != nil && !Bare(s.prog.def):
			if i == 0 || c.Context != it.Choices[i-1].Context {
				if question, err = opt.Template(strings.TrimFunc(c.Context, pythonSpace)); err != nil {
					return nil, fmt.Errorf("item %s: putting the question into the template: %w", it.ID, err)
				}
			}
			out[i], err = s.templated(question, c.Text, tok, opt)
		case s.prog.def.Protocol == "lm-eval":
			out[i], err = pair(c.Context, c.Text, tok, opt)
		default:
			out[i], err = whole(c.Context+c.Text, c.Mask, tok, opt)
		}
		if err != nil {
			return nil, fmt.Errorf("item %s, choice %s: %w", it.ID, c.Label, err)
		}
		out[i].chars, out[i].bytes = c.Chars, c.Bytes
	}
	return out, nil
}

// templated is a question under a template with its answer behind. As in
// training, the two are encoded apart; the blanks between a bare prompt and its
// answer are the template's to set, so the answer begins without any.
func (s *Suite) templated(question []int32, answer string, tok Tokenizer, opt Options) (candidate, error) {
	var c candidate
	c.Tokens = append(append([]int32{}, question...), tok.Encode(strings.TrimLeftFunc(answer, pythonSpace))...)
	n := len(c.Tokens) - len(question)
	if s.prog.def.Protocol == "lm-eval" {
		if len(question) == 0 || n == 0 {
			return c, fmt.Errorf("its question or its answer has no token under the template")
		}
		c.From = len(question)
		return c, c.cutPair(n, opt.MaxLength)
	}
	if len(c.Tokens) == 0 {
		return c, fmt.Errorf("it has no token to score")
	}
	c.cut(opt.MaxLength)
	c.From = 1
	return c, nil
}

// whole is family opencompass: the text encoded once, every token but the first
// a target, but for the first ones that "ll" masks.
func whole(text, mask string, tok Tokenizer, opt Options) (candidate, error) {
	c := candidate{Sequence: Sequence{Tokens: tok.Encode(text)}}
	if opt.MaxLength > 0 { // what gives way is the text, not the beginning token
		c.cut(max(opt.MaxLength-len(opt.BOS), 1))
	}
	c.Tokens = append(append([]int32{}, opt.BOS...), c.Tokens...)
	if len(c.Tokens) == 0 {
		return c, fmt.Errorf("it has no token to score")
	}
	c.From = 1
	if mask != "" {
		c.masked = len(tok.Encode(mask))
		c.From = min(max(c.masked, 1), len(c.Tokens))
	}
	return c, nil
}

// pair is family lm-eval: trailing blanks of the context belong to the
// continuation. The context is encoded alone, and again with the continuation
// behind it; of the latter, the tokens after as many as the context has are the
// continuation's. Where the two merge at their boundary, the model thus reads the
// context's own tokens. Beginning tokens stand before both, unless the context
// starts with the one that stands for an empty context.
func pair(context, continuation string, tok Tokenizer, opt Options) (candidate, error) {
	var c candidate
	trimmed := strings.TrimRightFunc(context, pythonSpace)
	continuation = context[len(trimmed):] + continuation
	context = trimmed
	if context == "" {
		if len(opt.Empty) == 0 {
			return c, fmt.Errorf("the context is empty and the model has neither a bos nor an eos token to stand for it")
		}
		c.Tokens = append(append([]int32{}, opt.Empty...), tok.Encode(continuation)...)
		c.From = len(opt.Empty)
	} else {
		alone, both := tok.Encode(context), tok.Encode(context+continuation)
		if len(alone) == 0 || len(opt.Empty) == 0 || alone[0] != opt.Empty[0] {
			c.Tokens = append(c.Tokens, opt.BOS...)
		}
		c.Tokens = append(c.Tokens, alone...)
		c.From = len(c.Tokens)
		c.Tokens = append(c.Tokens, both[min(len(alone), len(both)):]...)
	}
	n := len(c.Tokens) - c.From
	if n <= 0 {
		return c, fmt.Errorf("its continuation has no token of its own")
	}
	return c, c.cutPair(n, opt.MaxLength)
}

// cutPair keeps what a model of so many positions takes of a sequence whose last
// n tokens are scored.
func (c *candidate) cutPair(n, positions int) error {
	if positions <= 0 {
		return nil
	}
	if n > positions {
		return fmt.Errorf("its continuation has %d tokens, more than the model's %d", n, positions)
	}
	c.cut(positions + 1) // the last token is only predicted, never read
	c.From = len(c.Tokens) - n
	return nil
}

// cut keeps the last n tokens.
func (c *candidate) cut(n int) {
	if n > 0 && len(c.Tokens) > n {
		c.Tokens = c.Tokens[len(c.Tokens)-n:]
		c.truncated = true
	}
}

// pythonSpace is what str.strip removes.
func pythonSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', 0x1c, 0x1d, 0x1e, 0x1f, ' ', 0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000:
		return true
	}
	return r >= 0x2000 && r <= 0x200a
}
