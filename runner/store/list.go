package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"xrun/runner/disk"
)

// State says what an entry of a store's directory is.
type State string

// The states.
const (
	Finished State = "finished" // KEY, an object
	Part     State = "part"     // KEY.part, a stage in progress
	Damaged  State = "damaged"  // KEY.damagedN, set aside
	Locked   State = "lock"     // KEY.lock
	Leftover State = "leftover" // a temporary file of a process that was killed, or of one at work
	Memory   State = "memory"   // digests.json
	Foreign  State = "foreign"  // nothing of the store's
)

// Entry is what is under one name of a store's directory.
type Entry struct {
	Name     string
	State    State
	Key      Key
	Stage    string // the kind of stage, by its input.json; "" where there is none
	Size     int64
	Modified time.Time
	Dropped  []string // files of a finished object; see [Store.Drop]
	// Lingering is how much of Size is files that were to be dropped.
	Lingering int64
}

var entryName = regexp.MustCompile(`^([0-9a-f]{64})(|\.part|\.damaged[0-9]+|\.lock(\.takeover)*)$`)

// List lists a store's directory, in name order.
func (s *Store) List() ([]Entry, error) {
	entries, err := os.ReadDir(s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing store: %w", err)
	}
	var out []Entry
	for _, d := range entries {
		e, err := s.entry(d.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("listing store: %w", err)
		}
		out = append(out, e)
	}
	return out, nil
}

func (s *Store) entry(name string) (Entry, error) {
	e := Entry{Name: name, State: Foreign}
	path := filepath.Join(s.root, name)
	st, err := os.Lstat(path)
	if err != nil {
		return e, err
	}
	e.Modified = st.ModTime()
	if m := entryName.FindStringSubmatch(name); m != nil {
		e.Key = Key(m[1])
		switch {
		case m[2] == "":
			e.State = Finished
			if o, err := s.Get(e.Key); err == nil {
				e.Dropped, e.Lingering = o.Dropped, o.Lingering()
			}
		case m[2] == partSuffix:
			e.State = Part
		case strings.HasPrefix(m[2], damagedSuffix):
			e.State = Damaged
		default:
			e.State = Locked
		}
	} else if name == digestsName {
		e.State = Memory
	} else if strings.HasPrefix(name, ".") {
		e.State = Leftover
	}
	var input struct {
		Kind string `json:"kind"`
	}
	if raw, err := os.ReadFile(filepath.Join(path, inputName)); err == nil && json.Unmarshal(raw, &input) == nil {
		e.Stage = input.Kind
	}
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			e.Size += info.Size()
		}
		return err
	})
	return e, err
}

// Discard removes an entry. A finished object disappears by one rename.
func (s *Store) Discard(e Entry) error {
	if e.State == Finished {
		return s.Remove(e.Key)
	}
	if err := disk.RemoveAll(s.fs, filepath.Join(s.root, e.Name)); err != nil {
		return fmt.Errorf("removing %s: %w", e.Name, err)
	}
	return nil
}
