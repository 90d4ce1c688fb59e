package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xrun/runner/disk"
	"xrun/runner/store"
	"xrun/schema"
)

// TestSuitesOfKnownFilesAreParsedWhenAsked: a suite whose files were found sound
// once gives its digest unread; any change of them is seen.
func TestSuitesOfKnownFilesAreParsedWhenAsked(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "q.csv")
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(file, then, then); err != nil {
			t.Fatal(err)
		}
	}
	eval := schema.Eval{Root: dir, Define: map[string]schema.Definition{"mine": {
		Name: "mine", Protocol: "lm-eval", Scores: []string{"acc"},
		Files:   schema.SuiteFiles{Format: "csv", Test: []string{"q.csv"}, Columns: []string{"q", "A", "B", "gold"}, Header: "none"},
		Fields:  []schema.SuiteField{{Name: "q", Path: "q"}, {Name: "A", Path: "A"}, {Name: "B", Path: "B"}},
		Choices: schema.SuiteChoices{Labels: []string{"A", "B"}, Texts: []string{"{A}", "{B}"}},
		Gold:    schema.SuiteGold{Path: "gold"},
		Prompt:  schema.SuitePrompt{Context: "{q}", Answer: " {choice}"},
	}}}
	open := func() (*suiteInput, *store.Digests, error) {
		digests := store.OpenDigests(disk.OS, root)
		s, err := (&inputs{digests: digests}).suite(eval, schema.Suite{Suite: "mine", Name: "mine"})
		digests.Save()
		return s, digests, err
	}
	write("Is it?,yes,no,A\nOr not?,yes,no,B\n", time.Hour)
	first, _, err := open()
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := open()
	if err != nil || again.digest != first.digest {
		t.Fatalf("the digest read back is %q, %v; want %q", again.digest, err, first.digest)
	}
	if suite, err := again.open(); err != nil || suite.Digest() != first.digest || suite.Len() != 2 {
		t.Fatalf("parsed when asked: %v", err)
	}

	stale, _, err := open()
	if err != nil {
		t.Fatal(err)
	}
	write("Is it?,yes,no,A\nOr not?,yes,no!,B\n", time.Minute)
	if _, err := stale.open(); err == nil || !strings.Contains(err.Error(), "changed since this run began") {
		t.Errorf("files changed between digest and use: %v", err)
	}
	changed, _, err := open()
	if err != nil || changed.digest == first.digest {
		t.Errorf("a changed file keeps the digest %s, %v", changed.digest, err)
	}
	write("Is it?,yes,no,A\nOr not?,yes\n", time.Minute)
	for range 2 {
		if _, _, err := open(); err == nil || !strings.Contains(err.Error(), "q.csv:2") {
			t.Errorf("a damaged file is refused every time, not: %v", err)
		}
	}
}
