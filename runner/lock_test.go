package runner

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xrun/runner/disk"
	"xrun/runner/lock"
)

// usurped is a disk on which, once the first checkpoint is there, another process
// takes over the lock of the training and dies.
type usurped struct {
	disk.FS
	t    *testing.T
	done bool
}

func (u *usurped) Rename(from, to string) error {
	err := u.FS.Rename(from, to)
	if !u.done && strings.HasPrefix(filepath.Base(to), "step-") {
		u.done = true
		work := filepath.Dir(filepath.Dir(to)) // KEY.part
		u.takeOver(strings.TrimSuffix(work, ".part") + ".lock")
	}
	return err
}

func (u *usurped) takeOver(path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		u.t.Error(err)
		return
	}
	var h lock.Holder
	if err := json.Unmarshal(b, &h); err != nil {
		u.t.Error(err)
	}
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		u.t.Error(err)
		return
	}
	h.PID, h.Start, h.Token = gone.Process.Pid, "", "another"
	if b, err = json.Marshal(h); err == nil {
		err = os.WriteFile(path, b, 0o666)
	}
	if err != nil {
		u.t.Error(err)
	}
}

const usurpedSpec = `
question: "Is the stage left to the other?"
matrix: {model: ["builtin:tiny"], labels: ["output"]}
data: {source: "builtin:tiny/instruct.json", maxLength: 96, limit: 20}
train: {epochs: 3, batch: 2, lr: 1e-3, precision: "f32"}
run: checkpointEvery: 3
`

// A process that finds its stage's lock taken over stops working on it and goes on
// as if it came second: here, from the checkpoint, when the other has died.
func TestStalledRunLeavesItsStage(t *testing.T) {
	dir := t.TempDir()
	spec := filepath.Join(dir, "lost.cue")
	if err := os.WriteFile(spec, []byte(usurpedSpec), 0o666); err != nil {
		t.Fatal(err)
	}
	whole, torn := filepath.Join(dir, "whole"), filepath.Join(dir, "torn")
	if status, out := runOn(disk.OS, spec, whole); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	d := &usurped{FS: disk.OS, t: t}
	l := lock.New(d)
	l.Beat = time.Millisecond
	var out bytes.Buffer
	e := &env{ctx: t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &out, disk: d, locker: l}
	if status := report(&out, e.dispatch([]string{spec, "-runs", torn})); status != 0 {
		t.Fatalf("status %d\n%s", status, out.String())
	}
	for _, want := range []string{"this process stalled, and another took over its work", "resuming after step"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("does not say %q:\n%s", want, out.String())
		}
	}
	sameRun(t, "after its lock was taken over", runBytes(t, filepath.Join(whole, "lost")), runBytes(t, filepath.Join(torn, "lost")))
}
