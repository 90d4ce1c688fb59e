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
	"xrun/runner/store"
	"xrun/schema"
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

// maxTries bounds how often a task is submitted that ends without a word: killed
// from outside, or on a node that broke.
const maxTries = 3

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
	if errors.Is(err, context.Canceled) {
		return r.interrupted(err)
	}
	return err
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

// look notes which stages are stored by now and reports whether that changed
// anything. Reading the store's directory first makes a network file system ask
// its server, and spares a look-up for every stage that is not there.
func (r *slurmRun) look() (changed bool) {
	there := r.store.Names()
	for _, j := range r.jobs {
		if j.done {
			continue
		}
		open := 0
		for _, st := range j.stages {
			if r.failures[st] == nil && !(there[string(st.key)] && r.study.done(st)) {
				open++
			}
		}
		if open == 0 {
			j.done, changed = true, true
			r.finished(j)
		}
	}
	return changed
}

// finished notes the times of a task that was submitted and is done.
func (r *slurmRun) finished(j *job) {
	if j.at == (place{}) {
		return
	}
	o, err := readOutcome(j.at.file("json"))
	if err != nil {
		return // times only
	}
	failed := false
	for _, st := range j.stages {
		failed = failed || r.failures[st] != nil
		if s, ok := o.of(st.key); ok && s.Error == "" {
			r.timings = append(r.timings, timing{Stage: st.title, Kind: st.kind, Key: string(st.key), Seconds: s.Seconds, Tokens: st.tokens})
		}
	}
	if !failed {
		r.progress.line("%s: done by job %s on %s", j.title(), o.Job, o.Host)
	}
}

// follow brings Slurm's word on every task together with the jobs, and reports
// whether a job began, ended or failed.
func (r *slurmRun) follow(queue []slurm.Task) (changed bool) {
	aliveByKey := map[store.Key]slurm.Task{}
	byPlace := map[place]slurm.Task{}
	for _, t := range queue {
		p, ok := r.submitted.place(t)
		if !ok {
			continue
		}
		byPlace[p] = t
		if t.Alive() {
			for _, k := range r.submitted.keys[p] {
				aliveByKey[k] = t
			}
		}
	}
	for _, j := range r.jobs {
		if j.done {
			continue
		}
		was := j.queue
		r.followJob(j, aliveByKey, byPlace)
		changed = changed || j.done || was.State != j.queue.State
	}
	return changed
}

// followJob finds out where one job stands.
func (r *slurmRun) followJob(j *job, aliveByKey map[store.Key]slurm.Task, byPlace map[place]slurm.Task) {
	j.alive = false
	for _, st := range j.stages {
		if t, ok := aliveByKey[st.key]; ok && !r.study.done(st) {
			j.queue, j.alive = t, true
			j.at, _ = r.submitted.place(t)
		}
	}
	if j.after != nil {
		if train := j.after.stages[0]; r.failures[train] != nil {
			if j.alive {
				r.client.Cancel(r.ctx, j.queue.ID()) // it could only wait for ever
			}
			r.fail(j, func(*stage) error { return fmt.Errorf("needs %s, which failed", train.title) })
			return
		}
	}
	if j.alive || j.at == (place{}) {
		j.gone = time.Time{}
		return
	}
	if j.after != nil && !r.byTask[j.after].done {
		// Slurm drops what waits for a job that ended badly; if that job gets
		// another try, so does this one.
		j.at = place{}
		return
	}
	r.ended(j, byPlace)
}

// ended decides on a job that Slurm no longer means to run while stages of it are
// not stored.
func (r *slurmRun) ended(j *job, byPlace map[place]slurm.Task) {
	o, err := readOutcome(j.at.file("json"))
	noted := 0
	for _, st := range j.stages {
		if s, ok := o.of(st.key); err == nil && ok && s.Error != "" {
			r.failures[st] = errors.New(s.Error)
			r.progress.line("%s: failed: %s (job %s on %s, log %s)", st.title, s.Error, o.Job, o.Host, j.at.file("log"))
			noted++
		}
	}
	if r.look(); j.done || noted > 0 {
		return
	}
	if j.gone.IsZero() {
		j.gone = time.Now()
	}
	last, listed := byPlace[j.at]
	// A task that says it succeeded has stored its stages: only this machine does
	// not see them yet. One that left no word may have left it where it is not seen.
	if wait := min(visibility, 15*time.Second); time.Since(j.gone) < wait || listed && last.State == "COMPLETED" && time.Since(j.gone) < visibility {
		return
	}
	r.lost(j, last, listed)
}

