package runner

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"xrun/runner/disk"
	"xrun/runner/lock"
)

// trainingOf opens the first cell's training of a study in an empty store.
func trainingOf(t *testing.T, spec string) *training {
	t.Helper()
	runs := t.TempDir()
	s, err := openStudy(disk.OS, spec, nil, storeDir(runs))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := newEngine(newFlags(runCommand), 0)
	if err != nil {
		t.Fatal(err)
	}
	x := newExecution(context.Background(), s, lock.New(disk.OS), newProgress(io.Discard))
	x.engine = engine
	c := s.cells[0]
	st := s.trains[c.Name]
	x.log = openLog(disk.OS, s.store, st.key)
	tr := &training{x: x, stage: st, base: s.models[c.Model], cell: c, prep: s.prepares[c.Name]}
	if err := json.Unmarshal(st.input, &tr.key); err != nil {
		t.Fatal(err)
	}
	if err := tr.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.close(); engine.Close() })
	return tr
}

// A loss that is no number stops the cell and says the step, its items and the
// last good checkpoint, which is not one of weights that are no numbers.
func TestNonFiniteLoss(t *testing.T) {
	_, spec := faultStudy(t)
	tr := trainingOf(t, spec)
	tr.key.Steps = 2
	if err := tr.loop(); err != nil {
		t.Fatal(err)
	}
	tr.checkpoints.wait()
	w := tr.model.Params()[0].Tensor
	bad := make([]float32, w.Cols())
	for i := range bad {
		bad[i] = float32(math.Inf(1))
	}
	for r := range w.Rows() {
		tr.x.engine.Write(w.Slice(r, r+1), bad)
	}
	tr.key.Steps = 3
	err := tr.loop()
	if err == nil {
		t.Fatal("no error")
	}
	// Items are counted from 1, as everywhere.
	epoch := 2 / tr.perEpoch
	order := epochOrder(len(tr.prep.Rows), tr.cell.Seed, epoch, tr.cell.Data.Shuffle)
	var items []string
	for _, i := range stepItems(order, 2%tr.perEpoch, tr.cell.Train) {
		items = append(items, strconv.Itoa(tr.prep.Rows[i].Item+1))
	}
	for _, want := range []string{"step 3 of 3: the loss is NaN", "its items are " + strings.Join(items, ", ") + ";", "the checkpoint after step 1;"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
	if kept, _ := filepath.Glob(filepath.Join(tr.checkpoints.store.Root(), "step-*3")); len(kept) != 0 {
		t.Errorf("kept %v", kept)
	}
}

// However often checkpoints are written, the last two are kept.
func TestLastTwoCheckpointsAreKept(t *testing.T) {
	_, spec := faultStudy(t)
	tr := trainingOf(t, spec)
	for tr.key.Steps = 1; tr.key.Steps <= 3; tr.key.Steps++ {
		if err := tr.loop(); err != nil {
			t.Fatal(err)
		}
		if err := tr.checkpoints.now(tr); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := tr.checkpoints.names()
	if err != nil || len(keys) != keptCheckpoints || stepOf(keys[1]) != 3 || stepOf(keys[0]) != 2 {
		t.Errorf("kept %v, %v", keys, err)
	}
}
