package faults_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"xrun/runner/disk"
	"xrun/runner/disk/faults"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// after returns what a file holds after a loss of power behind every operation,
// in every way that some draws find.
func after(t *testing.T, ops []faults.Op, name string) map[string]int {
	t.Helper()
	found := map[string]int{}
	for n := range len(ops) + 1 {
		for seed := range uint64(20) {
			dir := t.TempDir()
			draw := rand.New(rand.NewPCG(seed, uint64(n)))
			if err := faults.AfterPowerLoss(ops, n, draw, []float64{0, 0.5, 1}[seed%3], dir, func(string) bool { return false }); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(dir, name))
			if errors.Is(err, os.ErrNotExist) {
				found["absent"]++
			} else if err != nil {
				t.Fatal(err)
			} else {
				found[string(b)]++
			}
		}
	}
	return found
}

// A file replaced through disk.WriteFile is the old one or the new one.
func TestWriteFileSurvivesPowerLoss(t *testing.T) {
	dir := t.TempDir()
	r := faults.Record(dir)
	path := filepath.Join(dir, "a", "file")
	for _, s := range []string{"old", "new and longer"} {
		if err := disk.WriteFile(r, path, text(s)); err != nil {
			t.Fatal(err)
		}
	}
	found := after(t, r.Ops(), "a/file")
	for s := range found {
		if s != "absent" && s != "old" && s != "new and longer" {
			t.Errorf("the file can hold %q", s)
		}
	}
	if len(found) != 3 {
		t.Errorf("found only %v", found)
	}
}

// The same without the care: the model of power loss has to find the faults.
func TestCarelessWritingIsCaught(t *testing.T) {
	for name, careless := range map[string]func(fs disk.FS, dir string) error{
		"in place": func(fs disk.FS, dir string) error {
			f, err := fs.Create(filepath.Join(dir, "file"))
			if err != nil {
				return err
			}
			if _, err := io.WriteString(f, "complete"); err != nil {
				return err
			}
			return errors.Join(f.Sync(), f.Close(), fs.SyncDir(dir))
		},
		"renamed before it is synced": func(fs disk.FS, dir string) error {
			f, err := fs.Create(filepath.Join(dir, "tmp"))
			if err != nil {
				return err
			}
			if _, err := io.WriteString(f, "complete"); err != nil {
				return err
			}
			return errors.Join(f.Close(), fs.Rename(filepath.Join(dir, "tmp"), filepath.Join(dir, "file")), fs.SyncDir(dir))
		},
	} {
		dir := t.TempDir()
		r := faults.Record(dir)
		if err := careless(r, dir); err != nil {
			t.Fatal(err)
		}
		found := after(t, r.Ops(), "file")
		delete(found, "absent")
		delete(found, "complete")
		if len(found) == 0 {
			t.Errorf("%s: no torn file is found", name)
		}
	}
	// A name that was not synced can be lost after any time.
	dir := t.TempDir()
	r := faults.Record(dir)
	if err := disk.WriteNew(r, filepath.Join(dir, "file"), text("complete")); err != nil {
		t.Fatal(err)
	}
	lost := t.TempDir()
	faults.AfterPowerLoss(r.Ops(), len(r.Ops()), rand.New(rand.NewPCG(0, 0)), 0, lost, func(string) bool { return false })
	if _, err := os.Stat(filepath.Join(lost, "file")); err == nil {
		t.Error("a name survives that was never synced")
	}
}

// Without a loss, the model agrees with the disk.
func TestModelAgreesWithTheDisk(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	r := faults.Record(dir)
	in := func(p string) string { return filepath.Join(dir, p) }
	for i, err := range []error{
		disk.MkdirAll(r, in("a/b/c")), disk.WriteNew(r, in("a/b/c/1"), text("one")), disk.WriteFile(r, in("a/2"), text("two")),
		r.Rename(in("a/b"), in("d")), r.Link(in("a/2"), in("d/two")), r.Remove(in("a/2")), disk.RemoveAll(r, in("a")),
		disk.WriteFile(r, in("d/c/1"), text("one again")),
	} {
		if err != nil {
			t.Fatal(i, err)
		}
	}
	if err := faults.AfterPowerLoss(r.Ops(), len(r.Ops()), rand.New(rand.NewPCG(0, 0)), 1, copied, func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	list := func(root string) (out []string) {
		filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			b, _ := os.ReadFile(path)
			rel, _ := filepath.Rel(root, path)
			out = append(out, fmt.Sprintf("%s=%s", rel, b))
			return err
		})
		return out
	}
	if want, got := fmt.Sprint(list(dir)), fmt.Sprint(list(copied)); want != got {
		t.Errorf("want %s\ngot  %s", want, got)
	}
}

// A write that fails leaves the file that was there and nothing else.
func TestFailedWritesLeaveTheOldFile(t *testing.T) {
	for _, failing := range []func(int) *faults.Failing{faults.Full, faults.Broken} {
		for at := range 20 {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if err := disk.WriteFile(disk.OS, path, text("old")); err != nil {
				t.Fatal(err)
			}
			f := failing(at)
			err := disk.WriteFile(f, path, text("new"))
			_, failures := f.Counts()
			if (err != nil) != (failures > 0) {
				t.Fatalf("at %d: %d operations failed, and the answer is %v", at, failures, err)
			}
			if err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EIO) {
				t.Errorf("at %d: %v", at, err)
			}
			b, rerr := os.ReadFile(path)
			if rerr != nil || string(b) != "old" && string(b) != "new" || err == nil && string(b) != "new" {
				t.Errorf("at %d: the file holds %q, %v", at, b, rerr)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("at %d: left %v", at, entries)
			}
		}
	}
}
