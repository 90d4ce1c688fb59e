package schema_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	cueerrors "cuelang.org/go/cue/errors"

	"xrun/schema"
)

// Every suite known by name is a #Definition, and the first form of each is
// OpenCompass' where it has one.
func TestSuitesAreDefinitions(t *testing.T) {
	read := func(name string) []byte {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	text := read("suites.cue")
	ctx := cuecontext.New()
	definition := ctx.CompileBytes(read("schema.cue")).LookupPath(cue.ParsePath("#Definition"))
	it, err := ctx.CompileBytes(text).LookupPath(cue.ParsePath("suites")).List()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; it.Next(); n++ {
		if err := definition.Unify(it.Value()).Validate(cue.Concrete(true)); err != nil {
			t.Errorf("suite %d: %s", n, cueerrors.Details(err, nil))
		}
	}
	known := schema.Suites()
	if n != len(known) || n < 20 {
		t.Errorf("%d definitions in suites.cue, %d read", n, len(known))
	}
	seen := map[string]bool{}
	for _, d := range known {
		if !seen[d.Name] && d.Name != "gsm8k" && d.Protocol != "opencompass" {
			t.Errorf("%s: its first form is %s's", d.Name, d.Protocol)
		}
		seen[d.Name] = true
	}
}

// A definition in a file of its own is checked like one in a spec.
func TestLoadDefinition(t *testing.T) {
	const good = `protocol: "lm-eval"
files: {test: ["q.jsonl"], format: "jsonl"}
choices: {labels: ["a", "b"], texts: ["x", "y"]}
gold: path: "g"
prompt: {context: "Q:", answer: " {choice}"}
scores: ["acc"]
`
	load := func(text string, check func(schema.Definition) error) (schema.Definition, error) {
		return schema.LoadDefinition("my/quiz.cue", schema.Options{Suite: check, Read: func(string) ([]byte, error) { return []byte(text), nil }})
	}
	d, err := load(good, func(d schema.Definition) error { return nil })
	if err != nil || d.Name != "quiz" || d.Gold.Path != "g" || len(d.Choices.Texts) != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"gold: path", "gold: paht", `my/quiz.cue:4:7: gold.paht: unknown key; did you mean "path"?`},
		{`["acc"]`, `["accuracy"]`, `my/quiz.cue:6:10: scores[0]: is "accuracy"; want "ppl", "ll", "acc", "acc_norm", "acc_bytes" or "exact_match"`},
		{`"jsonl"`, `"tsv"`, `my/quiz.cue:2:36: files.format: is "tsv"; want "jsonl" or "csv"`},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		if c.old == `"jsonl"` {
			bad = strings.Replace(good, `format: "jsonl"`, `format: "tsv"`, 1)
		}
		if _, err := load(bad, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
	if _, err := load(good, func(schema.Definition) error { return errors.New("no") }); err == nil || err.Error() != "my/quiz.cue: no" {
		t.Errorf("error %v", err)
	}
}
