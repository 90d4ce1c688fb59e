package runner

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"xrun/runner/lock"
	"xrun/runner/store"
)

// States of a stage.
const (
	stateDone    = "done"
	stateRunning = "running"
	stateFailed  = "failed"
	stateStopped = "stopped" // interrupted or killed; the next run continues
	stateBlocked = "blocked" // a stage that it needs failed
	stateWaiting = "waiting"
)

// stageStatus is what is known of one stage of a run.
type stageStatus struct {
	Kind       string       `json:"kind"`
	Title      string       `json:"title"`
	Key        store.Key    `json:"key"`
	State      string       `json:"state"`
	Attempts   int          `json:"attempts"`
	Reason     string       `json:"reason,omitempty"`     // why it failed or waits
	Progress   string       `json:"progress,omitempty"`   // as last told, in the last minute or so
	Checkpoint int          `json:"checkpoint,omitempty"` // the step after which the next attempt goes on
	Holder     *lock.Holder `json:"holder,omitempty"`     // the process that runs it
	Dropped    bool         `json:"dropped,omitempty"`    // a training whose weights were removed once its scores were stored
	Log        string       `json:"log,omitempty"`
	Slurm      string       `json:"slurm,omitempty"` // its job, in Slurm's words
}

// statusOf finds the state of every stage of a run, in the order of its plan,
// from the store alone: no input is opened.
func statusOf(s *store.Store, plan []stageRecord) []stageStatus {
	out := make([]stageStatus, len(plan))
	at := map[store.Key]*stageStatus{}
	unread := weightsWanted(s, plan, true)
	for i, r := range plan {
		st := &out[i]
		*st = stageStatus{Kind: r.Kind, Title: r.Title, Key: r.Key, State: stateWaiting}
		at[r.Key] = st
		path := s.LogPath(r.Key)
		log := readLog(path)
		st.Attempts, st.Checkpoint = log.attempts, log.checkpoint
		if log.attempts > 0 {
			st.Log = path
		}
		st.Dropped = s.Dropped(r.Key)
		if s.Has(r.Key) && !(st.Dropped && unread[r.Key]) {
			st.State, st.Checkpoint = stateDone, 0
			continue
		}
		holder, held, dead := lock.State(s.Path(r.Key, store.LockSuffix))
		switch {
		case held && !dead:
			st.State, st.Holder, st.Progress = stateRunning, &holder, log.progress
		case log.outcome == eventFailed:
			st.State, st.Reason = stateFailed, log.reason
		case st.Dropped && log.outcome == eventDone:
			st.Reason = "trains again: its weights were dropped and are needed"
		case log.attempts > 0:
			st.State, st.Reason = stateStopped, "killed"
			if log.outcome == eventInterrupted {
				st.Reason = "interrupted"
			}
		default:
			for _, need := range r.Needs {
				if n := at[need]; n != nil && (n.State == stateFailed || n.State == stateBlocked) {
					st.State, st.Reason = stateBlocked, "needs "+n.Title+", which "+pastOf(n.State)
				}
			}
		}
	}
	return out
}

func pastOf(state string) string {
	if state == stateBlocked {
		return "is blocked"
	}
	return "failed"
}

var statusCommand = &command{
	name: "status", args: "RUN", summary: "stages of a run: state, attempts, progress, logs", min: 1, max: 1,
	help: `
Says of every stage of the run directory RUN whether it is done, running (and
where), failed (and why), stopped (interrupted or killed: the next run continues
it), blocked by one that failed, or waiting; how often it was tried; how far it
is, from the log it writes once a minute; and where that log is. Reads the run
directory and the store beside it only, so it may be asked while the run goes on,
from any machine that sees them. Of stages that were submitted to Slurm it also
says what squeue and scontrol know of their jobs.

Exit status 1 when a stage failed.`,
	define: func(f *flags) { f.set.BoolVar(&f.json, "json", false, "print JSON") },
	run: func(e *env, f *flags, args []string) error {
		run := runNamed(args[0])
		plan, err := readPlan(run)
		if err != nil {
			return err
		}
		stages := statusOf(storeOf(e.disk, run), plan)
		if err := joinSlurm(e.ctx, e.disk, run, stages); err != nil {
			fmt.Fprintf(e.stderr, "xrun: what Slurm knows is missing: %v\n", err)
		}
		if f.json {
			if err := e.printJSON(stages); err != nil {
				return err
			}
		} else {
			printStatus(e.stdout, run, stages)
		}
		if n := countState(stages, stateFailed); n > 0 {
			return &statusError{exitFailed, plural(n, "stage") + " failed"}
		}
		return nil
	},
}

func countState(stages []stageStatus, state string) (n int) {
	for _, st := range stages {
		if st.State == state {
			n++
		}
	}
	return n
}

func printStatus(w io.Writer, run string, stages []stageStatus) {
	var counts []string
	for _, state := range []string{stateDone, stateRunning, stateStopped, stateFailed, stateBlocked, stateWaiting} {
		if n := countState(stages, state); n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, state))
		}
	}
	fmt.Fprintf(w, "%s: %s: %s\n", run, plural(len(stages), "stage"), strings.Join(counts, ", "))
	if h, held, dead := lock.State(filepath.Join(run, lockName)); held && !dead {
		fmt.Fprintf(w, "in use by %v\n", h)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, st := range stages {
		attempts := ""
		if st.Attempts > 0 {
			attempts = plural(st.Attempts, "attempt")
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s", st.State, st.Key.Short(), st.Title, attempts)
		if detail := st.detail(); detail != "" {
			fmt.Fprintf(t, "\t%s", detail)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	for _, st := range stages {
		if st.Log != "" && st.State != stateDone {
			fmt.Fprintf(w, "log of %s: %s\n", st.Title, st.Log)
		}
	}
}

// detail is what a person wants to know of a stage beside its state.
func (st stageStatus) detail() string {
	s := st.here()
	if s != "" && st.Slurm != "" {
		s += "; "
	}
	return s + st.Slurm
}

// here is what the store and the stage's log tell.
func (st stageStatus) here() string {
	switch {
	case st.State == stateRunning:
		s := "by " + st.Holder.String()
		if st.Progress != "" {
			s = st.Progress + ", " + s
		}
		return s
	case st.State == stateStopped && st.Checkpoint > 0:
		return fmt.Sprintf("%s; goes on after step %d", st.Reason, st.Checkpoint)
	}
	if st.State == stateDone && st.Dropped {
		return "weights dropped"
	}
	return st.Reason
}
