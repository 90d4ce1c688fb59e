package runner_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Eight cells whose trainings last long enough to be disturbed.
const slurmSpec = `
question: "Do jobs of a cluster give the same bytes?"
matrix: {model: ["builtin:tiny"], labels: ["output", "all"], seed: [1, 2, 3, 4]}
data: {source: "builtin:tiny/instruct.json", maxLength: 96, limit: 84, holdout: {items: 4, every: 10}}
train: {epochs: 5, batch: 2, lr: 1e-3, precision: "f32", logEvery: 5}
eval: {root: "builtin:tiny/suites", suites: [{suite: "arc-e", limit: 4}, {suite: "boolq", limit: 2}]}
run: {checkpointEvery: 2, resources: {cpus: 1, memory: "300M", time: "30"}}
samples: [{instruction: "Where?", maxNew: 4}]
`

// slurmStudy is a spec that is run on a cluster.
type slurmStudy struct {
	*cluster
	spec, dir, runs string
}

func (c *cluster) study(name, spec string) *slurmStudy {
	s := &slurmStudy{cluster: c, dir: c.t.TempDir()}
	s.runs, s.spec = filepath.Join(s.dir, "runs"), filepath.Join(s.dir, name+".cue")
	if err := os.WriteFile(s.spec, []byte(spec), 0o666); err != nil {
		c.t.Fatal(err)
	}
	return s
}

// xrun is a run of the study, started.
type xrun struct {
	*exec.Cmd
	out *os.File
}

// said is what it has printed so far.
func (x *xrun) said() string {
	b, _ := os.ReadFile(x.out.Name())
	return string(b)
}

func (s *slurmStudy) start(args ...string) *xrun {
	s.t.Helper()
	x := s.prepared(args...)
	if err := x.Start(); err != nil {
		s.t.Fatal(err)
	}
	return x
}

// prepared is a run of the study that is still to be started.
func (s *slurmStudy) prepared(args ...string) *xrun {
	out, err := os.CreateTemp(s.dir, "out")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { out.Close() })
	x := &xrun{Cmd: exec.Command(os.Args[0], append([]string{s.spec}, args...)...), out: out}
	x.Env = append(s.env(), asProgram+"=1")
	x.Stdout, x.Stderr = out, out
	return x
}

func (s *slurmStudy) onSlurm(args ...string) *xrun {
	return s.start(append([]string{"-executor", "slurm", "-runs", s.runs}, args...)...)
}

// ends waits for a run and checks its exit status.
func (s *slurmStudy) ends(x *xrun, status int) string {
	s.t.Helper()
	x.Wait()
	if got := x.ProcessState.ExitCode(); got != status {
		s.t.Fatalf("exit status %d, want %d\n%s\n%s", got, status, x.said(), s.logs())
	}
	return x.said()
}

func (s *slurmStudy) logs() string {
	var b strings.Builder
	paths, _ := filepath.Glob(filepath.Join(s.runs, ".slurm", "*", "*.log"))
	for _, p := range paths {
		text, _ := os.ReadFile(p)
		fmt.Fprintf(&b, "== %s\n%s", filepath.Base(p), text)
	}
	return b.String()
}

// training is a training that runs and has a checkpoint, the newest after step.
type training struct {
	key, id string
	step    int
}

// trainings lists the running tasks whose stage has a checkpoint.
func (s *slurmStudy) trainings() []training {
	var found []training
	for line := range strings.Lines(s.slurm("squeue", "--noheader", "--array", "--states=running", "--format=%F_%K|%K|%j")) {
		f := strings.Split(strings.TrimSpace(line), "|")
		lists, _ := filepath.Glob(filepath.Join(s.runs, ".slurm", "*", f[2]+".tasks"))
		if len(lists) != 1 {
			continue
		}
		b, _ := os.ReadFile(lists[0])
		for task := range strings.Lines(string(b)) {
			w := strings.Fields(task)
			if w[0] != f[1] || len(w) < 2 {
				continue
			}
			saved, _ := filepath.Glob(filepath.Join(s.runs, ".store", w[1]+".part", "checkpoints", "step-*", "manifest.json"))
			if len(saved) > 0 {
				name := filepath.Base(filepath.Dir(saved[len(saved)-1]))
				step, err := strconv.Atoi(strings.TrimPrefix(name, "step-"))
				if err != nil {
					s.t.Fatalf("a checkpoint is named %s", name)
				}
				found = append(found, training{w[1], f[0], step})
			}
		}
	}
	return found
}

