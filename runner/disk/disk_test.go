package disk_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"testing"

	"xrun/runner/disk"
)

// A file written past the cache holds what was written, whatever its size and
// however it was cut; it fails where a file is, and on a file system that does
// not know of such writing it is an ordinary one.
func TestWriteUncached(t *testing.T) {
	all := make([]byte, 9<<20+5)
	rand.Read(all)
	dirs := []string{t.TempDir()}
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() { // tmpfs
		shm, err := os.MkdirTemp("/dev/shm", "uncached")
		if err == nil {
			t.Cleanup(func() { os.RemoveAll(shm) })
			dirs = append(dirs, shm)
		}
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, "below", "file")
		for _, size := range []int{0, 1, 4095, 4 << 20, 4<<20 + 1, 8 << 20, len(all)} {
			for _, piece := range []int{1000, 1 << 16, 1<<20 + 3, len(all)} {
				write := func(w io.Writer) error {
					for at := 0; at < size; at += piece {
						if _, err := w.Write(all[at:min(at+piece, size)]); err != nil {
							return err
						}
					}
					return nil
				}
				if err := disk.WriteUncached(disk.OS, path, write); err != nil {
					t.Fatal(err)
				}
				got, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, all[:size]) {
					t.Errorf("%s: %d bytes in pieces of %d: the file holds other bytes (%d of them)", dir, size, piece, len(got))
				}
				if err := disk.WriteUncached(disk.OS, path, write); err == nil {
					t.Error("an existing file was written over")
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
