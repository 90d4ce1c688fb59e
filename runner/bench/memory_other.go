//go:build !linux

package bench

// PeakMemory returns the most memory this process has had resident, or 0 if
// the system does not tell.
func PeakMemory() int64 { return 0 }

// Resident returns the memory this process has resident now, or 0 if the system
// does not tell.
func Resident() int64 { return 0 }

// ResetPeakMemory makes PeakMemory start again from what is resident now, if
// the system can.
func ResetPeakMemory() {}
