package suites_test

import (
	"os"
	"testing"

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
					items = append(items, score1(b, open(b, suites.Dir(sharedData), s), m, tok)...)
				}
				b.ReportMetric(float64(len(items)), "rows")
				engine.Close()
			}
		})
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
