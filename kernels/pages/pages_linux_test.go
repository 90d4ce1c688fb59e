package pages_test

import (
	"bytes"
	"os"
	"strconv"
	"testing"

	"xrun/kernels/pages"
)

func resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	n, err := strconv.Atoi(string(bytes.Fields(b)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n * os.Getpagesize()
}

// Freed memory is returned to the system even while its neighbours are in use.
func TestFreeGivesBack(t *testing.T) {
	const n, count = 1 << 20, 24 // 4 MiB each
	var all [][]float32
	for range count {
		x := pages.Alloc(n)
		for i := range x {
			x[i] = 1
		}
		all = append(all, x)
	}
	full := resident(t)
	for i, x := range all {
		if i%2 == 0 {
			pages.Free(x)
		}
	}
	if freed := full - resident(t); freed < count/2*n*4*9/10 {
		t.Errorf("freeing %d bytes gave back %d", count/2*n*4, freed)
	}
	for i, x := range all {
		if i%2 == 1 {
			if x[0] != 1 || x[n-1] != 1 {
				t.Error("a neighbour was overwritten")
			}
			pages.Free(x)
		}
	}
}
