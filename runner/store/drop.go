package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"xrun/runner/disk"
)

// droppedName is the file of an object that lists those of its files that were
// removed on purpose. It is there before the first of them goes, and until the
// last of them is back: while it is there, none of them counts as stored.
const droppedName = "dropped.json"

// Dropped reports whether files of a finished object were dropped.
func (s *Store) Dropped(k Key) bool {
	_, err := os.Stat(filepath.Join(s.Path(k, ""), droppedName))
	return k != "" && err == nil
}

// Drop removes files of a finished object, and the stage's work directory, and
// keeps the rest: the object's digest stays, and [Store.Put] brings the files
// back. The stage's lock must be held.
//
// Once the mark is there and before anything is removed, wanted is asked; if it
// says so the mark is taken back and Drop reports false. So two processes, one
// that says what it wants and then looks for the mark, the other that marks and
// then looks what is wanted, do not miss each other. A removal that was begun is
// finished without asking.
func (s *Store) Drop(k Key, names []string, wanted func() bool) (dropped bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("dropping files of object %s: %w", k.Short(), err)
		}
	}()
	o, err := s.Get(k)
	if err != nil {
		return false, err
	}
	if err := disk.RemoveUnfinished(s.fs, o.dir); err != nil {
		return false, err
	}
	if o.Dropped == nil {
		for _, name := range names {
			if !o.made(name) {
				return false, fmt.Errorf("%s is not one of its files", name)
			}
		}
		mark, err := Canonical(slices.Sorted(slices.Values(names)))
		if err != nil {
			return false, err
		}
		if err := disk.WriteFile(s.fs, filepath.Join(o.dir, droppedName), writeBytes(append(mark, '\n'))); err != nil {
			return false, err
		}
		if wanted() {
			return false, s.unmark(o.dir)
		}
		o.Dropped = names
	}
	for _, name := range o.Dropped {
		if err := disk.RemoveAll(s.fs, filepath.Join(o.dir, name)); err != nil {
			return false, err
		}
	}
	if err := s.fs.SyncDir(o.dir); err != nil {
		return false, err
	}
	return true, disk.RemoveAll(s.fs, s.WorkDir(k))
}

func (s *Store) unmark(dir string) error {
	if err := s.fs.Remove(filepath.Join(dir, droppedName)); err != nil {
		return err
	}
	return s.fs.SyncDir(dir)
}

// DifferentError says that a stage whose files had been dropped was run again
// and made something else.
type DifferentError struct {
	Key  Key
	File string
}

func (e *DifferentError) Error() string {
	return fmt.Sprintf("stored object %s was made again, and %s is not what it was", e.Key.Short(), e.File)
}

// restore puts the files of an object that was made again in their places.
func (s *Store) restore(k Key, w *Writer) error {
	o, err := s.Get(k)
	if err != nil {
		return err
	}
	for name, f := range w.files {
		if o.Files[name] != f {
			return &DifferentError{k, name}
		}
	}
	for _, name := range o.Dropped {
		if _, ok := w.files[name]; !ok {
			return &DifferentError{k, name}
		}
	}
	// The first time's log, then this one's.
	log, err := os.ReadFile(filepath.Join(o.dir, LogName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if more, err := os.ReadFile(filepath.Join(s.WorkDir(k), LogName)); err == nil {
		if err := disk.WriteFile(s.fs, filepath.Join(o.dir, LogName), writeBytes(append(log, more...))); err != nil {
			return err
		}
	}
	for _, name := range w.names() {
		if err := s.fs.Rename(filepath.Join(w.dir, name), filepath.Join(o.dir, name)); err != nil {
			return err
		}
	}
	if err := s.fs.SyncDir(o.dir); err != nil {
		return err
	}
	if err := s.unmark(o.dir); err != nil {
		return err
	}
	return disk.RemoveAll(s.fs, s.WorkDir(k))
}

// readDropped reads an object's mark; nil where it has none.
func (o *Object) readDropped() error {
	raw, err := os.ReadFile(filepath.Join(o.dir, droppedName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading object %s: %w", o.Key.Short(), err)
	}
	if err := json.Unmarshal(raw, &o.Dropped); err != nil {
		return &DamagedError{Key: o.Key, File: droppedName, Reason: err.Error()}
	}
	for _, name := range o.Dropped {
		if !o.made(name) {
			return &DamagedError{Key: o.Key, File: droppedName, Reason: fmt.Sprintf("%q is no file that the stage made", name)}
		}
	}
	if len(o.Dropped) == 0 {
		return &DamagedError{Key: o.Key, File: droppedName, Reason: "it names no file"}
	}
	return nil
}

// made reports whether name is a file that the stage made.
func (o *Object) made(name string) bool {
	_, ok := o.Files[name]
	return ok && !slices.Contains([]string{inputName, manifestName, LogName, droppedName}, name)
}

// Lingering returns the bytes of dropped files that are still on the disk: their
// removal was cut short.
func (o *Object) Lingering() (n int64) {
	for _, name := range o.Dropped {
		if st, err := os.Lstat(filepath.Join(o.dir, name)); err == nil {
			n += st.Size()
		}
	}
	return n
}
