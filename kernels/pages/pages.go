//go:build unix

package pages

import (
	"fmt"
	"sync"
	"syscall"
	"unsafe"
)

const (
	// small is the size in bytes below which arrays are on the Go heap.
	small = 1 << 16
	huge  = 2 << 20
	page  = 1 << 16 // the largest page size of the architectures we build for
	// chunkSize is how much is requested from the system at a time. Arrays larger
	// than half of it get a chunk of their own.
	chunkSize = 64 << 20
)

// chunk is memory from which arrays are cut, front to back.
type chunk struct {
	mem  []byte
	used int
	live int // arrays not freed
}

var (
	mu      sync.Mutex
	current *chunk
	owner   = map[*byte]*chunk{} // by the first byte of an array
)

// Alloc returns n zeroed float32. Arrays of 64 KiB or more are page-aligned;
// smaller ones are ordinary slices on the Go heap. It panics with an
// [*ExhaustedError] if the system has no memory left.
func Alloc(n int) []float32 {
	size := n * 4
	if size < small {
		return make([]float32, n)
	}
	size = (size + page - 1) &^ (page - 1)
	mu.Lock()
	defer mu.Unlock()
	c := current
	if size > chunkSize/2 {
		c = reserve((size + huge - 1) &^ (huge - 1))
	} else if c == nil || c.used+size > len(c.mem) {
		c = reserve(chunkSize)
		current = c
	}
	x := c.mem[c.used : c.used+n*4]
	c.used += size
	c.live++
	owner[unsafe.SliceData(x)] = c
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(x))), n)
}

// reserve maps a chunk that begins at a huge page.
func reserve(size int) *chunk {
	m, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(&ExhaustedError{size, err})
	}
	advise(m)
	return &chunk{mem: m}
}

// Free returns x, a slice that Alloc returned, to the system at once. x must not
// be used afterwards.
func Free(x []float32) {
	if cap(x) == 0 || len(x)*4 < small {
		return
	}
	first := (*byte)(unsafe.Pointer(unsafe.SliceData(x)))
	mu.Lock()
	defer mu.Unlock()
	c := owner[first]
	if c == nil {
		panic("kernels: freeing memory that was not allocated")
	}
	delete(owner, first)
	switch c.live--; {
	case c.live > 0:
		drop(unsafe.Slice(first, (len(x)*4+page-1)&^(page-1)))
	case c == current && drops:
		drop(c.mem[:c.used])
		c.used = 0
	default:
		if c == current {
			current = nil
		}
		if err := syscall.Munmap(c.mem); err != nil {
			panic(fmt.Sprintf("kernels: releasing %d bytes: %v", len(c.mem), err))
		}
	}
}
