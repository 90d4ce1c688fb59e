package tokenizer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xrun/model/tokenizer"
)

// english is about 2 MB of instruction data, or skips the benchmark.
func english(b *testing.B) []string {
	b.Helper()
	src, err := os.ReadFile(filepath.Join(reference, "../data/instruct/alpaca_5000.json"))
	if err != nil {
		b.Skipf("SKIPPED, no text to encode: %v", err)
	}
	var rows []struct{ Instruction, Input, Output string }
	if err := json.Unmarshal(src, &rows); err != nil {
		b.Fatal(err)
	}
	var texts []string
	for _, r := range rows {
		texts = append(texts, r.Instruction+"\n"+r.Input+"\n"+r.Output)
	}
	return texts
}

func BenchmarkEncode(b *testing.B) {
	for _, name := range []string{"qwen2.5", "smollm2"} {
		for _, text := range []string{"english", "fresh", "letters"} {
			b.Run("tokenizer="+name+"/text="+text, func(b *testing.B) {
				tok := loadReference(b, name)
				var texts []string
				switch text {
				case "english":
					texts = english(b)
				case "fresh": // every word is new, so no cache helps
					for i := range 2000 {
						texts = append(texts, strings.Repeat("x", i%7)+" unfathomably"+string(rune('a'+i%26))+string(rune('a'+i/26%26))+"ness")
					}
				case "letters": // one piece of 100 kB
					texts = []string{strings.Repeat("abcdefghij", 10_000)}
				}
				size := 0
				for _, s := range texts {
					size += len(s)
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				var ids []int32
				for b.Loop() {
					for _, s := range texts {
						ids = tok.AppendEncode(ids[:0], s)
					}
				}
			})
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, name := range []string{"qwen2.5", "smollm2"} {
		b.Run("tokenizer="+name, func(b *testing.B) {
			loadReference(b, name)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tokenizer.Load(os.DirFS(filepath.Join(reference, name))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDigest(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		tok := loadReference(b, "qwen2.5")
		b.StartTimer()
		tok.Digest()
	}
}
