package runner

import (
	"fmt"
	"io"
	"testing"
	"time"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/model"
	"xrun/runner/disk"
	"xrun/runner/store"
)

// BenchmarkCheckpoint trains the shape of Qwen2.5-0.5B, with all of its 24 blocks
// or with 4 of them, and writes a checkpoint on the way. stall-s is how long the
// training stands still for the copy (first-s: the first time, when the memory is
// fresh), write-s how long the writing takes in the background, slow-s by how much
// longer the steps meanwhile take than those just before, step-s. overhead-% is
// (stall + slow) / 600 s: the share of the time at one checkpoint every ten
// minutes. Steps are short, 64 tokens, so that more of their time is the memory's,
// which the writer wants too, than in a study. foreground-% is the share where
// memory has no room for the copy.
func BenchmarkCheckpoint(b *testing.B) {
	for _, layers := range []int{4, 24} {
		b.Run(fmt.Sprintf("layers=%d", layers), func(b *testing.B) {
			c := model.Config{
				Architecture: model.Qwen2, Vocab: 151936, Hidden: 896, Intermediate: 4864, Layers: layers, Heads: 14, KVHeads: 2, HeadDim: 64,
				MaxPositions: 32768, NormEps: 1e-6, RopeTheta: 1e6, Tied: true, QKVBias: true, InitRange: 0.02, Pad: -1,
			}
			state := 12 * int64(c.Parameters())
			if left := availableMemory(); left >= 0 && left < state*7/3+2<<30 {
				b.Skipf("SKIPPED: weights, gradients, moments and their copy need %s, there are %s", byteText(state*7/3), byteText(left))
			}
			e, err := cpu.New(cpu.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			m, err := model.New(e, c, kernels.BF16)
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			if err := m.InitRandom(1); err != nil {
				b.Fatal(err)
			}
			t, err := model.NewTrainer(m, model.Recipe{
				Batch: 4, Padding: model.Side("left"), LR: 1e-5, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: model.DecayAll,
				Schedule: model.Schedule{Name: "constant", Steps: 1}, MicroTokens: 64,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer t.Close()
			row := model.Row{Tokens: make([]int32, 64), Prompt: 2}
			for i := range row.Tokens {
				row.Tokens[i] = int32(i * 37)
			}
			step := func() {
				if _, err := t.Step([]model.Row{row}); err != nil {
					b.Fatal(err)
				}
			}
			since := func(began time.Time) float64 { return time.Since(began).Seconds() }
			s, n := store.At(disk.OS, b.TempDir()), 0
			put := func(state func(io.Writer) error) float64 {
				began, k := time.Now(), checkpointKey(n)
				n++
				_, err := s.Put(k, []byte("{}"), func(out *store.Writer) error { return out.WriteUncached(stateFile, state) })
				if err == nil {
					err = s.Remove(k)
				}
				if err != nil {
					b.Error(err)
				}
				return since(began)
			}
			step()
			began := time.Now()
			snapshot := t.NewSnapshot()
			defer snapshot.Free()
			if err := snapshot.Take(); err != nil {
				b.Fatal(err)
			}
			first := since(began)
			front := put(t.WriteState)
			var stall, write, slow, alone float64
			for b.Loop() {
				const before = 3
				began := time.Now()
				for range before {
					step()
				}
				usual := since(began) / before
				began = time.Now()
				if err := snapshot.Take(); err != nil {
					b.Fatal(err)
				}
				stall += since(began)
				written := make(chan float64, 1)
				go func() { written <- put(snapshot.Write) }()
				began = time.Now()
				for steps := 1; ; steps++ {
					step()
					if len(written) == 1 {
						slow += since(began) - float64(steps)*usual
						break
					}
				}
				write += <-written
				alone += usual
			}
			each := func(total float64) float64 { return total / float64(b.N) }
			b.ReportMetric(float64(state)/1e9, "state-GB")
			b.ReportMetric(each(alone), "step-s")
			b.ReportMetric(first, "first-s")
			b.ReportMetric(each(stall), "stall-s")
			b.ReportMetric(each(write), "write-s")
			b.ReportMetric(each(slow), "slow-s")
			b.ReportMetric(100*each(stall+slow)/600, "overhead-%")
			b.ReportMetric(100*front/600, "foreground-%")
		})
	}
}
