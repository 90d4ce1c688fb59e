package runner

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"xrun/model"
	"xrun/reports"
	"xrun/runner/disk"
	"xrun/runner/store"
)

// checkpointInterval is how often a checkpoint is written when the spec does
// not say.
const checkpointInterval = 10 * time.Minute

// keptCheckpoints is how many stay: the newest may be damaged on the disk.
const keptCheckpoints = 2

// checkpoints keeps the states of one train stage in a store of their own in
// its work directory, by step. One holds all that the rest of the training
// depends on: weights, moments and counters in state.safetensors, and the rows
// of the tables so far, whose number is the position in the data.
//
// A checkpoint is written in the background from a copy of the state, so that
// training goes on meanwhile; where memory has no room for the copy, in the
// foreground. The copy's memory stays from one to the next while there is room.
type checkpoints struct {
	x      *execution
	stage  *stage
	store  *store.Store
	steps  int           // between two; 0: by time
	every  time.Duration // between two
	saved  time.Time     // when the last one was begun
	last   int           // the step of the last one begun
	writes chan error    // the answer of the one being written; nil if none is
	copy   *model.Snapshot
}

func openCheckpoints(x *execution, st *stage) (*checkpoints, error) {
	work, err := x.store.Work(st.key)
	if err != nil {
		return nil, err
	}
	c := &checkpoints{x: x, stage: st, store: store.At(x.disk, filepath.Join(work, "checkpoints")), saved: time.Now()}
	c.steps, c.every = x.spec.Run.CheckpointEvery.Steps, cmp.Or(x.spec.Run.CheckpointEvery.Time, checkpointInterval)
	if err := c.store.Make(); err != nil {
		return nil, err
	}
	return c, c.sweep()
}

// sweep removes what a killed process left half-written.
func (c *checkpoints) sweep() error {
	entries, err := os.ReadDir(c.store.Root())
	if err != nil {
		return fmt.Errorf("sweeping checkpoints: %w", err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".part" {
			if err := disk.RemoveAll(c.x.disk, filepath.Join(c.store.Root(), e.Name())); err != nil {
				return fmt.Errorf("sweeping checkpoints: %w", err)
			}
		}
	}
	return nil
}

func checkpointKey(step int) store.Key { return store.Key(fmt.Sprintf("step-%010d", step)) }

func stepOf(k store.Key) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(string(k), "step-"))
	return n
}

