package suites

import (
	"context"
	"fmt"
	"math"

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
	if s.prog.def.Protocol == "generate" {
		return nil, fmt.Errorf("scoring suite %s: its answers are generated, not scored; use Suite.Generate", s.Name())
	}
	rows := make([][]reports.Item, len(s.prog.def.Scores))
	err := s.batches(tok, opt, func(first int, items []Item, cands [][]candidate) error {
		var seqs []Sequence
		for _, cs := range cands {
			for _, c := range cs {
				seqs = append(seqs, c.Sequence)
			}
		}
		logs, err := scorer.LogProbs(ctx, seqs)
		if err != nil {
			return err
		}
		if len(logs) != len(seqs) {
			return fmt.Errorf("asked for %d sequences and got %d", len(seqs), len(logs))
		}
		at := 0
		for i, it := range items {
			n := len(cands[i])
			for k, rule := range s.prog.def.Scores {
				r, err := s.rows(it, cands[i], logs[at:at+n], rule, k > 0, opt)
				if err != nil {
					return fmt.Errorf("item %s: %w", it.ID, err)
				}
				rows[k] = append(rows[k], r...)
			}
			at += n
		}
		if opt.Progress != nil {
			opt.Progress(first+len(items), s.Len())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("scoring suite %s: %w", s.Name(), err)
	}
	var out []reports.Item
	for _, r := range rows {
		out = append(out, r...)
	}
	return out, nil
}

// batches encodes items and hands them on in runs that end with a subset or
// when a run's tokens pass the bound: the shots of a subset are shared within a
// run.
func (s *Suite) batches(tok Tokenizer, opt Options, do func(first int, items []Item, cands [][]candidate) error) error {
	limit := opt.Batch
	if limit <= 0 {
		limit = defaultBatch
	}
	var items []Item
	var cands [][]candidate
	first, tokens := 0, 0
	flush := func(next int) error {
		if len(items) == 0 {
			return nil
		}
		err := do(first, items, cands)
		items, cands, first, tokens = nil, nil, next, 0
		return err
	}
	for i := range s.items {
		it := s.Item(i)
		if len(items) > 0 && items[0].Subset != it.Subset {
			if err := flush(i); err != nil {
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
			if err := flush(i + 1); err != nil {
				return err
			}
		}
	}
	return flush(len(s.items))
}

// rows makes the rows of one item under one rule.
func (s *Suite) rows(it Item, cands []candidate, logs [][]float64, rule string, further bool, opt Options) ([]reports.Item, error) {
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
		r.Cell, r.Suite, r.Subset, r.ID, r.Row, r.Prompt = opt.Cell, name, it.Subset, it.ID, int32(it.Row), digest
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