// next waits for a training that runs, has a checkpoint, is far from its end at
// step 200 or later, and is none of those that had their turn.
func (s *slurmStudy) next(had *[]string) training {
	s.t.Helper()
	var got training
	s.until("another training has a checkpoint", func() bool {
		for _, t := range s.trainings() {
			if !slices.Contains(*had, t.key) && t.step <= 80 {
				got = t
				return true
			}
		}
		return false
	})
	*had = append(*had, got.key)
	return got
}

// hold holds or releases tasks, but for those that started just then.
func (s *slurmStudy) hold(verb string, tasks []string) {
	c := exec.Command("scontrol", verb, strings.Join(tasks, ","))
	c.Env = s.env()
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Logf("scontrol %s: %v\n%s", verb, err, out)
	}
}

// resume brings a node up again. A node that registered in the meantime is up
// already, and Slurm refuses to resume it.
func (s *slurmStudy) resume(node string) {
	s.until(node+" is up again", func() bool {
		c := exec.Command("scontrol", "update", "NodeName="+node, "State=RESUME")
		c.Env = s.env()
		c.Run()
		return !strings.Contains(s.slurm("sinfo", "--noheader", "--nodes="+node, "--format=%T"), "down")
	})
}

// submissions counts how often each stage was handed to Slurm.
func (s *slurmStudy) submissions() map[string]int {
	n := map[string]int{}
	lists, _ := filepath.Glob(filepath.Join(s.runs, ".slurm", "*", "*.tasks"))
	for _, p := range lists {
		b, _ := os.ReadFile(p)
		for line := range strings.Lines(string(b)) {
			for _, key := range strings.Fields(line)[1:] {
				n[key]++
			}
		}
	}
	return n
}

func (s *slurmStudy) compare(a, b string) {
	s.t.Helper()
	want, got := filesOf(s.t, a), filesOf(s.t, b)
	for name, bytesWant := range want {
		if !bytes.Equal(got[name], bytesWant) {
			s.t.Errorf("%s differs from the local run's", name)
		}
		delete(got, name)
	}
	for name := range got {
		s.t.Errorf("there is also %s", name)
	}
	if len(want) < 10 {
		s.t.Errorf("only %d files are compared", len(want))
	}
}

