package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"xrun/runner/lock"
	"xrun/runner/store"
)

// lockName is the lock of a run directory.
const lockName = ".lock"

// lockRun takes the lock of a run directory. Where another process holds it the
// error says which.
func lockRun(ctx context.Context, l lock.Locker, dir string, p *progress) (*lock.Lock, error) {
	k, err := l.Acquire(ctx, filepath.Join(dir, lockName), "runs "+dir, func(h lock.Holder) {
		p.line("%s is locked by %v; watching for %s whether it lives", dir, h, l.Patience)
	})
	var held *lock.HeldError
	if errors.As(err, &held) {
		return nil, withHint(fmt.Errorf("locking %s: %w", dir, err), "wait for it (`xrun status %s` says how far it is), or stop it", dir)
	}
	return k, err
}

// lockStage takes the lock of a stage, waiting for a process that works on it:
// its result will be the one asked for.
func (x *execution) lockStage(st *stage) (*lock.Lock, error) {
	path := x.store.Path(st.key, store.LockSuffix)
	for told := false; ; {
		k, err := x.locker.Acquire(x.ctx, path, st.title, func(h lock.Holder) {
			x.progress.line("%s is locked by %v; watching for %s whether it lives", st.title, h, x.locker.Patience)
		})
		var held *lock.HeldError
		if !errors.As(err, &held) {
			return k, err
		}
		if !told {
			x.progress.line("%s: waiting for %v", st.title, held.Holder)
			told = true
		}
		if err := sleep(x.ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
