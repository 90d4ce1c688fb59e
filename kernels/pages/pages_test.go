package pages_test

import (
	"testing"
	"unsafe"

	"xrun/kernels/pages"
)

// Memory is zeroed and not shared, whatever was written and freed before.
func TestAlloc(t *testing.T) {
	sizes := []int{0, 1, 1000, 1 << 14, 1<<14 + 1, 1 << 18, 1<<20 + 7, 9 << 20}
	var held [][]float32
	for round := range 40 {
		n := sizes[round%len(sizes)]
		x := pages.Alloc(n)
		if len(x) != n {
			t.Fatalf("asked for %d elements, got %d", n, len(x))
		}
		if n > 1<<14 && uintptr(unsafe.Pointer(unsafe.SliceData(x)))%64 != 0 {
			t.Errorf("%d elements are not aligned", n)
		}
		for i, v := range x {
			if v != 0 {
				t.Fatalf("round %d: element %d of %d is %v", round, i, n, v)
			}
			x[i] = float32(round + 1)
		}
		held = append(held, x)
		if round%3 == 2 { // free one from the middle
			i := len(held) / 2
			pages.Free(held[i])
			held = append(held[:i], held[i+1:]...)
		}
		for _, h := range held {
			for _, v := range h {
				if v != h[0] {
					t.Fatalf("round %d: an array of %d elements holds %v and %v", round, len(h), h[0], v)
				}
			}
		}
	}
	for _, h := range held {
		pages.Free(h)
	}
}
