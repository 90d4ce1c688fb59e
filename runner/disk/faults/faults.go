// Package faults is disks that fail, for tests: a [Failing] one refuses
// operations as a full, read-only or broken disk does, and a [Recorder] remembers
// a run's operations, so that every state in which a loss of power could have
// left the disk can be made afterwards.
//
// It is not a model of any one file system. It takes from a disk everything that
// package disk does not rely on, which is more than real ones take.
package faults

import (
	"sync"
	"syscall"

	"xrun/runner/disk"
)

// Kind is an operation of a disk.
type Kind int

// The operations, in the order of disk.FS and disk.File.
const (
	Create Kind = iota
	Append
	Mkdir
	Rename
	Link
	Remove
	SyncDir
	Write
	Sync
	Close
)

func (k Kind) String() string {
	return [...]string{"create", "append", "mkdir", "rename", "link", "remove", "syncdir", "write", "sync", "close"}[k]
}

// Failing is a disk that fails from its At-th operation on.
type Failing struct {
	FS disk.FS
	// At is the number of the first operation that may fail, from 0.
	At int
	// Once lets only one operation fail.
	Once bool
	// Err is the error; Fails says which operations it hits.
	Err   error
	Fails func(Kind) bool

	mu          sync.Mutex
	asked, lost int
}

// Full returns a disk that fills up: names can change and files go, nothing can
// be added.
func Full(at int) *Failing {
	return &Failing{FS: disk.OS, At: at, Err: syscall.ENOSPC, Fails: func(k Kind) bool {
		return k == Create || k == Append || k == Mkdir || k == Link || k == Write
	}}
}

// ReadOnly returns a disk that becomes read-only, as one does after an error of
// its own.
func ReadOnly(at int) *Failing {
	return &Failing{FS: disk.OS, At: at, Err: syscall.EROFS, Fails: func(k Kind) bool { return k != Close }}
}

// Broken returns a disk on which one operation fails.
func Broken(at int) *Failing {
	return &Failing{FS: disk.OS, At: at, Once: true, Err: syscall.EIO, Fails: func(Kind) bool { return true }}
}

// Counts returns how many operations were asked for and how many of them
// failed.
func (f *Failing) Counts() (asked, failed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked, f.lost
}

// fails counts an operation and returns the error it ends with.
func (f *Failing) fails(k Kind) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.asked <= f.At || f.Once && f.lost > 0 || !f.Fails(k) {
		return nil
	}
	f.lost++
	return f.Err
}

// Create implements disk.FS.
func (f *Failing) Create(path string) (disk.File, error) {
	if err := f.fails(Create); err != nil {
		return nil, err
	}
	return f.file(f.FS.Create(path))
}

// Append implements disk.FS.
func (f *Failing) Append(path string) (disk.File, error) {
	if err := f.fails(Append); err != nil {
		return nil, err
	}
	return f.file(f.FS.Append(path))
}

func (f *Failing) file(file disk.File, err error) (disk.File, error) {
	if err != nil {
		return nil, err
	}
	return &failingFile{file, f}, nil
}

// Mkdir implements disk.FS.
func (f *Failing) Mkdir(path string) error {
	if err := f.fails(Mkdir); err != nil {
		return err
	}
	return f.FS.Mkdir(path)
}

// Rename implements disk.FS.
func (f *Failing) Rename(from, to string) error {
	if err := f.fails(Rename); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

// Link implements disk.FS.
func (f *Failing) Link(from, to string) error {
	if err := f.fails(Link); err != nil {
		return err
	}
	return f.FS.Link(from, to)
}

// Remove implements disk.FS.
func (f *Failing) Remove(path string) error {
	if err := f.fails(Remove); err != nil {
		return err
	}
	return f.FS.Remove(path)
}

// SyncDir implements disk.FS.
func (f *Failing) SyncDir(path string) error {
	if err := f.fails(SyncDir); err != nil {
		return err
	}
	return f.FS.SyncDir(path)
}

type failingFile struct {
	disk.File
	f *Failing
}

// Write writes half of what does not fit.
func (w *failingFile) Write(p []byte) (int, error) {
	if err := w.f.fails(Write); err != nil {
		n, _ := w.File.Write(p[:len(p)/2])
		return n, err
	}
	return w.File.Write(p)
}

func (w *failingFile) Sync() error {
	if err := w.f.fails(Sync); err != nil {
		return err
	}
	return w.File.Sync()
}

// Close closes the file whatever it answers.
func (w *failingFile) Close() error {
	err := w.f.fails(Close)
	if cerr := w.File.Close(); err == nil {
		err = cerr
	}
	return err
}
