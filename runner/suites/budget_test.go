package suites_test

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/runner/suites"
	"xrun/schema"
)

// anyOrder scores sequences in another order than it was asked, within a memory
// budget.
type anyOrder struct {
	m       *model.Model
	memory  int64
	reverse bool
	stats   *model.ScoreStats
}

func (s anyOrder) LogProbs(_ context.Context, seqs []suites.Sequence) ([][]float64, error) {
	ask := make([]model.ScoreSeq, len(seqs))
	for i, q := range seqs {
		ask[i] = model.ScoreSeq(q)
	}
	if s.reverse {
		slices.Reverse(ask)
	}
	scores, stats, err := s.m.LogProbs(ask, model.ScoreOptions{Memory: s.memory})
	s.stats.PeakKV = max(s.stats.PeakKV, stats.PeakKV)
	s.stats.Passes += stats.Passes
	out := make([][]float64, len(scores))
	for i := range scores {
		out[i] = scores[i].LogProb
	}
	if s.reverse {
		slices.Reverse(out)
	}
	return out, err
}

// Every suite in every protocol gives the embedded model's rows to the bit
// whatever the order, the threads, the batch and the memory; a small budget is
// kept at the price of more passes.
func TestBudgetKeepsBits(t *testing.T) {
	const dir = "../../experiments/tiny"
	if _, err := os.Stat(dir + "/model/model.safetensors"); err != nil {
		t.Skipf("SKIPPED: %s/model is not here", dir)
	}
	tok, err := tokenizer.Load(os.DirFS(dir + "/model"))
	if err != nil {
		t.Fatal(err)
	}
	load := func(threads int) *model.Model {
		engine, err := cpu.New(cpu.Options{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { engine.Close() })
		m, err := model.Load(engine, os.DirFS(dir+"/model"), kernels.F32)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	one, three := load(1), load(3)
	root := suites.Root{FS: os.DirFS(dir + "/suites"), Name: "builtin:tiny/suites"}
	eos, _, _ := tok.EOS()
	var all, few model.ScoreStats
	for _, def := range schema.Suites() {
		s, err := suites.OpenDefinition(root, def, schema.Suite{Suite: def.Name, Limit: 6})
		if err != nil {
			continue // its file is not among the embedded ones
		}
		if def.Protocol == "generate" {
			continue
		}
		opt := suites.Options{MaxLength: one.Config.MaxPositions, Empty: []int32{eos}}
		want, err := s.Score(t.Context(), tok, anyOrder{m: one, stats: &all}, opt)
		if err != nil {
			t.Fatal(err)
		}
		opt.Batch = 300
		got, err := s.Score(t.Context(), tok, anyOrder{m: three, memory: 1 << 20, reverse: true, stats: &few}, opt)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s %s\n%s", def.Protocol, def.Name, def.Variant, diff)
		}
	}
	if few.Passes <= all.Passes || all.Passes < 10 {
		t.Errorf("%d passes within 1 MiB, %d without", few.Passes, all.Passes)
	}
}

// An item of 100,000 tokens is cut from the left to the model's length, counted
// and noted with its figure, as both harnesses do; a continuation that does not
// fit at all is an error that names the item.
func TestLongItem(t *testing.T) {
	long := make([]byte, 100_000)
	for i := range long {
		long[i] = 'a' + byte(i%26)
	}
	root := files("boolq/val.jsonl", `{"question":"q","passage":"`+string(long)+`","label":"true"}
{"question":"q","passage":"p","label":"false"}
`)
	for _, protocol := range []string{"opencompass", "lm-eval"} {
		s := open(t, root, schema.Suite{Suite: "boolq", Protocol: protocol})
		rows := score(t, s, &table{}, suites.Options{MaxLength: 512})
		if !rows[0].Truncated || rows[2].Truncated || rows[0].Tokens > 513 {
			t.Errorf("%s: %d tokens, truncated %v and %v", protocol, rows[0].Tokens, rows[0].Truncated, rows[2].Truncated)
		}
		results, _ := s.Figures(rows)
		if results[0].Note != "1 truncated" {
			t.Errorf("%s: note %q", protocol, results[0].Note)
		}
	}
	def := define(t, `{
	protocol: "lm-eval"
	files: {test: ["q.jsonl"], format: "jsonl"}
	choices: {labels: ["a", "b"], texts: ["`+string(long)+`", "x"]}
	gold: path: "g"
	prompt: {context: "Q:", answer: " {choice}"}
	scores: ["acc"]
}`)
	s, err := suites.OpenDefinition(files("q.jsonl", "{\"g\":\"a\"}\n{\"g\":\"b\"}\n"), def, schema.Suite{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "scoring suite own: item 0, choice a: its continuation has 100001 tokens, more than the model's 512"
	if _, err := s.Score(t.Context(), letters{}, &table{}, suites.Options{MaxLength: 512}); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
