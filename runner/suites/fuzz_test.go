package suites_test

import (
	"encoding/json"
	"testing"

	"xrun/runner/suites"
	"xrun/schema"
)

// use renders every item of a suite that opened.
func use(t *testing.T, root suites.Root, s schema.Suite) {
	suite, err := suites.Open(root, s)
	if err != nil {
		return
	}
	for i := range suite.Len() {
		it := suite.Item(i)
		if it.Gold < 0 || it.Gold >= len(it.Choices) {
			t.Fatalf("item %d: gold %d of %d choices", i, it.Gold, len(it.Choices))
		}
	}
	if _, err := suite.Count(letters{}, suites.Options{MaxLength: 64}); err != nil {
		return
	}
	if suite.Len() > 0 {
		_, _ = suite.Describe(0, letters{}, suites.Options{})
	}
}

func FuzzJSONL(f *testing.F) {
	f.Add([]byte(goodARC))
	f.Add([]byte("\ufeff" + goodARC + "\r\n\n"))
	f.Add([]byte(`{"id":1,"question":{"stem":true,"choices":[]},"answerKey":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		root := files("arc/ARC-c/ARC-Challenge-Test.jsonl", string(data))
		use(t, root, schema.Suite{Suite: "arc-c"})
		root = files("arc/ARC-c/ARC-Challenge-Test.jsonl", string(data))
		use(t, root, schema.Suite{Suite: "arc-c", Protocol: "lm-eval"})
	})
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("question,A,B,C,D,answer\n" + dev))
	f.Add([]byte("\"a\nb\",\"\"\"\",c,d,e,A\r\nq,a,b,c,d,B"))
	f.Add([]byte("a,b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		use(t, files("mmlu/test/anatomy_test.csv", string(data), "mmlu/dev/anatomy_dev.csv", dev), schema.Suite{Suite: "mmlu"})
		use(t, files("mmlu/test/anatomy_test.csv", dev, "mmlu/dev/anatomy_dev.csv", string(data)), schema.Suite{Suite: "mmlu"})
	})
}

func FuzzAnnotations(f *testing.F) {
	f.Add([]byte(`{"a": ["clean", 0.5], "b": ["input contamination", 1]}`))
	f.Add([]byte(`{"a": []}`))
	f.Add([]byte(`{"a": ["clean"]} {}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		use(t, files("arc/ARC-c/ARC-Challenge-Test.jsonl", goodARC, "a.json", string(data)), schema.Suite{Suite: "arc-c", Annotations: "a.json"})
	})
}

// A definition that is accepted opens without a panic whatever the data.
func FuzzDefinition(f *testing.F) {
	for _, d := range schema.Suites() {
		if data, err := json.Marshal(d); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d schema.Definition
		if json.Unmarshal(data, &d) != nil || suites.Check(d) != nil {
			return
		}
		root := files("x", "")
		for _, name := range d.Files.Test {
			root = files(name, goodARC)
			break
		}
		_, _ = suites.OpenDefinition(root, d, schema.Suite{})
	})
}
