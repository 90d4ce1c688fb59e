package runner_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"xrun/runner"
	"xrun/runner/disk"
	"xrun/runner/disk/faults"
)

// TestMain is xrun where a test asks for the program, and runs the tests
// otherwise. Neither waits for the disk; TestPowerLoss knows what was synced.
func TestMain(m *testing.M) {
	disk.OS = faults.Unsynced(disk.OS)
	if os.Getenv(asProgram) != "" {
		os.Exit(runner.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){
		"xrun": func() { os.Exit(runner.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the command line's specification: one txtar file a
// behaviour, in testdata/script. XRUN_UPDATE=1 rewrites expected output.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("XRUN_UPDATE") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(name string) (bool, error) {
			if name == "cuda" {
				return cudaHere(), nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROOT", root)
			e.Setenv("HF_HOME", filepath.Join(e.WorkDir, "hub"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"flip":     flip,
			"truncate": truncate,
			"copydir":  copyDir,
			"poke":     poke,
			"damage":   damage,
			"drop":     drop,
			"linger":   linger,
		},
	})
}

// flip FILE OFFSET inverts one byte; a negative offset counts from the end.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	path, at := fileAndOffset(ts, args)
	b, err := os.ReadFile(path)
	ts.Check(err)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 0xff
	ts.Check(os.WriteFile(path, b, 0o666))
}

// stored finds the first stored stage, in the order of a run's plan, that
// satisfies is.
func stored(ts *testscript.TestScript, run string, is func(dir, title string) bool) string {
	raw, err := os.ReadFile(filepath.Join(run, "plan.json"))
	ts.Check(err)
	var stages []struct{ Title, Key string }
	ts.Check(json.Unmarshal(raw, &stages))
	for _, st := range stages {
		dir := filepath.Join(filepath.Dir(run), ".store", st.Key)
		if _, err := os.Stat(dir); err == nil && is(dir, st.Title) {
			return dir
		}
	}
	ts.Fatalf("no such stage of %s is stored", run)
	return ""
}

// damage RUN FILE inverts the middle byte of the first stored file of that name.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("want RUN FILE")
	}
	dir := stored(ts, ts.MkAbs(args[0]), func(dir, _ string) bool {
		_, err := os.Stat(filepath.Join(dir, args[1]))
		return err == nil
	})
	path := filepath.Join(dir, args[1])
	b, err := os.ReadFile(path)
	ts.Check(err)
	b[len(b)/2] ^= 0xff
	ts.Check(os.WriteFile(path, b, 0o666))
}

// drop RUN TITLE removes a stage's result from the store.
func drop(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("want RUN TITLE")
	}
	ts.Check(os.RemoveAll(stored(ts, ts.MkAbs(args[0]), func(_, title string) bool { return title == args[1] })))
}

// linger RUN puts eight bytes in the place of the first dropped weights, as if
// their removal had been cut short.
func linger(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("want RUN")
	}
	dir := stored(ts, ts.MkAbs(args[0]), func(dir, _ string) bool {
		_, err := os.Stat(filepath.Join(dir, "dropped.json"))
		return err == nil
	})
	ts.Check(os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte("lingers."), 0o666))
}

// poke FILE OFFSET VALUE sets one byte; a negative offset counts from the end.
func poke(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("want FILE OFFSET VALUE")
	}
	path, at := fileAndOffset(ts, args[:2])
	_, value := fileAndOffset(ts, []string{args[0], args[2]})
	b, err := os.ReadFile(path)
	ts.Check(err)
	if at < 0 {
		at += len(b)
	}
	b[at] = byte(value)
	ts.Check(os.WriteFile(path, b, 0o666))
}

// truncate FILE SIZE cuts a file; a negative size drops that many bytes.
func truncate(ts *testscript.TestScript, neg bool, args []string) {
	path, size := fileAndOffset(ts, args)
	st, err := os.Stat(path)
	ts.Check(err)
	if size < 0 {
		size += int(st.Size())
	}
	ts.Check(os.Truncate(path, int64(size)))
}

func fileAndOffset(ts *testscript.TestScript, args []string) (string, int) {
	if len(args) != 2 {
		ts.Fatalf("want FILE NUMBER")
	}
	var n int
	_, err := fmt.Sscan(args[1], &n)
	ts.Check(err)
	return ts.MkAbs(args[0]), n
}

// copyDir copies a directory.
func copyDir(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("want FROM TO")
	}
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
}
