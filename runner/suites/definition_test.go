package suites_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/runner/suites"
	"xrun/schema"
)

// define reads a definition as a spec has it, in CUE.
func define(t testing.TB, source string) schema.Definition {
	t.Helper()
	spec := `question: "Does it work?"
matrix: model: ["builtin:tiny"]
data: source: "builtin:tiny/instruct.json"
eval: define: own: ` + source
	s, err := schema.Load("own.cue", schema.Options{Read: func(string) ([]byte, error) { return []byte(spec), nil }})
	if err != nil {
		t.Fatal(err)
	}
	return s.Eval.Define["own"]
}

// A user's own suite is a definition in the spec: no Go code.
func TestOwnSuite(t *testing.T) {
	root := files("quiz.csv", "Answer,Question\nY,\" Is it, really?\"\nM,Why?\n")
	def := define(t, `{
	protocol: "lm-eval"
	files: {test: ["quiz.csv"], format: "csv", header: "first"}
	fields: [{name: "q", path: "Question", trim: true}]
	choices: {labels: ["yes", "no", "maybe"], texts: ["yes", "no", "maybe"]}
	gold: {path: "Answer", map: {Y: "yes", N: "no", M: "maybe"}}
	prompt: {head: "Answer {{briefly}}.\n\n", context: "{q}\nAnswer:", answer: " {choice}"}
	scores: ["acc"]
}`)
	s, err := suites.OpenDefinition(root, def, schema.Suite{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Name() != "own" || s.Len() != 2 {
		t.Fatalf("%s with %d items", s.Name(), s.Len())
	}
	it := s.Item(0)
	if got, want := it.Choices[2].Context+it.Choices[2].Text, "Answer {briefly}.\n\nIs it, really?\nAnswer: maybe"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if it.Gold != 0 || s.Item(1).Gold != 2 {
		t.Errorf("golds %d and %d", it.Gold, s.Item(1).Gold)
	}
	results, _ := s.Figures(score(t, s, &table{}, suites.Options{}))
	if len(results) != 1 || results[0].Figure != "own acc" || results[0].Order < 10000 {
		t.Errorf("%+v", results)
	}
}

// A figure is named by what it divides by: "éyy" has three characters and four
// bytes. At −0.33 the one letter beats a third of −1.3 and loses to its quarter.
func TestCharactersAndBytes(t *testing.T) {
	def := define(t, `{
	protocol: "lm-eval"
	files: {test: ["q.jsonl"], format: "jsonl"}
	choices: {labels: ["1", "2"], texts: ["x", "éyy"]}
	gold: {path: "gold", same: true}
	prompt: {context: "Q", answer: "{choice}"}
	scores: ["acc", "acc_norm", "acc_bytes"]
}`)
	s, err := suites.OpenDefinition(files("q.jsonl", `{"gold": "1"}`+"\n"), def, schema.Suite{})
	if err != nil {
		t.Fatal(err)
	}
	rows := score(t, s, &table{logs: map[rune]float64{'x': -0.33, 'é': -0.5, 'y': -0.4}}, suites.Options{})
	want := map[string][2]float64{"own": {-0.33, -1.3}, "own (acc_norm)": {-0.33, -1.3 / 3}, "own (acc_bytes)": {-0.33, -1.3 / 4}}
	predictions := map[string]string{"own": "1", "own (acc_norm)": "1", "own (acc_bytes)": "2"}
	for i, r := range rows {
		if w := want[r.Suite][i%2]; math.Abs(r.Score-w) > 1e-15 || r.Prediction != predictions[r.Suite] {
			t.Errorf("%s, choice %s: %g and %s, want %g and %s", r.Suite, r.Choice, r.Score, r.Prediction, w, predictions[r.Suite])
		}
	}
	if len(rows) != 6 {
		t.Errorf("%d rows, want 6", len(rows))
	}
}

// Every definition that comes with the program is sound.
func TestKnownDefinitions(t *testing.T) {
	for _, d := range schema.Suites() {
		if err := suites.Check(d); err != nil {
			t.Errorf("%s %s %s: %v", d.Name, d.Protocol, d.Variant, err)
		}
	}
}

// A wrong definition is told what is wrong.
func TestWrongDefinitions(t *testing.T) {
	const good = `{"name":"q","protocol":"opencompass","files":{"test":["q.jsonl"],"format":"jsonl"},"fields":[{"name":"q","path":"q"}],"choices":{"labels":["a","b"],"texts":["x","y"]},"gold":{"path":"g"},"prompt":{"context":"{q} ","answer":"{choice}"},"scores":["ppl"]}`
	check := func(text string) error {
		var d schema.Definition
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		return suites.Check(d)
	}
	if err := check(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"opencompass"`, `"oc"`, `protocol "oc" is none of generate, lm-eval, opencompass`},
		{`["ppl"]`, `["acc"]`, `score "acc" is unknown to opencompass or named twice; it has ppl, ll`},
		{`["ppl"]`, `["ll"]`, `prompt.mask and the score "ll" belong together`},
		{`["q.jsonl"]`, `["../q.jsonl"]`, `file "../q.jsonl" is not a path below the root`},
		{`"jsonl"}`, `"tsv"}`, `files.format "tsv" is neither "jsonl" nor "csv"`},
		{`"jsonl"}`, `"csv"}`, `files.header "" is none of "first", "none", "drop"`},
		{`"{q} "`, `"{w} "`, `"{w} " names {w}, which is none of {choice}, {label}, {q}, {subject}, {subset}; write {{ for a brace`},
		{`"{q} "`, `"{q "`, `"{q " has a { without its }; write {{ for a brace`},
		{`"{q} "`, `"q} "`, `"q} " has a } without its {; write }} for a brace`},
		{`"path":"q"}`, `"path":"q[x]"}`, `path "q[x]" is not of the form a.b, a[2] or a[].b`},
		{`["a","b"]`, `["a","a"]`, `label "a" is empty or named twice`},
		{`["x","y"]`, `["x"]`, `1 texts for 2 labels`},
		{`{"path":"g"}`, `{"path":"g","map":{"1":"c"}}`, `gold.map sends "1" to "c", which is no label`},
		{`"prompt":{`, `"prompt":{"head":"{q}",`, `prompt.head may only name {subject} and {subset}, not {q}`},
		{`{"name":"q","path":"q"}`, `{"name":"choice","path":"q"}`, `field 1 has the name "choice", which is empty, taken or reserved`},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		if bad == good {
			t.Fatalf("%q is not in the definition", c.old)
		}
		err := check(bad)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s", c.new, err, c.want)
		}
	}
}

// Decode makes letters a suites.TextTokenizer.
func (letters) Decode(tokens []int32, _ bool) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteRune(rune(t))
	}
	return b.String()
}

func TestDescribe(t *testing.T) {
	s := open(t, files("winogrande/dev.jsonl", oneWinoGrande), schema.Suite{Suite: "winogrande"})
	got, err := s.Describe(1, letters{}, suites.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `winogrande, item 2 of 2: id 1, row 1, builtin:test/winogrande/dev.jsonl:2
protocol opencompass (ll), ll; prompt digest ` + s.Item(1).PromptDigest() + `; gold 1
tokens are divided by │, ⏎ stands before a line break

first 2 tokens, the same for every choice:
q│ 

choice 1, 3 tokens, scored from token 1 on; from token 2 on:
x

choice 2, 4 tokens, scored from token 1 on; from token 2 on:
y│y
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := s.Describe(2, letters{}, suites.Options{}); err == nil || !strings.Contains(err.Error(), "there is no item 3; it has the items 1 to 2") {
		t.Errorf("error %v", err)
	}
}

// Shared prefixes are counted once within a subset.
func TestCount(t *testing.T) {
	s := open(t, files("hellaswag/hellaswag.jsonl", twoHellaSwag), schema.Suite{Suite: "hellaswag"})
	got, err := s.Count(letters{}, suites.Options{MaxLength: 4})
	if err != nil {
		t.Fatal(err)
	}
	// ab\nx, (a)b\nyy, ab\nz, (a)b\nxx | c\nx three times, c\nz
	want := suites.Counts{Items: 2, Sequences: 8, Tokens: 28, Distinct: 4 + 4 + 1 + 2 + 3 + 1, Scored: 20, Truncated: 1}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Training texts that hold an item's words are found, whatever the case and
// punctuation; the answer counts in the same text only.
func TestOverlap(t *testing.T) {
	long := "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
	o := suites.NewOverlap()
	a := o.Add(long, "Red fish")
	b := o.Add("Which of these five is best?", "blue")
	c := o.Add("Too short, this.", "x")
	d := o.Add(strings.Replace(long, "seven", "7", 1), "red")
	o.Train(0, "it says: ONE two, three four five six seven eight nine ten eleven twelve thirteen!")
	o.Train(1, "which of these five is worst? blue")
	o.Train(2, "Red   fish and\ntwo three four five six seven eight nine ten eleven twelve thirteen fourteen")
	o.Train(3, "\"which of these five is best\" -- too short this")
	for n, want := range map[int]struct {
		class  string
		source int
	}{a: {suites.OverlapBoth, 2}, b: {suites.OverlapQuestion, 3}, c: {suites.OverlapShort, -1}, d: {suites.OverlapNone, -1}} {
		if class, source := o.Class(n); class != want.class || source != want.source {
			t.Errorf("item %d: %s by %d, want %+v", n, class, source, want)
		}
	}
}

// A suite's own questions are what is searched for.
func TestOverlapOfSuite(t *testing.T) {
	s := open(t, files("winogrande/dev.jsonl", `{"sentence":"The big cat saw a dog so _ ran away.","option1":"the cat","option2":"the dog","answer":"1"}
{"sentence":"The big cat saw a dog so _ ran away!","option1":"the cat","option2":"the dog","answer":"2"}
`), schema.Suite{Suite: "winogrande"})
	o := suites.NewOverlap()
	first := o.AddSuite(s)
	o.Train(7, "Say it: the big cat saw a dog so the dog ran away")
	if class, _ := o.Class(first); class != suites.OverlapNone {
		t.Errorf("the wrong option was found: %s", class)
	}
	if class, source := o.Class(first + 1); class != suites.OverlapBoth || source != 7 {
		t.Errorf("%s by %d", class, source)
	}
}
