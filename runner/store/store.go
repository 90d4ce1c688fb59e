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
// or absent, after a loss of power too. Files may be dropped from it, which
// dropped.json says before the first of them goes; see [Store.Drop]. Beside it:
//
//	KEY.part/      a stage in progress: its checkpoints, its log, and the object
//	               while it is being written (tmp-*)
//	KEY.lock       who works on it; see package lock
//	KEY.damagedN/  an object that was not what had been written, set aside
//	digests.json   sha256 of input files by identity; see [Digests]
package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
// in its work directory; there too while dropped files are made again.
func (s *Store) LogPath(k Key) string {
	work := filepath.Join(s.WorkDir(k), LogName)
	if _, err := os.Stat(work); err != nil && s.Has(k) {
		return filepath.Join(s.Path(k, ""), LogName)
	}
	return work
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
		if k := Key(e.Name()); k.Valid() && s.Has(k) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}