// A matrix of eight cells on four nodes, while one node is drained, one fails,
// jobs are requeued, run out of time and are killed, and xrun itself is killed:
// the bytes are those of a local run, and nothing is submitted twice but what was
// killed.
func TestSlurmGivesTheBytesOfALocalRun(t *testing.T) {
	c := startCluster(t, 4)
	s := c.study("eight", slurmSpec)
	local := s.start("-runs", filepath.Join(s.dir, "local"), "-threads", "1")
	s.ends(local, 0)

	x := s.onSlurm()
	var had []string
	t1 := s.next(&had)
	s.slurm("scontrol", "update", "NodeName=n4", "State=DRAIN", "Reason=test")
	s.slurm("scontrol", "requeue", t1.id)
	t2 := s.next(&had)
	s.slurm("scancel", "--signal=USR1", "--batch", t2.id) // as before a time limit
	// However fast this machine is, some trainings are left for the second run.
	waiting := strings.Fields(s.slurm("squeue", "--noheader", "--states=pending", "--array", "--format=%i"))
	s.hold("hold", waiting)

	for _, want := range []string{`running.*job \d+_\d+ RUNNING on n\d`, `waiting.*job \d+_\d+ PENDING`} {
		s.until("the status says "+want, func() bool { return regexp.MustCompile(want).MatchString(s.status()) })
	}

	// The run is killed, and another one finds its jobs.
	x.Process.Kill()
	x.Wait()
	x = s.onSlurm()
	s.until("the second run has looked at the queue", func() bool { return strings.Contains(x.said(), "slurm: tasks") })
	s.hold("release", waiting)
	t3 := s.next(&had)
	s.slurm("scancel", "--signal=KILL", "--batch", t3.id)
	t4 := s.next(&had)
	node := strings.TrimSpace(s.slurm("squeue", "--noheader", "--format=%N", "--jobs="+t4.id))
	s.slurm("scontrol", "update", "NodeName="+node, "State=DOWN", "Reason=test")
	s.resume(node)
	out := s.ends(x, 0)
	s.compare(filepath.Join(s.dir, "local", "eight"), filepath.Join(s.runs, "eight"))

	logs := s.logs()
	if n := strings.Count(logs, "resuming after step"); n < 4 {
		t.Errorf("%d trainings went on from a checkpoint; four were disturbed\n%s", n, logs)
	}
	if !strings.Contains(logs, "goes on from its last checkpoint when Slurm starts it again") {
		t.Errorf("no job requeued itself when its time was up\n%s", logs)
	}
	if !strings.Contains(out, "submitting it again") {
		t.Errorf("the killed job was not noticed\n%s", out)
	}
	trains := 0
	for key, n := range s.submissions() {
		isKilled := key == t3.key
		if isKilled && n != 2 || !isKilled && n > 2 {
			t.Errorf("stage %s was submitted %d times", key, n)
		}
		if !isKilled && n == 1 {
			trains++
		}
	}
	if trains < 20 {
		t.Errorf("only %d stages were submitted once", trains)
	}

	// Everything is done: another run submits nothing.
	before := len(s.submissions())
	if out := s.ends(s.onSlurm(), 0); strings.Contains(out, "submitted") || len(s.submissions()) != before {
		t.Errorf("a finished study was submitted again\n%s", out)
	}
}

// An interrupt with -cancel-jobs cancels the jobs; without it they go on, and the
// next run takes their results.
func TestSlurmInterrupt(t *testing.T) {
	c := startCluster(t, 2)
	s := c.study("interrupt", strings.Replace(slurmSpec, "seed: [1, 2, 3, 4]", "seed: [1]", 1))
	var had []string
	x := s.onSlurm("-cancel-jobs")
	s.next(&had)
	x.Process.Signal(os.Interrupt)
	if out := s.ends(x, 130); !strings.Contains(out, "cancelled") {
		t.Errorf("nothing is said of the cancelled jobs\n%s", out)
	}
	s.until("the queue is empty", func() bool { return s.slurm("squeue", "--noheader") == "" })

	x = s.onSlurm()
	s.until("jobs are submitted again", func() bool { return s.slurm("squeue", "--noheader") != "" })
	x.Process.Signal(syscall.SIGTERM)
	if out := s.ends(x, 130); !strings.Contains(out, "the same command finds them again") {
		t.Errorf("nothing is said of the jobs that go on\n%s", out)
	}
	submitted := s.submissions()
	s.until("the jobs ended without xrun", func() bool { return s.slurm("squeue", "--noheader") == "" })
	s.ends(s.onSlurm(), 0)
	for key, n := range s.submissions() {
		if n != submitted[key] {
			t.Errorf("stage %s was submitted %d times, %d before", key, n, submitted[key])
		}
	}
}

