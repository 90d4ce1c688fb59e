package disk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// WriteFile writes a file whole or not at all: write fills a temporary file in
// path's directory, which is made durable and then renamed onto path. After an
// error, or a crash at any moment, path holds what it held before; after an
// error no temporary file is left either, if the disk still allows its removal.
// Missing parent directories are made.
func WriteFile(fsys FS, path string, write func(io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	dir := filepath.Dir(path)
	if err := MkdirAll(fsys, dir); err != nil {
		return err
	}
	f, tmp, err := createTemp(fsys, dir, filepath.Base(path))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			fsys.Remove(tmp)
		}
	}()
	if err := fill(f, write); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, path); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// WriteNew writes a file that is not there yet straight under its name, and
// makes what it holds durable: for directories that are renamed into place as
// a whole. Missing parents are made.
func WriteNew(fsys FS, path string, write func(io.Writer) error) error {
	return writeNew(fsys, path, write, func(f File) File { return f })
}

// WriteUncached is WriteNew for a large file that will hardly be read: it goes
// past the system's cache where the file system allows it, which saves the
// processor a copy and leaves the memory to others.
func WriteUncached(fsys FS, path string, write func(io.Writer) error) error {
	return writeNew(fsys, path, write, uncached)
}

func writeNew(fsys FS, path string, write func(io.Writer) error, through func(File) File) error {
	if err := MkdirAll(fsys, filepath.Dir(path)); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	f, err := fsys.Create(path)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := fill(through(f), write); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// fill writes a file's contents through a buffer, makes them durable and closes
// the file.
func fill(f File, write func(io.Writer) error) error {
	buf := bufio.NewWriterSize(f, 1<<16)
	err := write(buf)
	if err == nil {
		err = buf.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// createTemp makes a temporary file beside path. Unlike os.CreateTemp's it has
// an ordinary file's mode, which survives the rename: 0600 would lock other
// users out of a shared run directory.
func createTemp(fsys FS, dir, base string) (File, string, error) {
	for i := 0; ; i++ {
		name := filepath.Join(dir, fmt.Sprintf(".%s.tmp%d.%d", base, os.Getpid(), i))
		f, err := fsys.Create(name)
		if err == nil || !errors.Is(err, fs.ErrExist) || i == 1000 {
			return f, name, err
		}
	}
}

// unfinished matches the temporary files of createTemp.
var unfinished = regexp.MustCompile(`^\..+\.tmp[0-9]+\.[0-9]+$`)

// RemoveUnfinished removes what killed processes left of files they were writing
// in dir and below. Nobody else may be writing there.
func RemoveUnfinished(fsys FS, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !unfinished.MatchString(d.Name()) {
			return err
		}
		return fsys.Remove(path)
	})
}

// Dir is a directory to write files into, each whole or not at all.
type Dir struct {
	FS   FS
	Path string
}

// WriteFile writes the file name, whose parents are made; see [WriteFile].
func (d Dir) WriteFile(name string, write func(io.Writer) error) error {
	return WriteFile(d.FS, filepath.Join(d.Path, filepath.FromSlash(name)), write)
}

// Remove removes a file; one that is not there is no error.
func (d Dir) Remove(name string) error {
	err := d.FS.Remove(filepath.Join(d.Path, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
