//go:build !unix

package lock

import "os"

// exists reports whether a process has the number: opening it succeeds then.
func exists(pid int) bool {
	p, err := os.FindProcess(pid)
	if err == nil {
		p.Release()
	}
	return err == nil
}
