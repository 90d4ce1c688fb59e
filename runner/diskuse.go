package runner

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"xrun/runner/disk"
	"xrun/runner/store"
)

// diskUse is what weights and checkpoints take beyond what is on the disk now.
// Tables are small beside them and are not counted.
type diskUse struct {
	most  int64 // at any moment
	final int64 // in the end; below 0 where weights go that are there now
}

// Between two checkpoints a training keeps keptCheckpoints of them, and one more
// while that one is written. Each is weights and two moments.
const (
	mostCheckpoints  = keptCheckpoints + 1
	checkpointFactor = 3
)

// diskUse follows the disk through the stages that are left, in their order, with
// weights dropped or kept for good. checkpoints says how many a training keeps at
// once; elsewhere names the weights that other runs keep.
func (s *study) diskUse(drops bool, checkpoints func(*stage) int, elsewhere map[store.Key][]string) (use diskUse) {
	unread := map[*stage]int{} // readers to come
	now := int64(0)
	ends := func(train *stage) {
		if drops && elsewhere[train.key] == nil {
			now -= train.disk
		}
	}
	for _, st := range s.stages {
		if st.kind == "train" {
			there := s.done(st) && !s.store.Dropped(st.key)
			if s.left(st) {
				n := int64(checkpoints(st))
				part := now + n*checkpointFactor*st.disk
				now += st.disk
				// The last ones go when the weights are in place.
				use.most = max(use.most, part, now+min(n, keptCheckpoints)*checkpointFactor*st.disk)
				there = true
			}
			if !there {
				continue
			}
			if unread[st] = len(st.readers); unread[st] == 0 {
				ends(st)
			}
		}
		for _, need := range st.needs {
			if n := unread[need]; n > 0 {
				if unread[need] = n - 1; n == 1 {
					ends(need)
				}
			}
		}
	}
	use.final = now
	return use
}

// plannedDisk is diskUse as the spec has it.
func (s *study) plannedDisk(speed pace) diskUse { return s.diskAs(s.drops(), speed) }

func (s *study) diskAs(drops bool, speed pace) diskUse {
	var elsewhere map[store.Key][]string
	if drops {
		elsewhere, _ = s.keptElsewhere() // a run that cannot be read is named when it matters
	}
	return s.diskUse(drops, s.checkpointsAt(speed), elsewhere)
}

// keptCells counts the cells whose weights the study would drop and others keep.
func (s *study) keptCells() (n int) {
	if !s.drops() {
		return 0
	}
	elsewhere, _ := s.keptElsewhere()
	for _, st := range s.trains {
		if elsewhere[st.key] != nil {
			n++
		}
	}
	return n
}

// tooFull says that the disk has not the room for a run, and what would help.
func (s *study) tooFull(free int64, speed pace) string {
	text := fmt.Sprintf("the disk of %s has %s free", filepath.Dir(s.store.Root()), byteText(free))
	if !s.drops() {
		if most := s.diskAs(true, speed).most; most < s.plannedDisk(speed).most {
			text += fmt.Sprintf("; with run.weights: \"drop\" %s would do", byteText(most))
		}
	}
	return text
}

// checkpointsAt says how many checkpoints a training keeps at once: by steps it is
// known, by time it is guessed from the speed, and rather too high than too low.
func (s *study) checkpointsAt(speed pace) func(*stage) int {
	every := s.spec.Run.CheckpointEvery
	return func(st *stage) int {
		if every.Steps > 0 {
			return min((st.steps-1)/every.Steps, mostCheckpoints)
		}
		var w work
		w.add(st)
		interval := cmp.Or(every.Time, checkpointInterval).Seconds()
		return int(min(2*speed.seconds(w)/interval, mostCheckpoints))
	}
}

// freeDisk is what the disk of the runs has free, or -1 where nothing tells.
func (s *study) freeDisk() int64 {
	for dir := filepath.Dir(s.store.Root()); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			return disk.Free(dir)
		}
		if dir == filepath.Dir(dir) {
			return -1
		}
	}
}
