package runner

import (
	"context"

	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/reports"
	"xrun/runner/suites"
)

// score asks a model about every item of a suite.
func score(ctx context.Context, suite *suites.Suite, m *model.Model, tok *tokenizer.Tokenizer, p *progress) ([]reports.Item, error) {
	opt := suites.Options{MaxLength: m.Config.MaxPositions, BOS: tok.EncodePrompt("")}
	if id, _, ok := tok.BOS(); ok {
		opt.Empty = []int32{id}
	} else if id, _, ok := tok.EOS(); ok {
		opt.Empty = []int32{id}
	}
	s := scorer{m: m, tok: tok, progress: p}
	if suite.Definition().Protocol == "generate" {
		return suite.Generate(ctx, tok, s, s, opt)
	}
	return suite.Score(ctx, tok, s, opt)
}

// scorer is a model as suites see it.
type scorer struct {
	m        *model.Model
	tok      *tokenizer.Tokenizer
	progress *progress
}

// LogProbs implements suites.Scorer.
func (s scorer) LogProbs(ctx context.Context, seqs []suites.Sequence) ([][]float64, error) {
	ask := make([]model.ScoreSeq, len(seqs))
	for i, q := range seqs {
		ask[i] = model.ScoreSeq{Tokens: q.Tokens, From: q.From}
	}
	scores, _, err := s.m.LogProbs(ask, model.ScoreOptions{
		Progress:    func(done, total int) { s.progress.step(done, total, int64(done), "") },
		Interrupted: ctx.Err,
	})
	if err != nil {
		return nil, err
	}
	out := make([][]float64, len(scores))
	for i := range scores {
		out[i] = scores[i].LogProb
	}
	return out, nil
}

// Decode implements suites.Decoder.
func (s scorer) Decode(tokens []int32) string { return s.tok.Decode(tokens, true) }

// generateBatch is how many answers are generated at once.
const generateBatch = 16

// Generate implements suites.Generator.
func (s scorer) Generate(ctx context.Context, prompts [][]int32, maxNew int, stop func([]int32) bool) ([][]int32, error) {
	var out [][]int32
	for lo := 0; lo < len(prompts); lo += generateBatch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		hi := min(lo+generateBatch, len(prompts))
		got, err := s.m.Generate(prompts[lo:hi], model.GenerateOptions{MaxNew: maxNew, EOS: endTokens(s.tok, s.m.Config)})
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
		s.progress.step(hi, len(prompts), 0, "")
	}
	return out, nil
}
