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
// appears by one rename of a directory whose files are durable, so it is whole
// or absent, after a loss of power too. Beside it:
//
//	KEY.part/      a stage in progress: its checkpoints, its log, and the object
//	               while it is being written (tmp-*)
//	KEY.lock       who works on it; see package lock
//	KEY.damagedN/  an object that was not what had been written, set aside
//	digests.json   sha256 of input files by identity; see [Digests]
package store

import (
	"bytes"
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

	"xrun/runner/disk"
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

// Valid reports whether k has the form of a content key.
func (k Key) Valid() bool {
	_, err := hex.DecodeString(string(k))
	return len(k) == 2*sha256.Size && err == nil && strings.ToLower(string(k)) == string(k)
}

// KeyOf returns the content key of a stage's input: sha256 of its canonical
// JSON, which is returned too.
func KeyOf(input any) (Key, []byte, error) {
	b, err := Canonical(input)
	if err != nil {
		return "", nil, err
	}
	return KeyOfCanonical(b), b, nil
}

// KeyOfCanonical returns the content key of canonical JSON.
func KeyOfCanonical(b []byte) Key { return Key(hexSum(b)) }

// Store is a directory of objects.
type Store struct {
	fs   disk.FS
	root string
}

// At returns the store at root without making it; it may be absent, and then
// holds nothing.
func At(fsys disk.FS, root string) *Store { return &Store{fs: fsys, root: root} }

// Make makes the store's directory if it is not there.
func (s *Store) Make() error {
	if err := disk.MkdirAll(s.fs, s.root); err != nil {
		return fmt.Errorf("making the store: %w", err)
	}
	return nil
}

// Root returns the store's directory.
func (s *Store) Root() string { return s.root }

// Path returns where a key's object is, with a suffix such as ".lock".
func (s *Store) Path(k Key, suffix string) string { return filepath.Join(s.root, string(k)+suffix) }

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
	dir    string
}

// ErrAbsent reports that the store has no object with the key.
var ErrAbsent = errors.New("not in the store")

