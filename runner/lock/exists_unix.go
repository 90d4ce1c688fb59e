//go:build unix

package lock

import (
	"errors"
	"syscall"
)

// exists reports whether a process has the number.
func exists(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
