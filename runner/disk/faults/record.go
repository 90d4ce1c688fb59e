package faults

import (
	"fmt"
	"path/filepath"
	"sync"

	"xrun/runner/disk"
)

// Op is one operation that succeeded.
type Op struct {
	Kind Kind
	Path string // relative to the recorder's root; of a file's operations, the name it was opened by
	To   string // of Rename and Link
	Data []byte // of Write
	file int    // which opened file
}

func (o Op) String() string {
	switch o.Kind {
	case Rename, Link:
		return fmt.Sprintf("%v %s %s", o.Kind, o.Path, o.To)
	case Write:
		return fmt.Sprintf("%v %s %d bytes", o.Kind, o.Path, len(o.Data))
	}
	return fmt.Sprintf("%v %s", o.Kind, o.Path)
}

// Recorder carries out operations below a directory and remembers them in
// their order.
type Recorder struct {
	root string
	mu   sync.Mutex
	ops  []Op
	open int
}

// Record returns a recorder of the operations below root, an existing directory
// that is empty.
func Record(root string) *Recorder { return &Recorder{root: root} }

// Ops returns the operations so far.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ops[:len(r.ops):len(r.ops)]
}

// do carries out an operation and notes it if it succeeded. One at a time, so
// that the order noted is the order done.
func (r *Recorder) do(o Op, act func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := act(); err != nil {
		return err
	}
	for _, p := range []*string{&o.Path, &o.To} {
		if *p == "" {
			continue
		}
		rel, err := filepath.Rel(r.root, *p)
		if err != nil || !filepath.IsLocal(rel) {
			return nil // elsewhere: its fate is not ours
		}
		*p = rel
	}
	r.ops = append(r.ops, o)
	return nil
}

// Create implements disk.FS.
func (r *Recorder) Create(path string) (disk.File, error) {
	return r.file(Create, path, disk.OS.Create)
}

// Append implements disk.FS.
func (r *Recorder) Append(path string) (disk.File, error) {
	return r.file(Append, path, disk.OS.Append)
}

func (r *Recorder) file(k Kind, path string, open func(string) (disk.File, error)) (disk.File, error) {
	f := &recordedFile{r: r, path: path}
	r.mu.Lock()
	r.open++
	f.id = r.open
	r.mu.Unlock()
	err := r.do(Op{Kind: k, Path: path, file: f.id}, func() (err error) {
		f.file, err = open(path)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Mkdir implements disk.FS.
func (r *Recorder) Mkdir(path string) error {
	return r.do(Op{Kind: Mkdir, Path: path}, func() error { return disk.OS.Mkdir(path) })
}

// Rename implements disk.FS.
func (r *Recorder) Rename(from, to string) error {
	return r.do(Op{Kind: Rename, Path: from, To: to}, func() error { return disk.OS.Rename(from, to) })
}

// Link implements disk.FS.
func (r *Recorder) Link(from, to string) error {
	return r.do(Op{Kind: Link, Path: from, To: to}, func() error { return disk.OS.Link(from, to) })
}

// Remove implements disk.FS.
func (r *Recorder) Remove(path string) error {
	return r.do(Op{Kind: Remove, Path: path}, func() error { return disk.OS.Remove(path) })
}

// SyncDir implements disk.FS. Nothing is synced in fact: what would be lost is
// worked out from the record.
func (r *Recorder) SyncDir(path string) error {
	return r.do(Op{Kind: SyncDir, Path: path}, func() error { return nil })
}

type recordedFile struct {
	r    *Recorder
	file disk.File
	path string
	id   int
}

func (f *recordedFile) Write(p []byte) (n int, err error) {
	err = f.r.do(Op{Kind: Write, Path: f.path, Data: append([]byte(nil), p...), file: f.id}, func() error {
		n, err = f.file.Write(p)
		return err
	})
	return n, err
}

func (f *recordedFile) Sync() error {
	return f.r.do(Op{Kind: Sync, Path: f.path, file: f.id}, func() error { return nil })
}

func (f *recordedFile) Close() error { return f.file.Close() }
