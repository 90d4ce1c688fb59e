package runner

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"xrun/reports"
	"xrun/runner/disk"
	"xrun/runner/store"
	"xrun/runner/suites"
)

// BenchmarkReplan plans a finished study of the 72 figures again: the suites are
// the published files, the training set has 5,000 items. part=layout finds its
// stages and whether they are done, memory=cold by parsing and tokenizing
// everything, as the first plan does, memory=warm from what is remembered.
// part=run is `xrun SPEC` and part=plan `xrun plan SPEC` as a user has them, from
// the start of the process to its end. XRUN_SMOLLM2 names a model to plan for in
// the place of the embedded one.
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
	b.Run("part=layout/memory=cold", func(b *testing.B) {
		for b.Loop() {
			plan(filepath.Join(dir, "absent"))
		}
	})
	// The stages' results have the size of real ones; their scores mean nothing.
	root := filepath.Join(dir, ".store")
	s := plan(root)
	if err := s.store.Make(); err != nil {
		b.Fatal(err)
	}
	tables := map[*suiteInput][]reports.Item{}
	for _, st := range s.stages {
		_, err := s.store.Put(st.key, st.input, func(out *store.Writer) error {
			switch st.kind {
			case "prepare":
				return out.WriteFile(preparedFile, func(w io.Writer) error {
					_, err := s.preparations[st.key].WriteTo(w)
					return err
				})
			case "train":
				steps := make([]reports.Step, 3750)
				for i := range steps {
					steps[i] = reports.Step{Step: int32(i + 1), Epoch: float64(i+1) / 1250, Loss: 2, Tokens: 400, Targets: 200, WeightSum: 200}
				}
				return errors.Join(writeRows(out, stepsTable, steps), writeRows(out, heldoutTable, []reports.HeldOut{}))
			case "evaluate":
				if tables[st.suite] == nil {
					suite, err := st.suite.open()
					if err != nil {
						return err
					}
					if tables[st.suite], err = suite.Score(b.Context(), st.model.tokenizer, anyScores{}, st.ask.options(st.model.config, st.model.tokenizer)); err != nil {
						return err
					}
				}
				return writeRows(out, itemsTable, tables[st.suite])
			}
			return writeRows(out, samplesTable, []reports.Sample{})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	plan(root) // leaves its digests in the store
	b.Run("part=layout/memory=warm", func(b *testing.B) {
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
	for _, part := range []struct {
		name string
		args []string
	}{{"run", nil}, {"plan", []string{"plan"}}} {
		b.Run("part="+part.name, func(b *testing.B) {
			var cpu time.Duration
			xrun := func() {
				c := exec.Command(os.Args[0], append(part.args, path, "-runs", dir, "-engine", "cpu")...)
				c.Env = append(os.Environ(), "XRUN_TEST_AS_PROGRAM=1")
				if out, err := c.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
				cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
			}
			xrun() // writes the report
			cpu = 0
			for b.Loop() {
				xrun()
			}
			b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// anyScores answers with numbers that depend on the tokens alone.
type anyScores struct{}

func (anyScores) LogProbs(_ context.Context, seqs []suites.Sequence) ([][]float64, error) {
	out := make([][]float64, len(seqs))
	for i, q := range seqs {
		for _, t := range q.Tokens[q.From:] {
			out[i] = append(out[i], -float64(1+uint32(t)*2654435761>>22)/250)
		}
	}
	return out, nil
}
