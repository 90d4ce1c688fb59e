package bench

import (
	"bytes"
	"os"
	"strconv"
)

// PeakMemory returns the most memory this process has had resident, or 0 if
// the system does not tell. It is /proc's VmHWM, because getrusage counts what
// the parent had before this program was executed.
func PeakMemory() int64 { return status("VmHWM:") }

// Resident returns the memory this process has resident now, or 0 if the system
// does not tell.
func Resident() int64 { return status("VmRSS:") }

// status returns a size of /proc/self/status.
func status(name string) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			kb, _ := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// ResetPeakMemory makes PeakMemory start again from what is resident now, if
// the system can.
func ResetPeakMemory() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }
