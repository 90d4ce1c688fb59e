package runner

import (
	"context"

	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/reports"
	"xrun/runner/data"
	"xrun/runner/suites"
	"xrun/schema"
)

// asking is how suites are put to a model.
type asking struct {
	template func(string) ([]int32, error) // nil: bare prompts
	key      *templateKey                  // of template
	memory   int64                         // of scoring; 0 leaves it to model
}

// options are what a model brings to a suite.
func (a asking) options(c model.Config, tok *tokenizer.Tokenizer) suites.Options {
	opt := suites.Options{MaxLength: c.MaxPositions, BOS: tok.EncodePrompt(""), Template: a.template}
	if id, _, ok := tok.BOS(); ok {
		opt.Empty = []int32{id}
	} else if id, _, ok := tok.EOS(); ok {
		opt.Empty = []int32{id}
	}
	return opt
}

// templateOf returns what puts a question through the template of d.
func templateOf(d schema.Data, m *modelInput) (func(string) ([]int32, error), error) {
	opt, err := dataOptions(d, m)
	if err != nil {
		return nil, err
	}
	return func(question string) ([]int32, error) {
		text, err := data.Prompt(data.Item{Instruction: question}, opt)
		if err != nil {
			return nil, err
		}
		return data.EncodePrompt(text, m.tokenizer, opt)
	}, nil
}

// score asks a model about every item of a suite.
func score(ctx context.Context, suite *suites.Suite, m *model.Model, tok *tokenizer.Tokenizer, a asking, p *progress) ([]reports.Item, error) {
	s := scorer{m: m, tok: tok, progress: p, memory: a.memory}
	if suite.Definition().Protocol == "generate" {
		return suite.Generate(ctx, tok, s, s, a.options(m.Config, tok))
	}
	return suite.Score(ctx, tok, s, a.options(m.Config, tok))
}

// scoreAll is score of several suites; those that score choices are asked
// together.
func scoreAll(ctx context.Context, list []*suites.Suite, m *model.Model, tok *tokenizer.Tokenizer, a asking, p *progress) ([][]reports.Item, error) {
	out := make([][]reports.Item, len(list))
	var scored []*suites.Suite
	var at []int
	for i, s := range list {
		if s.Definition().Protocol != "generate" {
			scored, at = append(scored, s), append(at, i)
			continue
		}
		rows, err := score(ctx, s, m, tok, a, p)
		if err != nil {
			return nil, err
		}
		out[i] = rows
	}
	rows, err := suites.ScoreAll(ctx, scored, tok, scorer{m: m, tok: tok, progress: p, memory: a.memory}, a.options(m.Config, tok))
	if err != nil {
		return nil, err
	}
	for k, i := range at {
		out[i] = rows[k]
	}
	return out, nil
}

// scorer is a model as suites see it.
type scorer struct {
	m        *model.Model
	tok      *tokenizer.Tokenizer
	progress *progress
	memory   int64
}

// LogProbs implements suites.Scorer.
func (s scorer) LogProbs(ctx context.Context, seqs []suites.Sequence) ([][]float64, error) {
	ask := make([]model.ScoreSeq, len(seqs))
	for i, q := range seqs {
		ask[i] = model.ScoreSeq{Tokens: q.Tokens, From: q.From}
	}
	scores, _, err := s.m.LogProbs(ask, model.ScoreOptions{
		Memory:      s.memory,
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
		hi := min(lo+generateBatch, len(prompts))
		got, err := s.m.Generate(prompts[lo:hi], model.GenerateOptions{
			MaxNew: maxNew, EOS: endTokens(s.tok, s.m.Config), Interrupted: ctx.Err,
			Stop: func(_ int, generated []int32) bool { return stop(generated) },
		})
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
		s.progress.step(hi, len(prompts), 0, "")
	}
	return out, nil
}

// openSuite opens a suite of the spec's own or one known by name.
func openSuite(root suites.Root, define map[string]schema.Definition, want schema.Suite) (*suites.Suite, error) {
	if def, ok := define[want.Suite]; ok {
		return suites.OpenDefinition(root, def, want)
	}
	return suites.Open(root, want)
}
