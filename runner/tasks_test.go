package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/kernels/cpu"
	"xrun/runner/disk"
	"xrun/runner/lock"
	"xrun/runner/store"
	"xrun/schema"
)

func studyOf(t *testing.T, text string) *study {
	t.Helper()
	spec, err := schema.Load("tasks.cue", schema.Options{Read: func(string) ([]byte, error) { return []byte(text), nil }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStudy(disk.OS, spec, filepath.Join(t.TempDir(), ".store"), planned)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every stage but prepare is in one task; a task's measurements are of one model,
// and it follows the training of that model.
func TestTasks(t *testing.T) {
	s := studyOf(t, manyCells(3))
	seen := map[*stage]bool{}
	trainings, measurements := 0, 0
	for _, task := range s.tasks() {
		for _, st := range task.stages {
			if seen[st] {
				t.Errorf("%s is in two tasks", st.title)
			}
			seen[st] = true
			if st.weights != task.stages[0].weights {
				t.Errorf("%s is in a task with %s", st.title, task.stages[0].title)
			}
		}
		switch {
		case task.stages[0].kind == "train":
			trainings++
		case task.after != nil:
			measurements++
			if want := "train " + task.stages[0].weights; task.after.stages[0].title != want {
				t.Errorf("%s follows %s", task.title(), task.after.stages[0].title)
			}
		}
	}
	if trainings != 3 || measurements != 3 || len(seen) != len(s.stages)-1 {
		t.Errorf("%d trainings, %d measurements, %d of %d stages", trainings, measurements, len(seen), len(s.stages))
	}
}

func TestParseTasks(t *testing.T) {
	a, b := store.Key(strings.Repeat("a", 64)), store.Key(strings.Repeat("0b", 32))
	got := map[int][]store.Key{}
	err := parseTasks([]byte("0 "+a+"\n7 "+b+" "+a+"\n"), func(i int, keys []store.Key) { got[i] = keys })
	if diff := cmp.Diff(map[int][]store.Key{0: {a}, 7: {b, a}}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"0\n":                             "1: want an index and keys",
		"0 " + string(a) + "\n-1 x":       "2: \"-1\" is no index",
		"0 ../../etc/passwd":              "1: \"../../etc/passwd\" is no key",
		"0 " + strings.ToUpper(string(a)): "is no key",
	} {
		if err := parseTasks([]byte(text), func(int, []store.Key) {}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}

// A plan made for other numerics, such as another compute capability, is refused
// before anything is read, with the exit status of an engine that is not here,
// and whoever waits for the stages can read why.
func TestStageRefusesOtherNumerics(t *testing.T) {
	s := studyOf(t, manyCells(1))
	dir := t.TempDir()
	files, err := jobFilesOf(disk.OS, dir, "tasks")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := s.spec.JSON()
	if err != nil {
		t.Fatal(err)
	}
	key := s.stages[0].key
	run := func(numerics string) (outcome, error) {
		plan, err := files.writePlan(jobPlan{Runs: dir, Spec: spec, Engine: "cpu", Numerics: numerics, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, numerics+".json")
		path = strings.ReplaceAll(path, " ", "_")
		var out bytes.Buffer
		e := &env{ctx: context.Background(), stdout: &out, stderr: &out, disk: disk.OS, locker: lock.New(disk.OS)}
		err = e.call(stageCommand, []string{"-outcome", path, plan, string(key)})
		o, oerr := readOutcome(path)
		if oerr != nil {
			t.Fatal(oerr)
		}
		return o, err
	}
	o, err := run("cuda-9.0")
	var status *statusError
	if !errors.As(err, &status) || status.status != exitNoEngine || !strings.Contains(err.Error(), `"cuda-9.0"`) {
		t.Errorf("got %v", err)
	}
	if got, ok := o.of(key); !ok || !strings.Contains(got.Error, `"cuda-9.0"`) {
		t.Errorf("the outcome is %+v", o)
	}
	if o, err := run(cpu.Numerics); err != nil || len(o.Stages) != 1 || o.Stages[0].Error != "" || !store.At(disk.OS, storeDir(dir)).Has(key) {
		t.Errorf("the plan's own numerics: %v, %+v", err, o)
	}
}

// FuzzTasks reads lists of tasks and plans that anyone may have edited.
func FuzzTasks(f *testing.F) {
	f.Add([]byte("0 " + strings.Repeat("a", 64) + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseTasks(b, func(index int, keys []store.Key) {
			for _, k := range keys {
				if index < 0 || !filepath.IsLocal(string(k)) || strings.ContainsAny(string(k), "/\\.") {
					t.Errorf("index %d, key %q", index, k)
				}
			}
		})
		var o outcome
		if json.Unmarshal(b, &o) == nil {
			o.of("x")
		}
	})
}

// FuzzRunFiles reads what a run directory and the store tell of stages: plans and
// logs that anyone may have edited.
func FuzzRunFiles(f *testing.F) {
	f.Add([]byte(`[{"kind":"train","title":"train a","key":"k","needs":["l"]},{"key":"l","needs":["k"]}]`))
	f.Add([]byte("2026-11-26T05:06:14Z attempt 2 on host7\n2026-11-26T05:06:14Z checkpoint after step x, written\nfailed\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		for _, name := range []string{planName, "log.txt"} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		readLog(filepath.Join(dir, "log.txt"))
		if plan, err := readPlan(dir); err == nil {
			stages := statusOf(store.At(disk.OS, dir), plan)
			printStatus(io.Discard, dir, stages)
		}
		run := filepath.Join(dir, "run")
		if err := os.Mkdir(run, 0o777); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{planName, specName, scalePrefix + "0.json"} {
			if err := os.WriteFile(filepath.Join(run, name), b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		usersOf(dir, true)
		readJobPlan(filepath.Join(dir, planName))
		readOutcome(filepath.Join(dir, planName))
	})
}

// keepProgram keeps one copy of the running program, which can be run.
func TestKeepProgram(t *testing.T) {
	files, err := jobFilesOf(disk.OS, t.TempDir(), "keep")
	if err != nil {
		t.Fatal(err)
	}
	path, err := files.keepProgram()
	if err != nil {
		t.Fatal(err)
	}
	// A process killed before it made its copy a program leaves one that is none.
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := files.keepProgram()
	if err != nil || again != path {
		t.Errorf("a second copy at %s: %v", again, err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm()&0o111 == 0 {
		t.Errorf("%v, %v", st, err)
	}
}
