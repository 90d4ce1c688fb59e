package slurm

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Task is one task of a job array as Slurm sees it.
type Task struct {
	Name   string // the array's
	Job    string // number of the array job
	Index  int
	State  string // Slurm's own word, such as "RUNNING"
	Reason string // why it waits or ended, Slurm's own word; "None" where there is none
	Node   string
}

// ID is how Slurm's commands name the task: "12_3".
func (t Task) ID() string { return fmt.Sprintf("%s_%d", t.Job, t.Index) }

// ended are the states a job does not leave by itself. A job that is requeued
// after PREEMPTED or NODE_FAIL is shown as PENDING again at once.
var ended = map[string]bool{
	"BOOT_FAIL": true, "CANCELLED": true, "COMPLETED": true, "DEADLINE": true, "FAILED": true, "NODE_FAIL": true,
	"OUT_OF_MEMORY": true, "PREEMPTED": true, "REVOKED": true, "TIMEOUT": true,
}

// Alive reports whether Slurm still means to run the task, or runs it.
func (t Task) Alive() bool { return !ended[t.State] }

// queueFormat has the fields of Task; the job's name stands last because users
// may put anything in one.
const queueFormat = "%F|%K|%T|%N|%r|%j"

// Tasks lists the array tasks of this user that Slurm knows: those waiting and
// running, and for a while (MinJobAge, five minutes unless configured) those that
// ended.
func (c *Client) Tasks(ctx context.Context) ([]Task, error) {
	out, err := call(ctx, "squeue", "--noheader", "--array", "--states=all", "--user="+strconv.Itoa(os.Getuid()), "--format="+queueFormat)
	if err != nil {
		return nil, err
	}
	return parseQueue(out), nil
}

// parseQueue reads squeue's lines in queueFormat. Lines that are no array task
// are passed over.
func parseQueue(out string) []Task {
	var tasks []Task
	for line := range strings.Lines(out) {
		f := strings.SplitN(strings.TrimRight(line, "\n"), "|", 6)
		if len(f) != 6 {
			continue
		}
		index, err := strconv.Atoi(f[1])
		if err != nil || index < 0 {
			continue
		}
		if _, err := strconv.Atoi(f[0]); err != nil {
			continue
		}
		tasks = append(tasks, Task{Job: f[0], Index: index, State: f[2], Node: f[3], Reason: f[4], Name: f[5]})
	}
	return tasks
}

// Ending says how a task ended, in Slurm's words: its state and, where it
// remembers more, exit code and signal. It asks scontrol, which forgets a job
// when squeue does.
func (c *Client) Ending(ctx context.Context, t Task) string {
	out, err := call(ctx, "scontrol", "--oneliner", "show", "job", t.ID())
	if err != nil {
		return t.State
	}
	state := field(out, "JobState")
	if state == "" {
		state = t.State
	}
	if code := field(out, "ExitCode"); code != "" && code != "0:0" {
		status, signal, _ := strings.Cut(code, ":")
		state += ", exit status " + status
		if signal != "0" && signal != "" {
			state += ", signal " + signal
		}
	}
	return state
}

// field reads "Name=value" out of one line of scontrol show job.
func field(line, name string) string {
	for _, f := range strings.Fields(line) {
		if v, ok := strings.CutPrefix(f, name+"="); ok {
			return v
		}
	}
	return ""
}
