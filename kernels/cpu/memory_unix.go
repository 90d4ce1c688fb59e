//go:build unix

package cpu

import (
	"fmt"
	"syscall"
	"unsafe"
)

// mapped is the size in bytes from which memory comes from the system itself.
// It is outside the collected heap: given back at once when freed, zeroed
// lazily page by page, and never a reason for the heap to be allowed to grow
// to twice its size.
const mapped = 1 << 16

// allocate returns n zeroed float32, and what release needs.
func allocate(n int) ([]float32, []byte) {
	if n*4 < mapped {
		return make([]float32, n), nil
	}
	m, err := syscall.Mmap(-1, 0, n*4, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("kernels: allocating %d bytes: %v", n*4, err))
	}
	advise(m)
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(m))), n), m
}

// release gives memory back to the system.
func release(m []byte) {
	if m == nil {
		return
	}
	if err := syscall.Munmap(m); err != nil {
		panic(fmt.Sprintf("kernels: releasing %d bytes: %v", len(m), err))
	}
}
