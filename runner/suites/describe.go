package suites

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// TextTokenizer is a tokenizer that can also show what its tokens stand for.
type TextTokenizer interface {
	Tokenizer
	Decode(tokens []int32, skipSpecial bool) string
}

// Describe shows item i, counted from 0, as the model sees it: where it comes from, what is
// scored, and the exact text with its token boundaries; then what is noted of the
// whole suite. Of opt it takes the
// template and the token that stands for an empty context.
func (s *Suite) Describe(i int, tok TextTokenizer, opt Options) (string, error) {
	if i < 0 || i >= s.Len() {
		return "", fmt.Errorf("describing suite %s: there is no item %d; it has the items 1 to %d", s.Name(), i+1, s.Len())
	}
	it := s.Item(i)
	cands, err := s.encode(it, tok, opt)
	if err != nil {
		return "", fmt.Errorf("describing suite %s: %w", s.Name(), err)
	}
	var b strings.Builder
	def := s.prog.def
	fmt.Fprintf(&b, "%s, item %d of %d: ", s.Name(), i+1, s.Len())
	if it.Subset != "" {
		fmt.Fprintf(&b, "%s, ", it.Subset)
	}
	fmt.Fprintf(&b, "id %s, row %d, %s:%d\n", it.ID, it.Row, s.testName(it.Subset), it.Line)
	fmt.Fprintf(&b, "protocol %s", def.Protocol)
	if def.Variant != "" {
		fmt.Fprintf(&b, " (%s)", def.Variant)
	}
	fmt.Fprintf(&b, ", %s; prompt digest %s", strings.Join(def.Scores, " and "), it.PromptDigest())
	if it.Gold >= 0 {
		fmt.Fprintf(&b, "; gold %s", it.Choices[it.Gold].Label)
	} else {
		fmt.Fprintf(&b, "; gold %q", it.Answer)
	}
	if it.Split != "" {
		fmt.Fprintf(&b, "; contamination: %s", it.Split)
	}
	if k := s.items[i].emptyChoice(); k >= 0 {
		fmt.Fprintf(&b, "\nchoice %s is empty", it.Choices[k].Label)
	}
	if j, k := s.items[i].sameChoices(); k > 0 {
		fmt.Fprintf(&b, "\nchoices %s and %s are the same text: of equal scores the first counts", it.Choices[j].Label, it.Choices[k].Label)
	}
	b.WriteString("\ntokens are divided by │, ⏎ stands before a line break\n")
	shared := common(cands)
	if len(cands) > 1 && shared > 0 {
		fmt.Fprintf(&b, "\nfirst %d tokens, the same for every choice:\n%s\n", shared, shown(cands[0].Tokens[:shared], tok))
	} else {
		shared = 0
	}
	for k, c := range cands {
		label := "prompt"
		if it.Choices[k].Label != "" {
			label = "choice " + it.Choices[k].Label
		}
		fmt.Fprintf(&b, "\n%s, %d tokens", label, len(c.Tokens))
		switch {
		case def.Protocol == "generate":
			fmt.Fprintf(&b, ", at most %d to generate", def.Generate.MaxNew)
		default:
			fmt.Fprintf(&b, ", scored from token %d on", c.From)
		}
		if c.masked > 0 {
			fmt.Fprintf(&b, ", %d masked", c.masked)
		}
		if shared > 0 {
			fmt.Fprintf(&b, "; from token %d on", shared)
		}
		fmt.Fprintf(&b, ":\n%s\n", shown(c.Tokens[shared:], tok))
	}
	for i, n := range s.notes {
		if i == 0 {
			fmt.Fprintf(&b, "\nnotes on %s\n", s.Name())
		}
		fmt.Fprintf(&b, "  %s\n", n)
	}
	return b.String(), nil
}

// testName is the file of a subset, as messages name it.
func (s *Suite) testName(subset string) string {
	role := "test"
	if subset != "" {
		role += "/" + subset
	}
	for _, f := range s.files {
		if f.Role == role {
			return f.Name
		}
	}
	return ""
}

// common is the length of the candidates' shared prefix.
func common(cands []candidate) int {
	n := len(cands[0].Tokens)
	for _, c := range cands[1:] {
		k := 0
		for k < n && k < len(c.Tokens) && c.Tokens[k] == cands[0].Tokens[k] {
			k++
		}
		n = k
	}
	return n
}

// shown writes tokens with their boundaries; bytes that are no text alone are
// escaped.
func shown(tokens []int32, tok TextTokenizer) string {
	var b strings.Builder
	for i, id := range tokens {
		if i > 0 {
			b.WriteString("│")
		}
		text := tok.Decode([]int32{id}, false)
		if !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError) {
			text = strings.Trim(strconv.QuoteToASCII(text), `"`)
		}
		b.WriteString(strings.ReplaceAll(text, "\n", "⏎\n"))
	}
	return b.String()
}
