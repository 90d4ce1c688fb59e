package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"xrun/model/safetensors"
	"xrun/runner/store"
)

// weightsFiles are the files of a trained cell that run.weights "drop" removes.
var weightsFiles = []string{safetensors.SingleFile}

// drops reports whether the study removes a cell's weights once its scores are
// stored.
func (s *study) drops() bool { return s.discards || s.spec.Run.Weights == "drop" }

// left reports whether a stage is still to be run: its result is not stored, or
// it is a training whose weights were dropped and are needed again.
func (s *study) left(st *stage) bool {
	return !s.done(st) || s.again(st)
}

// again reports whether a finished training has to be run again, to the same
// bits: its weights were dropped and are needed.
func (s *study) again(st *stage) bool {
	return st.kind == "train" && s.store.Dropped(st.key) && s.needed(st)
}

// needed reports whether a stage that is not stored reads a training's weights,
// or they were asked for by themselves.
func (s *study) needed(train *stage) bool {
	return train == s.asked || slices.ContainsFunc(train.readers, func(st *stage) bool { return !s.done(st) })
}

// dropAfter removes, if the spec says so, the weights of which a stage is the last
// reader.
func (x *execution) dropAfter(st *stage) error {
	train := st
	if st.kind != "train" {
		if len(st.needs) == 0 || len(st.needs[0].readers) == 0 {
			return nil
		}
		train = st.needs[0]
	}
	if n := len(train.readers); n > 0 && train.readers[n-1] != st {
		return nil
	}
	return x.dropSpent(train)
}

// dropSpent removes a training's weights if the spec says so and nothing needs
// them. It is a step like any other: whatever is killed during it, the next run
// ends it.
func (x *execution) dropSpent(train *stage) error {
	if !x.drops() || !x.done(train) || x.needed(train) {
		return nil
	}
	err := x.dropWeights(train)
	if err == nil || errors.Is(err, context.Canceled) || unwritable(err) {
		return err
	}
	x.progress.line("%s: its weights stay until the next run: %v", train.title, err)
	return nil
}

func (x *execution) dropWeights(train *stage) error {
	o, err := x.store.Get(train.key)
	if err != nil {
		return err
	}
	_, err = os.Lstat(x.store.WorkDir(train.key))
	if o.Dropped != nil && o.Lingering() == 0 && err != nil {
		return nil // as it should be
	}
	wanted := func() bool {
		keepers, err := x.keepers(train.key)
		if err != nil {
			keepers = []string{fmt.Sprintf("a run that cannot be read: %v", err)}
		}
		if len(keepers) > 0 {
			x.keptFor[train] = strings.Join(keepers, ", ")
		}
		return len(keepers) > 0
	}
	if wanted() {
		return nil
	}
	held, err := x.lockStage(train)
	if err != nil {
		return err
	}
	defer held.Release()
	if x.loaded != nil && x.loaded.ref.train == train {
		x.unload()
	}
	if dropped, err := x.store.Drop(train.key, weightsFiles, wanted); err != nil || !dropped {
		return err
	}
	x.progress.line("%s: weights dropped, %s", train.title, byteText(train.disk))
	return nil
}

// sayKept says for which runs weights were not dropped.
func (x *execution) sayKept() {
	cells := map[string]int{}
	for _, who := range x.keptFor {
		cells[who]++
	}
	for _, who := range slices.Sorted(maps.Keys(cells)) {
		x.progress.line("the weights of %s stay in the store, for %s", plural(cells[who], "cell"), who)
	}
	clear(x.keptFor)
}

// keepers names the other run directories beside the store that want a training's
// weights to stay.
func (s *study) keepers(k store.Key) ([]string, error) {
	all, err := s.keptElsewhere()
	return all[k], err
}

// keptElsewhere says of the weights in the store which other run directories want
// them to stay: those whose plan has the training, and whose spec keeps weights or
// which have still to read them.
func (s *study) keptElsewhere() (map[store.Key][]string, error) {
	plans, err := plansIn(filepath.Dir(s.store.Root()))
	if err != nil {
		return nil, err
	}
	kept := map[store.Key][]string{}
	for _, p := range plans {
		if p.Run == s.spec.Name && (!p.Earlier || p.Scale == s.spec.Scale) {
			continue
		}
		for k := range weightsWanted(s.store, p.Stages, p.Drops) {
			kept[k] = append(kept[k], p.name())
		}
	}
	return kept, nil
}

// weightsWanted are the trainings of a plan whose weights are to stay: all of a
// run that keeps them, else those that a stage has still to read.
func weightsWanted(s *store.Store, plan []stageRecord, drops bool) map[store.Key]bool {
	wanted := map[store.Key]bool{}
	for _, r := range plan {
		if !drops {
			wanted[r.Key] = true // of other stages it means nothing
		} else if len(r.Needs) > 0 && !s.Has(r.Key) {
			for _, need := range r.Needs {
				wanted[need] = true
			}
		}
	}
	return wanted
}

// dropsWeights reports whether the spec of a run directory drops weights; one that
// cannot be read does not.
func dropsWeights(dir string) bool {
	raw, err := readSpec(dir)
	if err != nil {
		return false
	}
	var spec struct {
		Run struct {
			Weights string `json:"weights"`
		} `json:"run"`
	}
	return json.Unmarshal(raw, &spec) == nil && spec.Run.Weights == "drop"
}
