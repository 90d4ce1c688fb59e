package runner

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"xrun/runner/disk"
	"xrun/runner/disk/faults"
	"xrun/runner/lock"
	"xrun/runner/store"
)

// faultStudy writes experiments/smoke.cue with a checkpoint after every step and
// weights that are dropped; and the same study without one of its suites, after
// which the whole one trains its cells again.
func faultStudy(t *testing.T) (less, spec string) {
	t.Helper()
	b, err := os.ReadFile("../experiments/smoke.cue")
	if err != nil {
		t.Fatal(err)
	}
	const suite = `{suite: "boolq", limit: 2},`
	if !strings.Contains(string(b), suite) {
		t.Fatalf("smoke.cue has no line %s", suite)
	}
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "smoke.cue")
		if err := os.WriteFile(path, []byte(text+"run: {checkpointEvery: 1, weights: \"drop\"}\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write(strings.Replace(string(b), suite, "", 1)), write(string(b))
}

// nothingStays checks that a run that drops weights left neither them nor
// checkpoints.
func nothingStays(t *testing.T, what, runs string) {
	t.Helper()
	for _, pattern := range []string{"*/*.safetensors", "*.part/checkpoints", "*/.*"} {
		if found, _ := filepath.Glob(filepath.Join(runs, ".store", pattern)); len(found) > 0 {
			t.Errorf("%s: there is still %v", what, found)
		}
	}
}

// runOn runs a study on a disk.
func runOn(d disk.FS, spec, runs string) (status int, output string) {
	var out bytes.Buffer
	e := &env{ctx: context.Background(), stdin: strings.NewReader(""), stdout: &out, stderr: &out, disk: d, locker: lock.New(d)}
	return report(&out, e.dispatch([]string{spec, "-runs", runs})), out.String()
}

// runBytes reads a run directory but for what holds times.
func runBytes(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := runFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for name := range files {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(b)
	}
	return out
}

// sameRun compares a run with the one that was left alone.
func sameRun(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	for name, b := range want {
		if got[name] != b {
			t.Errorf("%s: %s differs", what, name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: there is also %s", what, name)
		}
	}
}

// moments chooses the operations at which a fault strikes: some, or with
// XRUN_FAULTS a number of them, or all. XRUN_FAULTS_PART=i/n takes every n-th of
// these from the i-th on.
func moments(t *testing.T, operations, some int, draw *rand.Rand) []int {
	all := draw.Perm(operations)
	switch v := os.Getenv("XRUN_FAULTS"); v {
	case "all":
		some = operations
	case "":
	default:
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("XRUN_FAULTS=%s: want a number or all", v)
		}
		some = n
	}
	all = all[:min(some, operations)]
	if v := os.Getenv("XRUN_FAULTS_PART"); v != "" {
		var i, n int
		if _, err := fmt.Sscanf(v, "%d/%d", &i, &n); err != nil {
			t.Fatalf("XRUN_FAULTS_PART=%s: want i/n", v)
		}
		var part []int
		for j := i; j < len(all); j += n {
			part = append(part, all[j])
		}
		all = part
	}
	return all
}

// A run loses power after any of its operations. Whatever the disk then holds
// of what was not made durable, the next run ends with the bytes of a run that
// was left alone; and a stage or checkpoint that was made durable is not made
// again, unless its weights were dropped and are needed. In its second part the
// run trains cells again whose weights it dropped in its first.
func TestPowerLoss(t *testing.T) {
	less, spec := faultStudy(t)
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	if err := os.Mkdir(whole, 0o777); err != nil {
		t.Fatal(err)
	}
	recorder := faults.Record(whole)
	for _, part := range []string{less, spec} {
		if status, out := runOn(recorder, part, whole); status != 0 {
			t.Fatalf("status %d\n%s", status, out)
		}
	}
	nothingStays(t, "the whole run", whole)
	ops, want := recorder.Ops(), runBytes(t, filepath.Join(whole, "smoke"))
	plan, err := readPlan(filepath.Join(whole, "smoke"))
	if err != nil {
		t.Fatal(err)
	}

	seed := uint64(7)
	draw := rand.New(rand.NewPCG(seed, 0))
	struck := moments(t, len(ops)+1, 3, draw)
	around := aroundDrops(ops)
	for _, i := range moments(t, len(around), 2, draw) {
		struck = append(struck, around[i])
	}
	resumed, kept, tried := 0, 0, 0
	for _, n := range struck {
		what := fmt.Sprintf("power lost after operation %d of %d", n, len(ops))
		if n > 0 {
			what += fmt.Sprintf(" (%v)", ops[n-1])
		}
		runs := filepath.Join(dir, fmt.Sprint(n))
		fate := rand.New(rand.NewPCG(seed, uint64(n)))
		// Locks are left out: they would name this living process as their holder.
		skip := func(name string) bool { return strings.Contains(name, ".lock") }
		if err := faults.AfterPowerLoss(ops, n, fate, []float64{0, 0.3, 0.7, 1}[fate.IntN(4)], runs, skip); err != nil {
			t.Fatal(err)
		}
		status, out := runOn(disk.OS, spec, runs)
		if status != 0 {
			t.Errorf("%s: status %d\n%s", what, status, out)
			continue
		}
		tried++
		sameRun(t, what, want, runBytes(t, filepath.Join(runs, "smoke")))
		nothingStays(t, what, runs)
		stages, steps := durable(ops[:n])
		for _, st := range plan {
			again := strings.Contains(out, st.Title+": done in")
			if stages[st.Key] {
				kept++
				if again {
					t.Errorf("%s: %s was durable and ran again", what, st.Title)
				}
			} else if step := steps[st.Key]; step > 0 {
				if m := regexp.MustCompile(regexp.QuoteMeta(st.Title) + `: resuming after step (\d+)`).FindStringSubmatch(out); m != nil {
					if at, _ := strconv.Atoi(m[1]); at >= step {
						resumed++
						continue
					}
				}
				if again {
					t.Errorf("%s: the checkpoint of %s after step %d was durable and not used\n%s", what, st.Title, step, out)
				}
			}
		}
		if t.Failed() {
			t.Logf("operations before:\n%v", ops[max(0, n-30):n])
		} else {
			os.RemoveAll(runs)
		}
	}
	t.Logf("%d losses of power among %d operations: %d finished stages found again, %d checkpoints resumed from, nothing lost", tried, len(ops), kept, resumed)
}

var (
	objectPath     = regexp.MustCompile(`^\.store/([0-9a-f]{64})$`)
	weightsPath    = regexp.MustCompile(`^\.store/[0-9a-f]{64}/model\.safetensors$`)
	droppedPath    = regexp.MustCompile(`^\.store/([0-9a-f]{64})/dropped\.json$`)
	checkpointPath = regexp.MustCompile(`^\.store/([0-9a-f]{64})\.part/checkpoints/step-(\d+)$`)
)

// aroundDrops lists the moments at which weights are being dropped or brought back.
func aroundDrops(ops []faults.Op) (list []int) {
	for i, o := range ops {
		if strings.Contains(o.Path+o.To, "dropped.json") || weightsPath.MatchString(o.Path) || weightsPath.MatchString(o.To) {
			for n := i; n <= i+2; n++ {
				if len(list) == 0 || list[len(list)-1] < n {
					list = append(list, n)
				}
			}
		}
	}
	return list
}

// durable finds the stages whose object, and the steps whose checkpoint, was in
// place and synced. A stage that may have no weights is not among them.
func durable(ops []faults.Op) (stages map[store.Key]bool, steps map[store.Key]int) {
	stages, steps = map[store.Key]bool{}, map[store.Key]int{}
	renamed := map[string][]string{}
	for _, o := range ops {
		switch o.Kind {
		case faults.Rename:
			if m := droppedPath.FindStringSubmatch(o.To); m != nil {
				delete(stages, store.Key(m[1]))
				delete(steps, store.Key(m[1]))
			}
			renamed[filepath.Dir(o.To)] = append(renamed[filepath.Dir(o.To)], o.To)
		case faults.SyncDir:
			for _, path := range renamed[o.Path] {
				if m := objectPath.FindStringSubmatch(path); m != nil {
					stages[store.Key(m[1])] = true
				}
				if m := checkpointPath.FindStringSubmatch(path); m != nil {
					steps[store.Key(m[1])], _ = strconv.Atoi(m[2])
				}
			}
			delete(renamed, o.Path)
		}
	}
	return stages, steps
}

// A disk fills up, becomes read-only or fails once at any operation. The run
// says so or needs not care; once the disk is well, the next run ends with the
// bytes of a run that was left alone.
func TestFailingDisk(t *testing.T) {
	less, spec := faultStudy(t)
	dir := t.TempDir()
	before, whole := filepath.Join(dir, "before"), filepath.Join(dir, "whole")
	if status, out := runOn(disk.OS, less, before); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	if status, out := runOn(disk.OS, spec, whole); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	want := runBytes(t, filepath.Join(whole, "smoke"))
	type start struct {
		name string
		in   func(runs string)
	}
	for _, start := range []start{
		{"from nothing", func(string) {}},
		{"with cells to train again", func(runs string) {
			if err := os.CopyFS(runs, os.DirFS(before)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		counter, runs := faults.Full(1<<30), filepath.Join(dir, "count "+start.name)
		start.in(runs)
		if status, out := runOn(counter, spec, runs); status != 0 {
			t.Fatalf("status %d\n%s", status, out)
		}
		operations, _ := counter.Counts()
		for _, fault := range []struct {
			name string
			at   func(int) *faults.Failing
			says string
		}{
			{"full", faults.Full, "no space left on device"},
			{"read-only", faults.ReadOnly, "read-only file system"},
			{"failing once", faults.Broken, "input/output error"},
		} {
			draw := rand.New(rand.NewPCG(11, 0))
			tried, failed := 0, 0
			for _, n := range moments(t, operations, 1, draw) {
				what := fmt.Sprintf("%s, disk %s at operation %d of %d", start.name, fault.name, n, operations)
				runs := filepath.Join(dir, start.name, fault.name, fmt.Sprint(n))
				start.in(runs)
				d := fault.at(n)
				status, out := runOn(d, spec, runs)
				if status != 0 {
					failed++
					if status != exitFailed || !strings.Contains(out, "xrun: error: ") || !strings.Contains(out, fault.says) {
						t.Errorf("%s: status %d\n%s", what, status, out)
					}
				} else if _, err := os.Stat(filepath.Join(runs, "smoke", "report.md")); err != nil {
					t.Errorf("%s: status 0 and no report", what)
				}
				unlock(t, runs)
				if status, out := runOn(disk.OS, spec, runs); status != 0 {
					t.Errorf("%s: the next run: status %d\n%s", what, status, out)
					continue
				}
				tried++
				sameRun(t, what, want, runBytes(t, filepath.Join(runs, "smoke")))
				nothingStays(t, what, runs)
				if !t.Failed() {
					os.RemoveAll(runs)
				}
			}
			t.Logf("%s, disk %s: %d times among %d operations, %d of them noticed by the run, nothing lost", start.name, fault.name, tried, operations, failed)
		}
	}
}

// unlock removes the locks that a disk did not let this process remove: they
// name it, and it lives. A process that ended would not be in the way.
func unlock(t *testing.T, runs string) {
	t.Helper()
	err := filepath.WalkDir(runs, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.Contains(d.Name(), ".lock") {
			return os.Remove(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
