package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// holder says who works on a run directory.
type holder struct {
	Host  string `json:"host"`
	PID   int    `json:"pid"`
	Since string `json:"since"`
}

// lockRun takes the lock of a run directory, a file made with O_EXCL, which
// also holds over NFS. A lock whose process is gone from this host is taken
// over; one held on another host is not, since nothing here can tell.
func lockRun(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, ".lock")
	host, _ := os.Hostname()
	mine, err := json.Marshal(holder{host, os.Getpid(), time.Now().UTC().Format(time.RFC3339)})
	if err != nil {
		return nil, err
	}
	for try := 0; try < 3; try++ {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			_, werr := f.Write(append(mine, '\n'))
			if cerr := f.Close(); werr != nil || cerr != nil {
				os.Remove(path)
				return nil, fmt.Errorf("locking %s: %w", dir, errors.Join(werr, cerr))
			}
			return func() { os.Remove(path) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("locking %s: %w", dir, err)
		}
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var h holder
		if err != nil || json.Unmarshal(raw, &h) != nil {
			return nil, withHint(fmt.Errorf("locking %s: %s is there and unreadable", dir, path), "if no xrun works on this run, remove that file")
		}
		if h.Host != host || processAlive(h.PID) {
			return nil, withHint(fmt.Errorf("locking %s: in use by process %d on %s since %s", dir, h.PID, h.Host, h.Since),
				"wait for it, or remove %s if that process is gone", path)
		}
		// The stale file is renamed before it is removed, so that of two processes
		// taking over only one succeeds.
		stale := fmt.Sprintf("%s.stale-%d", path, os.Getpid())
		if err := os.Rename(path, stale); err == nil {
			os.Remove(stale)
		}
	}
	return nil, fmt.Errorf("locking %s: another process keeps taking the lock", dir)
}

func processAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, syscall.EPERM)
}
