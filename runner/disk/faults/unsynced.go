package faults

import "xrun/runner/disk"

// Unsynced is fsys without its syncs, for tests that do not survive a loss of
// power themselves: most of the time of a small study is waiting for the disk.
func Unsynced(fsys disk.FS) disk.FS { return unsynced{fsys} }

type unsynced struct{ disk.FS }

func (unsynced) SyncDir(string) error { return nil }

func (u unsynced) Create(path string) (disk.File, error) { return unsyncedFile(u.FS.Create(path)) }
func (u unsynced) Append(path string) (disk.File, error) { return unsyncedFile(u.FS.Append(path)) }

func unsyncedFile(f disk.File, err error) (disk.File, error) {
	if err != nil {
		return nil, err
	}
	return noSync{f}, nil
}

type noSync struct{ disk.File }

func (noSync) Sync() error { return nil }
