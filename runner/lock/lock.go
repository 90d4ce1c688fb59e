// Package lock lets one process at a time work on something, across processes
// and across machines that share a directory.
//
// It is not flock, which many network file systems do not carry from one client
// to another, and which says nothing of the holder. A lock is a file that says
// who holds it; it comes to be by link(2), which succeeds for one of several
// contenders on every file system, NFS included, and is complete from its first
// moment. Most readers need [Locker.Acquire] and, of its result, [Lock.Release].
//
// # When a holder is dead
//
// The holder touches its lock every [Locker.Beat]. A contender in the same
// running system (host name, boot id and process namespace agree) asks it for
// the process, by number and start time, and knows at once. Any other contender
// watches the file: when nothing about it changes for [Locker.Patience], as
// measured by the contender's own clock, the holder is taken for dead. Clocks of
// two machines are never compared.
//
// Whoever takes over replaces the file in one step, holding a lock of the same
// kind on that right, so two cannot do it at once. A holder that was only stalled
// finds at its next beat that the lock is no longer its own; see [Lock.Lost].
// Work that a lock guards should still be harmless if done twice, as finished
// stages and checkpoints are: they appear under their content's key by one
// rename, with the same bytes.
package lock

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"xrun/runner/disk"
)

// Holder says who holds a lock.
type Holder struct {
	Host string `json:"host"`
	PID  int    `json:"pid"`
	// Start identifies the process among those that had its number; Boot and
	// Space identify the running system. Empty where the system does not tell.
	Start string `json:"start,omitempty"`
	Boot  string `json:"boot,omitempty"`
	Space string `json:"space,omitempty"`
	Since string `json:"since"` // RFC 3339
	Token string `json:"token"` // of this holding
	// Note says what the holder is doing.
	Note string `json:"note,omitempty"`
}

func (h Holder) String() string {
	s := fmt.Sprintf("process %d on %s since %s", h.PID, h.Host, h.Since)
	if h.Note != "" {
		s += " (" + h.Note + ")"
	}
	return s
}

// HeldError says that another process holds a lock.
type HeldError struct {
	Path string
	Holder
	// Unsure is set where the holder is in another system and was not watched
	// long enough to tell whether it lives.
	Unsure bool
}

func (e *HeldError) Error() string { return "in use by " + e.Holder.String() }

// ErrLost says that a lock was taken over by another process.
var ErrLost = errors.New("the lock was taken over by another process")

// Locker makes locks.
type Locker struct {
	FS disk.FS
	// Beat is the time between two signs of life.
	Beat time.Duration
	// Patience is how long a file must stay as it is for its holder to be dead; with
	// 0 one that cannot be asked counts as living.
	Patience time.Duration
}

// New returns a locker with the default times: a beat every 5 seconds, patience
// of 30.
func New(fsys disk.FS) Locker {
	return Locker{FS: fsys, Beat: 5 * time.Second, Patience: 30 * time.Second}
}

// Lock is a lock held by this process.
type Lock struct {
	path   string
	mine   Holder
	locker Locker
	stop   chan struct{}
	done   sync.WaitGroup
	lost   chan struct{}
	once   sync.Once // closes lost
}

// Acquire takes the lock at path. If a living process holds it the error is a
// [*HeldError]. If the holder cannot be asked, Acquire watches it for Patience
// first, and calls waiting, if not nil, before it does. note says what the lock
// is for. The end of ctx ends the watching with ctx's error.
func (l Locker) Acquire(ctx context.Context, path, note string, waiting func(Holder)) (*Lock, error) {
	return l.acquire(ctx, path, note, waiting, 0)
}

func (l Locker) acquire(ctx context.Context, path, note string, waiting func(Holder), depth int) (*Lock, error) {
	mine := self(note)
	for range 100 {
		err := l.place(path, mine)
		if err == nil {
			l.sweep(path)
			return l.held(path, mine), nil
		}
		if errors.Is(err, errChanged) {
			continue
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		old, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // released meanwhile
		}
		if err != nil {
			return nil, err
		}
		dead, err := l.dead(ctx, path, old, waiting)
		if errors.Is(err, errChanged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !dead || depth > 2 {
			return nil, &HeldError{Path: path, Holder: old, Unsure: !sameSystem(old, mine)}
		}
		if err := l.takeOver(ctx, path, old, mine, depth); err == nil {
			l.sweep(path)
			return l.held(path, mine), nil
		} else if !errors.Is(err, errChanged) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("locking %s: other processes keep taking the lock", path)
}

// errChanged says that a lock is not the one that was judged any more.
var errChanged = errors.New("the lock changed hands")

// place puts the lock file there if none is, with its contents complete.
func (l Locker) place(path string, mine Holder) error {
	tmp, err := l.write(path, mine)
	if err != nil {
		return err
	}
	defer l.FS.Remove(tmp)
	err = l.FS.Link(tmp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		// A network file system may lose the answer to a link that succeeded and
		// report the retry's failure: the file then says that it is ours.
		if got, rerr := read(path); err != nil && rerr == nil && got.Token == mine.Token {
			return nil
		}
		return err
	}
	if _, serr := os.Lstat(path); serr == nil {
		return fs.ErrExist
	}
	if _, serr := os.Lstat(tmp); errors.Is(serr, fs.ErrNotExist) {
		return errChanged // swept by one who held the lock meanwhile
	}
	// Without hard links, an exclusive creation has to do.
	f, cerr := l.FS.Create(path)
	if cerr != nil {
		if errors.Is(cerr, fs.ErrExist) {
			return fs.ErrExist
		}
		return errors.Join(err, cerr)
	}
	if err := fill(f, mine); err != nil {
		l.FS.Remove(path)
		return err
	}
	return nil
}

// sweep removes what killed contenders left of their locks. One that lives and
// loses its file so tries again.
func (l Locker) sweep(path string) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".*"))
	for _, p := range left {
		l.FS.Remove(p)
	}
}

