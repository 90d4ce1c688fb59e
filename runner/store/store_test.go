package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"xrun/runner/disk"

	"github.com/google/go-cmp/cmp"
)

// RFC 8785, section 3.2: the sample object and the number forms of appendix B.
func TestCanonical(t *testing.T) {
	check := func(want string, v any) {
		t.Helper()
		got, err := Canonical(v)
		if err != nil {
			t.Errorf("%v: %v", v, err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Error(diff)
		}
	}
	check(`{"1":[],"a":true,"b":null}`, map[string]any{"b": nil, "a": true, "1": []int{}})
	check(`[333333333.3333333,1e+30,4.5,0.002,1e-27]`, []float64{333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001})
	check(`[0,0.000001,1e-7,1e+21,100000000000000000000]`, []float64{0, 1e-6, 1e-7, 1e21, 1e20})
	check("\"\u20ac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/<\"", "\u20ac$\x0f\nA'B\"\\\\\"/<")
	check("{\"\u20ac\":1,\"\U0001f600\":2,\"\ufb33\":3}", map[string]int{"\ufb33": 3, "\U0001f600": 2, "\u20ac": 1})
	for _, n := range []uint64{1<<53 + 1, 1 << 60, 1<<64 - 1} {
		if _, err := Canonical(n); err == nil {
			t.Errorf("the integer %d has no form of its own and must be refused", n)
		}
	}
}

func TestObjectAppearsWholeOrNotAtAll(t *testing.T) {
	s := At(disk.OS, filepath.Join(t.TempDir(), "store"))
	if err := s.Make(); err != nil {
		t.Fatal(err)
	}
	key, input, err := KeyOf(map[string]string{"kind": "test"})
	if err != nil {
		t.Fatal(err)
	}
	fail := errors.New("no space left")
	if _, err := s.Put(key, input, func(w *Writer) error {
		w.WriteFile("half", writeBytes([]byte("x")))
		return fail
	}); !errors.Is(err, fail) {
		t.Fatalf("got %v", err)
	}
	if entries, _ := os.ReadDir(s.WorkDir(key)); len(entries) != 0 || s.Has(key) {
		t.Fatalf("a failed stage left %v", entries)
	}
	work, err := s.Work(key)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(work, LogName), []byte("took 3 s\n"), 0o666)
	o, err := s.Put(key, input, func(w *Writer) error { return w.WriteFile("table", writeBytes([]byte("rows"))) })
	if err != nil {
		t.Fatal(err)
	}
	if b, err := o.Read("table"); err != nil || string(b) != "rows" {
		t.Fatalf("%q, %v", b, err)
	}
	if err := o.Verify(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(o.Dir(), LogName)); err != nil {
		t.Error("the log is not kept")
	}
	if _, err := os.Stat(work); !os.IsNotExist(err) {
		t.Error("the work directory is left behind")
	}
	if keys, err := s.Keys(); err != nil || !cmp.Equal(keys, []Key{key}) {
		t.Errorf("Keys: %v, %v", keys, err)
	}
}

func TestDamageIsNamedAndSetAside(t *testing.T) {
	s := At(disk.OS, t.TempDir())
	key, input, _ := KeyOf("x")
	build := func(w *Writer) error { return w.WriteFile("w", writeBytes([]byte("good"))) }
	o, err := s.Put(key, input, build)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(o.Dir(), "w"), []byte("evil"), 0o666)
	var damaged *DamagedError
	if _, err := o.Read("w"); !errors.As(err, &damaged) || !strings.Contains(err.Error(), "w: its digest") {
		t.Fatalf("got %v", err)
	}
	os.WriteFile(filepath.Join(o.Dir(), "w"), []byte("shorter or longer"), 0o666)
	if _, err := s.Get(key); !errors.As(err, &damaged) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.SetAside(key); err != nil || s.Has(key) {
		t.Fatal("still there", err)
	}
	if _, err := s.Put(key, input, build); err != nil {
		t.Fatal(err)
	}
}

func TestDigestsFollowContent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "data")
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		os.Chtimes(path, when, when)
	}
	d := OpenDigests(disk.OS, dir)
	sum := func() string {
		t.Helper()
		s, err := d.File(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	write("one", time.Hour)
	first := sum()
	d.Save()
	d = OpenDigests(disk.OS, dir)
	if sum() != first {
		t.Error("the remembered digest differs")
	}
	write("two", 0) // same size, fresh
	if sum() == first {
		t.Error("a fresh change was not seen")
	}
	write("six", 0)
	if a := sum(); a == first {
		t.Error("a fresh change was not seen")
	}
}
