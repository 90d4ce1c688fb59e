package lock

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// bootID identifies the running kernel: a machine that was started again has
// another.
func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

// processSpace identifies the namespace in which process numbers mean
// something: two containers of one machine have different ones.
func processSpace() string {
	s, _ := os.Readlink("/proc/self/ns/pid")
	return s
}

// startOf returns when a process started, in the kernel's ticks since boot.
func startOf(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The name, field 2, is in brackets and may hold anything; the start is
	// field 22.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 20 {
		return ""
	}
	if f[0] == "Z" || f[0] == "X" { // dead, but not yet waited for
		return "gone"
	}
	return f[19]
}
