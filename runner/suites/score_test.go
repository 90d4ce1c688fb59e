package suites_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"xrun/reports"
	"xrun/runner/suites"
	"xrun/schema"
)

// letters is a tokenizer with one token a character.
type letters struct{}

func (letters) Encode(text string) []int32 {
	var ids []int32
	for _, r := range text {
		ids = append(ids, int32(r))
	}
	return ids
}

// table is a scorer that knows a log-probability for each character, whatever
// stands before it; others have -1.
type table struct {
	logs  map[rune]float64
	seqs  int
	calls int
	asked []string // the sequences, | before the scored part
}

func (t *table) LogProbs(_ context.Context, seqs []suites.Sequence) ([][]float64, error) {
	t.calls++
	out := make([][]float64, len(seqs))
	for i, s := range seqs {
		t.seqs++
		t.asked = append(t.asked, string(s.Tokens[:s.From])+"|"+string(s.Tokens[s.From:]))
		out[i] = []float64{}
		for _, id := range s.Tokens[s.From:] {
			l, ok := t.logs[rune(id)]
			if !ok {
				l = -1
			}
			out[i] = append(out[i], l)
		}
	}
	return out, nil
}

func files(kv ...string) suites.Root {
	m := fstest.MapFS{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = &fstest.MapFile{Data: []byte(kv[i+1])}
	}
	return suites.Root{FS: m, Name: "builtin:test"}
}

