// Package pages allocates the large arrays of the CPU engine outside the
// garbage-collected heap. The system zeroes them lazily and gets them back at
// once, and they do not raise the size to which the collector lets the heap grow.
//
// It is not a general allocator: it rounds sizes up to 64 KiB and does not reuse
// the addresses of a freed array while its neighbours live. Its two functions are
// [Alloc] and [Free].
//
// Arrays are cut in order from chunks of memory for which the system is asked to
// use huge pages. Products walk down the columns of a matrix, where every row may
// be on another page, and the processor's TLB holds few small pages. Small arrays
// share a huge page with their neighbours, so no memory is lost to rounding up.
package pages

import "fmt"

// ExhaustedError is the value [Alloc] panics with when the system has no memory
// left. No operation of an engine can continue without its memory; a program may
// recover the panic to report it and exit.
type ExhaustedError struct {
	Bytes int
	Err   error
}

func (e *ExhaustedError) Error() string {
	return fmt.Sprintf("out of memory: allocating %d bytes: %v", e.Bytes, e.Err)
}

func (e *ExhaustedError) Unwrap() error { return e.Err }
