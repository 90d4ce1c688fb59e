//go:build unix

package store

import (
	"fmt"
	"os"
	"syscall"
)

func fileIdentity(st os.FileInfo) string {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d:%d:%d", s.Dev, s.Ino, st.Size(), st.ModTime().UnixNano())
}
