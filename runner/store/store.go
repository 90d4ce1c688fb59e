// Package store keeps finished stages by content key: the sha256 of the
// canonical JSON of everything that determines a stage's result. A stage that
// is in the store is never run again; what is read from it is checked against
// the digests recorded when it was written.
//
// It is not a cache with an eviction policy and it knows nothing of what the
// files mean. Most readers need [KeyOf] and [Store.Put].
//
// On disk, KEY/ holds the stage's files, input.json (the canonical JSON whose
// sha256 is KEY) and manifest.json (size and sha256 of each file). An object
// appears by one rename, so it is whole or absent. KEY.part/ belongs to a stage
// in progress (its checkpoints and log) and is removed when the object appears.
package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Key is a content key, 64 hexadecimal digits.
type Key string

// Short returns the first 12 digits, for people.
func (k Key) Short() string {
	if len(k) < 12 {
		return string(k)
	}
	return string(k[:12])
}

// KeyOf returns the content key of a stage's input: sha256 of its canonical
// JSON, which is returned too.
func KeyOf(input any) (Key, []byte, error) {
	b, err := Canonical(input)
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(b)
	return Key(hex.EncodeToString(sum[:])), b, nil
}

// Store is a directory of objects.
type Store struct {
	root string
}

// Open returns the store at root, making the directory if needed.
func Open(root string) (*Store, error) {
	if err := os.MkdirAll(root, 0o777); err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	return &Store{root: root}, nil
}

// At returns the store at root without creating it; it may be absent, and then
// holds nothing.
func At(root string) *Store { return &Store{root: root} }

// Root returns the store's directory.
func (s *Store) Root() string { return s.root }

// File is one entry of an object's manifest.
type File struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Object is a finished stage.
type Object struct {
	Key   Key
	Files map[string]File
	dir   string
}

// ErrAbsent reports that the store has no object with the key.
var ErrAbsent = errors.New("not in the store")

const (
	manifestName = "manifest.json"
	inputName    = "input.json"
	// LogName is the one file of an object that is not in its manifest: it holds
	// times and may differ between runs that agree in everything else.
	LogName = "log.txt"
)

// Has reports whether the object is there, by its manifest alone.
func (s *Store) Has(k Key) bool {
	_, err := os.Stat(filepath.Join(s.root, string(k), manifestName))
	return k != "" && err == nil
}

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
	o := &Object{Key: k, dir: dir}
	if err := json.Unmarshal(raw, &o.Files); err != nil {
		return nil, &DamagedError{Key: k, File: manifestName, Reason: err.Error()}
	}
	for name, f := range o.Files {
		if !filepath.IsLocal(name) {
			return nil, &DamagedError{Key: k, File: manifestName, Reason: fmt.Sprintf("file name %q leaves the object", name)}
		}
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Size() != f.Size {
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

// Read returns a file's contents after checking their digest.
func (o *Object) Read(name string) ([]byte, error) {
	f, ok := o.Files[name]
	if !ok {
		return nil, &DamagedError{Key: o.Key, File: name, Reason: "not in the manifest"}
	}
	b, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		return nil, fmt.Errorf("reading object %s: %w", o.Key.Short(), err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != f.SHA256 {
		return nil, &DamagedError{Key: o.Key, File: name, Reason: "its digest differs from the one recorded"}
	}
	return b, nil
}

// Verify checks the digest of every file, in name order.
func (o *Object) Verify() error {
	names := make([]string, 0, len(o.Files))
	for n := range o.Files {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		sum, _, err := hashFile(filepath.Join(o.dir, n))
		if err != nil {
			return fmt.Errorf("reading object %s: %w", o.Key.Short(), err)
		}
		if sum != o.Files[n].SHA256 {
			return &DamagedError{Key: o.Key, File: n, Reason: "its digest differs from the one recorded"}
		}
	}
	return nil
}

// SetAside moves a damaged object out of the way, so that it is built again.
func (s *Store) SetAside(k Key) error {
	for i := 0; ; i++ {
		to := filepath.Join(s.root, fmt.Sprintf("%s.damaged%d", k, i))
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		return os.Rename(filepath.Join(s.root, string(k)), to)
	}
}

// Work returns the directory of a stage in progress, which survives an
// interruption: the place of its checkpoints and log.
func (s *Store) Work(k Key) (string, error) {
	dir := filepath.Join(s.root, string(k)+".part")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("making stage directory: %w", err)
	}
	return dir, nil
}

// Put makes the object of a finished stage: build writes the stage's files into
// an empty directory, which then appears under the key by one rename. input is
// the canonical JSON of the key. The stage's Work directory is removed; its
// log is kept as LogName.
func (s *Store) Put(k Key, input []byte, build func(dir string) error) (*Object, error) {
	tmp, err := os.MkdirTemp(s.root, "tmp-")
	if err != nil {
		return nil, fmt.Errorf("writing object %s: %w", k.Short(), err)
	}
	defer os.RemoveAll(tmp)
	if err := build(tmp); err != nil {
		return nil, err
	}
	if err := s.seal(k, input, tmp); err != nil {
		return nil, fmt.Errorf("writing object %s: %w", k.Short(), err)
	}
	return s.Get(k)
}

func (s *Store) seal(k Key, input []byte, tmp string) error {
	if err := os.WriteFile(filepath.Join(tmp, inputName), append(input, '\n'), 0o666); err != nil {
		return err
	}
	files := map[string]File{}
	err := filepath.WalkDir(tmp, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sum, size, err := hashFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(tmp, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(rel)] = File{Size: size, SHA256: sum}
		return syncPath(path)
	})
	if err != nil {
		return err
	}
	manifest, err := Canonical(files)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, manifestName), append(manifest, '\n'), 0o666); err != nil {
		return err
	}
	if err := syncPath(filepath.Join(tmp, manifestName)); err != nil {
		return err
	}
	part := filepath.Join(s.root, string(k)+".part")
	if log, err := os.ReadFile(filepath.Join(part, LogName)); err == nil {
		if err := os.WriteFile(filepath.Join(tmp, LogName), log, 0o666); err != nil {
			return err
		}
	}
	if err := syncPath(tmp); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(s.root, string(k))); err != nil && !s.Has(k) {
		return err
	}
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	return syncPath(s.root)
}

// Keys lists the finished objects in order.
func (s *Store) Keys() ([]Key, error) {
	entries, err := os.ReadDir(s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing store: %w", err)
	}
	var keys []Key
	for _, e := range entries {
		if k := Key(e.Name()); len(k) == 64 && !strings.Contains(e.Name(), ".") && s.Has(k) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func hashFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
