package suites

import (
	"context"
	"fmt"
	"math"
	"strings"

	"xrun/reports"
)

// Scorer gives, for each sequence, the natural logarithms of the probabilities
// of Tokens[From:], one a token. The sequences of a call share prefixes; how a
// scorer uses that must not change a bit of its answers.
type Scorer interface {
	LogProbs(ctx context.Context, seqs []Sequence) ([][]float64, error)
}

// defaultBatch bounds the tokens of one call, 16 MiB of ids and 32 MiB of
// log-probabilities.
const defaultBatch = 4 << 20

// Score asks the scorer about every item and returns one row per score, item
// and choice: items in file order, choices in label order. Where a suite has
// several scores, those after the first are rows of the suite named
// "NAME (SCORE)", so that a suite's name and an item's id name one answer.
func (s *Suite) Score(ctx context.Context, tok Tokenizer, scorer Scorer, opt Options) ([]reports.Item, error) {
	rows, err := ScoreAll(ctx, []*Suite{s}, tok, scorer, opt)
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// ScoreAll is [Suite.Score] of several suites, which are asked together as far
// as a batch of opt allows: larger calls leave the scorer more to share and to
// compute at once.
func ScoreAll(ctx context.Context, list []*Suite, tok Tokenizer, scorer Scorer, opt Options) ([][]reports.Item, error) {
	g := gathering{ctx: ctx, scorer: scorer, opt: opt, rows: make([][][]reports.Item, len(list))}
	for i, s := range list {
		if s.prog.def.Protocol == "generate" {
			return nil, fmt.Errorf("scoring suite %s: its answers are generated, not scored; use Suite.Generate", s.Name())
		}
		g.rows[i] = make([][]reports.Item, len(s.prog.def.Scores))
		var failed error // names its suite, which may be an earlier one
		err := s.batches(tok, opt, func(items []Item, cands [][]candidate) error {
			failed = g.add(part{i, s, items, cands})
			return failed
		})
		if failed != nil {
			return nil, failed
		}
		if err != nil {
			return nil, fmt.Errorf("scoring suite %s: %w", s.Name(), err)
		}
	}
	if err := g.flush(); err != nil {
		return nil, err
	}
	out := make([][]reports.Item, len(list))
	for i, scores := range g.rows {
		for _, rows := range scores {
			out[i] = append(out[i], rows...)
		}
	}
	return out, nil
}

// part is a run of items of one suite that are asked together.
type part struct {
	index int // of the suite
	suite *Suite
	items []Item
	cands [][]candidate
}

// gathering collects parts for one call of the scorer.
type gathering struct {
	ctx    context.Context
	scorer Scorer
	opt    Options
	parts  []part
	seqs   []Sequence
	tokens int
	rows   [][][]reports.Item // by suite and score
}

// add takes a part, after asking about those before it if all together are too
// many.
func (g *gathering) add(p part) error {
	var seqs []Sequence
	tokens := 0
	for _, cs := range p.cands {
		for _, c := range cs {
			seqs = append(seqs, c.Sequence)
			tokens += len(c.Tokens)
		}
	}
	if g.tokens > 0 && g.tokens+tokens > g.opt.batch() {
		if err := g.flush(); err != nil {
			return err
		}
	}
	g.parts, g.seqs, g.tokens = append(g.parts, p), append(g.seqs, seqs...), g.tokens+tokens
	return nil
}

// flush asks about what was gathered and makes its rows.
func (g *gathering) flush() error {
	if len(g.parts) == 0 {
		return nil
	}
	logs, err := g.scorer.LogProbs(g.ctx, g.seqs)
	if err == nil && len(logs) != len(g.seqs) {
		err = fmt.Errorf("asked for %d sequences and got %d", len(g.seqs), len(logs))
	}
	if err != nil {
		return fmt.Errorf("scoring suite %s: %w", g.names(), err)
	}
	at := 0
	for _, p := range g.parts {
		s := p.suite
		for i, it := range p.items {
			n := len(p.cands[i])
			for k, rule := range s.prog.def.Scores {
				r, err := s.rows(it, p.cands[i], logs[at:at+n], rule, k > 0)
				if err != nil {
					return fmt.Errorf("scoring suite %s: item %s: %w", s.Name(), it.ID, err)
				}
				g.rows[p.index][k] = append(g.rows[p.index][k], r...)
			}
			at += n
		}
	}
	g.parts, g.seqs, g.tokens = nil, nil, 0
	return nil
}

// names lists the suites of the parts.
func (g *gathering) names() string {
	var list []string
	for _, p := range g.parts {
		if n := p.suite.Name(); len(list) == 0 || list[len(list)-1] != n {
			list = append(list, n)
		}
	}
	return strings.Join(list, ", ")
}

// batches encodes items and hands them on in runs that end with a subset or
// when a run's tokens pass the bound: the shots of a subset are shared within a
// run.
func (s *Suite) batches(tok Tokenizer, opt Options, do func(items []Item, cands [][]candidate) error) error {
	limit := opt.batch()
	var items []Item
	var cands [][]candidate
	tokens := 0
	flush := func() error {
		if len(items) == 0 {
			return nil
		}
		err := do(items, cands)
		items, cands, tokens = nil, nil, 0
		return err
	}
	for i := range s.items {
		it := s.Item(i)
		if len(items) > 0 && items[0].Subset != it.Subset {
			if err := flush(); err != nil {
				return err
			}
		}
		cs, err := s.encode(it, tok, opt)
		if err != nil {
			return err
		}
		items, cands = append(items, it), append(cands, cs)
		for _, c := range cs {
			tokens += len(c.Tokens)
		}
		if tokens >= limit {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// rows makes the rows of one item under one rule.
func (s *Suite) rows(it Item, cands []candidate, logs [][]float64, rule string, further bool) ([]reports.Item, error) {
	best := -1
	out := make([]reports.Item, len(cands))
	truncated := false
	for i, c := range cands {
		if len(logs[i]) != len(c.Tokens)-c.From {
			return nil, fmt.Errorf("choice %s: asked for %d log-probabilities and got %d", it.Choices[i].Label, len(c.Tokens)-c.From, len(logs[i]))
		}
		var sum float64
		for _, l := range logs[i] {
			if !(l <= 0) || math.IsInf(l, -1) {
				return nil, fmt.Errorf("choice %s: %v is no log-probability; the model's weights or precision are at fault", it.Choices[i].Label, l)
			}
			sum += l
		}
		score := score(rule, sum, c)
		if best < 0 || better(rule, score, out[best].Score) {
			best = i
		}
		out[i] = reports.Item{
			Choice: it.Choices[i].Label, Tokens: int32(len(c.Tokens)), Scored: int32(len(c.Tokens) - c.From),
			LogProb: sum, Score: score,
		}
		truncated = truncated || c.truncated
	}
	name := s.suiteOf(rule, further)
	digest := it.PromptDigest()
	figures := s.figuresOf(it, rule)
	for i := range out {
		r := &out[i]
		r.Suite, r.Subset, r.ID, r.Row, r.Prompt = name, it.Subset, it.ID, int32(it.Row), digest
		r.Prediction, r.Gold, r.Correct = it.Choices[best].Label, it.Choices[it.Gold].Label, best == it.Gold
		r.Split, r.Cluster, r.Figures, r.Truncated = it.Split, it.Cluster, figures, truncated
	}
	return out, nil
}

// suiteOf names the suite in the rows of a rule.
func (s *Suite) suiteOf(rule string, further bool) string {
	if further {
		return s.Name() + " (" + rule + ")"
	}
	return s.Name()
}

// score is the number that a rule compares, from the sum of the scored tokens'
// log-probabilities:
//
//	ppl       Σ CE / n          over n tokens, of which n-1 are predicted
//	ll        -Σ CE / (n - m)   without the first m
//	acc       Σ log p           of the continuation
//	acc_norm  Σ log p / chars   of the choice
//	acc_bytes Σ log p / bytes   of the choice in UTF-8
//
// A choice without a scored token has the sum 0; where the divisor is not
// positive the score is the worst there is.
func score(rule string, sum float64, c candidate) float64 {
	n := len(c.Tokens)
	switch rule {
	case "ppl":
		return -sum / float64(n)
	case "ll":
		if n <= c.masked {
			return math.Inf(-1)
		}
		return sum / float64(n-c.masked)
	case "acc":
		return sum
	case "acc_norm":
		if c.chars == 0 {
			return math.Inf(-1)
		}
		return sum / float64(c.chars)
	case "acc_bytes":
		if c.bytes == 0 {
			return math.Inf(-1)
		}
		return sum / float64(c.bytes)
	}
	panic("suites: unknown rule " + rule) // compile checked it
}

// better reports whether score a beats b; equal scores leave the earlier label.
func better(rule string, a, b float64) bool {
	if rule == "ppl" {
		return a < b
	}
	return a > b
}
