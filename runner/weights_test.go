package runner

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"xrun/runner/disk"
	"xrun/runner/disk/faults"
	"xrun/runner/lock"
	"xrun/runner/store"
)

// dropCells is manyCells with weights dropped.
func dropCells(n int) string { return manyCells(n) + "run: weights: \"drop\"\n" }

// Where weights are dropped a task is a whole cell, the training first; it waits
// for no other.
func TestTasksThatDropWeights(t *testing.T) {
	s := studyOf(t, dropCells(3))
	cells := 0
	for _, task := range s.tasks() {
		if task.after != nil {
			t.Errorf("%s waits for %s", task.title(), task.after.title())
		}
		first := task.stages[0]
		if first.kind != "train" {
			continue
		}
		cells++
		if len(task.stages) != 1+len(first.readers) || task.title() != first.title+" and 8 measurements" {
			t.Errorf("%s is %d stages", task.title(), len(task.stages))
		}
	}
	if cells != 3 {
		t.Errorf("%d tasks train", cells)
	}
}

func TestDiskUse(t *testing.T) {
	const cells = 3
	s := studyOf(t, manyCells(cells))
	one := s.trains["seed=1"].disk
	checkpoints := func(n int) func(*stage) int { return func(*stage) int { return n } }
	other := map[store.Key][]string{s.trains["seed=2"].key: {"other"}}
	for _, c := range []struct {
		what        string
		drops       bool
		checkpoints int
		elsewhere   map[store.Key][]string
		want        diskUse
	}{
		{"kept", false, 0, nil, diskUse{3 * one, 3 * one}},
		{"kept, one checkpoint: the last training has two cells beside it, its own weights and that", false, 1, nil, diskUse{(2 + 1 + 3) * one, 3 * one}},
		{"kept, three checkpoints while the third is written", false, 3, nil, diskUse{(2 + 9) * one, 3 * one}},
		{"dropped", true, 0, nil, diskUse{one, 0}},
		{"dropped, two checkpoints and the weights", true, 2, nil, diskUse{(6 + 1) * one, 0}},
		{"dropped, another run keeps one", true, 0, other, diskUse{2 * one, one}},
	} {
		if got := s.diskUse(c.drops, checkpoints(c.checkpoints), c.elsewhere); got != c.want {
			t.Errorf("%s: got %+v, want %+v of %d bytes each", c.what, got, c.want, one)
		}
	}
}

// A disk without the room is told, with what would help.
func TestTooFull(t *testing.T) {
	certain := pace{flops: math.Inf(1)} // no checkpoint by time
	const want = `has 1 MiB free; with run.weights: "drop" 3.32 MiB would do`
	if s := studyOf(t, manyCells(3)); !strings.HasSuffix(s.tooFull(1<<20, certain), want) {
		t.Errorf("got %s", s.tooFull(1<<20, certain))
	}
	if s := studyOf(t, dropCells(3)); !strings.HasSuffix(s.tooFull(1<<20, certain), "has 1 MiB free") {
		t.Errorf("got %s", s.tooFull(1<<20, certain))
	}
	if free := studyOf(t, manyCells(1)).freeDisk(); free == 0 || runtime.GOOS == "linux" && free < 0 {
		t.Errorf("the disk has %d bytes free", free)
	}
}

// However many cells there are, the disk holds the weights of one at a time.
func TestOneCellsWeightsAtATime(t *testing.T) {
	_, spec := faultStudy(t)
	runs := t.TempDir()
	recorder := faults.Record(runs)
	if status, out := runOn(recorder, spec, runs); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	now, most, all := 0, 0, 0
	for _, o := range recorder.Ops() {
		switch {
		case o.Kind == faults.Create && filepath.Base(o.Path) == weightsFiles[0]:
			now, all = now+1, all+1
		case o.Kind == faults.Remove && filepath.Base(o.Path) == weightsFiles[0]:
			now--
		}
		most = max(most, now)
	}
	if most != 1 || now != 0 || all != 2 {
		t.Errorf("%d at a time of %d, %d in the end", most, all, now)
	}
}

