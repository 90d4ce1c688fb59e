// Package disk is how xrun changes a disk: a small interface of file operations,
// the operating system's implementation, and the two forms of writing that the
// rest of xrun uses, both of which survive a loss of power at any moment.
//
// It is not a virtual file system: reading goes through package os, because what
// is read is checked against a digest wherever it lies. Most readers need
// [WriteFile], or a [Dir] to hand to a package that writes several files. Tests
// put a recording or failing implementation in the place of [OS]; package
// runner/disk/faults has them.
//
// # What is relied on
//
// Rename replaces a file or makes a directory's name in one step. What a file
// holds is certain after its Sync; that a name is in its directory, after SyncDir
// of that directory. Nothing is assumed about the order in which anything else
// reaches the disk. Link fails where the name is taken, also between machines
// that share the directory.
package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// FS is a place that can be changed. Paths are the operating system's.
type FS interface {
	// Create makes a new file; it fails where one is (fs.ErrExist).
	Create(path string) (File, error)
	// Append opens a file for writing at its end, making it if needed.
	Append(path string) (File, error)
	// Mkdir makes a directory; it fails where something is (fs.ErrExist).
	Mkdir(path string) error
	// Rename moves a file or directory in one step, replacing a file.
	Rename(from, to string) error
	// Link gives a file a second name; it fails where one is (fs.ErrExist).
	Link(from, to string) error
	// Remove removes a file or an empty directory.
	Remove(path string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(path string) error
}

// File is a file being written.
type File interface {
	io.Writer
	// Sync makes what was written durable.
	Sync() error
	Close() error
}

// OS is the operating system's file system.
var OS FS = osFS{}

type osFS struct{}

func (osFS) Create(path string) (File, error) {
	return file(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666))
}

func (osFS) Append(path string) (File, error) {
	return file(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666))
}

// file keeps a failed open from becoming a File that holds a nil pointer.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (osFS) Mkdir(path string) error      { return os.Mkdir(path, 0o777) }
func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Link(from, to string) error   { return os.Link(from, to) }
func (osFS) Remove(path string) error     { return os.Remove(path) }

// SyncDir ignores a refusal: file systems that cannot sync a directory (some
// network ones, and Windows) offer nothing better.
func (osFS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !refused(err) {
		return err
	}
	return nil
}

func refused(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, errors.ErrUnsupported) ||
		errors.Is(err, fs.ErrPermission)
}

// MkdirAll makes a directory and the parents it lacks, and makes their names
// durable.
func MkdirAll(fsys FS, path string) error {
	path = filepath.Clean(path)
	if st, err := os.Stat(path); err == nil {
		if !st.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}
		}
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := MkdirAll(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.Mkdir(path); err != nil {
		if st, serr := os.Stat(path); serr == nil && st.IsDir() {
			return nil // another process was first
		}
		return err
	}
	return fsys.SyncDir(parent)
}

// RemoveAll removes a file, or a directory with all that is in it. What is not
// there is no error.
func RemoveAll(fsys FS, path string) error {
	if st, err := os.Lstat(path); err == nil && st.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := RemoveAll(fsys, filepath.Join(path, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
