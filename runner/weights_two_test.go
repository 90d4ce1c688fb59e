package runner_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Two runs at once, in processes of their own, share cells and drop weights. One
// asks more of them than the other. Both end with the bytes of runs that were
// alone, and nothing is dropped for good before both have read it.
func TestTwoRunsThatDropWeights(t *testing.T) {
	dir := t.TempDir()
	spec := func(name, suites string) string {
		path := filepath.Join(dir, name+".cue")
		text := strings.Replace(killSpec, `suites: [`, `suites: [`+suites, 1)
		if text == killSpec && suites != "" {
			t.Fatal("killSpec has no suites")
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	less, more := spec("less", ""), spec("more", `{suite: "boolq", limit: 2}, {suite: "hellaswag", limit: 2}, `)
	command := func(spec, runs string, out *bytes.Buffer) *exec.Cmd {
		c := exec.Command(os.Args[0], spec, "-runs", filepath.Join(dir, runs))
		c.Env = append(os.Environ(), asProgram+"=1")
		c.Stdout, c.Stderr = out, out
		return c
	}
	for name, spec := range map[string]string{"less": less, "more": more} {
		var out bytes.Buffer
		if err := command(spec, "alone-"+name, &out).Run(); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
	}
	var outLess, outMore bytes.Buffer
	a, b := command(less, "both", &outLess), command(more, "both", &outMore)
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	// What the other must not take away is said by then.
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "both", "more", "plan.json")); err == nil {
			break
		}
		if time.Since(began) > time.Minute {
			b.Process.Kill()
			t.Fatalf("no plan after a minute\n%s", outMore.String())
		}
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	if err := a.Wait(); err != nil {
		t.Errorf("%v\n%s", err, outLess.String())
	}
	if err := b.Wait(); err != nil {
		t.Errorf("%v\n%s", err, outMore.String())
	}
	for _, name := range []string{"less", "more"} {
		want, got := filesOf(t, filepath.Join(dir, "alone-"+name, name)), filesOf(t, filepath.Join(dir, "both", name))
		for file, b := range want {
			if !bytes.Equal(got[file], b) {
				t.Errorf("%s/%s differs from that of the run that was alone", name, file)
			}
		}
	}
	both := outLess.String() + outMore.String()
	for _, cell := range []string{"labels=output", "labels=all"} {
		if n := strings.Count(both, "train "+cell+": done in"); n != 1 {
			t.Errorf("%s was trained %d times\n%s", cell, n, both)
		}
		if n := strings.Count(both, "train "+cell+": weights dropped"); n != 1 {
			t.Errorf("the weights of %s were dropped %d times\n%s", cell, n, both)
		}
	}
	if kept, _ := filepath.Glob(filepath.Join(dir, "both", ".store", "*", "*.safetensors")); len(kept) > 0 {
		t.Errorf("weights are still there: %v", kept)
	}
}
