package suites_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/runner/suites"
	"xrun/schema"
)

const goodARC = `{"id":"a","question":{"stem":"s","choices":[{"text":"w","label":"A"},{"text":"x","label":"B"},{"text":"y","label":"C"},{"text":"z","label":"D"}]},"answerKey":"A"}` + "\n"

// Each broken file gives one message that names the file, the line and the
// remedy or the reason.
func TestMalformedFiles(t *testing.T) {
	const (
		hs  = "hellaswag/hellaswag.jsonl"
		arc = "arc/ARC-c/ARC-Challenge-Test.jsonl"
		csv = "mmlu/test/anatomy_test.csv"
		shr = "mmlu/dev/anatomy_dev.csv"
	)
	good := `{"query":"Go: ab","choices":["x","y","z","w"],"gold":1}` + "\n"
	for _, c := range []struct {
		name  string
		suite schema.Suite
		files []string
		want  string
	}{
		{"no file", schema.Suite{Suite: "boolq"}, []string{"x", ""},
			"opening suite boolq: no file at builtin:test/boolq/val.jsonl or builtin:test/data/boolq/val.jsonl or builtin:test/SuperGLUE/BoolQ/val.jsonl or builtin:test/data/SuperGLUE/BoolQ/val.jsonl; the files are those of OpenCompass' data pack, OpenCompassData-core"},
		{"no path", schema.Suite{Suite: "boolq", Path: "mine.jsonl"}, []string{"x", ""}, "opening suite boolq: no file at builtin:test/mine.jsonl"},
		{"empty file", schema.Suite{Suite: "hellaswag"}, []string{hs, ""}, "reading builtin:test/hellaswag/hellaswag.jsonl: it holds no row"},
		{"not JSON", schema.Suite{Suite: "hellaswag"}, []string{hs, good + "query\n"}, "hellaswag.jsonl:2: invalid character 'q'"},
		{"cut JSON", schema.Suite{Suite: "hellaswag"}, []string{hs, good + `{"query":"Go`}, "hellaswag.jsonl:2: the JSON object is cut off"},
		{"trailing bytes", schema.Suite{Suite: "hellaswag"}, []string{hs, strings.TrimSpace(good) + " {}\n"}, `hellaswag.jsonl:1: column 57: bytes after the object's end: "{}"`},
		{"a list", schema.Suite{Suite: "hellaswag"}, []string{hs, "[1]\n"}, "hellaswag.jsonl:1: a JSON list where each line is an object"},
		{"a name twice", schema.Suite{Suite: "hellaswag"}, []string{hs, `{"label":1,"label":2}` + "\n"}, `hellaswag.jsonl:1: "label" stands twice in one object; remove one`},
		{"half a character", schema.Suite{Suite: "hellaswag"}, []string{hs, `{"label":1}` + "\n" + `{"ctx":"a\ud83d"}` + "\n"}, `hellaswag.jsonl:2: half a surrogate pair (\ud83d at byte 9), which is no character; write the whole pair`},
		{"blank line", schema.Suite{Suite: "hellaswag"}, []string{hs, good + "\n" + good}, "hellaswag.jsonl:2: a blank line between rows; remove it"},
		{"not UTF-8", schema.Suite{Suite: "hellaswag"}, []string{hs, good + "{\"query\":\"\xff\"}\n"}, "hellaswag.jsonl:2: byte 0xff is not UTF-8; save the file as UTF-8"},
		{"missing key", schema.Suite{Suite: "hellaswag"}, []string{hs, good + `{"ctx":"a","choices":["x","y","z","w"],"gold":1}`}, `hellaswag.jsonl:2: no "query"; the row has choices, ctx, gold`},
		{"missing gold", schema.Suite{Suite: "hellaswag"}, []string{hs, good + `{"query":"Go: ab","choices":["x","y","z","w"]}`}, `hellaswag.jsonl:2: finding the gold answer: no "gold"; the row has choices, query`},
		{"null gold", schema.Suite{Suite: "hellaswag"}, []string{hs, good + `{"query":"Go: ab","choices":["x","y","z","w"],"gold":null}`}, `hellaswag.jsonl:2: finding the gold answer: "gold" is null where a text is needed`},
		{"unknown label", schema.Suite{Suite: "hellaswag"}, []string{hs, good + `{"query":"Go: ab","choices":["x","y","z","w"],"gold":4}`}, `hellaswag.jsonl:2: the gold answer "4" is not a number from 0 to 3`},
		{"three choices", schema.Suite{Suite: "hellaswag"}, []string{hs, `{"query":"Go: ab","choices":["x","y","z"],"gold":1}`}, `hellaswag.jsonl:1: "choices[3]": choices has 3 elements, so none at 3`},
		{"one class", schema.Suite{Suite: "hellaswag"}, []string{hs, good + good}, `opening suite hellaswag: every one of the gold answers is 1: the file's answers are missing or in another form than "gold"; if it is meant so, gold: same: true`},
		{"unknown answer key", schema.Suite{Suite: "arc-c"}, []string{arc, goodARC + strings.ReplaceAll(strings.ReplaceAll(goodARC, `"answerKey":"A"`, `"answerKey":"E"`), `"id":"a"`, `"id":"b"`)}, `ARC-Challenge-Test.jsonl:2: the gold answer "E" is none of the labels A, B, C, D`},
		{"duplicate id", schema.Suite{Suite: "arc-c"}, []string{arc, goodARC + goodARC}, `ARC-Challenge-Test.jsonl:2: item "a" is in line 1 too`},
		{"boolean as text", schema.Suite{Suite: "boolq"}, []string{"boolq/val.jsonl", `{"question":"q","passage":"p","label":"yes"}`}, `boolq/val.jsonl:1: the gold answer "yes" is none of "0", "1", "false", "true"`},
		{"no blank", schema.Suite{Suite: "winogrande"}, []string{"winogrande/dev.jsonl", `{"sentence":"a b","option1":"x","option2":"y","answer":"1"}`}, `winogrande/dev.jsonl:1: cont has no "_" to split at: "a b"`},
		{"empty gold", schema.Suite{Suite: "winogrande"}, []string{"winogrande/dev.jsonl", `{"sentence":"a _","option1":"x","option2":"y","answer":""}`}, `winogrande/dev.jsonl:1: the gold answer "answer" is empty`},
		{"short CSV row", schema.Suite{Suite: "mmlu"}, []string{csv, "1,a,b,c,d,A\n\"two\nlines\",a,b,c,d,B\n3,a,b,c,D\n", shr, dev},
			"mmlu/test/anatomy_test.csv:4: 5 columns, want 6 (question, A, B, C, D, answer); a text with a comma or line break needs quotes"},
		{"open quote", schema.Suite{Suite: "mmlu"}, []string{csv, "1,a,b,c,d,A\n\"2,a,b,c,d,B\n", shr, dev}, `mmlu/test/anatomy_test.csv:2:14: extraneous or missing " in quoted-field (a row that begins in line 2)`},
		{"unknown letter", schema.Suite{Suite: "mmlu"}, []string{csv, "1,a,b,c,d,E\n", shr, dev}, `mmlu/test/anatomy_test.csv:1: the gold answer "E" is none of the labels A, B, C, D`},
		{"few examples", schema.Suite{Suite: "mmlu"}, []string{csv, "1,a,b,c,d,A\n2,a,b,c,d,B\n", shr, "1,a,b,c,d,A\n"}, "mmlu/dev/anatomy_dev.csv: 1 rows, and the examples need row 2"},
		{"no examples", schema.Suite{Suite: "mmlu"}, []string{csv, "1,a,b,c,d,A\n"}, "finding its examples: no file at builtin:test/mmlu/dev/anatomy_dev.csv"},
		{"unknown subject", schema.Suite{Suite: "mmlu", Subjects: []string{"anatomie"}}, []string{csv, "1,a,b,c,d,A\n", shr, dev}, "no file at builtin:test/mmlu/test/anatomie_test.csv"},
		{"subjects of none", schema.Suite{Suite: "hellaswag", Subjects: []string{"a"}}, []string{hs, good}, "opening suite hellaswag: it has no subjects to choose from"},
		{"unknown class", schema.Suite{Suite: "arc-c"}, []string{arc, goodARC, "contamination/ARC_c_test_contamination_annotations.json", "{\n\"a\": [\"dirty\", 1]}"},
			`ARC_c_test_contamination_annotations.json:2: item "a" has the class dirty, which is none of clean, input contamination, input-and-label contamination`},
		{"annotations of another form", schema.Suite{Suite: "arc-c"}, []string{arc, goodARC, "contamination/ARC_c_test_contamination_annotations.json", "{\n\"a\": \"clean\"}"},
			`ARC_c_test_contamination_annotations.json:2: item "a": want a list, [class, recall]`},
		{"annotations named twice", schema.Suite{Suite: "arc-c"}, []string{arc, goodARC, "contamination/ARC_c_test_contamination_annotations.json", `{"a": ["clean", 1], "a": ["clean", 1]}`}, `item "a" is there twice`},
		{"annotations cut", schema.Suite{Suite: "arc-c"}, []string{arc, goodARC, "contamination/ARC_c_test_contamination_annotations.json", `{"a": ["clean", 1],`}, `ARC_c_test_contamination_annotations.json:1: `},
		{"other annotations", schema.Suite{Suite: "arc-c", Annotations: "x.json"}, []string{arc, goodARC, "x.json", `{"b": ["clean", 1]}`}, "reading builtin:test/x.json: none of its 1 keys names an item; it belongs to other data"},
		{"no annotations", schema.Suite{Suite: "arc-c", Annotations: "x.json"}, []string{arc, goodARC}, "no annotation file at builtin:test/x.json"},
		{"annotations of none", schema.Suite{Suite: "boolq", Annotations: "x.json"}, []string{"boolq/val.jsonl", `{"question":"q","passage":"p","label":"true"}`}, "this suite has no contamination classes"},
		{"unknown suite", schema.Suite{Suite: "hella"}, nil, `finding suite "hella": the suites known are arc-c, arc-e, boolq, gsm8k, hellaswag, mmlu, winogrande`},
		{"unknown variant", schema.Suite{Suite: "winogrande", Variant: "lll"}, nil, `finding suite winogrande of opencompass: variant "lll" is unknown; it has ll, ppl, 5shot`},
		{"unknown protocol", schema.Suite{Suite: "gsm8k"}, nil, `finding suite gsm8k: protocol "opencompass" is unknown to it; it has generate`},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.suite.Name = c.suite.Suite
			_, err := suites.Open(files(c.files...), c.suite)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q\nwants  %q", err, c.want)
			}
		})
	}
}

