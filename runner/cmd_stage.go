package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"xrun/runner/disk"
	"xrun/runner/slurm"
	"xrun/runner/store"
	"xrun/schema"
)

// stageCommand runs stages in a process of its own. It is how a job of another
// machine does its part. Help does not list it, but people may run it by hand to
// see a stage fail before their eyes.
var stageCommand = &command{
	name: "stage", args: "PLAN|RUN KEY...", summary: "run stages of a plan (what a Slurm job does)", min: 2, max: -1, hidden: true,
	help: `
Runs the stages with the given content keys, one after another, of a run directory
or of PLAN, a file that xrun -executor slurm wrote, and stores their results;
finds them done if they are. The stages they need must be done, or come before
them. The engine here must have the numerics that a PLAN was made for, which on a GPU include its compute
capability (exit status 4).

An interrupt or SIGTERM, which Slurm sends before it requeues, preempts or cancels
a job, makes a training write a checkpoint first, from which the next attempt goes
on. SIGUSR1, which xrun has Slurm send before the time limit, leaves a
checkpoint and requeues the job given by -job if it got any further since it
started.`,
	define: func(f *flags) {
		f.defineEngine()
		f.set.StringVar(&f.outcome, "outcome", "", "`file` to note in how each stage ended")
		f.set.StringVar(&f.job, "job", "", "the Slurm `job` this is, to requeue when its time is up")
	},
	run: func(e *env, f *flags, args []string) error {
		r := stageRun{disk: e.disk, path: f.outcome, job: f.job}
		if err := r.begin(); err != nil {
			return err
		}
		keys := make([]store.Key, len(args)-1)
		for i, a := range args[1:] {
			keys[i] = store.Key(a)
		}
		x, stages, err := openStages(e, f, args[0], keys)
		if err != nil {
			// Whoever waits for the task must hear why none of its stages came to be.
			return errors.Join(err, r.failAll(keys, err))
		}
		defer x.engine.Close()
		return r.run(x, stages)
	},
}

// openStages plans the study again and finds the stages asked for.
func openStages(e *env, f *flags, path string, keys []store.Key) (*execution, []*stage, error) {
	p := jobPlan{Engine: f.engine, Threads: f.threads}
	run, err := os.Stat(path)
	if err == nil && run.IsDir() {
		p.Runs = filepath.Dir(filepath.Clean(path))
		p.Spec, err = readSpec(path)
	} else {
		p, err = readJobPlan(path)
	}
	if err != nil {
		return nil, nil, err
	}
	spec, err := schema.FromJSON(p.Spec)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", path, err)
	}
	f.engine, f.threads = p.Engine, p.Threads
	if f.threads == 0 && spec.Run.Threads == 0 {
		f.threads = allocatedCPUs()
	}
	engine, err := newEngine(f, spec.Run.Threads)
	if err != nil {
		return nil, nil, err
	}
	x, stages, err := planStages(e, f, p, spec, engine.Numerics(), keys)
	if err != nil {
		engine.Close()
		return nil, nil, err
	}
	x.engine = engine
	return x, stages, nil
}

// planStages opens the study of a plan for an engine of the given numerics.
func planStages(e *env, f *flags, p jobPlan, spec *schema.Spec, numerics string, keys []store.Key) (*execution, []*stage, error) {
	if p.Numerics != "" && numerics != p.Numerics {
		return nil, nil, withHint(&statusError{exitNoEngine, fmt.Sprintf("the plan was made for numerics %q; the engine of this machine has %q", p.Numerics, numerics)},
			"results of two numerics do not mix: let run.resources.constraint choose nodes of one kind")
	}
	s, err := newStudy(e.disk, spec, storeDir(p.Runs), identityFor(numerics))
	if err != nil {
		return nil, nil, err
	}
	if err := s.missingError(); err != nil {
		return nil, nil, err
	}
	if err := s.store.Make(); err != nil {
		return nil, nil, err
	}
	stages := make([]*stage, len(keys))
	for i, k := range keys {
		st := s.byKey[k]
		if st == nil {
			return nil, nil, withHint(fmt.Errorf("no stage %s in this study as this machine sees it", k.Short()),
				"its inputs, or this build of xrun, are not those that planned the run")
		}
		stages[i] = st
		for _, need := range st.needs {
			// Another machine may have finished it a moment ago.
			if !s.left(need) || slices.Contains(stages[:i], need) || f.job != "" && s.await(e.ctx, need) {
				continue
			}
			if s.done(need) {
				return nil, nil, withHint(fmt.Errorf("%s needs %s, whose weights were dropped", st.title, need.title),
					"name that stage's key too, %s, and it trains again to the same bits", need.key)
			}
			return nil, nil, fmt.Errorf("%s needs %s, which is not done", st.title, need.title)
		}
	}
	return newExecution(e.ctx, s, e.locker, newProgress(e.stderr)), stages, nil
}

