package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"xrun/kernels"
	"xrun/model"
	"xrun/reports"
	"xrun/runner/lock"
	"xrun/runner/store"
)

// execution runs the stages of a study that are missing.
type execution struct {
	*study
	ctx      context.Context
	engine   *engine
	locker   lock.Locker
	progress *progress
	log      *stageLog // of the stage being run
	loaded   *loadedModel
	timings  []timing
	failures map[*stage]error
	keptFor  map[*stage]string // of trainings whose weights were not dropped, the runs that want them
}

func newExecution(ctx context.Context, s *study, locker lock.Locker, p *progress) *execution {
	return &execution{study: s, ctx: ctx, locker: locker, progress: p, failures: map[*stage]error{}, keptFor: map[*stage]string{}}
}

// timing is one row of timing.parquet: what a stage took on this machine.
type timing struct {
	Stage   string  `parquet:"stage"`
	Kind    string  `parquet:"kind"`
	Key     string  `parquet:"key"`
	Seconds float64 `parquet:"seconds"`
	Tokens  int64   `parquet:"tokens"`
}

// weightsRef names weights that a stage will read: a base model's files, or
// those a train stage stores.
type weightsRef struct {
	name      string
	input     *modelInput
	train     *stage
	precision string
}

type loadedModel struct {
	ref *weightsRef
	*model.Model
}

func precisionOf(name string) kernels.DType {
	if name == "bf16" {
		return kernels.BF16
	}
	return kernels.F32
}

// run executes what is missing, in order. A stage that fails takes with it the
// stages that need it; the others go on, unless their results could not be kept
// either.
func (x *execution) run() error {
	for _, st := range x.stages {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		err := x.runStage(st)
		if err == nil {
			err = x.dropAfter(st)
		}
		if errors.Is(err, context.Canceled) {
			return err
		}
		if unwritable(err) {
			less := ""
			if !x.drops() && !errors.Is(err, syscall.EROFS) {
				less = `; with run.weights: "drop" the disk holds the weights of one cell at a time`
			}
			return withHint(fmt.Errorf("%s: %w", st.title, err), "what is finished is kept; make the disk of %s writable or free some of it, then run the same command to go on%s", x.store.Root(), less)
		}
		if err != nil {
			err = adviseMemory(st, err)
			x.failures[st] = err
			x.progress.line("%s: failed: %v", st.title, err)
		}
	}
	x.unload()
	x.sayKept()
	return nil
}

