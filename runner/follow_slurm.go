package runner

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"xrun/runner/slurm"
	"xrun/runner/store"
)

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
			if r.failures[st] == nil && !(there[string(st.key)] && !r.study.left(st)) {
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
		if t, ok := aliveByKey[st.key]; ok && r.study.left(st) {
			j.queue, j.alive = t, true
			j.at, _ = r.submitted.place(t)
		}
	}
	if j.after != nil {
		if train := j.after.stages[0]; r.failures[train] != nil {
			if j.alive {
				// It could only wait for ever.
				if err := r.client.Cancel(r.ctx, j.queue.ID()); err != nil {
					r.progress.line("slurm: cancelling job %s: %v", j.queue.ID(), err)
				}
			}
			r.fail(j, fmt.Errorf("needs %s, which failed", train.title))
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

// maxTries bounds how often a task is submitted that ends without a word: killed
// from outside, or on a node that broke.
const maxTries = 3

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
	r.fail(j, fmt.Errorf("its Slurm job %s", why))
}

// fail fails what is left of a job.
func (r *slurmRun) fail(j *job, why error) {
	for _, st := range j.stages {
		if r.failures[st] == nil && r.study.left(st) {
			r.failures[st] = why
		}
	}
	j.done, j.alive = true, false
}
