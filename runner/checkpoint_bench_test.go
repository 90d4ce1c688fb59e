package runner

import (
	"fmt"
	"testing"
	"time"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/model"
	"xrun/runner/disk"
	"xrun/runner/store"
)

// BenchmarkCheckpoint writes checkpoints of Qwen2.5-0.5B's shape, with all of
// its 24 blocks or with 4 of them, as a training does. stall-s is how long the
// training stands still for the copy, write-s how long the disk then takes in the
// background, cpu-s the processor time of that, which the training lacks.
// overhead-% is the share of the time at one checkpoint every ten minutes on two
// cores: stall and half the processor time. foreground-% is the share where
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
				Schedule: model.Schedule{Name: "constant", Steps: 1}, MicroTokens: 16,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer t.Close()
			if _, err := t.Step([]model.Row{{Tokens: []int32{1, 2, 3, 4, 5, 6, 7, 8}, Prompt: 2}}); err != nil {
				b.Fatal(err)
			}
			s := store.At(disk.OS, b.TempDir())
			var stall, write, work, front time.Duration
			n := 0
			for b.Loop() {
				began := time.Now()
				snapshot, err := t.Snapshot()
				if err != nil {
					b.Fatal(err)
				}
				stall += time.Since(began)
				put := func(write *model.Snapshot) time.Duration {
					began := time.Now()
					k := checkpointKey(n)
					n++
					_, err := s.Put(k, []byte("{}"), func(out *store.Writer) error {
						if write != nil {
							return out.WriteFile(stateFile, write.Write)
						}
						return out.WriteFile(stateFile, t.WriteState)
					})
					if err == nil {
						err = s.Remove(k)
					}
					if err != nil {
						b.Fatal(err)
					}
					return time.Since(began)
				}
				cpuTime := processTime()
				write += put(snapshot)
				work += processTime() - cpuTime
				snapshot = nil
				front += put(nil)
			}
			each := func(d time.Duration) float64 { return d.Seconds() / float64(b.N) }
			b.ReportMetric(float64(state)/1e9, "state-GB")
			b.ReportMetric(each(stall), "stall-s")
			b.ReportMetric(each(write), "write-s")
			b.ReportMetric(each(work), "cpu-s")
			b.ReportMetric(100*(each(stall)+each(work)/2)/600, "overhead-%")
			b.ReportMetric(100*each(front)/600, "foreground-%")
		})
	}
}
