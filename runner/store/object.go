package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// File is one entry of an object's manifest.
type File struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Object is a finished stage.
type Object struct {
	Key   Key
	Files map[string]File
	// Digest is the sha256 of the manifest: one number for all that the stage
	// wrote, its log aside.
	Digest string
	// Dropped are the files that were removed on purpose; see [Store.Drop]. nil
	// where the object is whole.
	Dropped []string
	dir     string
}

// ErrAbsent reports that the store has no object with the key.
var ErrAbsent = errors.New("not in the store")

// Get opens an object after checking that every file has its recorded size.
// Contents are checked as they are read.
func (s *Store) Get(k Key) (*Object, error) {
	dir := filepath.Join(s.root, string(k))
	raw, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("object %s: %w", k.Short(), ErrAbsent)
	}
	if err != nil {
		return nil, fmt.Errorf("reading object %s: %w", k.Short(), err)
	}
	o := &Object{Key: k, dir: dir, Digest: hexSum(raw)}
	if err := json.Unmarshal(raw, &o.Files); err != nil {
		return nil, &DamagedError{Key: k, File: manifestName, Reason: err.Error()}
	}
	for name := range o.Files {
		if !filepath.IsLocal(name) {
			return nil, &DamagedError{Key: k, File: manifestName, Reason: fmt.Sprintf("file name %q leaves the object", name)}
		}
	}
	if err := o.readDropped(); err != nil {
		return nil, err
	}
	for _, name := range o.names() {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Size() != o.Files[name].Size {
			return nil, &DamagedError{Key: k, File: name, Reason: "missing or of another size than recorded"}
		}
	}
	return o, nil
}

// DamagedError says that a stored object is not what was written.
type DamagedError struct {
	Key          Key
	File, Reason string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("stored object %s is damaged: %s: %s", e.Key.Short(), e.File, e.Reason)
}

// Dir returns the object's directory, for readers of files too large to hold;
// they should call Verify first.
func (o *Object) Dir() string { return o.dir }

// Size returns the bytes of the object's files.
func (o *Object) Size() (n int64) {
	for _, name := range o.names() {
		n += o.Files[name].Size
	}
	return n
}

// names lists the files that are there, in order.
func (o *Object) names() []string {
	names := slices.Sorted(maps.Keys(o.Files))
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(o.Dropped, n) })
}

// ErrDropped reports that a file was removed on purpose.
var ErrDropped = errors.New("dropped")

const changed = "its digest differs from the one recorded"

// Read returns a file's contents after checking their digest.
func (o *Object) Read(name string) ([]byte, error) {
	f, ok := o.Files[name]
	if !ok {
		return nil, &DamagedError{Key: o.Key, File: name, Reason: "not in the manifest"}
	}
	if slices.Contains(o.Dropped, name) {
		return nil, fmt.Errorf("reading %s of object %s: %w", name, o.Key.Short(), ErrDropped)
	}
	b, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		return nil, fmt.Errorf("reading object %s: %w", o.Key.Short(), err)
	}
	if hexSum(b) != f.SHA256 {
		return nil, &DamagedError{Key: o.Key, File: name, Reason: changed}
	}
	return b, nil
}

// Verify checks the digests of the named files. Without names it checks all that
// were not dropped, and that input.json is what the key is the digest of.
func (o *Object) Verify(names ...string) error {
	if len(names) == 0 {
		names = o.names()
		raw, err := os.ReadFile(filepath.Join(o.dir, inputName))
		if err != nil || len(o.Key) == 64 && hexSum(bytes.TrimSuffix(raw, []byte("\n"))) != string(o.Key) {
			return &DamagedError{Key: o.Key, File: inputName, Reason: "its digest is not the key"}
		}
	}
	for _, n := range names {
		f, ok := o.Files[n]
		if !ok {
			return &DamagedError{Key: o.Key, File: n, Reason: "not in the manifest"}
		}
		sum, err := hashFile(filepath.Join(o.dir, n))
		if err != nil {
			return fmt.Errorf("reading object %s: %w", o.Key.Short(), err)
		}
		if sum != f.SHA256 {
			return &DamagedError{Key: o.Key, File: n, Reason: changed}
		}
	}
	return nil
}