// unwritable reports whether an error means that no result can be kept.
func unwritable(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// runStage sees to it that a stage's result is stored, running it if need be.
func (x *execution) runStage(st *stage) error {
	for _, need := range st.needs {
		if x.failures[need] != nil {
			return fmt.Errorf("needs %s, which failed", need.title)
		}
	}
	if ok, err := x.usable(st); ok || err != nil {
		return err
	}
	for {
		err := x.runLocked(st)
		if !errors.Is(err, lock.ErrLost) {
			return err
		}
		x.progress.line("%s: this process stalled, and another took over its work", st.title)
	}
}

// runLocked is runStage under the stage's lock. Where another process takes the
// lock over, the work stops and the error is lock.ErrLost.
func (x *execution) runLocked(st *stage) error {
	held, err := x.lockStage(st)
	if err != nil {
		return err
	}
	defer held.Release()
	// Another process may have finished it while we waited for the lock.
	if ok, err := x.usable(st); ok || err != nil {
		return err
	}
	if err := x.store.Sweep(st.key); err != nil {
		return err
	}
	outer := x.ctx
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	go func() {
		select {
		case <-held.Lost():
			cancel(lock.ErrLost)
		case <-ctx.Done():
		}
	}()
	x.ctx = ctx
	err = x.attempt(st)
	x.ctx = outer
	if errors.Is(err, context.Canceled) && context.Cause(ctx) == lock.ErrLost {
		return lock.ErrLost
	}
	return err
}

// usable reports whether a stage's result is stored and is what was written, with
// weights that were dropped only if nothing needs them. A damaged one is named and
// set aside. Weights are checked when they are read.
func (x *execution) usable(st *stage) (bool, error) {
	if !x.done(st) {
		return false, nil
	}
	o, err := x.store.Get(st.key)
	if err == nil {
		err = o.Verify(st.tables()...)
	}
	return err == nil && !x.again(st), x.setAside(st, err)
}

// setAside moves a stage's damaged result out of the way. Any error but damage
// is returned.
func (x *execution) setAside(st *stage, err error) error {
	var damaged *store.DamagedError
	if !errors.As(err, &damaged) {
		return err
	}
	to, err := x.store.SetAside(st.key)
	if err != nil {
		return err
	}
	x.progress.line("%s: %v; set aside as %s and made again", st.title, damaged, to)
	return nil
}

// attempt runs a stage and keeps its log.
func (x *execution) attempt(st *stage) error {
	outer := x.log
	x.log = openLog(x.disk, x.store, st.key)
	defer func() { x.log = outer }()
	x.progress.start(st.title, x.log)
	began := time.Now()
	err := func() (err error) {
		defer catchExhausted(&err)
		return st.run(x, st)
	}()
	switch {
	case errors.Is(err, context.Canceled):
		x.log.event(eventInterrupted, "after %s", shortTime(time.Since(began)))
		return err
	case err != nil:
		x.log.event(eventFailed, "%v", err)
		return err
	}
	took := time.Since(began).Seconds()
	x.timings = append(x.timings, timing{Stage: st.title, Kind: st.kind, Key: string(st.key), Seconds: took, Tokens: st.tokens})
	note := ""
	if st.tokens > 0 && took > 0 {
		note = fmt.Sprintf(", %.0f tokens/s", float64(st.tokens)/took)
	}
	x.progress.finish(note)
	return nil
}

// put stores a stage's files.
func (x *execution) put(st *stage, build func(*store.Writer) error) error {
	x.log.event(eventDone, "in %s", shortTime(time.Since(x.progress.began)))
	_, err := x.store.Put(st.key, st.input, build)
	var other *store.DifferentError
	if errors.As(err, &other) {
		err = withHint(err, "this machine or this build does not compute what computed it first; -runs with a new directory computes everything anew")
	}
	return err
}

// model loads weights, keeping the last ones loaded: stages of one model come
// one after another.
func (x *execution) model(ref *weightsRef) (*model.Model, error) {
	if x.loaded != nil && x.loaded.ref == ref {
		return x.loaded.Model, nil
	}
	x.unload()
	fsys, err := x.weightsFS(ref)
	damaged := errors.As(err, new(*store.DamagedError))
	if damaged {
		if err := x.setAside(ref.train, err); err != nil {
			return nil, err
		}
	}
	if damaged || errors.Is(err, store.ErrDropped) {
		if err := x.runStage(ref.train); err != nil {
			return nil, err
		}
		fsys, err = x.weightsFS(ref)
	}
	if err != nil {
		return nil, err
	}
	m, err := model.LoadFrozen(x.engine, fsys, precisionOf(ref.precision))
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", ref.name, err)
	}
	x.loaded = &loadedModel{ref, m}
	return m, nil
}

func (x *execution) weightsFS(ref *weightsRef) (fs.FS, error) {
	if ref.train == nil {
		return ref.input.dir.FS, nil
	}
	o, err := x.store.Get(ref.train.key)
	if err != nil {
		return nil, err
	}
	if o.Dropped != nil {
		return nil, fmt.Errorf("the weights of %s: %w", ref.name, store.ErrDropped)
	}
	if err := o.Verify(); err != nil {
		return nil, err
	}
	return os.DirFS(o.Dir()), nil
}

func (x *execution) unload() {
	if x.loaded != nil {
		x.loaded.Close()
		x.loaded = nil
	}
}

// writeRows writes a table of a stage.
func writeRows[T any](out reports.Directory, name string, rows []T) error {
	return out.WriteFile(name, func(w io.Writer) error { return reports.WriteRows(w, rows) })
}

// readRows reads a table of a finished stage.
func readRows[T any](s *store.Store, k store.Key, name string) ([]T, error) {
	o, err := s.Get(k)
	if err != nil {
		return nil, err
	}
	b, err := o.Read(name)
	if err != nil {
		return nil, err
	}
	return reports.ReadRows[T](bytes.NewReader(b), int64(len(b)), name)
}
