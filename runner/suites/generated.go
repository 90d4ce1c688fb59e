package suites

import (
	"context"
	"fmt"
	"strings"

	"xrun/reports"
)

// Generator continues token sequences greedily, each until it is done: at most
// maxNew tokens, ended early by the model's end token or when stop, given the
// new tokens so far, says so. The prompt is not part of what is returned.
type Generator interface {
	Generate(ctx context.Context, prompts [][]int32, maxNew int, stop func(generated []int32) bool) ([][]int32, error)
}

// Decoder gives tokens' text.
type Decoder interface {
	Decode(tokens []int32) string
}

// Generate asks for a greedy answer to every item and returns one row an item.
// Prediction and Gold are the normalized texts, Tokens counts the prompt and
// Scored the tokens of the answer.
func (s *Suite) Generate(ctx context.Context, tok Tokenizer, dec Decoder, g Generator, opt Options) ([]reports.Item, error) {
	gen := s.prog.def.Generate
	if gen == nil {
		return nil, fmt.Errorf("generating answers of suite %s: its choices are scored; use Suite.Score", s.Name())
	}
	stop := func(tokens []int32) bool {
		_, cut := cutAtStop(dec.Decode(tokens), gen.Stop)
		return cut
	}
	var rows []reports.Item
	err := s.batches(tok, opt, func(items []Item, cands [][]candidate) error {
		prompts := make([][]int32, len(items))
		for i := range items {
			prompts[i] = cands[i][0].Tokens
			if room := opt.MaxLength - gen.MaxNew; opt.MaxLength > 0 && len(prompts[i]) > room {
				if room <= 0 {
					return fmt.Errorf("%d new tokens do not fit the model's %d", gen.MaxNew, opt.MaxLength)
				}
				cands[i][0].cut(room)
				prompts[i] = cands[i][0].Tokens
			}
		}
		answers, err := g.Generate(ctx, prompts, gen.MaxNew, stop)
		if err != nil {
			return err
		}
		if len(answers) != len(items) {
			return fmt.Errorf("asked for %d answers and got %d", len(items), len(answers))
		}
		for i, it := range items {
			text, _ := cutAtStop(dec.Decode(answers[i]), gen.Stop)
			prediction := s.prog.normalAnswer(text)
			correct := 0.0
			if prediction == it.Answer {
				correct = 1
			}
			rows = append(rows, reports.Item{
				Suite: s.Name(), Subset: it.Subset, ID: it.ID, Row: int32(it.Row), Prompt: it.PromptDigest(),
				Tokens: int32(len(prompts[i])), Scored: int32(len(answers[i])), Score: correct,
				Prediction: prediction, Gold: it.Answer, Correct: correct == 1,
				Split: it.Split, Cluster: it.Cluster, Figures: s.figuresOf(it, "exact_match"), Truncated: cands[i][0].truncated,
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("generating answers of suite %s: %w", s.Name(), err)
	}
	return rows, nil
}

// cutAtStop cuts text before the first stop text in it.
func cutAtStop(text string, stops []string) (string, bool) {
	at := -1
	for _, s := range stops {
		if i := strings.Index(text, s); s != "" && i >= 0 && (at < 0 || i < at) {
			at = i
		}
	}
	if at < 0 {
		return text, false
	}
	return text[:at], true
}

// normalAnswer takes the answer out of generated text and normalizes it.
func (p *program) normalAnswer(text string) string {
	g := p.def.Generate
	if p.extract != nil {
		found := p.extract.FindAllStringSubmatch(text, -1)
		i := g.Match
		if i < 0 {
			i += len(found)
		}
		if i < 0 || i >= len(found) {
			return ""
		}
		text = firstGroup(found[i])
	}
	return p.normalize(text)
}

// normalGold does the same to a row's gold answer.
func (p *program) normalGold(text string) (string, error) {
	if p.goldExtract != nil {
		m := p.goldExtract.FindStringSubmatch(text)
		if m == nil {
			return "", fmt.Errorf("the gold answer has no match for %s", p.goldExtract)
		}
		text = firstGroup(m)
	}
	text = p.normalize(text)
	if text == "" {
		return "", fmt.Errorf("the gold answer is empty once normalized")
	}
	return text, nil
}

func firstGroup(m []string) string {
	for _, g := range m[1:] {
		if g != "" {
			return g
		}
	}
	return m[0]
}

func (p *program) normalize(text string) string {
	text = strings.TrimSpace(text)
	for _, re := range p.remove {
		text = re.ReplaceAllString(text, "")
	}
	if p.def.Generate.Lower {
		text = strings.ToLower(text)
	}
	return strings.TrimSpace(text)
}