// A Slurm task's process trains its cell, measures it and drops the weights; if the
// training fails, what needs it says so.
func TestStagesOfOneCell(t *testing.T) {
	_, spec := faultStudy(t)
	for _, broken := range []bool{false, true} {
		runs := t.TempDir()
		s, err := openStudy(disk.OS, spec, nil, storeDir(runs))
		if err != nil {
			t.Fatal(err)
		}
		if err := disk.MkdirAll(disk.OS, s.store.Root()); err != nil {
			t.Fatal(err)
		}
		train := s.trains["labels=all"]
		if broken { // a file where the stage wants its directory
			if err := os.WriteFile(s.store.WorkDir(train.key), nil, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		files, err := jobFilesOf(disk.OS, runs, "smoke")
		if err != nil {
			t.Fatal(err)
		}
		resolved, err := s.spec.JSON()
		if err != nil {
			t.Fatal(err)
		}
		plan, err := files.writePlan(jobPlan{Runs: runs, Spec: resolved, Engine: "cpu", Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(runs, "outcome.json")
		args := []string{"-outcome", path, plan, string(train.key)}
		for _, st := range train.readers {
			args = append(args, string(st.key))
		}
		var out bytes.Buffer
		e := &env{ctx: context.Background(), stdout: &out, stderr: &out, disk: disk.OS, locker: lock.New(disk.OS)}
		if err := e.call(stageCommand, []string{plan, string(train.needs[0].key)}); err != nil {
			t.Fatal(err)
		}
		err = e.call(stageCommand, args)
		if (err != nil) != broken {
			t.Fatalf("broken %v: %v\n%s", broken, err, out.String())
		}
		o, err := readOutcome(path)
		if err != nil || len(o.Stages) != 1+len(train.readers) {
			t.Fatalf("%+v, %v", o, err)
		}
		for _, st := range train.readers {
			got, _ := o.of(st.key)
			want := ""
			if broken {
				want = "needs train labels=all, which failed"
			}
			if got.Error != want {
				t.Errorf("%s: %q, want %q", st.title, got.Error, want)
			}
		}
		if !broken {
			nothingStays(t, "a task", runs)
			if !strings.Contains(out.String(), "train labels=all: weights dropped") {
				t.Errorf("not said: %s", out.String())
			}
			// One stage by hand, of a cell whose weights are gone.
			last := train.readers[0]
			if err := os.RemoveAll(s.store.Path(last.key, "")); err != nil {
				t.Fatal(err)
			}
			if err := e.call(stageCommand, []string{plan, string(last.key)}); err == nil || !strings.Contains(err.Error(), "needs train labels=all, whose weights were dropped") {
				t.Errorf("got %v", err)
			}
			if err := e.call(stageCommand, []string{plan, string(train.key), string(last.key)}); err != nil {
				t.Error(err)
			}
		}
	}
}

// Weights stay while an evaluation that reads them fails, so that the next run only
// repeats that; and they come back for a score that turns out to be damaged.
func TestWeightsStayForWhatFailed(t *testing.T) {
	_, spec := faultStudy(t)
	runs := t.TempDir()
	s, err := openStudy(disk.OS, spec, nil, storeDir(runs))
	if err != nil {
		t.Fatal(err)
	}
	failing := s.evaluates["labels=output"][2]
	if err := disk.MkdirAll(disk.OS, s.store.Root()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.store.WorkDir(failing.key), nil, 0o666); err != nil { // where it wants a directory
		t.Fatal(err)
	}
	check := func(what, out, wants, lacks string, status, want int) {
		t.Helper()
		if status != want || !strings.Contains(out, wants) || lacks != "" && strings.Contains(out, lacks) {
			t.Errorf("%s: status %d\n%s", what, status, out)
		}
	}
	status, out := runOn(disk.OS, spec, runs)
	check("an evaluation fails", out, "train labels=all: weights dropped", "train labels=output: weights dropped", status, exitFailed)
	if s.store.Dropped(s.trains["labels=output"].key) {
		t.Error("the weights that it needs are gone")
	}
	if err := os.Remove(s.store.WorkDir(failing.key)); err != nil {
		t.Fatal(err)
	}
	status, out = runOn(disk.OS, spec, runs)
	check("the next run", out, "train labels=output: weights dropped", "train labels=output: done in", status, 0)
	want := runBytes(t, filepath.Join(runs, "smoke"))

	items := filepath.Join(s.store.Path(failing.key, ""), itemsTable)
	b, err := os.ReadFile(items)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0xff
	if err := os.WriteFile(items, b, 0o666); err != nil {
		t.Fatal(err)
	}
	status, out = runOn(disk.OS, spec, runs)
	check("a damaged score", out, "is damaged: items.parquet", "train labels=all: done in", status, 0)
	if !strings.Contains(out, "train labels=output: done in") || !strings.Contains(out, "train labels=output: weights dropped") {
		t.Errorf("the cell was not trained again and dropped\n%s", out)
	}
	sameRun(t, "after a damaged score", want, runBytes(t, filepath.Join(runs, "smoke")))
	nothingStays(t, "after a damaged score", runs)
}
