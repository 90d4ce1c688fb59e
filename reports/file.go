package reports

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Directory is where the files of a run go.
type Directory interface {
	// WriteFile makes the file name from what write writes, whole or not at all;
	// slashes in name separate directories, which are made.
	WriteFile(name string, write func(io.Writer) error) error
}

// openSized opens a regular file and tells its size.
func openSized(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("not a regular file")}
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}
