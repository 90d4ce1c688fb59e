package suites_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xrun/runner/suites"
	"xrun/schema"
)

// sharedData is the directory of real suite files, reference the answers of
// other programs; tests that need them skip where they are absent.
const (
	sharedData = "../../../shared/data"
	reference  = "../../../shared/reference/smollm2"
)

func needShared(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED: %s is not here", path)
	}
}

// rootAt is a directory as the commands open it.
func rootAt(dir string) suites.Root { return suites.Root{FS: os.DirFS(dir), Name: dir} }

func open(t testing.TB, root suites.Root, s schema.Suite) *suites.Suite {
	t.Helper()
	if s.Name == "" {
		s.Name = s.Suite
	}
	suite, err := suites.Open(root, s)
	if err != nil {
		t.Fatal(err)
	}
	return suite
}

// TestPublishedCounts checks the sizes that eval_protocol.md gives for the
// published files.
func TestPublishedCounts(t *testing.T) {
	needShared(t, sharedData)
	for _, c := range []struct {
		suite schema.Suite
		items int
	}{
		{schema.Suite{Suite: "hellaswag"}, 10042},
		{schema.Suite{Suite: "winogrande"}, 1267},
		{schema.Suite{Suite: "winogrande", Variant: "5shot"}, 1267},
		{schema.Suite{Suite: "arc-e"}, 567},
		{schema.Suite{Suite: "arc-e", Variant: "test"}, 2365},
		{schema.Suite{Suite: "arc-c"}, 1165},
		{schema.Suite{Suite: "arc-c", Variant: "dev"}, 295},
		{schema.Suite{Suite: "boolq"}, 3270},
		{schema.Suite{Suite: "mmlu"}, 14042},
		{schema.Suite{Suite: "arc-e", Protocol: "lm-eval"}, 2376},
		{schema.Suite{Suite: "arc-c", Protocol: "lm-eval"}, 1172},
		{schema.Suite{Suite: "gsm8k", Protocol: "generate"}, 1319},
	} {
		t.Run(c.suite.Suite+c.suite.Variant+c.suite.Protocol, func(t *testing.T) {
			s := open(t, rootAt(sharedData), c.suite)
			if s.Len() != c.items {
				t.Errorf("%d items, want %d", s.Len(), c.items)
			}
			for _, n := range s.Notes() {
				if strings.Contains(n, "expected") {
					t.Errorf("the published file is noted as odd: %s", n)
				}
			}
		})
	}
}

// TestTruncatedContexts: 218 rows lose more than the activity label to the
// second cut, and every row loses the label.
func TestTruncatedContexts(t *testing.T) {
	needShared(t, sharedData)
	s := open(t, rootAt(sharedData), schema.Suite{Suite: "hellaswag"})
	full := open(t, rootAt(sharedData), schema.Suite{Suite: "hellaswag", Protocol: "lm-eval"})
	cut := 0
	for i := range s.Len() {
		query := full.Item(i).Choices[0].Context
		ctx := strings.TrimSuffix(s.Item(i).Choices[0].Context, "\n")
		_, once, ok := strings.Cut(query, ": ")
		if !ok || !strings.HasSuffix(once, ctx) {
			t.Fatalf("row %d: context %q of query %q", i, ctx, query)
		}
		if once != ctx {
			cut++
		}
	}
	if cut != 218 {
		t.Errorf("%d contexts cut at a second colon, want 218", cut)
	}
}

// referenceItem is an item of opencompass.json.
type referenceItem struct {
	Item       int             `json:"item"`
	Prediction json.RawMessage `json:"prediction"`
	Gold       json.RawMessage `json:"gold"`
	Choices    map[string]struct {
		Score  float64 `json:"score"`
		Prompt string  `json:"prompt"`
	} `json:"choices"`
}

// text is a JSON string's or number's text.
func text(raw json.RawMessage) string { return strings.Trim(string(raw), `"`) }

// openCompassSuites maps the reference's names to ours.
var openCompassSuites = map[string]schema.Suite{
	"hellaswag":                       {Suite: "hellaswag"},
	"winogrande":                      {Suite: "winogrande", Variant: "ppl"},
	"winogrande_ll":                   {Suite: "winogrande"},
	"ARC-e":                           {Suite: "arc-e"},
	"ARC-c":                           {Suite: "arc-c", Variant: "dev"},
	"BoolQ":                           {Suite: "boolq"},
	"lukaemon_mmlu_anatomy":           {Suite: "mmlu", Subjects: []string{"anatomy"}},
	"lukaemon_mmlu_college_physics":   {Suite: "mmlu", Subjects: []string{"college_physics"}},
	"lukaemon_mmlu_us_foreign_policy": {Suite: "mmlu", Subjects: []string{"us_foreign_policy"}},
}

