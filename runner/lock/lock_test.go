package lock_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"xrun/runner/disk"
	"xrun/runner/lock"
)

// asHolder makes the test binary take the lock it names, say so, and hold it
// until its standard input ends.
const asHolder = "XRUN_TEST_HOLD_LOCK"

func TestMain(m *testing.M) {
	path := os.Getenv(asHolder)
	if path == "" {
		os.Exit(m.Run())
	}
	k, err := lock.New(disk.OS).Acquire(context.Background(), path, "a test", nil)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("held")
	bufio.NewReader(os.Stdin).ReadString('\n')
	k.Release()
	os.Exit(0)
}

// holder starts a process that holds the lock.
func holder(t *testing.T, path string) (c *exec.Cmd, release func()) {
	t.Helper()
	c = exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asHolder+"="+path)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return c, func() { in.Close(); c.Wait() }
}

func TestSecondProcessLearnsWhoHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	c, release := holder(t, path)
	_, err := lock.New(disk.OS).Acquire(context.Background(), path, "", nil)
	var held *lock.HeldError
	if !errors.As(err, &held) || held.PID != c.Process.Pid || held.Note != "a test" {
		t.Fatalf("got %v", err)
	}
	host, _ := os.Hostname()
	if want := fmt.Sprintf("in use by process %d on %s since 20", c.Process.Pid, host); !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v\nwant %s...", err, want)
	}
	release()
	k, err := lock.New(disk.OS).Acquire(context.Background(), path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Release(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// A killed process's lock is taken over at once: by one of many who try.
func TestOneOfManyTakesOverADeadHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	for round := range 5 {
		c, _ := holder(t, path)
		c.Process.Kill() // and not yet waited for: a zombie holds nothing
		time.Sleep(10 * time.Millisecond)
		var wg sync.WaitGroup
		var mu sync.Mutex
		var got []*lock.Lock
		began := time.Now()
		for range 20 {
			wg.Go(func() {
				k, err := lock.New(disk.OS).Acquire(context.Background(), path, "", nil)
				var held *lock.HeldError
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got = append(got, k)
				} else if !errors.As(err, &held) || held.PID != os.Getpid() {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
		if len(got) != 1 {
			t.Fatalf("round %d: %d hold the lock", round, len(got))
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("taking over took %v", took)
		}
		if err := got[0].Release(); err != nil {
			t.Fatal(err)
		}
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		t.Errorf("left: %s", e.Name())
	}
}

// elsewhere writes the lock of a process on another machine.
func elsewhere(t *testing.T, path string) {
	t.Helper()
	b, _ := json.Marshal(lock.Holder{Host: "elsewhere", PID: os.Getpid(), Since: "2026-01-01T00:00:00Z", Token: "other"})
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

func patient(patience time.Duration) lock.Locker {
	return lock.Locker{FS: disk.OS, Beat: patience / 5, Patience: patience}
}

func TestHolderElsewhereIsJudgedByItsBeats(t *testing.T) {
	const patience = 2 * time.Second
	path := filepath.Join(t.TempDir(), "lock")
	elsewhere(t, path)
	stop := make(chan bool)
	var beats sync.WaitGroup
	beats.Go(func() {
		for now := time.Unix(1, 0); ; now = now.Add(time.Second) { // its clock is far behind
			select {
			case <-stop:
				return
			case <-time.After(patience / 5):
				os.Chtimes(path, now, now)
			}
		}
	})
	watched := 0
	_, err := patient(patience).Acquire(context.Background(), path, "", func(lock.Holder) { watched++ })
	var held *lock.HeldError
	if !errors.As(err, &held) || held.Host != "elsewhere" || watched != 1 {
		t.Fatalf("a holder that beats: %v (watched %d times)", err, watched)
	}
	close(stop)
	beats.Wait()
	if _, err := patient(0).Acquire(context.Background(), path, "", nil); !errors.As(err, &held) || !held.Unsure {
		t.Fatalf("without watching: %v", err)
	}
	k, err := patient(patience).Acquire(context.Background(), path, "", nil)
	if err != nil {
		t.Fatalf("a holder without beats: %v", err)
	}
	k.Release()
}

// Watching a holder ends with the context.
func TestWatchingIsInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	elsewhere(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := patient(time.Hour).Acquire(ctx, path, "", func(lock.Holder) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A file that is no lock of ours, as a crash may leave where there are no hard
// links, is waited for and taken over, not an error for ever.
func TestUnreadableLockIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	os.WriteFile(path, []byte(`{"host":`), 0o666)
	k, err := patient(100*time.Millisecond).Acquire(context.Background(), path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	k.Release()
}

// A holder that was taken for dead learns of it, and does not remove the new
// holder's lock.
func TestStalledHolderLearnsThatItLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l := lock.New(disk.OS)
	l.Beat = 5 * time.Millisecond
	k, err := l.Acquire(t.Context(), path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-k.Lost():
		t.Fatal("a lock that nobody took is lost")
	case <-time.After(50 * time.Millisecond):
	}
	elsewhere(t, path)
	select {
	case <-k.Lost():
	case <-time.After(time.Minute):
		t.Fatal("the holder did not learn of it")
	}
	if err := k.Release(); err != nil {
		t.Error(err)
	}
	if h, held, _ := lock.State(path); !held || h.Host != "elsewhere" {
		t.Error("the new holder's lock is gone")
	}
}

// noLinks is a file system without hard links.
type noLinks struct{ disk.FS }

func (noLinks) Link(from, to string) error {
	return &fs.PathError{Op: "link", Path: to, Err: errors.ErrUnsupported}
}

func TestWithoutHardLinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l := lock.New(noLinks{disk.OS})
	k, err := l.Acquire(context.Background(), path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var held *lock.HeldError
	if _, err := l.Acquire(context.Background(), path, "", nil); !errors.As(err, &held) {
		t.Errorf("got %v", err)
	}
	k.Release()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("not released")
	}
}

// lostAnswer is a network file system whose answer to a link that was made is
// lost: the client asks again and is told that the name is taken.
type lostAnswer struct{ disk.FS }

func (f lostAnswer) Link(from, to string) error {
	if err := f.FS.Link(from, to); err != nil {
		return err
	}
	return &fs.PathError{Op: "link", Path: to, Err: fs.ErrExist}
}

func TestLostAnswerToALink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l := lock.New(lostAnswer{disk.OS})
	k, err := l.Acquire(context.Background(), path, "", nil)
	if err != nil {
		t.Fatalf("the lock is ours, and it says: %v", err)
	}
	var held *lock.HeldError
	if _, err := l.Acquire(context.Background(), path, "", nil); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("a second one: %v", err)
	}
	if err := k.Release(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestHeartbeatTouchesTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	k, err := patient(50*time.Millisecond).Acquire(context.Background(), path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Release()
	first, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(10 * time.Millisecond) {
		if now, err := os.Stat(path); err == nil && now.ModTime().After(first.ModTime()) {
			return
		}
	}
	t.Error("no beat in ten seconds")
}