// lost fails a job that ended without saying why, or lets it be submitted again.
func (r *slurmRun) lost(j *job, last slurm.Task, listed bool) {
	ending, job := "ended, and Slurm has forgotten how", ""
	if listed {
		ending, job = "ended as "+r.client.Ending(r.ctx, last), "job "+last.ID()+" on "+last.Node+", "
	}
	why := ""
	switch {
	case !listed:
	case last.State == "COMPLETED":
		why = "succeeded, yet its result is not in the store: is the directory of runs shared with the node?"
	case last.State == "OUT_OF_MEMORY":
		why = "ran out of memory: raise run.resources.memory"
	case last.State == "TIMEOUT" || last.State == "DEADLINE":
		why = "ran out of time: raise run.resources.time"
	case last.State == "CANCELLED" && filepath.Dir(j.at.base) == r.files.dir:
		why = "was cancelled"
	}
	if why == "" && j.tries >= maxTries {
		why = fmt.Sprintf("%s, %s in a row", ending, plural(maxTries, "time"))
	}
	if why == "" {
		r.progress.line("%s: %s (%slog %s); submitting it again", j.title(), ending, job, j.at.file("log"))
		j.at, j.gone = place{}, time.Time{}
		return
	}
	r.progress.line("%s: failed: its job %s (%slog %s)", j.title(), why, job, j.at.file("log"))
	r.fail(j, func(*stage) error { return fmt.Errorf("its Slurm job %s", why) })
}

// fail fails what is left of a job.
func (r *slurmRun) fail(j *job, why func(*stage) error) {
	for _, st := range j.stages {
		if r.failures[st] == nil && !r.study.done(st) {
			r.failures[st] = why(st)
		}
	}
	j.done, j.alive = true, false
}

// submit hands to Slurm what is not with it: first the tasks that can run now,
// then those that wait for a training that is with it, as arrays whose task i
// waits for the training's task i.
func (r *slurmRun) submit() error {
	var ready []*job
	for _, j := range r.jobs {
		if !j.done && !j.alive && j.at == (place{}) && (j.after == nil || r.byTask[j.after].done) {
			ready = append(ready, j)
		}
	}
	for chunk := range slices.Chunk(ready, max(1, r.chunk)) {
		indices := make([]int, len(chunk))
		for i := range indices {
			indices[i] = i
		}
		if err := r.submitArray(chunk, indices, ""); err != nil {
			return err
		}
	}
	waiting := map[string][]*job{}
	var arrays []string
	for _, j := range r.jobs {
		if j.done || j.alive || j.at != (place{}) || j.after == nil {
			continue
		}
		train := r.byTask[j.after]
		if !train.alive {
			continue
		}
		if waiting[train.queue.Job] == nil {
			arrays = append(arrays, train.queue.Job)
		}
		waiting[train.queue.Job] = append(waiting[train.queue.Job], j)
	}
	for _, id := range arrays {
		jobs := waiting[id]
		index := func(j *job) int { return r.byTask[j.after].queue.Index }
		slices.SortFunc(jobs, func(a, b *job) int { return index(a) - index(b) })
		indices := make([]int, len(jobs))
		for i, j := range jobs {
			indices[i] = index(j)
		}
		if err := r.submitArray(jobs, indices, id); err != nil {
			return err
		}
	}
	return nil
}

// submitArray submits one array. Its files are there before Slurm hears of it, so
// that its tasks are recognised whatever happens to this process meanwhile.
func (r *slurmRun) submitArray(jobs []*job, indices []int, after string) error {
	a := jobArray{name: newArrayName(r.spec.Name), indices: indices}
	for _, j := range jobs {
		a.tasks = append(a.tasks, j.task)
	}
	script, err := r.files.write(a, r.program, r.plan)
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	base := strings.TrimSuffix(script, ".sh")
	resources := schema.Resources{}
	if r.spec.Run.Resources != nil {
		resources = *r.spec.Run.Resources
	}
	// An interrupt must not tear sbatch away between its asking and its answer.
	id, err := r.client.Submit(context.WithoutCancel(r.ctx), slurm.Array{
		Name: a.name, Script: script, Dir: dir, Log: base, Indices: indices, After: after, Resources: resources,
	})
	if err != nil {
		r.files.remove(base)
		return err
	}
	r.submitted.bases[a.name] = base
	for i, j := range jobs {
		j.at = place{base, indices[i]}
		j.queue = slurm.Task{Name: a.name, Job: id, Index: indices[i], State: "PENDING"}
		j.alive = true
		j.tries++
		r.submitted.keys[j.at] = j.keys()
	}
	what := ""
	if after != "" {
		what = ", each after its training in job " + after
	}
	r.progress.line("slurm: submitted job %s: %s%s", id, plural(len(jobs), "task"), what)
	return nil
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
