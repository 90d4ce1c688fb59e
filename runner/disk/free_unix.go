//go:build linux || darwin

package disk

import "syscall"

// Free returns the bytes that files below dir, which exists, may still take, or
// -1 where nothing tells.
func Free(dir string) int64 {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return -1
	}
	return int64(st.Bavail) * int64(st.Bsize)
}
