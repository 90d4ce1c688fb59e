package store

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"xrun/runner/disk"
)

// Digests remembers the sha256 of files by device, inode, size and modification
// time, so that planning does not read gigabytes of weights again. A file
// modified within the last two seconds is not remembered: it could change again
// within the clock's grain.
type Digests struct {
	fs      disk.FS
	path    string
	mu      sync.Mutex
	known   map[string]string
	changed bool
}

// OpenDigests reads the memory kept in a store's directory; an absent or
// unreadable one is empty. Without a root nothing is kept.
func OpenDigests(fsys disk.FS, root string) *Digests {
	d := &Digests{fs: fsys, known: map[string]string{}}
	if root == "" {
		return d
	}
	path := filepath.Join(root, digestsName)
	d.path = path
	if raw, err := os.ReadFile(path); err == nil {
		if json.Unmarshal(raw, &d.known) != nil || d.known == nil {
			d.known = map[string]string{}
		}
	}
	return d
}

// File returns the sha256 of the file at path in hexadecimal.
func (d *Digests) File(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	id := fileIdentity(st)
	settled := time.Since(st.ModTime()) > 2*time.Second
	if id != "" && settled {
		d.mu.Lock()
		sum, ok := d.known[id]
		d.mu.Unlock()
		if ok {
			return sum, nil
		}
	}
	sum, err := hashFile(path)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	if id != "" && settled {
		d.mu.Lock()
		d.known[id], d.changed = sum, true
		d.mu.Unlock()
	}
	return sum, nil
}

// Recall returns what was remembered under a name of 64 hexadecimal digits,
// which determines it.
func (d *Digests) Recall(name string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text, ok := d.known["of "+name]
	return text, ok
}

// Remember keeps something short that took work to find, such as a digest, under
// a name that determines it.
func (d *Digests) Remember(name, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known["of "+name], d.changed = text, true
}

// Save writes the memory back if it grew. It is only a memory: failing to write
// it is not an error.
func (d *Digests) Save() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.changed || d.path == "" {
		return
	}
	raw, err := Canonical(d.known)
	if err != nil {
		return
	}
	if _, err := os.Stat(filepath.Dir(d.path)); err != nil {
		return // planning makes no store
	}
	if disk.WriteFile(d.fs, d.path, writeBytes(append(raw, '\n'))) == nil {
		d.changed = false
	}
}
