package suites_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"xrun/experiments"
	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/reports"
	"xrun/runner/suites"
	"xrun/schema"
)

// BenchmarkReference (just bench-eval) scores the items that two harnesses answered, with the
// model named by XRUN_SMOLLM2: loaded, suites opened, rows made, all in the time.
func BenchmarkReference(b *testing.B) {
	dir := os.Getenv("XRUN_SMOLLM2")
	if dir == "" {
		b.Skip("SKIPPED: XRUN_SMOLLM2 names no directory of SmolLM2-135M-Instruct")
	}
	needShared(b, sharedData)
	for name, list := range map[string]map[string]schema.Suite{"opencompass": openCompassSuites, "lm-eval": lmEvalSuites} {
		b.Run("form="+name, func(b *testing.B) {
			for b.Loop() {
				engine, err := cpu.New(cpu.Options{})
				if err != nil {
					b.Fatal(err)
				}
				m, err := model.Load(engine, os.DirFS(dir), kernels.F32)
				if err != nil {
					b.Fatal(err)
				}
				tok, err := tokenizer.Load(os.DirFS(dir))
				if err != nil {
					b.Fatal(err)
				}
				var items []reports.Item
				for _, s := range list {
					s.Limit = 40
					if len(s.Subjects) > 0 {
						s.Limit = map[string]int{"opencompass": 10, "lm-eval": 13}[name]
					}
					items = append(items, score1(b, open(b, rootAt(sharedData), s), m, tok)...)
				}
				b.ReportMetric(float64(len(items)), "rows")
				engine.Close()
			}
		})
	}
}

// BenchmarkItems scores the first items of the published suites, and all of MMLU,
// with the embedded model: us/item must not grow with their number. length=512 is
// the embedded model's own context, in which MMLU's five shots do not fit: what is
// left of them begins elsewhere for every item, so nothing is shared. length=any
// cuts nothing.
func BenchmarkItems(b *testing.B) {
	needShared(b, sharedData)
	files, err := fs.Sub(experiments.FS, "tiny/model")
	if err != nil {
		b.Fatal(err)
	}
	engine, err := cpu.New(cpu.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer engine.Close()
	m, err := model.Load(engine, files, kernels.F32)
	if err != nil {
		b.Fatal(err)
	}
	tok, err := tokenizer.Load(files)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		suite  string
		limits []int // of a file; MMLU has 57, of which some hold 100 items
	}{
		{"hellaswag", []int{100, 400, 1600}}, {"boolq", []int{100, 400, 1600}}, {"winogrande", []int{75, 300, 1200}}, {"arc-e", []int{35, 140, 560}},
		{"mmlu", []int{6, 25, 100, 0}},
	} {
		lengths := []int{m.Config.MaxPositions}
		if c.suite == "mmlu" {
			lengths = append(lengths, 0)
		}
		for _, length := range lengths {
			for _, limit := range c.limits {
				s := open(b, rootAt(sharedData), schema.Suite{Suite: c.suite, Limit: limit})
				name := cmp.Or(strings.TrimPrefix(fmt.Sprint(length), "0"), "any")
				b.Run(fmt.Sprintf("suite=%s/length=%s/items=%d", c.suite, name, s.Len()), func(b *testing.B) {
					for b.Loop() {
						if _, err := s.Score(b.Context(), tok, modelScorer{m: m}, suites.Options{MaxLength: length}); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N*s.Len()), "us/item")
				})
			}
		}
	}
}

func score1(b *testing.B, s *suites.Suite, m *model.Model, tok *tokenizer.Tokenizer) []reports.Item {
	eos, _, _ := tok.EOS()
	rows, err := s.Score(b.Context(), tok, modelScorer{m: m}, suites.Options{MaxLength: m.Config.MaxPositions, Empty: []int32{eos}})
	if err != nil {
		b.Fatal(err)
	}
	return rows
}
