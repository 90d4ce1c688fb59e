package store

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xrun/runner/disk"
)

// FuzzManifest opens objects whose manifest and input anyone may have written: it
// reads nothing outside the object, whatever names the manifest has.
func FuzzManifest(f *testing.F) {
	sum := strings.Repeat("0", 64)
	f.Add([]byte(`{"a":{"size":1,"sha256":"`+sum+`"}}`), []byte(`{"kind":"train"}`))
	f.Add([]byte(`{"../outside":{"size":1,"sha256":"`+sum+`"}}`), []byte(`{}`))
	f.Add([]byte(`{"/etc/passwd":{"size":-1,"sha256":""}}`), []byte(``))
	f.Add([]byte(`[`), []byte(`null`))
	root := f.TempDir()
	k := Key(strings.Repeat("a", 64))
	dir := filepath.Join(root, string(k))
	if err := os.Mkdir(dir, 0o777); err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "a"), filepath.Join(root, "outside")} {
		if err := os.WriteFile(path, []byte("x"), 0o666); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, manifest, input []byte) {
		for name, b := range map[string][]byte{manifestName: manifest, inputName: input} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		o, err := At(disk.OS, root).Get(k)
		if err != nil {
			return
		}
		o.Verify()
		for name := range o.Files {
			if !filepath.IsLocal(name) {
				t.Errorf("the manifest's file %q leaves the object", name)
			}
			o.Read(name)
		}
	})
}

// FuzzDropped drops files of objects whose mark anyone may have written: nothing
// but files of the object goes, and never its input or manifest.
func FuzzDropped(f *testing.F) {
	f.Add([]byte(`["weights"]`))
	f.Add([]byte(`["../outside"]`))
	f.Add([]byte(`["input.json","weights"]`))
	f.Add([]byte(`["weights",null]`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, mark []byte) {
		root := t.TempDir()
		s := At(disk.OS, filepath.Join(root, "store"))
		key, o, err := putPair(t, s, "good")
		if err != nil {
			t.Fatal(err)
		}
		outside := filepath.Join(root, "store", "outside")
		for path, b := range map[string][]byte{outside: []byte("x"), filepath.Join(o.Dir(), droppedName): mark} {
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if ok, err := s.Drop(key, []string{"weights"}, never); err == nil {
			if after, err := s.Get(key); !ok || err != nil || after.Verify() != nil || after.Digest != o.Digest {
				t.Errorf("%q: %v, %v", mark, ok, err)
			}
		}
		for _, path := range []string{outside, filepath.Join(o.Dir(), inputName), filepath.Join(o.Dir(), manifestName)} {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%q removed %s", mark, filepath.Base(path))
			}
		}
	})
}

// FuzzCanonical: what is canonical stays as it is.
func FuzzCanonical(f *testing.F) {
	f.Add([]byte(`{"b":[1e3,-0,0.1],"a":"\u20ac\n","\ud83d\ude00":null}`))
	f.Add([]byte(`9007199254740993`))
	f.Add([]byte(`[9007199254740992,1152921504606846976]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		once, err := Canonical(json.RawMessage(b))
		if err != nil {
			return
		}
		twice, err := Canonical(json.RawMessage(once))
		if err != nil || string(twice) != string(once) {
			t.Errorf("%s became %s: %v", once, twice, err)
		}
	})
}

// FuzzDigests: a memory of digests that is damaged is empty, or as it was.
func FuzzDigests(f *testing.F) {
	f.Add([]byte(`{"1:2:3:4":"` + strings.Repeat("0", 64) + `"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "digests.json")
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDigests(disk.OS, path).File(path); err != nil {
			t.Error(err)
		}
	})
}