// Jobs of a partition with a higher priority preempt trainings, which Slurm
// requeues: they go on from their checkpoints, to the same bytes, and nothing is
// submitted again. Weights are dropped here, so that a task is a whole cell.
func TestSlurmPreemption(t *testing.T) {
	c := startCluster(t, 2)
	spec := strings.Replace(slurmSpec, "seed: [1, 2, 3, 4]", "seed: [1]", 1)
	s := c.study("preempted", strings.Replace(spec, "epochs: 5", "epochs: 15", 1)+"run: weights: \"drop\"\n") // still at it when Slurm preempts
	s.ends(s.start("-runs", filepath.Join(s.dir, "local"), "-threads", "1"), 0)
	x := s.onSlurm()
	var had []string
	s.next(&had)
	s.next(&had) // both nodes train
	urgent := strings.TrimSpace(s.slurm("sbatch", "--parsable", "--partition=urgent", "--nodes=2", "--ntasks=2", "--output=/dev/null", "--wrap=sleep 5"))
	s.until("the urgent job runs", func() bool {
		return strings.Contains(s.slurm("squeue", "--noheader", "--states=all", "--format=%T", "--jobs="+urgent), "RUNNING")
	})
	if status := s.status(); strings.Contains(status, "RUNNING on") {
		t.Errorf("trainings run beside the job that preempted them\n%s", status)
	}
	s.ends(x, 0)
	s.compare(filepath.Join(s.dir, "local", "preempted"), filepath.Join(s.runs, "preempted"))
	if kept, _ := filepath.Glob(filepath.Join(s.runs, ".store", "*", "*.safetensors")); len(kept) > 0 {
		t.Errorf("weights are still there: %v", kept)
	}
	if n := strings.Count(s.logs(), "resuming after step"); n < 2 {
		t.Errorf("%d trainings went on from a checkpoint; two were preempted\n%s", n, s.logs())
	}
	for key, n := range s.submissions() {
		if n != 1 {
			t.Errorf("stage %s was submitted %d times", key, n)
		}
	}
}

// A training that fails keeps its log and fails its cell; the others go on, the
// report names it, and the exit status is 1.
func TestSlurmFailedCell(t *testing.T) {
	c := startCluster(t, 2)
	s := c.study("failed", strings.Replace(slurmSpec, "seed: [1, 2, 3, 4]", "seed: [1]", 1))
	plan := exec.Command(os.Args[0], "plan", "-json", s.spec, "-runs", s.runs)
	plan.Env = append(os.Environ(), asProgram+"=1")
	raw, err := plan.Output()
	if err != nil {
		t.Fatal(err)
	}
	var stages []struct{ Kind, Title, Key string }
	if err := json.Unmarshal(raw, &stages); err != nil {
		t.Fatal(err)
	}
	for _, st := range stages {
		if st.Title == "train labels=all" {
			// A file where the stage wants its directory.
			os.MkdirAll(filepath.Join(s.runs, ".store"), 0o777)
			if err := os.WriteFile(filepath.Join(s.runs, ".store", st.Key+".part"), nil, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	began := time.Now()
	out := s.ends(s.onSlurm(), 1)
	for _, want := range []string{"train labels=all: failed: ", "labels=all on arc-e", "log " + s.runs} {
		if !strings.Contains(out+s.report(), want) {
			t.Errorf("nothing is said of %q\n%s", want, out)
		}
	}
	if !strings.Contains(s.logs(), "train labels=all: failed") {
		t.Errorf("the log does not say what failed\n%s", s.logs())
	}
	if s.slurm("squeue", "--noheader") != "" {
		t.Errorf("jobs that wait for the failed one are left\n%s", s.slurm("squeue", "--array"))
	}
	t.Logf("a failed cell took %v", time.Since(began).Round(time.Second))
}

// status is what xrun status says of the run.
func (s *slurmStudy) status() string {
	c := exec.Command(os.Args[0], "status", filepath.Join(s.runs, strings.TrimSuffix(filepath.Base(s.spec), ".cue")))
	c.Env = append(s.env(), asProgram+"=1")
	out, err := c.CombinedOutput()
	if err != nil {
		s.t.Errorf("xrun status: %v\n%s", err, out)
	}
	return string(out)
}

func (s *slurmStudy) report() string {
	b, _ := os.ReadFile(filepath.Join(s.runs, strings.TrimSuffix(filepath.Base(s.spec), ".cue"), "report.md"))
	return string(b)
}
