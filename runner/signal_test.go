//go:build unix

package runner_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program starts xrun in a directory.
func program(t *testing.T, dir string, args ...string) (c *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	c, out = exec.Command(os.Args[0], args...), &bytes.Buffer{}
	c.Dir, c.Env = dir, append(os.Environ(), asProgram+"=1")
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	return c, out
}

// waitFor waits until a file of that pattern is there.
func waitFor(t *testing.T, pattern string) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 2*time.Minute; time.Sleep(5 * time.Millisecond) {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return
		}
	}
	t.Fatalf("no %s after two minutes", pattern)
}

const signalSpec = `
question: "Does an interrupt lose anything?"
matrix: {model: ["builtin:tiny"], labels: ["output"]}
data: {source: "builtin:tiny/instruct.json", maxLength: 96, limit: 40}
train: {epochs: %d, batch: 2, accumulate: %d, lr: 1e-3, precision: "f32"}
run: checkpointEvery: 3
`

func writeSpec(t *testing.T, dir, name string, epochs, accumulate int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, signalSpec, epochs, accumulate), 0o666); err != nil {
		t.Fatal(err)
	}
}

// The first interrupt lets the step end, leaves a checkpoint after it and says
// how to go on; the same command goes on there.
func TestFirstInterruptCheckpoints(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM} { // SIGINT has the next test
		dir := t.TempDir()
		writeSpec(t, dir, "signal.cue", 1000, 1)
		c, out := program(t, dir, "signal.cue", "-runs", "my runs")
		waitFor(t, filepath.Join(dir, "my runs", ".store", "*.part", "checkpoints", "step-*3"))
		c.Process.Signal(sig)
		c.Wait()
		if status := c.ProcessState.ExitCode(); status != 130 {
			t.Fatalf("%v: status %d\n%s", sig, status, out)
		}
		for _, want := range []string{"finishing this step (once more to stop at once)", "xrun: hint: to go on: xrun signal.cue -runs 'my runs'"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v: no %q in\n%s", sig, want, out)
			}
		}
		m := regexp.MustCompile(`stopped after step (\d+) of 20000, with a checkpoint`).FindStringSubmatch(out.String())
		if m == nil {
			t.Fatalf("%v: it does not say where it stopped\n%s", sig, out)
		}
		c, out = program(t, dir, "status", "my runs/signal")
		c.Wait()
		if want := "interrupted; goes on after step " + m[1]; !strings.Contains(out.String(), want) || strings.Contains(out.String(), "in use by") {
			t.Errorf("%v: no %q in\n%s", sig, want, out)
		}
		// It says so before the next checkpoint.
		saved := filepath.Join(dir, "my runs", ".store", "*.part", "checkpoints", "step-*")
		before, _ := filepath.Glob(saved)
		c, out = program(t, dir, "signal.cue", "-runs", "my runs")
		for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(5 * time.Millisecond) {
			now, _ := filepath.Glob(saved)
			if slices.ContainsFunc(now, func(path string) bool { return !slices.Contains(before, path) }) {
				break
			}
		}
		c.Process.Kill()
		c.Wait()
		if !strings.Contains(out.String(), "train tuned: resuming after step "+m[1]+"\n") {
			t.Errorf("%v: want it to resume after step %s\n%s", sig, m[1], out)
		}
	}
}

// The second interrupt does not wait for the step.
func TestSecondInterruptStopsAtOnce(t *testing.T) {
	dir := t.TempDir()
	// One step takes half a million tokens: half a minute and more on one thread.
	row := fmt.Sprintf("{\"instruction\": \"%s\", \"output\": \"a\"}\n", strings.Repeat("a dog ", 120))
	for name, text := range map[string]string{"rows.jsonl": strings.Repeat(row, 2000), "signal.cue": `
question: "Does the second interrupt stop a step?"
matrix: {model: ["builtin:tiny"], labels: ["all"]}
data: source: "rows.jsonl"
train: {epochs: 1, batch: 2000, lr: 1e-3, precision: "bf16"}
run: {threads: 1, memory: "32MiB"}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	c, out := program(t, dir, "signal.cue")
	waitFor(t, filepath.Join(dir, "runs", ".store", "*.part", "checkpoints"))
	time.Sleep(300 * time.Millisecond) // into the step
	c.Process.Signal(os.Interrupt)
	done := make(chan bool)
	go func() { c.Wait(); close(done) }()
	select {
	case <-done:
		t.Skipf("SKIPPED: the step was over before a second interrupt could come\n%s", out)
	case <-time.After(300 * time.Millisecond):
	}
	c.Process.Signal(os.Interrupt)
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on after the second interrupt")
	}
	if status := c.ProcessState.ExitCode(); status != 130 {
		t.Errorf("status %d", status)
	}
	if kept, _ := filepath.Glob(filepath.Join(dir, "runs", ".store", "*.part", "checkpoints", "step-*")); len(kept) > 0 {
		t.Errorf("it waited for the step: %v", kept)
	}
}

// Two runs of one directory: the second says who holds it, and leaves it alone.
// A killed holder's lock is taken over at once.
func TestSecondRunSaysWhoHoldsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	writeSpec(t, dir, "signal.cue", 1000, 1)
	first, _ := program(t, dir, "signal.cue")
	waitFor(t, filepath.Join(dir, "runs", ".store", "*.part", "checkpoints", "step-*3"))
	second, out := program(t, dir, "signal.cue")
	second.Wait()
	host, _ := os.Hostname()
	want := fmt.Sprintf("xrun: error: locking runs/signal: in use by process %d on %s since 20", first.Process.Pid, host)
	if second.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), want) {
		t.Errorf("status %d, want 1 and %q\n%s", second.ProcessState.ExitCode(), want, out)
	}
	status, out := program(t, dir, "status", "runs/signal")
	status.Wait()
	if want := fmt.Sprintf("running.*train tuned.*by process %d on", first.Process.Pid); !regexp.MustCompile(want).MatchString(out.String()) {
		t.Errorf("no %q in\n%s", want, out)
	}
	gc, out := program(t, dir, "store", "gc")
	gc.Wait()
	if gc.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), fmt.Sprintf("in use by process %d", first.Process.Pid)) {
		t.Errorf("gc beside a run: status %d\n%s", gc.ProcessState.ExitCode(), out)
	}
	first.Process.Kill()
	first.Wait()
	writeSpec(t, dir, "signal.cue", 1, 1) // the same directory, a short study
	third, out := program(t, dir, "signal.cue")
	third.Wait()
	if third.ProcessState.ExitCode() != 0 {
		t.Errorf("after the holder was killed: status %d\n%s", third.ProcessState.ExitCode(), out)
	}
}
