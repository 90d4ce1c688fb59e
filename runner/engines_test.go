package runner_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"xrun/kernels/cuda/nvidia"
	"xrun/runner"
)

// cudaHere reports whether this build has a GPU, or the fake one, to use.
func cudaHere() bool {
	d, err := nvidia.Open(nvidia.Options{})
	if err == nil {
		d.Close()
	}
	return err == nil
}

// TestAbsentEngine has its own exit status, so that scripts can tell.
func TestAbsentEngine(t *testing.T) {
	_, err := nvidia.Open(nvidia.Options{})
	var none *nvidia.UnavailableError
	if !errors.As(err, &none) {
		t.Skipf("SKIPPED: there is a GPU here")
	}
	var stderr bytes.Buffer
	status := runner.Main([]string{"plan", "-engine", "cuda", "../experiments/smoke.cue"}, strings.NewReader(""), &bytes.Buffer{}, &stderr)
	if status != 4 || !strings.Contains(stderr.String(), none.Reason) {
		t.Errorf("status %d, message %q", status, &stderr)
	}
}
