package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/runner/disk"
)

func never() bool { return false }

// putPair stores an object of a table and of weights.
func putPair(t *testing.T, s *Store, weights string) (Key, *Object, error) {
	t.Helper()
	key, input, err := KeyOf(map[string]string{"kind": "test"})
	if err != nil {
		t.Fatal(err)
	}
	work, err := s.Work(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, LogName), []byte("made "+weights+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	o, err := s.Put(key, input, func(w *Writer) error {
		w.WriteFile("table", writeBytes([]byte("rows")))
		return w.WriteFile("weights", writeBytes([]byte(weights)))
	})
	return key, o, err
}

// What is dropped is gone and known to be; the rest and the object's digest stay;
// making it again brings it back.
func TestDrop(t *testing.T) {
	s := At(disk.OS, t.TempDir())
	key, whole, err := putPair(t, s, "good")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := s.Drop(key, []string{"weights"}, never); !ok || err != nil {
		t.Fatal(ok, err)
	}
	o, err := s.Get(key)
	if err != nil || o.Digest != whole.Digest || !cmp.Equal(o.Dropped, []string{"weights"}) || !s.Dropped(key) || !s.Has(key) {
		t.Fatalf("%+v, %v", o, err)
	}
	if err := o.Verify(); err != nil {
		t.Error(err)
	}
	if b, err := o.Read("table"); err != nil || string(b) != "rows" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := o.Read("weights"); !errors.Is(err, ErrDropped) {
		t.Errorf("got %v", err)
	}
	if o.Size() >= whole.Size() {
		t.Errorf("%d bytes of %d stay", o.Size(), whole.Size())
	}

	// Other bits are refused, and nothing changes.
	var other *DifferentError
	if _, _, err := putPair(t, s, "evil"); !errors.As(err, &other) || !strings.Contains(err.Error(), "made again, and weights is not what it was") {
		t.Fatalf("got %v", err)
	}
	if !s.Dropped(key) {
		t.Fatal("other bits were taken")
	}
	os.RemoveAll(s.WorkDir(key))

	_, o, err = putPair(t, s, "good")
	if err != nil || o.Dropped != nil || s.Dropped(key) {
		t.Fatal(o, err)
	}
	if b, err := o.Read("weights"); err != nil || string(b) != "good" {
		t.Errorf("%q, %v", b, err)
	}
	if log, _ := os.ReadFile(s.LogPath(key)); string(log) != "made good\nmade good\n" {
		t.Errorf("the log is %q", log)
	}
	if _, err := os.Stat(s.WorkDir(key)); err == nil {
		t.Error("the work directory is left behind")
	}
}

// Who wants the files is asked between the mark and the removal.
func TestDropIsTakenBack(t *testing.T) {
	s := At(disk.OS, t.TempDir())
	key, _, err := putPair(t, s, "good")
	if err != nil {
		t.Fatal(err)
	}
	marked := false
	ok, err := s.Drop(key, []string{"weights"}, func() bool { marked = s.Dropped(key); return true })
	if ok || err != nil || !marked {
		t.Fatalf("%v, %v, marked first: %v", ok, err, marked)
	}
	if o, err := s.Get(key); err != nil || o.Dropped != nil || o.Verify() != nil {
		t.Error(o, err)
	}
}

// While the mark is there the files are not stored, whichever are on the disk. A
// removal that was cut short is ended, without asking.
func TestHalfDropped(t *testing.T) {
	s := At(disk.OS, t.TempDir())
	key, o, err := putPair(t, s, "good")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir(), droppedName), []byte(`["weights"]`), 0o666); err != nil {
		t.Fatal(err)
	}
	if o, err = s.Get(key); err != nil || o.Dropped == nil || o.Lingering() != 4 {
		t.Fatal(o, err)
	}
	if _, err := o.Read("weights"); !errors.Is(err, ErrDropped) {
		t.Errorf("got %v", err)
	}
	if ok, err := s.Drop(key, []string{"weights"}, func() bool { return true }); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if o, err = s.Get(key); err != nil || o.Lingering() != 0 {
		t.Error(o, err)
	}
}

func TestBadMarks(t *testing.T) {
	for _, mark := range []string{"", "[]", "{}", `["../../x"]`, `["other"]`, `["weights",`} {
		s := At(disk.OS, t.TempDir())
		key, o, err := putPair(t, s, "good")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(o.Dir(), droppedName), []byte(mark), 0o666); err != nil {
			t.Fatal(err)
		}
		var damaged *DamagedError
		if _, err := s.Get(key); !errors.As(err, &damaged) || damaged.File != droppedName {
			t.Errorf("%s: got %v", mark, err)
		}
	}
	s := At(disk.OS, t.TempDir())
	key, _, err := putPair(t, s, "good")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"other", inputName, "../x"} {
		if _, err := s.Drop(key, []string{name}, never); err == nil {
			t.Errorf("%s was dropped", name)
		}
	}
}
