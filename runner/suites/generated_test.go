package suites_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/runner/suites"
	"xrun/schema"
)

// parrot generates a fixed text for each prompt, until stop.
type parrot struct {
	letters
	answers map[string]string
}

func (p parrot) Decode(tokens []int32) string { return p.letters.Decode(tokens, true) }

func (p parrot) Generate(_ context.Context, prompts [][]int32, maxNew int, stop func([]int32) bool) ([][]int32, error) {
	out := make([][]int32, len(prompts))
	for i, prompt := range prompts {
		for key, answer := range p.answers {
			if strings.Contains(p.Decode(prompt), key) {
				for _, r := range answer {
					if out[i] = append(out[i], r); len(out[i]) == maxNew || stop(out[i]) {
						break
					}
				}
			}
		}
	}
	return out, nil
}

// The last number of the answer before the next question counts, without
// dollar signs, commas and a final stop.
func TestGenerate(t *testing.T) {
	csv := "question,answer\n"
	for _, q := range []string{"one", "two", "three", "four"} {
		csv += fmt.Sprintf("%s?,\"Well, <<1+1=2>>\n#### 1,234\"\n", q)
	}
	s := open(t, files("gsm8k/test.csv", csv), schema.Suite{Suite: "gsm8k", Protocol: "generate"})
	if got, want := s.Item(0).Choices[0].Context, "Question: one?\nAnswer:"; got != want {
		t.Errorf("prompt %q, want %q", got, want)
	}
	p := parrot{answers: map[string]string{
		"one":   " First 5, then it makes $1,234.\n\nQuestion: 77",
		"two":   " 1234 of 1235",
		"three": " I cannot say",
		"four":  strings.Repeat("9 ", 200) + "1234",
	}}
	rows, err := s.Generate(context.Background(), letters{}, p, p, suites.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprintf("%s %q of %q %v, %d + %d tokens", r.ID, r.Prediction, r.Gold, r.Correct, r.Tokens, r.Scored))
	}
	if diff := cmp.Diff([]string{
		`0 "1234" of "1234" true, 22 + 42 tokens`,
		`1 "1235" of "1234" false, 22 + 13 tokens`,
		`2 "" of "1234" false, 24 + 13 tokens`,
		`3 "9" of "1234" false, 23 + 256 tokens`,
	}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	results, _ := s.Figures(rows)
	if len(results) != 1 || results[0].Figure != "gsm8k exact_match" || results[0].Value != 25 {
		t.Errorf("%+v", results)
	}
	if _, err := s.Score(context.Background(), letters{}, &table{}, suites.Options{}); err == nil {
		t.Error("generated answers were scored")
	}
}

// Every gold answer of the published file has its number.
func TestGSM8KGolds(t *testing.T) {
	needShared(t, sharedData)
	s := open(t, rootAt(sharedData), schema.Suite{Suite: "gsm8k", Protocol: "generate"})
	if it := s.Item(0); it.Answer != "18" || !strings.HasPrefix(it.Choices[0].Context, "Question: Janet’s ducks lay 16 eggs per day.") {
		t.Errorf("%+v", it)
	}
	for i := range s.Len() {
		if a := s.Item(i).Answer; strings.Trim(a, "0123456789-.") != "" {
			t.Errorf("item %d: gold %q", i, a)
		}
	}
}
