package suites_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/reports"
	"xrun/runner/suites"
	"xrun/schema"
)

// answered makes the rows of a suite as Score would, with answers that right
// decides.
func answered(s *suites.Suite, figures func(suites.Item) []string, right func(suites.Item) bool) []reports.Item {
	var rows []reports.Item
	for i := range s.Len() {
		it := s.Item(i)
		for _, c := range it.Choices {
			rows = append(rows, reports.Item{Cell: "tuned", Suite: s.Name(), Subset: it.Subset, ID: it.ID, Row: int32(it.Row), Choice: c.Label,
				Correct: right(it), Split: it.Split, Cluster: it.Cluster, Figures: figures(it)})
		}
	}
	return rows
}

// TestStudyLayout: the six suites on the published files make the 72 figures of
// the study in its order, and MMLU's contamination splits outside them.
func TestStudyLayout(t *testing.T) {
	needShared(t, sharedData)
	splits := map[string]string{suites.SplitInput: "input contaminated", suites.SplitBoth: "input-and-label contaminated", suites.SplitClean: "clean"}
	var all []reports.Result
	for _, c := range []struct {
		name    string
		figures func(suites.Item) []string
	}{
		{"hellaswag", func(it suites.Item) []string {
			if it.Split == suites.SplitNotLabeled {
				return []string{"hellaswag accuracy - clean or unlabeled"}
			}
			return []string{"hellaswag accuracy - " + splits[it.Split]}
		}},
		{"winogrande", func(suites.Item) []string { return []string{"winogrande accuracy"} }},
		{"arc-e", func(suites.Item) []string { return []string{"arc-e accuracy"} }},
		{"arc-c", func(it suites.Item) []string { return []string{"arc-c accuracy - " + splits[it.Split]} }},
		{"boolq", func(suites.Item) []string { return []string{"boolq accuracy"} }},
		{"mmlu", func(it suites.Item) []string { return []string{"mmlu " + it.Subset} }},
	} {
		s := open(t, rootAt(sharedData), schema.Suite{Suite: c.name})
		results, notes := s.Figures(answered(s, c.figures, func(it suites.Item) bool { return it.Row%2 == 0 }))
		if len(notes) > 0 {
			t.Errorf("%s: notes %q", c.name, notes)
		}
		all = append(all, results...)
	}
	if len(all) != 72 {
		t.Fatalf("%d figures, want 72", len(all))
	}
	var first, last []string
	for i, r := range all {
		if i > 0 && r.Order <= all[i-1].Order {
			t.Errorf("%s: order %d after %d", r.Figure, r.Order, all[i-1].Order)
		}
		if i < 10 {
			first = append(first, fmt.Sprintf("%s | %s | %d", r.Figure, r.Group, r.Items))
		}
		if i >= 66 {
			last = append(last, fmt.Sprintf("%s | %s | %d | %d members, %d weights", r.Figure, r.Group, r.Items, len(r.Members), len(r.Weights)))
			if r.Leaf {
				t.Errorf("%s is a leaf", r.Figure)
			}
		}
	}
	if diff := cmp.Diff([]string{
		"hellaswag accuracy - clean or unlabeled | hellaswag | 9357",
		"hellaswag accuracy - input contaminated | hellaswag | 26",
		"hellaswag accuracy - input-and-label contaminated | hellaswag | 659",
		"winogrande accuracy | winogrande | 1267",
		"arc-e accuracy | arc-e | 567",
		"arc-c accuracy - clean | arc-c | 831",
		"arc-c accuracy - input contaminated | arc-c | 53",
		"arc-c accuracy - input-and-label contaminated | arc-c | 281",
		"boolq accuracy | boolq | 3270",
		"mmlu formal_logic | mmlu humanities | 126",
	}, first); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"mmlu humanities naive_average | mmlu humanities | 4705 | 13 members, 0 weights",
		"mmlu stem naive_average | mmlu stem | 3153 | 19 members, 0 weights",
		"mmlu social-science naive_average | mmlu social-science | 3077 | 12 members, 0 weights",
		"mmlu other naive_average | mmlu other | 3107 | 13 members, 0 weights",
		"mmlu naive_average | mmlu | 14042 | 57 members, 0 weights",
		"mmlu weighted_average | mmlu | 14042 | 57 members, 57 weights",
	}, last); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

const dev = "q,a,b,c,d,A\nq,a,b,c,d,B\nq,a,b,c,d,C\nq,a,b,c,d,D\nq,a,b,c,d,A\n"

