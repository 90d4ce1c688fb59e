//go:build !unix

package runner

import "os"

// There is no Slurm here to send the signal.
func notifyOutOfTime(chan<- os.Signal) {}