// names lists the complete checkpoints, oldest first.
func (c *checkpoints) names() ([]store.Key, error) {
	entries, err := os.ReadDir(c.store.Root())
	if err != nil {
		return nil, fmt.Errorf("listing checkpoints: %w", err)
	}
	var keys []store.Key
	for _, e := range entries {
		if k := store.Key(e.Name()); strings.HasPrefix(e.Name(), "step-") && !strings.Contains(e.Name(), ".") && c.store.Has(k) {
			keys = append(keys, k)
		}
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	return keys, nil
}

// maybe writes a checkpoint in the background if it is time for one. If the one
// before is still being written, the next step is asked again.
func (c *checkpoints) maybe(t *training) {
	if c.steps > 0 {
		if len(t.steps)-c.last < c.steps {
			return
		}
	} else if time.Since(c.saved) < c.every {
		return
	}
	if c.busy() {
		return
	}
	c.saved, c.last = time.Now(), len(t.steps)
	if c.copy == nil && roomForCopy(t) {
		c.copy = t.trainer.NewSnapshot()
	}
	if c.copy == nil {
		c.report(c.write(t.view(t.trainer.WriteState), "in the foreground: memory has no room for a copy"))
		return
	}
	if err := c.copy.Take(); err != nil {
		c.report(err)
		return
	}
	copied := time.Since(c.saved)
	v := t.view(c.copy.Write)
	c.writes = make(chan error, 1)
	go func() {
		c.writes <- c.write(v, fmt.Sprintf("in the background, copied in %.2f s", copied.Seconds()))
	}()
}

// roomForCopy reports whether memory has room for a second copy of weights and
// moments, and some more.
func roomForCopy(t *training) bool {
	need := 12 * t.model.Config.Parameters()
	return roomFor(need + need/4)
}

// shortOfMemory is the free memory below which the copy does not stay.
const shortOfMemory = 1 << 30

func roomFor(bytes int64) bool {
	left := availableMemory()
	return left < 0 || left > bytes
}

// now writes a checkpoint of the present state before it returns.
func (c *checkpoints) now(t *training) error {
	c.wait()
	if len(t.steps) == 0 {
		return nil
	}
	c.saved, c.last = time.Now(), len(t.steps)
	err := c.write(t.view(t.trainer.WriteState), "in the foreground")
	c.report(err)
	return err
}

// busy reports whether a checkpoint is being written.
func (c *checkpoints) busy() bool {
	if c.writes == nil {
		return false
	}
	select {
	case err := <-c.writes:
		c.written(err)
		return false
	default:
		return true
	}
}

// wait waits for the checkpoint being written.
func (c *checkpoints) wait() {
	if c.writes != nil {
		c.written(<-c.writes)
	}
}

// written takes note of the answer of the one that was being written.
func (c *checkpoints) written(err error) {
	c.writes = nil
	c.report(err)
	if !roomFor(shortOfMemory) {
		c.free()
	}
}

// free gives back the copy's memory.
func (c *checkpoints) free() {
	if c.copy != nil {
		c.copy.Free()
		c.copy = nil
	}
}

// close waits for the checkpoint being written.
func (c *checkpoints) close() {
	c.wait()
	c.free()
}

// report tells of a checkpoint that could not be written. Training goes on: it
// loses nothing unless it is interrupted before the next one.
func (c *checkpoints) report(err error) {
	if err != nil {
		c.x.progress.line("%s: no checkpoint: %v", c.stage.title, err)
	}
}

// stateView is what a checkpoint holds, unaffected by the training that goes on.
type stateView struct {
	steps   []reports.Step
	heldout []reports.HeldOut
	state   func(io.Writer) error
}

// view takes the tables as they are now; rows are only ever added to them.
func (t *training) view(state func(io.Writer) error) stateView {
	return stateView{t.steps[:len(t.steps):len(t.steps)], t.heldout[:len(t.heldout):len(t.heldout)], state}
}

func (c *checkpoints) write(v stateView, how string) error {
	k, began := checkpointKey(len(v.steps)), time.Now()
	if c.store.Has(k) {
		return nil
	}
	o, err := c.store.Put(k, c.stage.input, func(out *store.Writer) error {
		if err := writeRows(out, stepsTable, v.steps); err != nil {
			return err
		}
		if err := writeRows(out, heldoutTable, v.heldout); err != nil {
			return err
		}
		return out.WriteUncached(stateFile, v.state)
	})
	if err != nil {
		return fmt.Errorf("writing the checkpoint after step %d: %w", len(v.steps), err)
	}
	c.x.log.event(eventCheckpoint, "after step %d, %s in %.2f s %s", len(v.steps), byteText(o.Size()), time.Since(began).Seconds(), how)
	return c.prune()
}

// prune removes all but the last checkpoints.
func (c *checkpoints) prune() error {
	keys, err := c.names()
	if err != nil {
		return err
	}
	for _, k := range keys[:max(0, len(keys)-keptCheckpoints)] {
		if err := c.store.Remove(k); err != nil {
			return err
		}
	}
	return nil
}

// resume continues from the newest whole checkpoint, if there is one.
func (t *training) resume() error {
	keys, err := t.checkpoints.names()
	if err != nil {
		return err
	}
	for i := len(keys) - 1; i >= 0; i-- {
		err := t.restore(keys[i])
		if err == nil {
			t.checkpoints.last = len(t.steps)
			t.x.log.event(eventResumed, "after step %d", len(t.steps))
			t.x.progress.line("%s: resuming after step %d", t.stage.title, len(t.steps))
			t.x.progress.resume(len(t.steps))
			return nil
		}
		t.x.progress.line("%s: checkpoint %s is not usable: %v", t.stage.title, keys[i], err)
		if _, err := t.checkpoints.store.SetAside(keys[i]); err != nil {
			return err
		}
		// A state read in part is not the base model's any more.
		if err := t.load(); err != nil {
			return err
		}
	}
	return nil
}

func (t *training) restore(k store.Key) error {
	o, err := t.checkpoints.store.Get(k)
	if err != nil {
		return err
	}
	if err := o.Verify(); err != nil {
		return err
	}
	steps, err := readRows[reports.Step](t.checkpoints.store, k, stepsTable)
	if err != nil {
		return err
	}
	heldout, err := readRows[reports.HeldOut](t.checkpoints.store, k, heldoutTable)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(o.Dir(), stateFile))
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.trainer.ReadState(f, st.Size()); err != nil {
		return err
	}
	t.steps, t.heldout = steps, heldout
	return nil
}
