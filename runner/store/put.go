package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"xrun/runner/disk"
)

// Writer takes the files of an object being made and digests them on their way
// to the disk.
type Writer struct {
	fs    disk.FS
	dir   string
	files map[string]File
}

// WriteFile makes the file name from what write writes.
func (w *Writer) WriteFile(name string, write func(io.Writer) error) error {
	return w.writeFile(name, write, disk.WriteNew)
}

// WriteUncached is WriteFile for a large file that will hardly be read; see
// [disk.WriteUncached].
func (w *Writer) WriteUncached(name string, write func(io.Writer) error) error {
	return w.writeFile(name, write, disk.WriteUncached)
}

func (w *Writer) writeFile(name string, write func(io.Writer) error, to func(disk.FS, string, func(io.Writer) error) error) error {
	h := &digester{sum: sha256.New()}
	err := to(w.fs, filepath.Join(w.dir, filepath.FromSlash(name)), func(f io.Writer) error {
		h.to = f
		return write(h)
	})
	if err == nil {
		w.files[name] = File{Size: h.size, SHA256: hex.EncodeToString(h.sum.Sum(nil))}
	}
	return err
}

// Put makes the object of a finished stage: build writes the stage's files,
// which then appear under the key by one rename. input is the canonical JSON of
// the key. The stage's Work directory is removed; its log is kept as LogName.
// An object that another process put there first is kept: it has the same files.
// An object of which files were dropped gets them back, if they are what they were;
// else the error is a [DifferentError].
func (s *Store) Put(k Key, input []byte, build func(*Writer) error) (*Object, error) {
	if s.Has(k) && !s.Dropped(k) {
		return s.Get(k)
	}
	tmp, err := s.temporary(k)
	if err != nil {
		return nil, fmt.Errorf("writing object %s: %w", k.Short(), err)
	}
	defer disk.RemoveAll(s.fs, tmp) // what is left of it after an error
	w := &Writer{fs: s.fs, dir: tmp, files: map[string]File{}}
	if err := build(w); err != nil {
		return nil, err
	}
	finish := func() error { return s.seal(k, input, w) }
	if s.Dropped(k) {
		finish = func() error { return s.restore(k, w) }
	}
	if err := finish(); err != nil {
		return nil, fmt.Errorf("writing object %s: %w", k.Short(), err)
	}
	return s.Get(k)
}

// temporary makes an empty directory in a stage's work directory.
func (s *Store) temporary(k Key) (string, error) {
	work, err := s.Work(k)
	if err != nil {
		return "", err
	}
	for i := 0; ; i++ {
		dir := filepath.Join(work, fmt.Sprintf("%s%d.%d", tmpPrefix, os.Getpid(), i))
		err := s.fs.Mkdir(dir)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
}

// seal completes an object's directory and gives it its name. The order is what
// makes it whole after a loss of power: every file is durable, then the names in
// the directory, then the directory's own name; only then its checkpoints go.
func (s *Store) seal(k Key, input []byte, w *Writer) error {
	if err := w.WriteFile(inputName, writeBytes(append(input, '\n'))); err != nil {
		return err
	}
	manifest, err := Canonical(w.files)
	if err != nil {
		return err
	}
	part := s.WorkDir(k)
	if log, err := os.ReadFile(filepath.Join(part, LogName)); err == nil {
		if err := w.WriteFile(LogName, writeBytes(log)); err != nil {
			return err
		}
	}
	if err := w.WriteFile(manifestName, writeBytes(append(manifest, '\n'))); err != nil {
		return err
	}
	dirs := map[string]bool{w.dir: true}
	for name := range w.files {
		dirs[filepath.Dir(filepath.Join(w.dir, filepath.FromSlash(name)))] = true
	}
	for d := range dirs {
		if err := s.fs.SyncDir(d); err != nil {
			return err
		}
	}
	if err := s.fs.Rename(w.dir, s.Path(k, "")); err != nil && !s.Has(k) {
		return err
	}
	if err := s.fs.SyncDir(s.root); err != nil {
		return err
	}
	return disk.RemoveAll(s.fs, part)
}

func (w *Writer) names() []string { return slices.Sorted(maps.Keys(w.files)) }

func writeBytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}
