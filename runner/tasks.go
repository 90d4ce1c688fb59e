package runner

import (
	"fmt"
	"strings"

	"xrun/runner/store"
)

// task is what one process of an executor runs: a cell's training, or all that
// is asked of one model, so that its weights are loaded once; where weights are
// dropped, both: the disk then holds no more of them than tasks run at once.
type task struct {
	stages []*stage
	after  *task // the training whose weights it reads; nil for base models
}

// tasks groups the stages of a study, but for prepare, in the order of the plan.
func (s *study) tasks() []*task {
	var tasks []*task
	trains := map[*stage]*task{}
	measures := map[string]*task{}
	for _, st := range s.stages {
		switch {
		case st.kind == "prepare":
		case st.kind == "train":
			t := &task{stages: []*stage{st}}
			trains[st] = t
			tasks = append(tasks, t)
		default:
			t := measures[st.weights]
			if t == nil && s.drops() && len(st.needs) > 0 {
				t = trains[st.needs[0]]
			}
			if t == nil {
				t = &task{}
				for _, need := range st.needs {
					if need.kind == "train" {
						t.after = trains[need]
					}
				}
				measures[st.weights] = t
				tasks = append(tasks, t)
			}
			t.stages = append(t.stages, st)
		}
	}
	return tasks
}

// keys returns the keys of the task's stages.
func (t *task) keys() []store.Key {
	keys := make([]store.Key, len(t.stages))
	for i, st := range t.stages {
		keys[i] = st.key
	}
	return keys
}

// title names the task for people.
func (t *task) title() string {
	if len(t.stages) == 1 {
		return t.stages[0].title
	}
	if first := t.stages[0]; first.kind == "train" {
		return fmt.Sprintf("%s and %s", first.title, plural(len(t.stages)-1, "measurement"))
	}
	return fmt.Sprintf("%s of %s", plural(len(t.stages), "measurement"), t.stages[0].weights)
}

// words joins keys with spaces.
func words(keys []store.Key) string {
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(k))
	}
	return b.String()
}
