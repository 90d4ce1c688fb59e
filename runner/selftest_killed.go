package runner

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// killedStudy is run by the selftest, killed and run again: its numbers are items
// of data, epochs, and steps from a checkpoint to the next.
const killedStudy = `
question: "Is anything lost when a run is killed?"
matrix: {model: ["builtin:tiny"], labels: ["all"]}
data: {source: "builtin:tiny/instruct.json", maxLength: 48, limit: %d}
train: {epochs: %d, batch: 2, lr: 1e-3, precision: "bf16", logEvery: 5}
eval: {base: false, root: "builtin:tiny/suites", suites: [{suite: "arc-e", limit: 1}]}
run: checkpointEvery: %d
samples: [{instruction: "Where?", maxNew: 2}]
`

// killedStudyOf returns the study for an engine: of as many steps as leave time to
// kill it after the first checkpoint.
func killedStudyOf(engine string) string {
	switch engine {
	case "emulated":
		return fmt.Sprintf(killedStudy, 8, 1, 2)
	case "cpu":
		return fmt.Sprintf(killedStudy, 24, 2, 3)
	}
	return fmt.Sprintf(killedStudy, 60, 10, 5)
}

// killAttempts is how often a run may end before it could be killed.
const killAttempts = 3

// killedRun returns the selftest's check that a run which is killed and started
// again writes the bytes of one that was left alone, on the engine of that name,
// in processes of this program.
func killedRun(ctx context.Context, engine string, threads int) func() (note string, problems []string) {
	return func() (string, []string) {
		dir, err := os.MkdirTemp("", "xrun-selftest-")
		if err != nil {
			return "", []string{err.Error()}
		}
		defer os.RemoveAll(dir)
		k := killing{ctx: ctx, dir: dir, spec: killedStudyOf(engine), args: []string{filepath.Join(dir, "killed.cue"), "-engine", engine, "-threads", fmt.Sprint(threads)}}
		note, problems, err := k.run()
		if err != nil {
			return "", []string{err.Error()}
		}
		return note, problems
	}
}

// killing is a check in a directory of its own.
type killing struct {
	ctx  context.Context
	dir  string
	spec string
	args []string // of this program; the first is the file of the spec
}

func (k *killing) run() (note string, problems []string, err error) {
	if err := os.WriteFile(k.args[0], []byte(k.spec), 0o666); err != nil {
		return "", nil, err
	}
	if out, err := k.command("whole").CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("running a study: %w\n%s", err, out)
	}
	for attempt := range killAttempts {
		runs := fmt.Sprintf("killed%d", attempt)
		killed, err := k.kill(runs)
		if err != nil {
			return "", nil, err
		}
		if !killed {
			continue
		}
		out, err := k.command(runs).CombinedOutput()
		if err != nil {
			return "", nil, fmt.Errorf("running a study again that was killed: %w\n%s", err, out)
		}
		_, rest, resumed := strings.Cut(string(out), ": resuming after step ")
		if !resumed {
			return "", nil, fmt.Errorf("a study that was killed after a checkpoint does not resume from it:\n%s", out)
		}
		step, _, _ := strings.Cut(rest, "\n")
		problems, err = compareRuns(filepath.Join(k.dir, "whole", "killed"), filepath.Join(k.dir, runs, "killed"))
		return "resumed after step " + strings.TrimSpace(step), problems, err
	}
	return "", nil, fmt.Errorf("a study ended %d times before it could be killed", killAttempts)
}

func (k *killing) command(runs string) *exec.Cmd {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	return exec.CommandContext(k.ctx, program, append(slices.Clone(k.args), "-runs", filepath.Join(k.dir, runs))...)
}

// kill runs the study and kills it when it has written a checkpoint. It returns
// false if it had ended by then.
func (k *killing) kill(runs string) (bool, error) {
	c := k.command(runs)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		return false, fmt.Errorf("running a study: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	saved := filepath.Join(storeDir(filepath.Join(k.dir, runs)), "*.part", "checkpoints", "step-*", "manifest.json")
	for {
		select {
		case err := <-ended:
			if err != nil {
				return false, fmt.Errorf("running a study: %w\n%s", err, &out)
			}
			return false, nil
		case <-time.After(time.Millisecond):
		}
		if found, _ := filepath.Glob(saved); len(found) > 0 {
			if err := c.Process.Kill(); err != nil {
				return false, nil // it has ended
			}
			return <-ended != nil, nil
		}
	}
}