func readReference(t testing.TB, name string, into any) {
	t.Helper()
	needShared(t, reference)
	data, err := os.ReadFile(filepath.Join(reference, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// TestOpenCompassPrompts compares prompts and golds with those OpenCompass
// 0.5.4 used: the first three items whole, of the others the last 160 characters.
func TestOpenCompassPrompts(t *testing.T) {
	var ref struct {
		Suites map[string][]referenceItem `json:"suites"`
	}
	readReference(t, "opencompass.json", &ref)
	if len(ref.Suites) != len(openCompassSuites) {
		t.Fatalf("%d suites in the reference, want %d", len(ref.Suites), len(openCompassSuites))
	}
	for name, items := range ref.Suites {
		t.Run(name, func(t *testing.T) {
			s := open(t, rootAt(sharedData), openCompassSuites[name])
			for _, want := range items {
				it := s.Item(want.Item)
				if got := it.Choices[it.Gold].Label; got != text(want.Gold) {
					t.Errorf("item %d: gold %s, want %s", want.Item, got, text(want.Gold))
				}
				if len(it.Choices) != len(want.Choices) {
					t.Fatalf("item %d: %d choices, want %d", want.Item, len(it.Choices), len(want.Choices))
				}
				for _, c := range it.Choices {
					got, ref := c.Context+c.Text, want.Choices[c.Label].Prompt
					if r := []rune(got); want.Item >= 3 && len(r) > 160 {
						got = string(r[len(r)-160:])
					}
					if got != ref {
						t.Errorf("item %d, choice %s:\ngot  %q\nwant %q", want.Item, c.Label, got, ref)
					}
				}
			}
		})
	}
}

type lmItem struct {
	DocID         int             `json:"doc_id"`
	Context       *string         `json:"context"`
	Continuations []string        `json:"continuations"`
	LogProbs      []float64       `json:"logprobs"`
	Acc           float64         `json:"acc"`
	AccNorm       *float64        `json:"acc_norm"`
	Target        json.RawMessage `json:"target"`
}

var lmEvalSuites = map[string]schema.Suite{
	"hellaswag":              {Suite: "hellaswag", Protocol: "lm-eval"},
	"winogrande":             {Suite: "winogrande", Protocol: "lm-eval"},
	"arc_e":                  {Suite: "arc-e", Protocol: "lm-eval"},
	"arc_c":                  {Suite: "arc-c", Protocol: "lm-eval"},
	"boolq":                  {Suite: "boolq", Protocol: "lm-eval"},
	"mmlu_anatomy":           {Suite: "mmlu", Protocol: "lm-eval", Subjects: []string{"anatomy"}},
	"mmlu_college_physics":   {Suite: "mmlu", Protocol: "lm-eval", Subjects: []string{"college_physics"}},
	"mmlu_us_foreign_policy": {Suite: "mmlu", Protocol: "lm-eval", Subjects: []string{"us_foreign_policy"}},
}

type lmReference struct {
	Tasks map[string]struct {
		Metrics map[string]float64 `json:"metrics"`
		Items   []lmItem           `json:"items"`
	} `json:"tasks"`
}

// TestLMEvalPrompts compares contexts, continuations and golds with those of
// lm-evaluation-harness 0.4.13.
func TestLMEvalPrompts(t *testing.T) {
	var ref lmReference
	readReference(t, "lmeval.json", &ref)
	if len(ref.Tasks) != len(lmEvalSuites) {
		t.Fatalf("%d tasks in the reference, want %d", len(ref.Tasks), len(lmEvalSuites))
	}
	for name, task := range ref.Tasks {
		t.Run(name, func(t *testing.T) {
			s := open(t, rootAt(sharedData), lmEvalSuites[name])
			for _, want := range task.Items {
				it := s.Item(want.DocID)
				if want.Context != nil && it.Choices[0].Context != *want.Context {
					t.Errorf("item %d: context\ngot  %q\nwant %q", want.DocID, it.Choices[0].Context, *want.Context)
				}
				var got []string
				for _, c := range it.Choices {
					got = append(got, c.Text)
				}
				if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want.Continuations) {
					t.Errorf("item %d: continuations\ngot  %q\nwant %q", want.DocID, got, want.Continuations)
				}
				if target := text(want.Target); name != "winogrande" && target != fmt.Sprint(it.Gold) {
					t.Errorf("item %d: gold %d, want %s", want.DocID, it.Gold, target)
				}
			}
		})
	}
}

// TestAnnotations checks the sizes of the published contamination classes, and
// that MMLU's keys count from 1.
func TestAnnotations(t *testing.T) {
	needShared(t, sharedData)
	count := func(s *suites.Suite) map[string]int {
		n := map[string]int{}
		for i := range s.Len() {
			n[s.Item(i).Split]++
		}
		return n
	}
	for _, c := range []struct {
		suite schema.Suite
		want  string
	}{
		// Of 836, 53 and 283 rows seven have other than four choices.
		{schema.Suite{Suite: "arc-c"}, "map[clean:831 input:53 input-and-label:281]"},
		{schema.Suite{Suite: "hellaswag"}, "map[input:26 input-and-label:659 not labeled:9357]"},
		{schema.Suite{Suite: "mmlu"}, "map[clean:6271 input:686 input-and-label:3404 not labeled:3681]"},
		{schema.Suite{Suite: "boolq"}, "map[:3270]"},
	} {
		if got := fmt.Sprint(count(open(t, rootAt(sharedData), c.suite))); got != c.want {
			t.Errorf("%s: %s, want %s", c.suite.Suite, got, c.want)
		}
	}
}