// visibility is how long a shared directory may take to show one machine what
// another has written: NFS keeps attributes and absent names for up to that long.
const visibility = 60 * time.Second

// await waits until a stage that another machine finished is seen here.
func (s *study) await(ctx context.Context, st *stage) bool {
	for began := time.Now(); ; {
		if !s.left(st) {
			return true
		}
		if time.Since(began) > visibility || sleep(ctx, time.Second) != nil {
			return false
		}
	}
}

// allocatedCPUs is how many processors Slurm gave the job, or 0 outside one.
func allocatedCPUs() int {
	for _, name := range []string{"SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"} {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
			runtime.GOMAXPROCS(n)
			return n
		}
	}
	return 0
}

// stageRun notes how the stages of one process end.
type stageRun struct {
	disk    disk.FS
	path    string // of the outcome; "" notes nothing
	job     string
	outcome outcome
}

func (r *stageRun) begin() (err error) {
	if r.path == "" {
		return nil
	}
	if r.outcome, err = readOutcome(r.path); err != nil {
		return err
	}
	r.outcome.Job = r.job
	r.outcome.Host, _ = os.Hostname()
	if node := os.Getenv("SLURMD_NODENAME"); node != "" {
		r.outcome.Host = node
	}
	r.outcome.Starts++
	return writeOutcome(r.disk, r.path, r.outcome)
}

func (r *stageRun) note(s stageOutcome) error {
	if r.path == "" {
		return nil
	}
	r.outcome.set(s)
	return writeOutcome(r.disk, r.path, r.outcome)
}

func (r *stageRun) failAll(keys []store.Key, err error) error {
	var errs []error
	for _, k := range keys {
		errs = append(errs, r.note(stageOutcome{Key: k, Error: err.Error()}))
	}
	return errors.Join(errs...)
}

// run runs the stages in order; one that fails does not keep the others back.
func (r *stageRun) run(x *execution, stages []*stage) error {
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	x.ctx = ctx
	outOfTime, stop := whenOutOfTime(cancel)
	defer stop()
	failed, got := 0, 0
	for _, st := range stages {
		before, began := x.newestCheckpoint(st), time.Now()
		err := x.runStage(st)
		if err == nil {
			err = x.dropAfter(st)
		}
		if errors.Is(err, context.Canceled) {
			if x.newestCheckpoint(st) != before {
				got++
			}
			return r.stopped(x, outOfTime.Load(), got, st)
		}
		note := stageOutcome{Key: st.key, Seconds: time.Since(began).Seconds()}
		if err != nil {
			failed++
			x.failures[st] = err
			note.Error = err.Error()
			x.progress.line("%s: failed: %v", st.title, err)
		} else {
			got++
		}
		if err := r.note(note); err != nil {
			return err
		}
	}
	x.unload()
	x.sayKept()
	if failed > 0 {
		return fmt.Errorf("%s failed", plural(failed, "stage"))
	}
	return nil
}

// stopped ends a process that was told to stop. Slurm itself starts it again
// after a preemption; after a time limit the job must ask for that, and does so
// only if another turn would get further than this one.
func (r *stageRun) stopped(x *execution, outOfTime bool, got int, st *stage) error {
	if !outOfTime {
		return &statusError{exitInterrupted, st.title + ": stopped; it goes on from its last checkpoint"}
	}
	if got == 0 {
		err := withHint(errors.New("the job's time limit came before a checkpoint could be made"), "raise run.resources.time")
		return errors.Join(err, r.note(stageOutcome{Key: st.key, Error: err.Error() + "; raise run.resources.time"}))
	}
	if r.job == "" {
		return &statusError{exitInterrupted, st.title + ": out of time; it goes on from its last checkpoint"}
	}
	x.progress.line("%s: the job's time is up; it goes on from its last checkpoint when Slurm starts it again", st.title)
	c, err := slurm.Find()
	if err != nil {
		return err
	}
	return c.Requeue(context.Background(), r.job)
}

// whenOutOfTime calls cancel when Slurm says that the job's time is nearly up.
func whenOutOfTime(cancel func()) (happened *atomic.Bool, stop func()) {
	happened = new(atomic.Bool)
	signals := make(chan os.Signal, 1)
	notifyOutOfTime(signals)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			happened.Store(true)
			cancel()
		case <-done:
		}
	}()
	return happened, func() { signal.Stop(signals); close(done) }
}

// newestCheckpoint names the last checkpoint that a stage has, "" for none.
func (x *execution) newestCheckpoint(st *stage) store.Key {
	c := checkpoints{store: store.At(x.disk, filepath.Join(x.store.WorkDir(st.key), "checkpoints"))}
	names, err := c.names()
	if err != nil || len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}
