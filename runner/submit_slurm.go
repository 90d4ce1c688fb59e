package runner

import (
	"context"
	"os"
	"slices"
	"strings"

	"xrun/runner/slurm"
	"xrun/schema"
)

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
