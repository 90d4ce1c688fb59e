// Package pages allocates the large arrays of the CPU engine outside the
// collected heap: zeroed lazily by the system, given back to it at once, and
// never a reason for the heap to be allowed to grow to twice its size.
//
// It is not a general allocator: it has no size below a page and never uses an
// address twice. Readers need its two functions, [Alloc] and [Free].
//
// Arrays are cut in order from chunks of memory for which the system is asked
// for huge pages: matrices are walked down their columns, where every row is
// another small page, and the processor remembers few of those. Small arrays
// share a huge page with their neighbours, so that no memory is lost to
// rounding up.
package pages

import "fmt"

// ExhaustedError is what [Alloc] panics with: no operation of an engine can go on
// without the memory it asks for, and a program may say so and end.
type ExhaustedError struct {
	Bytes int
	Err   error
}

func (e *ExhaustedError) Error() string {
	return fmt.Sprintf("out of memory: allocating %d bytes: %v", e.Bytes, e.Err)
}

func (e *ExhaustedError) Unwrap() error { return e.Err }