const (
	manifestName = "manifest.json"
	inputName    = "input.json"
	// LogName is the one file of an object that is not in its manifest: it holds
	// times and may differ between runs that agree in everything else.
	LogName = "log.txt"

	partSuffix    = ".part"
	damagedSuffix = ".damaged"
	digestsName   = "digests.json"
	// LockSuffix is the ending of a stage's lock.
	LockSuffix = ".lock"
	tmpPrefix  = "tmp-"
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
	o := &Object{Key: k, dir: dir, Digest: hexSum(raw)}
	if err := json.Unmarshal(raw, &o.Files); err != nil {
		return nil, &DamagedError{Key: k, File: manifestName, Reason: err.Error()}
	}
	for _, name := range o.names() {
		if !filepath.IsLocal(name) {
			return nil, &DamagedError{Key: k, File: manifestName, Reason: fmt.Sprintf("file name %q leaves the object", name)}
		}
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
	for _, f := range o.Files {
		n += f.Size
	}
	return n
}

func (o *Object) names() []string {
	names := make([]string, 0, len(o.Files))
	for n := range o.Files {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

const changed = "its digest differs from the one recorded"

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
	if hexSum(b) != f.SHA256 {
		return nil, &DamagedError{Key: o.Key, File: name, Reason: changed}
	}
	return b, nil
}

// Verify checks the digests of the named files. Without names it checks all of
// them, and that input.json is what the key is the digest of.
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

// SetAside moves a damaged object out of the way, so that it is built again. It
// returns where to.
func (s *Store) SetAside(k Key) (string, error) {
	for i := 0; ; i++ {
		to := s.Path(k, fmt.Sprint(damagedSuffix, i))
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		if err := s.fs.Rename(s.Path(k, ""), to); err != nil {
			return "", fmt.Errorf("setting object %s aside: %w", k.Short(), err)
		}
		return to, s.fs.SyncDir(s.root)
	}
}

// Work returns the directory of a stage in progress, which survives an
// interruption: the place of its checkpoints and log.
func (s *Store) Work(k Key) (string, error) {
	dir := s.Path(k, partSuffix)
	if err := disk.MkdirAll(s.fs, dir); err != nil {
		return "", fmt.Errorf("making stage directory: %w", err)
	}
	return dir, nil
}

// WorkDir returns where Work makes the directory, without making it.
func (s *Store) WorkDir(k Key) string { return s.Path(k, partSuffix) }

// LogPath returns where a stage's log is: in its object if it is finished, else
// in its work directory.
func (s *Store) LogPath(k Key) string {
	if s.Has(k) {
		return filepath.Join(s.Path(k, ""), LogName)
	}
	return filepath.Join(s.WorkDir(k), LogName)
}

// Remove removes a finished object; one that is not there is no error. It
// disappears by one rename, so it is never seen in part.
func (s *Store) Remove(k Key) error {
	if _, err := os.Lstat(s.Path(k, "")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	tmp, err := s.temporary(k)
	if err != nil {
		return fmt.Errorf("removing object %s: %w", k.Short(), err)
	}
	if err := s.fs.Rename(s.Path(k, ""), filepath.Join(tmp, "gone")); err != nil {
		return fmt.Errorf("removing object %s: %w", k.Short(), err)
	}
	return disk.RemoveAll(s.fs, s.WorkDir(k))
}

// Sweep removes what a killed process left of a stage's object while writing it.
// The stage's lock must be held.
func (s *Store) Sweep(k Key) error {
	entries, err := os.ReadDir(s.WorkDir(k))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sweeping: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tmpPrefix) {
			if err := disk.RemoveAll(s.fs, filepath.Join(s.WorkDir(k), e.Name())); err != nil {
				return fmt.Errorf("sweeping: %w", err)
			}
		}
	}
	return nil
}

// Writer takes the files of an object being made and digests them on their way
// to the disk.
type Writer struct {
	fs    disk.FS
	dir   string
	files map[string]File
}

// WriteFile makes the file name from what write writes.
func (w *Writer) WriteFile(name string, write func(io.Writer) error) error {
	return w.writeFile(name, write, disk.WriteNew)
}

// WriteUncached is WriteFile for a large file that will hardly be read; see
// [disk.WriteUncached].
func (w *Writer) WriteUncached(name string, write func(io.Writer) error) error {
	return w.writeFile(name, write, disk.WriteUncached)
}

func (w *Writer) writeFile(name string, write func(io.Writer) error, to func(disk.FS, string, func(io.Writer) error) error) error {
	h := &digester{sum: sha256.New()}
	err := to(w.fs, filepath.Join(w.dir, filepath.FromSlash(name)), func(f io.Writer) error {
		h.to = f
		return write(h)
	})
	if err == nil {
		w.files[name] = File{Size: h.size, SHA256: hex.EncodeToString(h.sum.Sum(nil))}
	}
	return err
}

// Put makes the object of a finished stage: build writes the stage's files,
// which then appear under the key by one rename. input is the canonical JSON of
// the key. The stage's Work directory is removed; its log is kept as LogName.
// An object that another process put there first is kept: it has the same files.
func (s *Store) Put(k Key, input []byte, build func(*Writer) error) (*Object, error) {
	if s.Has(k) {
		return s.Get(k)
	}
	tmp, err := s.temporary(k)
	if err != nil {
		return nil, fmt.Errorf("writing object %s: %w", k.Short(), err)
	}
	defer disk.RemoveAll(s.fs, tmp) // what is left of it after an error
	w := &Writer{fs: s.fs, dir: tmp, files: map[string]File{}}
	if err := build(w); err != nil {
		return nil, err
	}
	if err := s.seal(k, input, w); err != nil {
		return nil, fmt.Errorf("writing object %s: %w", k.Short(), err)
	}
	return s.Get(k)
}

// temporary makes an empty directory in a stage's work directory.
func (s *Store) temporary(k Key) (string, error) {
	work, err := s.Work(k)
	if err != nil {
		return "", err
	}
	for i := 0; ; i++ {
		dir := filepath.Join(work, fmt.Sprintf("%s%d.%d", tmpPrefix, os.Getpid(), i))
		err := s.fs.Mkdir(dir)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
}

// seal completes an object's directory and gives it its name. The order is what
// makes it whole after a loss of power: every file is durable, then the names in
// the directory, then the directory's own name; only then its checkpoints go.
func (s *Store) seal(k Key, input []byte, w *Writer) error {
	if err := w.WriteFile(inputName, writeBytes(append(input, '\n'))); err != nil {
		return err
	}
	manifest, err := Canonical(w.files)
	if err != nil {
		return err
	}
	part := s.WorkDir(k)
	if log, err := os.ReadFile(filepath.Join(part, LogName)); err == nil {
		if err := w.WriteFile(LogName, writeBytes(log)); err != nil {
			return err
		}
	}
	if err := w.WriteFile(manifestName, writeBytes(append(manifest, '\n'))); err != nil {
		return err
	}
	dirs := map[string]bool{w.dir: true}
	for name := range w.files {
		dirs[filepath.Dir(filepath.Join(w.dir, filepath.FromSlash(name)))] = true
	}
	for d := range dirs {
		if err := s.fs.SyncDir(d); err != nil {
			return err
		}
	}
	if err := s.fs.Rename(w.dir, s.Path(k, "")); err != nil && !s.Has(k) {
		return err
	}
	if err := s.fs.SyncDir(s.root); err != nil {
		return err
	}
	return disk.RemoveAll(s.fs, part)
}

func writeBytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// Names returns the names of everything in the store's directory: a quick look
// at what may be finished. A store that cannot be read holds nothing.
func (s *Store) Names() map[string]bool {
	names := map[string]bool{}
	entries, _ := os.ReadDir(s.root)
	for _, e := range entries {
		names[e.Name()] = true
	}
	return names
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
