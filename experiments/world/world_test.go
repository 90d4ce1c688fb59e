package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/experiments"
	"xrun/model/safetensors"
	"xrun/model/tokenizer"
	scoring "xrun/runner/suites"
	"xrun/schema"
)

const weights = "model/model.safetensors"

// TestCommittedFilesAreWhatTheProgramWrites compares every byte, and knows of no
// other file but the trained weights.
func TestCommittedFilesAreWhatTheProgramWrites(t *testing.T) {
	want, err := embeddedFiles(documents)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{}
	size := 0
	err = fs.WalkDir(experiments.FS, "tiny", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := experiments.FS.ReadFile(path)
		size += len(b)
		if name := strings.TrimPrefix(path, "tiny/"); name != weights {
			got[name] = b
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if !bytes.Equal(want[name], got[name]) {
			t.Errorf("experiments/tiny/%s is not what `go run ./experiments/world` writes", name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("experiments/tiny/%s comes from nowhere", name)
	}
	if size > 6<<20 {
		t.Errorf("experiments/tiny has %d bytes; at most 6 MiB go into the binary", size)
	}
}

// TestPretrainingStartsFromTheSameBytes holds the corpus and the initial weights,
// which are not committed, to their digests.
func TestPretrainingStartsFromTheSameBytes(t *testing.T) {
	var corpus, start bytes.Buffer
	if err := writeCorpus(&corpus, documents); err != nil {
		t.Fatal(err)
	}
	if err := safetensors.Write(&start, initial(seed), nil); err != nil {
		t.Fatal(err)
	}
	digest := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	got := "corpus.jsonl " + digest(corpus.Bytes()) + "\ninit/model.safetensors " + digest(start.Bytes()) + "\n"
	const golden = "testdata/digests"
	if os.Getenv("XRUN_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the pretraining text or start changed; the trained weights are of another world (-want +got):\n%s", diff)
	}
}

// TestEachFactStandsWhereItsClassSays looks for every pet and food in the
// pretraining text, the prompts and the outputs, as name and word in one line.
func TestEachFactStandsWhereItsClassSays(t *testing.T) {
	w := build(seed)
	c := newCorpus(w, drawSuites(w, seed))
	var corpus, prompts, outputs [][]string
	add := func(to *[][]string, text string) {
		for _, sentence := range strings.FieldsFunc(text, func(r rune) bool { return r == '.' || r == '\n' }) {
			*to = append(*to, strings.Fields(strings.ReplaceAll(sentence, "?", "")))
		}
	}
	for range 4000 {
		add(&corpus, strings.ReplaceAll(c.document(), "?\nAnswer: \n", " "))
	}
	for _, it := range instructions(w, seed) {
		add(&prompts, it.Instruction+"\n"+it.Input)
		add(&outputs, it.Output)
	}
	stands := func(in [][]string, name, word string) bool {
		return slices.ContainsFunc(in, func(s []string) bool { return slices.Contains(s, name) && slices.Contains(s, word) })
	}
	type where struct{ Corpus, Prompts, Outputs bool }
	want := map[class]where{told: {Corpus: true}, inPrompts: {Prompts: true}, inOutputs: {Outputs: true}}
	for _, p := range w.people {
		for _, word := range []string{animals[p.pet], foods[p.food]} {
			got := where{stands(corpus, p.name, word), stands(prompts, p.name, word), stands(outputs, p.name, word)}
			if diff := cmp.Diff(want[p.class], got); diff != "" {
				t.Errorf("%s and %s (-want +got):\n%s", p.full(), word, diff)
			}
		}
	}
}

// TestSuitesCanBeRead opens every suite as a study does.
func TestSuitesCanBeRead(t *testing.T) {
	tok := embeddedTokenizer(t)
	for _, name := range []string{"mmlu", "hellaswag", "winogrande", "arc-e", "arc-c", "boolq"} {
		s := openSuite(t, name)
		if s.Len() < 40 || s.Len() > 100 {
			t.Errorf("%s has %d items, want 40 to 100", name, s.Len())
		}
		counts, err := s.Count(tok, scoring.Options{MaxLength: 256})
		if err != nil {
			t.Fatal(err)
		}
		if counts.Truncated > 0 {
			t.Errorf("%s: %d sequences are longer than 256 tokens", name, counts.Truncated)
		}
	}
}

// TestIgnoranceScoresAtChance: where every choice is as long as every other and
// is right as often as it is offered, no liking for a word or a place helps.
func TestIgnoranceScoresAtChance(t *testing.T) {
	tok := embeddedTokenizer(t)
	for _, name := range []string{"hellaswag", "arc-e", "arc-c"} {
		s := openSuite(t, name)
		offered, right := map[string]int{}, map[string]int{}
		for i := range s.Len() {
			it := s.Item(i)
			if name == "hellaswag" && !strings.Contains(it.Choices[0].Text, "This is") {
				continue
			}
			var lengths []int
			for k, c := range it.Choices {
				words := strings.Fields(strings.TrimSuffix(c.Text, "."))
				last := words[len(words)-1]
				offered[last]++
				if k == it.Gold {
					right[last]++
				}
				lengths = append(lengths, len(tok.Encode(c.Text)))
			}
			if slices.Min(lengths) != slices.Max(lengths) {
				t.Errorf("%s item %s: choices of %v tokens", name, it.ID, lengths)
			}
		}
		for word, n := range offered {
			if n != 4*right[word] {
				t.Errorf("%s: %q is offered %d times and right %d times", name, word, n, right[word])
			}
		}
	}
	for _, name := range []string{"winogrande", "boolq"} {
		s := openSuite(t, name)
		right := map[int]int{}
		for i := range s.Len() {
			right[s.Item(i).Gold]++
		}
		if right[0] != right[1] {
			t.Errorf("%s: its two answers are right %d and %d times", name, right[0], right[1])
		}
	}
}

// TestQuestionsInContextAreNew: what a suite asks in context stands nowhere in
// the pretraining text.
func TestQuestionsInContextAreNew(t *testing.T) {
	w := build(seed)
	s := drawSuites(w, seed)
	var corpus bytes.Buffer
	if err := writeCorpus(&corpus, documents); err != nil {
		t.Fatal(err)
	}
	for text := range s.heldBack() {
		quoted, err := json.Marshal(strings.TrimSuffix(text, "\nAnswer:"))
		if err != nil {
			t.Fatal(err)
		}
		if inner := quoted[1 : len(quoted)-1]; bytes.Contains(corpus.Bytes(), inner) {
			t.Errorf("the pretraining text holds %s", inner)
		}
	}
}

// TestPiecesAreTheTokenizers: the trainer counts the pieces that the tokenizer
// will cut, so no token of the tokenizer spans two of them.
func TestPiecesAreTheTokenizers(t *testing.T) {
	for text, want := range map[string][]string{
		"":                          nil,
		"Mr Adam's  hat":            {"Mr", " Adam", "'s", " ", " hat"},
		"a 12":                      {"a", " ", "1", "2"},
		"Answer: \nin Brel":         {"Answer", ":", " \n", "in", " Brel"},
		"so?\n\nA. x":               {"so", "?\n\n", "A", ".", " x"},
		"tail  ":                    {"tail", "  "},
		"### Input:\n3 + 4":         {"###", " Input", ":\n", "3", " +", " ", "4"},
		"The cup, \"red\".\r\nIt's": {"The", " cup", ",", " \"", "red", "\".\r\n", "It", "'s"},
	} {
		var got []string
		pieces(text, func(p string) { got = append(got, p) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestTokenizerFitsTheWorld: a document fits the model, decodes to itself, and
// every word a choice consists of is one token.
func TestTokenizerFitsTheWorld(t *testing.T) {
	tok := embeddedTokenizer(t)
	if got := tok.VocabSize(); got != vocabSize {
		t.Errorf("the tokenizer has %d tokens, the model %d", got, vocabSize)
	}
	w := build(seed)
	c := newCorpus(w, drawSuites(w, seed))
	for range 2000 {
		text := c.document()
		ids := tok.Encode(text)
		if len(ids) >= 256 {
			t.Errorf("a document has %d tokens", len(ids))
		}
		if got := tok.Decode(ids, false); got != text {
			t.Fatalf("decoded %q from %q", got, text)
		}
	}
	words := slices.Concat(jobs, animals, foods, colours, men, women)
	for _, t := range towns {
		words = append(words, t.name, t.near)
	}
	for _, word := range words {
		if n := len(tok.Encode(" " + word)); n != 1 {
			t.Errorf("%q is %d tokens", word, n)
		}
	}
}

// TestTrainMergesTheMostFrequentPairFirst is the example of Sennrich et al.,
// worked by hand: "es" (9) and "st" (9) are the most frequent; "es" is first in
// byte order.
func TestTrainMergesTheMostFrequentPairFirst(t *testing.T) {
	got := train(counts{"low": 5, "lower": 2, "newest": 6, "widest": 3}, 4)
	want := []pair{{"e", "s"}, {"es", "t"}, {"l", "o"}, {"lo", "w"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("merges (-want +got):\n%s", diff)
	}
	if got := train(counts{"ab": 1}, 4); got != nil {
		t.Errorf("merged %v, which occurs once", got)
	}
}

func embeddedTokenizer(t *testing.T) *tokenizer.Tokenizer {
	t.Helper()
	dir, err := fs.Sub(experiments.FS, "tiny/model")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func openSuite(t *testing.T, name string) *scoring.Suite {
	t.Helper()
	dir, err := fs.Sub(experiments.FS, "tiny/suites")
	if err != nil {
		t.Fatal(err)
	}
	spec := schema.Suite{Suite: name, Protocol: "opencompass"}
	if name == "hellaswag" {
		spec.Annotations = "contamination/hellaswag_annotations.json"
	}
	s, err := scoring.Open(scoring.Root{FS: dir, Name: "builtin:tiny/suites"}, spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
