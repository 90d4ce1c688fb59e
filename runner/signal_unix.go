//go:build unix

package runner

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyOutOfTime asks for the signal that a Slurm job gets before its time
// limit; see slurm.Array.
func notifyOutOfTime(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR1) }