// Two subjects of 1 of 2 and 3 of 4: means 62.5 and, by items, 66.7; so few
// subjects have the error of their items.
func TestAveragesOfFewSubjects(t *testing.T) {
	root := files("mmlu/dev/formal_logic_dev.csv", dev, "mmlu/dev/farming_dev.csv", dev,
		"mmlu/test/farming_test.csv", "1,a,b,c,d,A\n2,a,b,c,d,B\n",
		"mmlu/test/formal_logic_test.csv", "1,a,b,c,d,A\n2,a,b,c,d,A\n3,a,b,c,d,A\n4,a,b,c,d,B\n")
	s := open(t, root, schema.Suite{Suite: "mmlu"})
	rows := score(t, s, fixed{map[string]bool{"Answer: A": true}}, suites.Options{})
	results, notes := s.Figures(rows)
	type row struct {
		Figure, Group string
		Leaf          bool
		Items         int32
		Value, StdErr float64
		Members       []string
		Weights       []float64
	}
	both := []string{"mmlu formal_logic", "mmlu farming"}
	var got []row
	for _, r := range results {
		got = append(got, row{r.Figure, r.Group, r.Leaf, r.Items, r.Value, r.StdErr, r.Members, r.Weights})
	}
	pooled := 100 * 4.0 / 6
	within := math.Hypot(4*25, 2*50) / 6 // the subjects' own errors, 25 and 50, weighted
	want := []row{
		{"mmlu formal_logic", "mmlu humanities", true, 4, 75, 25, nil, nil},
		{"mmlu farming", "mmlu", true, 2, 50, 50, nil, nil},
		{"mmlu naive_average of 2 subjects", "mmlu", false, 6, 62.5, math.Hypot(25, 50) / 2, both, nil},
		{"mmlu weighted_average of 2 subjects", "mmlu", false, 6, pooled, within, both, []float64{4, 2}},
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(notes) != 3 || !strings.Contains(notes[0], "mmlu humanities naive_average: left out, 12 of its 13 members have no figure") {
		t.Errorf("notes %q", notes)
	}
}

// Where the annotations say which items are clean, unlabeled ones are in no
// split; where they list contaminated items only, the figure says so.
func TestSplits(t *testing.T) {
	item := func(n int, gold string) string {
		return fmt.Sprintf(`{"query":"Go: ab","choices":["x%d","y","z","w"],"gold":%s}`+"\n", n, gold)
	}
	data := item(0, "0") + item(1, "1") + item(2, "1") + item(3, "0")
	figures := func(annotations string) (out []string) {
		root := files("hellaswag/hellaswag.jsonl", data, "contamination/hellaswag_annotations.json", annotations)
		s := open(t, root, schema.Suite{Suite: "hellaswag"})
		results, notes := s.Figures(score(t, s, fixed{map[string]bool{"y": true}}, suites.Options{}))
		for _, r := range results {
			out = append(out, fmt.Sprintf("%s: %d of %d (%s)", r.Figure, int(r.Value*float64(r.Items)/100+0.5), r.Items, r.Note))
		}
		return append(out, notes...)
	}
	if diff := cmp.Diff([]string{
		"hellaswag accuracy - clean: 1 of 2 (1 of the suite's items not labeled, in no split)",
		"hellaswag accuracy - input contaminated: 1 of 1 (1 of the suite's items not labeled, in no split)",
		"hellaswag accuracy - input-and-label contaminated: no item, so no figure",
	}, figures(`{"0": ["clean", 0.1], "1": ["clean", 0], "2": ["input contamination", 0.8]}`)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"hellaswag accuracy - clean or unlabeled: 1 of 2 (2 of the suite's items not labeled, clean ones among them)",
		"hellaswag accuracy - input contaminated: 1 of 1 (2 of the suite's items not labeled, clean ones among them)",
		"hellaswag accuracy - input-and-label contaminated: 0 of 1 (2 of the suite's items not labeled, clean ones among them)",
	}, figures(`{"3": ["input-and-label contamination", 1], "2": ["input contamination", 0.8]}`)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// MMLU's splits stand beside its subjects' figures and are no leaves.
func TestExtraSplits(t *testing.T) {
	root := files("mmlu/dev/formal_logic_dev.csv", dev, "mmlu/test/formal_logic_test.csv", "1,a,b,c,d,A\n2,a,b,c,d,B\n3,a,b,c,d,A\n",
		"contamination/MMLU_test_contamination_annotations.json", `{"formal_logic 1": ["clean", 0], "formal_logic 2": ["input contamination", 0.7]}`)
	s := open(t, root, schema.Suite{Suite: "mmlu"})
	rows := score(t, s, fixed{map[string]bool{"Answer: A": true}}, suites.Options{})
	var got []string
	results, _ := s.Figures(rows)
	for _, r := range results {
		got = append(got, fmt.Sprintf("%s: %.0f %% of %d, leaf %v", r.Figure, r.Value, r.Items, r.Leaf))
	}
	if diff := cmp.Diff([]string{
		"mmlu formal_logic: 67 % of 3, leaf true",
		"mmlu accuracy - clean (rows keyed from 0): 0 % of 1, leaf false",
		"mmlu accuracy - input contaminated (rows keyed from 0): 100 % of 1, leaf false",
	}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
