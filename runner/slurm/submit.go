package slurm

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"xrun/schema"
)

// Array is a job array to submit.
type Array struct {
	Name    string // unique for ever: how its tasks are found again
	Script  string // path of the batch script, which is copied at submission
	Dir     string // the working directory of its tasks
	Log     string // the log of task N is Log-N.log, where a requeued task appends
	Indices []int  // ascending
	// After names an array job ("" for none): task i waits until that job's task i
	// has succeeded, and is cancelled if it never can.
	After     string
	Resources schema.Resources
}

// Submit hands an array to sbatch and returns the job's number.
func (c *Client) Submit(ctx context.Context, a Array) (id string, err error) {
	args, err := a.arguments()
	if err != nil {
		return "", err
	}
	out, err := call(ctx, "sbatch", args...)
	if err != nil {
		return "", err
	}
	id, _, _ = strings.Cut(strings.TrimSpace(out), ";") // "12" or "12;cluster"
	if _, err := strconv.Atoi(id); err != nil {
		return "", fmt.Errorf("sbatch: answered %q, which is no job number", strings.TrimSpace(out))
	}
	return id, nil
}

// arguments is sbatch's command line. Options stand here rather than in the
// script because SBATCH_ variables of the environment override those there.
func (a Array) arguments() ([]string, error) {
	margin, err := signalMargin(a.Resources.Time)
	if err != nil {
		return nil, err
	}
	log := strings.ReplaceAll(a.Log, "%", "%%") + "-%a.log"
	args := []string{
		"--parsable", "--job-name=" + a.Name, "--array=" + ranges(a.Indices), "--chdir=" + a.Dir,
		"--output=" + log, "--error=" + log, "--open-mode=append", "--export=ALL", "--ntasks=1", "--requeue",
		// The batch process alone is told before its time is up.
		fmt.Sprintf("--signal=B:USR1@%d", int(margin.Seconds())),
	}
	if a.After != "" {
		args = append(args, "--dependency=aftercorr:"+a.After, "--kill-on-invalid-dep=yes")
	}
	option := func(name, value string) {
		if value != "" && value != "0" {
			args = append(args, "--"+name+"="+value)
		}
	}
	r := a.Resources
	option("partition", r.Partition)
	option("account", r.Account)
	option("qos", r.QOS)
	option("constraint", r.Constraint)
	option("time", r.Time)
	option("mem", r.Memory)
	option("cpus-per-task", strconv.Itoa(r.CPUs))
	if r.GPUs > 0 {
		args = append(args, "--gres=gpu:"+strconv.Itoa(r.GPUs))
	}
	return append(args, a.Script), nil
}

// signalMargin is how long before its time limit a job is told to checkpoint: a
// tenth of the limit, from 10 seconds to 5 minutes; 2 minutes where the limit is
// the partition's. Slurm may tell it up to a minute earlier.
func signalMargin(limit string) (time.Duration, error) {
	if limit == "" {
		return 2 * time.Minute, nil
	}
	d, err := schema.SlurmTime(limit)
	if err != nil {
		return 0, err
	}
	return min(max(d/10, 10*time.Second), 5*time.Minute), nil
}

// ranges writes ascending indices as sbatch's --array does: "0-3,7".
func ranges(indices []int) string {
	var b strings.Builder
	for i := 0; i < len(indices); {
		j := i
		for j+1 < len(indices) && indices[j+1] == indices[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(indices[i]))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(indices[j]))
		}
		i = j + 1
	}
	return b.String()
}

// Quote makes a word of a shell script out of any text.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
