package slurm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Client calls Slurm's commands, found on PATH; SLURM_CONF names the cluster, as
// always.
type Client struct{}

// Find returns a client, or an error where Slurm is not installed.
func Find() (*Client, error) {
	for _, name := range []string{"sbatch", "squeue", "scontrol", "scancel"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("finding Slurm: %w", err)
		}
	}
	return &Client{}, nil
}

// commandError is a command of Slurm's that failed, with what it said.
type commandError struct {
	Command string // such as "sbatch"
	Said    string // its standard error, on one line
	Err     error
}

func (e *commandError) Error() string {
	if e.Said == "" {
		return fmt.Sprintf("%s: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Command, e.Said)
}

func (e *commandError) Unwrap() error { return e.Err }

// call runs a command and returns its standard output.
func call(ctx context.Context, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(os.Environ(), "LC_ALL=C", "SLURM_TIME_FORMAT=standard")
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &commandError{Command: name, Said: strings.Join(strings.Fields(errOut.String()), " "), Err: err}
	}
	return out.String(), nil
}

// defaultMaxArraySize is Slurm's own, where the configuration cannot be read.
const defaultMaxArraySize = 1001

// MaxArraySize returns how many tasks one array may have: the cluster's
// MaxArraySize, which is one more than the largest index.
func (c *Client) MaxArraySize(ctx context.Context) (int, error) {
	out, err := call(ctx, "scontrol", "show", "config")
	if err != nil {
		return 0, err
	}
	if n, err := strconv.Atoi(configValue(out, "MaxArraySize")); err == nil && n > 0 {
		return n, nil
	}
	return defaultMaxArraySize, nil
}

// configValue reads one line "Name = value" of scontrol show config.
func configValue(config, name string) string {
	for line := range strings.Lines(config) {
		if k, v, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// Cancel cancels jobs or tasks ("12" or "12_3"). Ones that have ended already
// are no error.
func (c *Client) Cancel(ctx context.Context, ids ...string) error {
	var errs []error
	for lo := 0; lo < len(ids); lo += 500 { // a command line has its limit
		_, err := call(ctx, "scancel", append([]string{"--quiet"}, ids[lo:min(lo+500, len(ids))]...)...)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Requeue puts a running task back in the queue, its own caller included: Slurm
// then ends it and starts it again when its turn comes.
func (c *Client) Requeue(ctx context.Context, id string) error {
	_, err := call(ctx, "scontrol", "requeue", id)
	return err
}