// write writes a complete lock under a name of its own beside path.
func (l Locker) write(path string, h Holder) (tmp string, err error) {
	tmp = filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%s", filepath.Base(path), h.Token))
	f, err := l.FS.Create(tmp)
	if err != nil {
		return "", err
	}
	if err := fill(f, h); err != nil {
		l.FS.Remove(tmp)
		return "", err
	}
	return tmp, nil
}

func fill(f disk.File, h Holder) error {
	b, err := json.Marshal(h)
	if err == nil {
		_, err = f.Write(append(b, '\n'))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// takeOver replaces a dead holder's lock by ours.
func (l Locker) takeOver(ctx context.Context, path string, old, mine Holder, depth int) error {
	right, err := l.acquire(ctx, path+".takeover", "takes over "+filepath.Base(path), nil, depth+1)
	if err != nil {
		var held *HeldError
		if errors.As(err, &held) {
			time.Sleep(10 * time.Millisecond)
			return errChanged
		}
		return err
	}
	defer right.Release()
	if now, err := read(path); err != nil || now.Token != old.Token {
		return errChanged
	}
	tmp, err := l.write(path, mine)
	if err != nil {
		return fmt.Errorf("locking %s: %w", path, err)
	}
	if err := l.FS.Rename(tmp, path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return errChanged
		}
		l.FS.Remove(tmp)
		return fmt.Errorf("locking %s: %w", path, err)
	}
	return nil
}

// read returns who holds the lock at path; fs.ErrNotExist if nobody does.
func read(path string) (Holder, error) {
	var h Holder
	raw, err := readSmall(path)
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(raw, &h); err != nil || h.Token == "" {
		// Another form, or one cut short where no link is to be had: nobody can be
		// asked, but its life can be watched.
		return Holder{Host: "an unknown host", Since: "an unknown time", Token: "?" + string(raw)}, nil
	}
	return h, nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<16))
}

// dead reports whether a lock's holder is known to be gone.
func (l Locker) dead(ctx context.Context, path string, h Holder, waiting func(Holder)) (bool, error) {
	if sameSystem(h, self("")) {
		return !running(h), nil
	}
	if l.Patience <= 0 {
		return false, nil
	}
	if waiting != nil {
		waiting(h)
	}
	first, err := freshStat(path)
	if err != nil {
		return false, errChanged
	}
	// Looks are counted, not time: of a machine that slept meanwhile, the clock
	// says nothing about how often the holder could have been seen alive.
	between := min(l.Patience/10, time.Second)
	for range int(l.Patience / max(between, 1)) {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(between):
		}
		now, err := freshStat(path)
		if err != nil || !os.SameFile(first, now) {
			return false, errChanged
		}
		if !now.ModTime().Equal(first.ModTime()) || now.Size() != first.Size() {
			return false, nil
		}
	}
	return true, nil
}

// freshStat opens the file before it asks: a network file system answers a bare
// stat from a cache that may be a minute old.
func freshStat(path string) (os.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// sameSystem reports whether two holders are processes of one running system,
// so that one can be asked for the other.
func sameSystem(a, b Holder) bool { return a.Host == b.Host && a.Boot == b.Boot && a.Space == b.Space }

func self(note string) Holder {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return Holder{
		Host: host, PID: os.Getpid(), Start: startOf(os.Getpid()), Boot: bootID(), Space: processSpace(),
		Since: time.Now().UTC().Format(time.RFC3339), Token: rand.Text(), Note: note,
	}
}

// running reports whether the process of a holder in this system still runs.
func running(h Holder) bool {
	if !exists(h.PID) {
		return false
	}
	return h.Start == "" || h.Start == startOf(h.PID)
}

// held starts the beats of a lock just taken.
func (l Locker) held(path string, mine Holder) *Lock {
	k := &Lock{path: path, mine: mine, locker: l, stop: make(chan struct{}), lost: make(chan struct{})}
	if l.Beat <= 0 {
		return k
	}
	k.done.Go(func() {
		t := time.NewTicker(l.Beat)
		defer t.Stop()
		for {
			select {
			case <-k.stop:
				return
			case now := <-t.C:
				if k.check() != nil {
					return
				}
				// Any change of the time will do; whose clock it is does not matter.
				_ = os.Chtimes(path, time.Time{}, now)
			}
		}
	})
	return k
}

// Lost returns a channel that is closed when the lock turns out to have been taken
// over by another process.
func (k *Lock) Lost() <-chan struct{} { return k.lost }

// check returns ErrLost if the lock was taken over.
func (k *Lock) check() error {
	if now, err := read(k.path); errors.Is(err, fs.ErrNotExist) || err == nil && now.Token != k.mine.Token {
		k.once.Do(func() { close(k.lost) })
	}
	select {
	case <-k.lost:
		return fmt.Errorf("%s: %w", k.path, ErrLost)
	default:
		return nil
	}
}

// Release gives the lock back, unless it was taken over.
func (k *Lock) Release() error {
	close(k.stop)
	k.done.Wait()
	if k.check() != nil {
		return nil
	}
	return k.locker.FS.Remove(k.path)
}

// State says of a lock who holds it and whether that is known to be over. held
// is false where there is no lock.
func State(path string) (h Holder, held, dead bool) {
	h, err := read(path)
	if err != nil {
		return h, false, false
	}
	if sameSystem(h, self("")) {
		return h, true, !running(h)
	}
	return h, true, false
}
