package runner_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// asProgram is the environment variable under which the test binary is xrun, so
// that a test can kill it.
const asProgram = "XRUN_TEST_AS_PROGRAM"

const killSpec = `
question: "Is anything lost?"
matrix: {model: ["builtin:tiny"], labels: ["output", "all"]}
data: {source: "builtin:tiny/instruct.json", maxLength: 96, limit: 44, holdout: {items: 4, every: 5}}
train: {epochs: 1, batch: 2, lr: 1e-3, precision: "f32", logEvery: 5}
eval: {root: "builtin:tiny/suites", suites: [{suite: "arc-e", limit: 4}]}
run: {checkpointEvery: 3, weights: "drop"}
samples: [{instruction: "Where?", maxNew: 4}]
`

// TestKilledRunsContinueWithTheSameBits kills a run again and again, reruns it
// until it ends by itself, and compares every file with those of a run that was
// left alone. Half of the moments are random over the run's time; the others
// come shortly after a new checkpoint, so that there is something to resume
// however fast the machine is. XRUN_KILLS sets how often it kills at least.
func TestKilledRunsContinueWithTheSameBits(t *testing.T) {
	kills := 6
	if v := os.Getenv("XRUN_KILLS"); v != "" {
		if _, err := fmt.Sscan(v, &kills); err != nil {
			t.Fatalf("XRUN_KILLS=%s: %v", v, err)
		}
	}
	dir := t.TempDir()
	spec := filepath.Join(dir, "kill.cue")
	if err := os.WriteFile(spec, []byte(killSpec), 0o666); err != nil {
		t.Fatal(err)
	}
	command := func(runs string) *exec.Cmd {
		c := exec.Command(os.Args[0], spec, "-runs", filepath.Join(dir, runs))
		c.Env = append(os.Environ(), asProgram+"=1")
		return c
	}
	began := time.Now()
	if out, err := command("whole").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(began)
	want := filesOf(t, filepath.Join(dir, "whole", "kill"))

	seed := uint64(1)
	draw := rand.New(rand.NewPCG(seed, 0))
	interrupted, resumed := 0, 0
	for run := 0; interrupted < kills || resumed == 0; run++ {
		if run == 2*kills {
			t.Fatalf("%d runs, %d kills, %d resumptions from a checkpoint: the test tests nothing", run, interrupted, resumed)
		}
		runs := fmt.Sprintf("run%d", run)
		for attempt := 0; ; attempt++ {
			if attempt > 100 {
				t.Fatal("a run that is killed again and again makes no progress")
			}
			c := command(runs)
			var out bytes.Buffer
			c.Stdout, c.Stderr = &out, &out
			saved := filepath.Join(dir, runs, ".store", "*.part", "checkpoints", "step-*", "manifest.json")
			before, _ := filepath.Glob(saved)
			after := time.Duration(draw.Float64() * float64(whole))
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan bool)
			var killer sync.WaitGroup
			killer.Go(func() {
				if attempt%2 == 1 {
					after /= 20
					for fresh := false; !fresh; {
						select {
						case <-ended:
							return
						case <-time.After(time.Millisecond):
						}
						now, _ := filepath.Glob(saved)
						fresh = slices.ContainsFunc(now, func(path string) bool { return !slices.Contains(before, path) })
					}
				}
				select {
				case <-ended:
				case <-time.After(after):
					c.Process.Kill()
				}
			})
			err := c.Wait()
			close(ended)
			killer.Wait()
			if strings.Contains(out.String(), "resuming after step") {
				resumed++
			}
			if err == nil {
				break
			}
			if !strings.Contains(err.Error(), "killed") {
				t.Fatalf("run %d failed: %v\n%s", run, err, out.String())
			}
			interrupted++
		}
		got := filesOf(t, filepath.Join(dir, runs, "kill"))
		for name, b := range want {
			if !bytes.Equal(got[name], b) {
				t.Errorf("after kills (seed %d, run %d) %s differs from the uninterrupted run's", seed, run, name)
			}
			delete(got, name)
		}
		if kept, _ := filepath.Glob(filepath.Join(dir, runs, ".store", "*", "*.safetensors")); len(kept) > 0 {
			t.Errorf("after kills (seed %d, run %d) weights are still there: %v", seed, run, kept)
		}
		for name := range got {
			t.Errorf("after kills (seed %d, run %d) there is also %s", seed, run, name)
		}
	}
	t.Logf("%d kills, %d resumptions from a checkpoint, 0 bytes lost", interrupted, resumed)
}

// filesOf reads a run directory but for what holds times.
func filesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Base(path) {
		case "run.json", "timing.parquet":
			return nil
		}
		rel, _ := filepath.Rel(dir, path)
		files[rel], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