// What the protocols define a treatment for is counted and noted.
func TestOddFiles(t *testing.T) {
	five := strings.Replace(strings.Replace(goodARC, `"id":"a"`, `"id":"five"`, 1), `{"text":"w"`, `{"text":"v","label":"Z"},{"text":"w"`, 1)
	numbered := strings.NewReplacer(`"id":"a"`, `"id":"n"`, `"label":"A"`, `"label":"1"`, `"label":"B"`, `"label":"2"`, `"label":"C"`, `"label":"3"`, `"label":"D"`, `"label":"4"`, `"answerKey":"A"`, `"answerKey":"3"`).Replace(goodARC)
	for _, c := range []struct {
		name  string
		suite schema.Suite
		files []string
		items int
		notes []string
	}{
		{"byte order mark and CR LF", schema.Suite{Suite: "hellaswag"}, []string{"data/hellaswag/hellaswag.jsonl", "\ufeff" + strings.ReplaceAll(twoHellaSwag, "\n", "\r\n")}, 2,
			[]string{"builtin:test/data/hellaswag/hellaswag.jsonl: begins with a byte order mark, left out", "builtin:test/data/hellaswag/hellaswag.jsonl: lines end in CR LF",
				"1 of 2 items has two choices of the same text (builtin:test/data/hellaswag/hellaswag.jsonl:2 0 and 1); of equal scores the first counts"}},
		{"five choices", schema.Suite{Suite: "arc-c"}, []string{"ARC/ARC-c/ARC-Challenge-Test.jsonl", goodARC + five + numbered}, 2,
			[]string{"builtin:test/ARC/ARC-c/ARC-Challenge-Test.jsonl: 1 of 3 rows do not have 4 choices and are left out, as opencompass does"}},
		{"header row", schema.Suite{Suite: "mmlu"}, []string{"mmlu/test/anatomy_test.csv", "question,A,B,C,D,answer\n1,a,b,c,d,A\r\n2,a,b,c,d,B\r\n", "mmlu/dev/anatomy_dev.csv", "\ufeffinput,A,B,C,D,target\n" + dev}, 2,
			[]string{"builtin:test/mmlu/test/anatomy_test.csv: its first row holds column names and was left out",
				"builtin:test/mmlu/dev/anatomy_dev.csv: its first row holds column names and was left out", "builtin:test/mmlu/dev/anatomy_dev.csv: begins with a byte order mark, left out"}},
		{"boolean labels", schema.Suite{Suite: "boolq"}, []string{"boolq/val.jsonl", `{"question":"q","passage":"p","label":true}` + "\n" + `{"question":"q","passage":"p","label":false}` + "\n\n"}, 2,
			[]string{`builtin:test/boolq/val.jsonl: labels are not the texts "true" and "false" of the published file; they are read as meant, where OpenCompass would take every one for No`}},
		{"choices that are equal or empty", schema.Suite{Suite: "mmlu"}, []string{"mmlu/test/anatomy_test.csv", "1,a,b,b,b,A\n2,a,b,c,d,B\n3,x, ,x,\"\",C\n4,a,,c,d,A\n5,a,b,a,d,A\n6,c,c,a,d,A\n", "mmlu/dev/anatomy_dev.csv", dev}, 6,
			[]string{"2 of 6 items have an empty choice (builtin:test/mmlu/test/anatomy_test.csv:3 B, builtin:test/mmlu/test/anatomy_test.csv:4 B)",
				"4 of 6 items have two choices of the same text (builtin:test/mmlu/test/anatomy_test.csv:1 B and C, builtin:test/mmlu/test/anatomy_test.csv:3 A and C, builtin:test/mmlu/test/anatomy_test.csv:5 A and C, 1 more); of equal scores the first counts"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, files(c.files...), c.suite)
			if s.Len() != c.items {
				t.Errorf("%d items, want %d", s.Len(), c.items)
			}
			if diff := cmp.Diff(c.notes, s.Notes()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	// Odd line ends and marks change the digest of the file but no item.
	a := open(t, files("hellaswag/hellaswag.jsonl", twoHellaSwag), schema.Suite{Suite: "hellaswag"})
	b := open(t, files("hellaswag/hellaswag.jsonl", "\ufeff"+strings.ReplaceAll(twoHellaSwag, "\n", "\r\n")), schema.Suite{Suite: "hellaswag"})
	if diff := cmp.Diff(a.Item(1), b.Item(1)); diff != "" {
		t.Error(diff)
	}
}

// Files that are not the published size are noted, but for the embedded ones.
func TestSizesNoted(t *testing.T) {
	root := files("hellaswag/hellaswag.jsonl", strings.Replace(twoHellaSwag, `["x","x","z","x"]`, `["x","y","z","w"]`, 1))
	root.Name = "my/data"
	for limit, want := range map[int]string{0: "10042 items expected, 2 found", 1: "the first 1 items of each file only"} {
		s := open(t, root, schema.Suite{Suite: "hellaswag", Limit: limit})
		notes := s.Notes()
		if len(notes) != 2 || notes[1] != want || !strings.HasPrefix(notes[0], "no contamination annotations") {
			t.Errorf("limit %d: notes %q", limit, notes)
		}
	}
}

// The digest is of contents, not of places, and changes with anything that
// changes a row.
func TestDigest(t *testing.T) {
	digest := func(name, data string, s schema.Suite) string {
		s.Suite = "hellaswag"
		return open(t, files(name, data), s).Digest()
	}
	want := digest("hellaswag/hellaswag.jsonl", twoHellaSwag, schema.Suite{})
	for name, got := range map[string]string{
		"another place": digest("data/hellaswag/hellaswag.jsonl", twoHellaSwag, schema.Suite{}),
		"a path":        digest("a/b.jsonl", twoHellaSwag, schema.Suite{Path: "a/b.jsonl"}),
		"a directory":   digest("a/hellaswag.jsonl", twoHellaSwag, schema.Suite{Path: "a"}),
	} {
		if got != want {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, got := range map[string]string{
		"contents": digest("hellaswag/hellaswag.jsonl", twoHellaSwag+"\n", schema.Suite{}),
		"limit":    digest("hellaswag/hellaswag.jsonl", twoHellaSwag, schema.Suite{Limit: 1}),
		"protocol": digest("hellaswag/hellaswag.jsonl", twoHellaSwag, schema.Suite{Protocol: "lm-eval"}),
		"name":     digest("hellaswag/hellaswag.jsonl", twoHellaSwag, schema.Suite{Name: "hs"}),
	} {
		if got == want {
			t.Errorf("%s does not change the digest", name)
		}
	}
}