func score(t testing.TB, s *suites.Suite, sc suites.Scorer, opt suites.Options) []reports.Item {
	t.Helper()
	rows, err := s.Score(context.Background(), letters{}, sc, opt)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

const twoHellaSwag = `{"query":"Go: ab","choices":["x","yy","z","xx"],"gold":1}
{"query":"Go: so: c","choices":["x","x","z","x"],"gold":0}
`

// The whole sequence counts, its first token has no probability but is counted,
// and the lowest mean wins; equal means go to the first label.
func TestPerplexityByHand(t *testing.T) {
	s := open(t, files("hellaswag/hellaswag.jsonl", twoHellaSwag), schema.Suite{Suite: "hellaswag"})
	rows := score(t, s, &table{logs: map[rune]float64{'x': -0.5, 'y': -0.25, 'z': -3}}, suites.Options{})
	type row struct {
		ID, Choice       string
		Tokens, Scored   int32
		LogProb, Score   float64
		Prediction, Gold string
		Correct          bool
	}
	var got []row
	for _, r := range rows {
		got = append(got, row{r.ID, r.Choice, r.Tokens, r.Scored, r.LogProb, r.Score, r.Prediction, r.Gold, r.Correct})
	}
	want := []row{
		// "ab\nx": b and \n cost 1 each, x 0.5: 2.5 over 4 tokens.
		{"0", "0", 4, 3, -2.5, 2.5 / 4, "1", "1", true},
		{"0", "1", 5, 4, -2.5, 2.5 / 5, "1", "1", true},
		{"0", "2", 4, 3, -5, 5.0 / 4, "1", "1", true},
		{"0", "3", 5, 4, -3, 3.0 / 5, "1", "1", true},
		// "c\nx": the second ": " cut away "so" as well.
		{"1", "0", 3, 2, -1.5, 1.5 / 3, "0", "0", true},
		{"1", "1", 3, 2, -1.5, 1.5 / 3, "0", "0", true},
		{"1", "2", 3, 2, -4, 4.0 / 3, "0", "0", true},
		{"1", "3", 3, 2, -1.5, 1.5 / 3, "0", "0", true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if rows[0].Suite != "hellaswag" || !cmp.Equal(rows[0].Figures, []string{"hellaswag accuracy"}) {
		t.Errorf("row %+v", rows[0])
	}
}

const oneWinoGrande = `{"sentence":"_ ate, b","option1":"x","option2":"yy","answer":"2"}
{"sentence":"q _","option1":"x","option2":"yy","answer":"1"}
`

// OpenCompass masks the first m tokens, m counted on the text after the blank,
// and divides by the n-m that are left; without a mask the divisor is n.
func TestMaskedFirstTokens(t *testing.T) {
	root := files("winogrande/dev.jsonl", oneWinoGrande)
	s := open(t, root, schema.Suite{Suite: "winogrande"})
	if got := s.Item(0).Choices[1]; got.Mask != " ate, b" || got.Text != "yy ate, b" {
		t.Fatalf("choice %+v", got)
	}
	rows := score(t, s, &table{logs: map[rune]float64{'b': -2, 'x': -0.5, 'y': -0.25}}, suites.Options{})
	want := []struct {
		scored int32
		score  float64
	}{
		{1, -2},       // "x ate, b": 8 tokens, 7 masked
		{2, -3.0 / 2}, // "yy ate, b": 9 tokens, 7 masked: blank and b
		{2, -1.5 / 3}, // "q x": nothing masked, the first token has no term
		{3, -1.5 / 4}, // "q yy"
	}
	for i, r := range rows {
		if r.Scored != want[i].scored || r.Score != want[i].score {
			t.Errorf("row %d: %d scored, score %v, want %+v", i, r.Scored, r.Score, want[i])
		}
	}
	if rows[0].Prediction != "2" || !rows[0].Correct || rows[2].Prediction != "2" || rows[2].Correct {
		t.Errorf("predictions %s and %s", rows[0].Prediction, rows[2].Prediction)
	}
}

// lm-eval scores the continuation: its sum decides acc, its sum over the
// choice's characters acc_norm, which has rows of its own.
func TestContinuations(t *testing.T) {
	root := files("arc/ARC-e/ARC-Easy-Test.jsonl", `{"id":"a","question":{"stem":"s","choices":[{"text":"x","label":"1"},{"text":"éyy","label":"2"},{"text":"zz","label":"3"}]},"answerKey":"2"}
{"id":"b","question":{"stem":"s","choices":[{"text":"x","label":"A"},{"text":"z","label":"B"}]},"answerKey":"A"}
`)
	s := open(t, root, schema.Suite{Suite: "arc-e", Protocol: "lm-eval"})
	rows := score(t, s, &table{logs: map[rune]float64{'x': -0.5, 'y': -0.25, 'é': -0.5, 'z': -3, ' ': -0.125}}, suites.Options{})
	type row struct {
		Suite, ID, Choice, Prediction string
		Scored                        int32
		Score                         float64
		Correct                       bool
		Figure                        string
	}
	var got []row
	for _, r := range rows {
		got = append(got, row{r.Suite, r.ID, r.Choice, r.Prediction, r.Scored, r.Score, r.Correct, r.Figures[0]})
	}
	norm := "arc-e (acc_norm)"
	want := []row{
		{"arc-e", "a", "A", "A", 2, -0.625, false, "arc-e acc"},
		{"arc-e", "a", "B", "A", 4, -1.125, false, "arc-e acc"},
		{"arc-e", "a", "C", "A", 3, -6.125, false, "arc-e acc"},
		{"arc-e", "b", "A", "A", 2, -0.625, true, "arc-e acc"},
		{"arc-e", "b", "B", "A", 2, -3.125, true, "arc-e acc"},
		{norm, "a", "A", "B", 2, -0.625, true, "arc-e acc_norm"},
		{norm, "a", "B", "B", 4, -1.125 / 3, true, "arc-e acc_norm"},
		{norm, "a", "C", "B", 3, -6.125 / 2, true, "arc-e acc_norm"},
		{norm, "b", "A", "A", 2, -0.625, true, "arc-e acc_norm"},
		{norm, "b", "B", "A", 2, -3.125, true, "arc-e acc_norm"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	results, _ := s.Figures(rows)
	var figures []string
	for _, r := range results {
		figures = append(figures, r.Figure)
	}
	if diff := cmp.Diff([]string{"arc-e acc", "arc-e acc_norm"}, figures); diff != "" {
		t.Error(diff)
	}
	if results[0].Value != 50 || results[1].Value != 100 {
		t.Errorf("values %v and %v", results[0].Value, results[1].Value)
	}
}

// merging is a tokenizer that takes " x" as one token and drops nothing else,
// so a context ends elsewhere than where its own tokens end.
type merging struct{ letters }

func (m merging) Encode(text string) []int32 {
	return m.letters.Encode(strings.ReplaceAll(text, ": x", "ß"))
}

// The continuation is what follows as many tokens as the context alone has, and
// the model reads the context's own tokens before it, as lm-evaluation-harness'
// _encode_pair has it.
func TestBoundaryMerge(t *testing.T) {
	root := files("boolq/val.jsonl", `{"question":"q","passage":"p","label":"true"}
{"question":"q","passage":"p","label":"false"}
`)
	def, err := suites.Find("boolq", "lm-eval", "")
	if err != nil {
		t.Fatal(err)
	}
	def.Choices.Texts = []string{"xa", "xb"}
	s, err := suites.OpenDefinition(root, def, schema.Suite{})
	if err != nil {
		t.Fatal(err)
	}
	scorer := table{logs: map[rune]float64{'b': -0.5}}
	rows, err := s.Score(context.Background(), merging{}, &scorer, suites.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// With " xb" behind it the colon merges with what follows: of the whole's 23
	// tokens the first 22 reach up to b, and nothing but "b" remains.
	if rows[1].Tokens != 23 || rows[1].Scored != 1 || rows[1].LogProb != -0.5 || scorer.asked[1] != "p\nQuestion: q?\nAnswer:|b" {
		t.Errorf("%d tokens, %d scored, %v, asked %q", rows[1].Tokens, rows[1].Scored, rows[1].LogProb, scorer.asked[1])
	}
}

// Where the tokenizer puts a beginning token before a text, both families score
// behind one. Cut to the model's length, a whole text keeps it and a context does
// not; a context that starts with it gets no second one.
func TestBeginningToken(t *testing.T) {
	rows := `{"q":"abcd","gold":0}
{"q":"","gold":1}
{"q":"^ab","gold":1}
`
	def := schema.Definition{
		Name: "own", Protocol: "lm-eval", Files: schema.SuiteFiles{Test: []string{"own.jsonl"}, Format: "jsonl"},
		Fields:  []schema.SuiteField{{Name: "q", Path: "q"}},
		Choices: schema.SuiteChoices{Labels: []string{"0", "1"}, Texts: []string{"x", "yz"}},
		Gold:    schema.SuiteGold{Path: "gold", Index: true},
		Prompt:  schema.SuitePrompt{Context: "{q}", Answer: "{choice}"},
		Scores:  []string{"acc"},
	}
	for _, c := range []struct {
		protocol, score string
		length          int
		want            []string
	}{
		{"lm-eval", "acc", 0, []string{"^abcd|x", "^abcd|yz", "^|x", "^|yz", "^ab|x", "^ab|yz"}},
		{"lm-eval", "acc", 4, []string{"abcd|x", "bcd|yz", "^|x", "^|yz", "^ab|x", "^ab|yz"}},
		{"opencompass", "ppl", 0, []string{"^|abcdx", "^|abcdyz", "^|x", "^|yz", "^|^abx", "^|^abyz"}},
		{"opencompass", "ppl", 4, []string{"^|cdx", "^|dyz", "^|x", "^|yz", "^|abx", "^|byz"}},
	} {
		def.Protocol, def.Scores = c.protocol, []string{c.score}
		s, err := suites.OpenDefinition(files("own.jsonl", rows), def, schema.Suite{})
		if err != nil {
			t.Fatal(err)
		}
		var scorer table
		score(t, s, &scorer, suites.Options{MaxLength: c.length, BOS: []int32{'^'}, Empty: []int32{'^'}})
		if diff := cmp.Diff(c.want, scorer.asked); diff != "" {
			t.Errorf("%s, length %d (-want +got)\n%s", c.protocol, c.length, diff)
		}
	}
}

// Trailing blanks of a context belong to the continuation; a context of blanks
// only is the stand-in token.
func TestEmptyContext(t *testing.T) {
	root := files("w.jsonl", `{"sentence":"_ ran","option1":"  ","option2":"xy ","answer":"1"}
{"sentence":"_ ran","option1":"b","option2":"xy","answer":"2"}
`)
	s := open(t, root, schema.Suite{Suite: "winogrande", Protocol: "lm-eval", Path: "w.jsonl"})
	if _, err := s.Score(context.Background(), letters{}, &table{}, suites.Options{}); err == nil || !strings.Contains(err.Error(), "neither a bos nor an eos") {
		t.Errorf("error %v", err)
	}
	rows := score(t, s, &table{}, suites.Options{Empty: []int32{7}})
	if rows[0].Tokens != 7 || rows[0].Scored != 6 { // token 7, then "   ran"
		t.Errorf("%d tokens, %d scored", rows[0].Tokens, rows[0].Scored)
	}
	if rows[1].Tokens != 7 || rows[1].Scored != 5 { // "xy", then "  ran"
		t.Errorf("%d tokens, %d scored", rows[1].Tokens, rows[1].Scored)
	}
}

// A sequence longer than the model is cut from the left and counted.
func TestTruncation(t *testing.T) {
	long := strings.Repeat("w", 100_000)
	root := files("hellaswag/hellaswag.jsonl", `{"query":"Go: `+long+`","choices":["x","y","z","zz"],"gold":1}`+"\n"+twoHellaSwag)
	s := open(t, root, schema.Suite{Suite: "hellaswag"})
	rows := score(t, s, &table{}, suites.Options{MaxLength: 16})
	if !rows[0].Truncated || rows[0].Tokens != 16 || rows[0].Scored != 15 || rows[4].Truncated {
		t.Errorf("rows %+v and %+v", rows[0], rows[4])
	}
	results, _ := s.Figures(rows)
	if results[0].Note != "1 truncated" {
		t.Errorf("note %q", results[0].Note)
	}
	// lm-eval keeps one token more: the last is predicted, never read.
	s = open(t, root, schema.Suite{Suite: "hellaswag", Protocol: "lm-eval"})
	if rows = score(t, s, &table{}, suites.Options{MaxLength: 16}); rows[0].Tokens != 17 || rows[0].Scored != 2 || !rows[0].Truncated {
		t.Errorf("row %+v", rows[0])
	}
	if _, err := s.Score(context.Background(), letters{}, &table{}, suites.Options{MaxLength: 1}); err == nil || !strings.Contains(err.Error(), "more than the model's 1") {
		t.Errorf("error %v", err)
	}
}

// Rows do not depend on how the scorer was asked.
func TestBatchesAgree(t *testing.T) {
	root := files("hellaswag/hellaswag.jsonl", strings.Repeat(twoHellaSwag, 20))
	s := open(t, root, schema.Suite{Suite: "hellaswag"})
	var once, often table
	want := score(t, s, &once, suites.Options{})
	got := score(t, s, &often, suites.Options{Batch: 50})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if once.calls != 1 || often.calls < 10 {
		t.Errorf("the scorer was asked %d times in one batch, %d in small ones", once.calls, often.calls)
	}
}

// A model that answers nonsense is an error, not a score.
func TestBadLogProbs(t *testing.T) {
	s := open(t, files("hellaswag/hellaswag.jsonl", twoHellaSwag), schema.Suite{Suite: "hellaswag"})
	for _, bad := range []float64{math.NaN(), math.Inf(-1), 0.5} {
		_, err := s.Score(context.Background(), letters{}, &table{logs: map[rune]float64{'y': bad}}, suites.Options{})
		if err == nil || !strings.Contains(err.Error(), "item 0: choice 1") {
			t.Errorf("%v: error %v", bad, err)
		}
	}
}

// A template takes the question without the blanks around it, and the answer
// follows without those before it; what is a sentence as a whole is asked bare.
func TestTemplate(t *testing.T) {
	var asked []string
	opt := suites.Options{Template: func(q string) ([]int32, error) {
		asked = append(asked, q)
		return letters{}.Encode("<" + q + ">"), nil
	}}
	root := files("hellaswag/hellaswag.jsonl", twoHellaSwag, "winogrande/dev.jsonl", oneWinoGrande)
	for _, c := range []struct {
		suite          schema.Suite
		tokens, scored int32
		asked          string
	}{
		{schema.Suite{Suite: "hellaswag"}, 5, 4, "ab"},                          // <ab>x, all but the first scored
		{schema.Suite{Suite: "hellaswag", Protocol: "lm-eval"}, 9, 1, "Go: ab"}, // <Go: ab>x, of which x
		{schema.Suite{Suite: "winogrande"}, 8, 1, ""},
	} {
		asked = nil
		rows := score(t, open(t, root, c.suite), &table{}, opt)
		if rows[0].Tokens != c.tokens || rows[0].Scored != c.scored || len(asked) > 0 != (c.asked != "") || len(asked) > 0 && asked[0] != c.asked {
			t.Errorf("%+v: %d tokens, %d scored, asked %q", c.suite, rows[0].Tokens, rows[0].Scored, asked)
		}
	}
}

// fixed answers with one score per letter of the answer, so that a test decides
// which items are right.
type fixed struct{ right map[string]bool }

func (f fixed) LogProbs(_ context.Context, seqs []suites.Sequence) ([][]float64, error) {
	out := make([][]float64, len(seqs))
	for i, s := range seqs {
		out[i] = make([]float64, len(s.Tokens)-s.From)
		var text strings.Builder
		for _, id := range s.Tokens {
			text.WriteRune(rune(id))
		}
		for j := range out[i] {
			out[i][j] = -1
		}
		if f.right[lastLine(text.String())] {
			out[i][len(out[i])-1] = -0.5
		}
	}
	return out, nil
}

func lastLine(s string) string { return s[strings.LastIndex(s, "\n")+1:] }

// BoolQ items of one passage are one cluster: with the accuracies of two
// passages at 100 and 50, p = 2/3 and the clusters' sums deviate by 1 - 2/3 and
// 1 - 4/3, so the error is sqrt(2 (1/9 + 1/9))/3 = 22.2 %.
func TestClusteredError(t *testing.T) {
	root := files("boolq/val.jsonl", `{"question":"a","passage":"one","label":"true"}
{"question":"b","passage":"two","label":"true"}
{"question":"c","passage":"two","label":"false"}
`)
	s := open(t, root, schema.Suite{Suite: "boolq"})
	rows := score(t, s, fixed{map[string]bool{"Yes": true}}, suites.Options{})
	results, _ := s.Figures(rows)
	want := []reports.Result{{
		Suite: "boolq", Figure: "boolq accuracy", Group: "boolq", Leaf: true, Order: 500, Items: 3,
		Value: 100 * 2.0 / 3, StdErr: 100 * math.Sqrt(2*(1.0/9+1.0/9)) / 3, Unit: "%", Note: "standard error over 2 clusters",
	}}
	if diff := cmp.Diff(want, results, cmpopts.EquateApprox(1e-14, 0)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if rows[0].Cluster == "" || rows[0].Cluster == rows[2].Cluster || rows[2].Cluster != rows[4].Cluster {
		t.Errorf("clusters %q %q %q", rows[0].Cluster, rows[2].Cluster, rows[4].Cluster)
	}
}

// Suites asked together give the rows of each asked by itself, in one call
// where the batch allows it.
func TestScoreAll(t *testing.T) {
	root := files("hellaswag/hellaswag.jsonl", strings.Repeat(twoHellaSwag, 20))
	list := []*suites.Suite{
		open(t, root, schema.Suite{Suite: "hellaswag"}),
		open(t, root, schema.Suite{Suite: "hellaswag", Protocol: "lm-eval"}),
	}
	for _, batch := range []int{0, 50} {
		calls := &counted{Scorer: &table{}}
		got, err := suites.ScoreAll(t.Context(), list, letters{}, calls, suites.Options{Batch: batch})
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range list {
			if diff := cmp.Diff(score(t, s, &table{}, suites.Options{}), got[i]); diff != "" {
				t.Errorf("batch %d, suite %d\n%s", batch, i, diff)
			}
		}
		if one := calls.n == 1; one != (batch == 0) {
			t.Errorf("batch %d: %d calls", batch, calls.n)
		}
	}
	// An error names the suite it is about, though it comes with another's.
	_, err := suites.ScoreAll(t.Context(), list, letters{}, &table{logs: map[rune]float64{'y': 0.5}}, suites.Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "scoring suite hellaswag: item 0: choice 1") {
		t.Errorf("error %v", err)
	}
}

// counted counts the calls of a scorer.
type counted struct {
	suites.Scorer
	n int
}

func (c *counted) LogProbs(ctx context.Context, seqs []suites.Sequence) ([][]float64, error) {
	c.n++
	return c.Scorer.LogProbs(ctx, seqs)
}
