package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"xrun/runner/slurm"
)

// slurmRun runs the tasks of a study as Slurm jobs. It keeps no state of its own:
// each round compares what is stored, what Slurm's queue holds and what the tasks
// noted, and submits what is on none of these. So a process that was killed is
// replaced by running the same command.
type slurmRun struct {
	*execution
	client     *slurm.Client
	files      jobFiles
	chunk      int // tasks an array may have
	plan       string
	program    string
	submitted  submissions
	jobs       []*job
	byTask     map[*task]*job
	cancelJobs bool // when interrupted, without asking
	stdin      io.Reader
	stderr     io.Writer
	said       string
}

// job is a task on its way through Slurm.
type job struct {
	*task
	at    place      // where it was submitted last; zero before
	queue slurm.Task // what Slurm says of it
	alive bool       // Slurm means to run it, or runs it
	gone  time.Time  // since when it is neither alive nor stored
	tries int        // submissions
	done  bool       // every stage is stored or failed
}

// runOnSlurm executes what is missing as Slurm jobs, and returns when nothing is
// left to wait for. Failures are in x.failures, as after a local run.
func (x *execution) runOnSlurm(e *env, f *flags) error {
	client, err := slurm.Find()
	if err != nil {
		return withHint(err, "run this where sbatch and squeue are, or use -executor local")
	}
	r := &slurmRun{execution: x, client: client, byTask: map[*task]*job{}, cancelJobs: f.cancelJobs, stdin: e.stdin, stderr: e.stderr}
	if r.files, err = jobFilesOf(e.disk, f.runs, x.spec.Name); err != nil {
		return err
	}
	if err := r.prepare(); err != nil {
		return err
	}
	if err := r.open(f); err != nil {
		return err
	}
	err = r.loop()
	if err == nil {
		err = r.dropRest()
	}
	if errors.Is(err, context.Canceled) {
		return r.interrupted(err)
	}
	return err
}

// dropRest removes the weights that no task came to remove: it was killed at that
// moment, or everything was stored already.
func (r *slurmRun) dropRest() error {
	for _, st := range r.stages {
		if st.kind == "train" {
			if err := r.dropSpent(st); err != nil {
				return err
			}
		}
	}
	r.sayKept()
	return nil
}

// prepare runs the prepare stages here: planning has tokenized the data already,
// and every job would have to do so again.
func (r *slurmRun) prepare() error {
	for _, st := range r.stages {
		if st.kind != "prepare" {
			if _, err := r.usable(st); err != nil { // sets a damaged one aside
				return err
			}
			continue
		}
		if err := r.runStage(st); errors.Is(err, context.Canceled) {
			return err
		} else if err != nil {
			r.failures[st] = err
		}
	}
	for _, t := range r.tasks() {
		j := &job{task: t}
		r.jobs = append(r.jobs, j)
		r.byTask[t] = j
	}
	return nil
}

// open writes what the stage processes need and asks Slurm for its limits.
func (r *slurmRun) open(f *flags) (err error) {
	r.look()
	if r.left() == 0 {
		return nil
	}
	runs, err := filepath.Abs(f.runs)
	if err != nil {
		return err
	}
	spec, err := r.spec.JSON()
	if err != nil {
		return err
	}
	if r.plan, err = r.files.writePlan(jobPlan{Runs: runs, Spec: spec, Engine: kindOf(r.numerics), Numerics: r.numerics, Threads: f.threads}); err != nil {
		return err
	}
	if r.program, err = r.files.keepProgram(); err != nil {
		return err
	}
	if r.chunk, err = r.client.MaxArraySize(r.ctx); err != nil {
		return err
	}
	r.submitted, err = r.files.submissions()
	return err
}

// left counts the tasks that are not done.
func (r *slurmRun) left() (n int) {
	for _, j := range r.jobs {
		if !j.done {
			n++
		}
	}
	return n
}

// patience is how long Slurm's controller may be away.
const patience = 10 * time.Minute

// loop goes round until nothing is left, at first every second, then more and
// more slowly while nothing changes.
func (r *slurmRun) loop() error {
	const fastest, slowest = time.Second, 30 * time.Second
	every, heard := fastest, time.Now()
	for {
		changed := r.look()
		if r.left() == 0 {
			return nil
		}
		tasks, err := r.client.Tasks(r.ctx)
		if err == nil {
			heard = time.Now()
			changed = r.follow(tasks) || changed
			err = r.submit()
		}
		if ctxErr := r.ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		if err != nil {
			if !r.anyAlive() || time.Since(heard) > patience {
				return withHint(err, "jobs that were submitted go on; the same command finds them again")
			}
			r.say("%v; trying again", err)
		} else {
			r.say("%s", r.summary())
		}
		if every = min(every*3/2, slowest); changed {
			every = fastest
		}
		if r.left() > 0 && sleep(r.ctx, every) != nil {
			return r.ctx.Err()
		}
	}
}

// say prints a line unless it is the last one again.
func (r *slurmRun) say(format string, args ...any) {
	if text := "slurm: " + fmt.Sprintf(format, args...); text != r.said {
		r.said = text
		r.progress.line("%s", text)
	}
}

func (r *slurmRun) summary() string {
	counts := map[string]int{}
	var order []string
	add := func(what string) {
		if counts[what] == 0 {
			order = append(order, what)
		}
		counts[what]++
	}
	for _, j := range r.jobs {
		switch {
		case j.done:
			add("done")
		case j.alive && j.queue.State == "PENDING" && j.queue.Reason != "None" && j.queue.Reason != "":
			add("pending (" + j.queue.Reason + ")")
		case j.alive:
			add(strings.ToLower(j.queue.State))
		default:
			add("to submit")
		}
	}
	parts := make([]string, len(order))
	for i, what := range order {
		parts[i] = fmt.Sprintf("%d %s", counts[what], what)
	}
	return "tasks: " + strings.Join(parts, ", ")
}

func (r *slurmRun) anyAlive() bool {
	return slices.ContainsFunc(r.jobs, func(j *job) bool { return j.alive && !j.done })
}

// interrupted says what becomes of the jobs, and cancels them if that is wanted:
// -cancel-jobs, or a yes at the terminal.
func (r *slurmRun) interrupted(err error) error {
	var ids []string
	for _, j := range r.jobs {
		if j.alive && !j.done && filepath.Dir(j.at.base) == r.files.dir {
			ids = append(ids, j.queue.ID())
		}
	}
	if len(ids) == 0 {
		return err
	}
	if !r.cancelJobs && !r.confirm(fmt.Sprintf("%s are with Slurm; cancel them? [y/N] ", plural(len(ids), "task"))) {
		r.progress.line("slurm: %s go on without this process; the same command finds them again, and -cancel-jobs or scancel ends them", plural(len(ids), "task"))
		return err
	}
	if cerr := r.client.Cancel(context.WithoutCancel(r.ctx), ids...); cerr != nil {
		return errors.Join(err, cerr)
	}
	r.progress.line("slurm: cancelled %s; their checkpoints are kept", plural(len(ids), "task"))
	return err
}

// confirm asks at a terminal; elsewhere the answer is no.
func (r *slurmRun) confirm(question string) bool {
	f, ok := r.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false
	}
	fmt.Fprint(r.stderr, question)
	line, _ := bufio.NewReader(f).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
