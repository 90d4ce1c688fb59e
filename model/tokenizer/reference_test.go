package tokenizer_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/model/tokenizer"
)

// reference is a folder of files with results of the Python tokenizers package, which are not part
// of this repository.
const reference = "../../../shared/reference"

// loadReference loads a tokenizer of the reference folder, or skips the test.
func loadReference(t testing.TB, name string) *tokenizer.Tokenizer {
	t.Helper()
	dir := filepath.Join(reference, name)
	if _, err := os.Stat(filepath.Join(dir, "tokenizer.json")); err != nil {
		t.Skipf("SKIPPED, nothing was compared with tokenizers: %v", err)
	}
	tok, err := tokenizer.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// TestReference compares ids and decoded texts with those of the Python package, for texts in many
// scripts and both kinds of pre-tokenizer.
func TestReference(t *testing.T) {
	for _, name := range []string{"qwen2.5", "smollm2"} {
		t.Run(name, func(t *testing.T) {
			tok := loadReference(t, name)
			file, err := os.Open(filepath.Join(reference, "tokenizers.jsonl"))
			if err != nil {
				t.Skipf("SKIPPED, nothing was compared with tokenizers: %v", err)
			}
			defer file.Close()
			lines := bufio.NewScanner(file)
			lines.Buffer(nil, 1<<24)
			texts := 0
			for lines.Scan() {
				var row map[string]json.RawMessage
				if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
					t.Fatal(err)
				}
				get := func(key string, into any) bool {
					if row[key] == nil {
						return false
					}
					if err := json.Unmarshal(row[key], into); err != nil {
						t.Fatalf("%s: %v", key, err)
					}
					return true
				}
				var text, decoded string
				var ids []int32
				get("text", &text)
				get(name, &ids)
				if !get(name+"_text", &decoded) {
					decoded = text
				}
				texts++
				got := tok.Encode(text)
				if diff := cmp.Diff(ids, append([]int32{}, got...)); diff != "" {
					t.Errorf("ids of %q (-want +got):\n%s", text, diff)
				}
				if got := tok.Decode(ids, false); got != decoded {
					t.Errorf("decoded text of %q: want %q, got %q", text, decoded, got)
				}
			}
			if err := lines.Err(); err != nil {
				t.Fatal(err)
			}
			if texts < 1000 {
				t.Errorf("compared %d texts; the file holds more", texts)
			}
			t.Logf("%d texts", texts)
		})
	}
}
