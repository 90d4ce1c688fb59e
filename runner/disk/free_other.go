//go:build !linux && !darwin

package disk

// Free returns -1: nothing tells.
func Free(dir string) int64 { return -1 }
