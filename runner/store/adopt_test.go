package store_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"xrun/runner/disk"
	"xrun/runner/store"
)

// An adopted object has the other's digest and files, and dropping or removing it
// touches nothing there; a damaged one is not taken.
func TestAdopt(t *testing.T) {
	from, to := store.At(disk.OS, t.TempDir()), store.At(disk.OS, t.TempDir())
	key, input, err := store.KeyOf(map[string]string{"kind": "train"})
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Adopt(from, key); !errors.Is(err, store.ErrAbsent) {
		t.Fatalf("error %v", err)
	}
	kept, err := from.Put(key, input, func(w *store.Writer) error {
		return w.WriteFile("weights", func(w io.Writer) error { _, err := io.WriteString(w, "abc"); return err })
	})
	if err != nil {
		t.Fatal(err)
	}
	adopt := func() *store.Object {
		t.Helper()
		if err := to.Adopt(from, key); err != nil {
			t.Fatal(err)
		}
		o, err := to.Get(key)
		if err != nil || o.Digest != kept.Digest {
			t.Fatalf("%+v, %v", o, err)
		}
		return o
	}
	if b, err := adopt().Read("weights"); string(b) != "abc" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := to.Drop(key, []string{"weights"}, func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	if err := to.Remove(key); err != nil {
		t.Fatal(err)
	}
	adopt()
	if err := to.Remove(key); err != nil {
		t.Fatal(err)
	}
	if err := kept.Verify(); err != nil {
		t.Errorf("the other store: %v", err)
	}
	if err := os.WriteFile(filepath.Join(kept.Dir(), "weights"), []byte("abd"), 0o666); err != nil {
		t.Fatal(err)
	}
	if damaged := new(store.DamagedError); !errors.As(to.Adopt(from, key), &damaged) || to.Has(key) {
		t.Error("a damaged object was taken")
	}
}
