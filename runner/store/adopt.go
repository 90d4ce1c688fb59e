package store

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"xrun/runner/disk"
)

// Adopt takes a finished object of another store into this one, after checking
// its digests: by links to its files where the system has them, else by copies.
// What becomes of it here leaves the other store alone, which must live longer.
func (s *Store) Adopt(from *Store, k Key) error {
	o, err := from.Get(k)
	if err == nil {
		err = o.Verify()
	}
	if err != nil {
		return err
	}
	wrap := func(err error) error { return fmt.Errorf("taking over object %s: %w", k.Short(), err) }
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return wrap(err)
	}
	tmp, err := s.temporary(k)
	if err != nil {
		return wrap(err)
	}
	names := append(o.names(), manifestName)
	if o.Dropped != nil {
		names = append(names, droppedName)
	}
	for _, name := range names {
		to := filepath.Join(tmp, filepath.FromSlash(name))
		if err := disk.MkdirAll(s.fs, filepath.Dir(to)); err != nil {
			return wrap(err)
		}
		if err := s.link(filepath.Join(dir, filepath.FromSlash(name)), to); err != nil {
			return wrap(err)
		}
	}
	if err := s.fs.Rename(tmp, s.Path(k, "")); err != nil {
		return wrap(err)
	}
	return disk.RemoveAll(s.fs, s.WorkDir(k))
}

func (s *Store) link(from, to string) error {
	if os.Symlink(from, to) == nil {
		return nil
	}
	return disk.WriteFile(s.fs, to, func(w io.Writer) error {
		f, err := os.Open(from)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
}
