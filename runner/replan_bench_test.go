package runner

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"testing"

	"xrun/runner/disk"
	"xrun/runner/store"
)

// BenchmarkReplan lays out a finished study of 72 figures from its spec and asks
// which stages are done: what a run does before it finds that nothing is left.
// The suites are the published files, the training set has 5,000 items.
// memory=cold parses and tokenizes everything, as the first plan does;
// memory=warm is every later one. XRUN_SMOLLM2 names a model to plan for in the
// place of the embedded one.
func BenchmarkReplan(b *testing.B) {
	shared := "../../shared/data"
	if _, err := os.Stat(shared); err != nil {
		b.Skip("SKIPPED: ../shared is not here")
	}
	name := cmp.Or(os.Getenv("XRUN_SMOLLM2"), "builtin:tiny")
	dir := b.TempDir()
	path := filepath.Join(dir, "replan.cue")
	spec := `question: "How long does planning again take?"
matrix: {model: ["` + name + `"], labels: ["output", "all"]}
data: {source: "` + shared + `/instruct/alpaca_5000.json", maxLength: 512}
train: {epochs: 3, batch: 4, precision: "bf16"}
eval: {root: "` + shared + `", suites: ["hellaswag", "winogrande", "arc-e", "arc-c", "boolq", "mmlu"]}
samples: [{instruction: "Give three tips for staying healthy."}]
`
	if err := os.WriteFile(path, []byte(spec), 0o666); err != nil {
		b.Fatal(err)
	}
	plan := func(root string) *study {
		s, err := openStudy(disk.OS, path, nil, root)
		if err == nil {
			err = s.missingError()
		}
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	b.Run("memory=cold", func(b *testing.B) {
		for b.Loop() {
			plan(filepath.Join(dir, "absent"))
		}
	})
	// A stage is done when its object is there; only prepare's is read in planning.
	root := filepath.Join(dir, ".store")
	s := plan(root)
	if err := s.store.Make(); err != nil {
		b.Fatal(err)
	}
	for _, st := range s.stages {
		_, err := s.store.Put(st.key, st.input, func(out *store.Writer) error {
			return out.WriteFile(preparedFile, func(w io.Writer) error {
				if p := s.preparations[st.key]; p != nil {
					_, err := p.WriteTo(w)
					return err
				}
				return nil
			})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	plan(root) // leaves its digests in the store
	b.Run("memory=warm", func(b *testing.B) {
		for b.Loop() {
			s := plan(root)
			for _, st := range s.stages {
				if !s.done(st) {
					b.Fatalf("%s is not done", st.title)
				}
			}
			b.ReportMetric(float64(len(s.stages)), "stages")
		}
	})
}
