package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"xrun/runner/disk"
	"xrun/runner/store"
)

// planName is the file of a run directory that lists its stages. It is written
// before the first of them runs: it tells status what to look for, the store
// what is in use, and a job of another machine what it is one of.
const planName = "plan.json"

// stageRecord is one stage in plan.json.
type stageRecord struct {
	Kind  string      `json:"kind"`
	Title string      `json:"title"`
	Key   store.Key   `json:"key"`
	Needs []store.Key `json:"needs,omitempty"`
}

func (s *study) records() []stageRecord {
	out := make([]stageRecord, len(s.stages))
	for i, st := range s.stages {
		out[i] = stageRecord{Kind: st.kind, Title: st.title, Key: st.key}
		for _, need := range st.needs {
			out[i].Needs = append(out[i].Needs, need.key)
		}
	}
	return out
}

// writePlan writes the spec as resolved and the stages into the run directory. The
// plan of another scale, if it held one, is remembered.
func (s *study) writePlan(dir string) error {
	resolved, err := s.spec.JSON()
	if err != nil {
		return err
	}
	if err := s.rememberScale(dir); err != nil {
		return err
	}
	if err := rewriteBytes(s.disk, filepath.Join(dir, specName), resolved); err != nil {
		return err
	}
	b, err := json.MarshalIndent(s.records(), "", "  ")
	if err != nil {
		return err
	}
	if err := rewriteBytes(s.disk, filepath.Join(dir, planName), append(b, '\n')); err != nil {
		return err
	}
	return s.forgetScale(dir)
}

// rewriteBytes writes a file unless it holds just these bytes.
func rewriteBytes(fsys disk.FS, path string, b []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return nil
	}
	return writeBytes(fsys, path, b)
}

// specName is the spec as resolved, in a run directory.
const specName = "spec.json"

// readPlan reads the stages of a run directory.
func readPlan(dir string) ([]stageRecord, error) {
	raw, err := os.ReadFile(filepath.Join(dir, planName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(fmt.Errorf("reading the run %s: it has no %s", dir, planName), "name a run directory, such as runs/mask_ablation")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the run: %w", err)
	}
	var out []stageRecord
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("reading %s: %w; it must be as xrun wrote it", filepath.Join(dir, planName), err)
	}
	return out, nil
}

// storeOf returns the store of a run directory, which lies beside it.
func storeOf(fsys disk.FS, run string) *store.Store {
	return store.At(fsys, storeDir(filepath.Dir(filepath.Clean(run))))
}
