package runner_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"xrun/runner"
)

type fullDisk struct{}

var errFull = errors.New("no space left on device")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

// A result that cannot be written is a failure, whatever was to be written.
func TestOutputThatCannotBeWritten(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"version"}, {"store", "ls", "-runs", t.TempDir()}} {
		var stderr bytes.Buffer
		if status := runner.Main(args, nil, fullDisk{}, &stderr); status != 1 || !strings.Contains(stderr.String(), "writing the output: no space left on device") {
			t.Errorf("%v: status %d\n%s", args, status, &stderr)
		}
	}
}
