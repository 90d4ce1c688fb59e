package cuda

import (
	"fmt"
	"slices"
)

// arena allocates device memory. It gets segments from the driver, which is slow and may
// wait for the device, and cuts them into blocks. Freed blocks merge with free
// neighbours. All blocks are used on one stream, so a freed block can be reused at once.
type arena struct {
	driver   Driver
	least    int64 // minimal size of a segment; 0 means one block per segment
	segments []*segment

	inUse, reserved, peak int64
}

// segment is one allocation of the driver. Its blocks cover it in order.
type segment struct {
	addr Address
	size int64
	head *block
}

// block is a part of a segment.
type block struct {
	addr       Address
	size       int64
	free       bool
	prev, next *block
	segment    *segment
}

// alignment is that of blocks, and of the driver's allocations.
const alignment = 256

func newArena(d Driver, least int64) arena { return arena{driver: d, least: least} }

// alloc returns memory of unspecified contents, from the smallest free block that is
// large enough or from a new segment. If the driver has no memory left, it first returns
// unused segments and tries again.
func (a *arena) alloc(bytes int64) (*block, error) {
	want := (bytes + alignment - 1) / alignment * alignment
	if a.least == 0 {
		want = bytes
	}
	b := a.find(want)
	if b == nil {
		s, err := a.grow(max(want, a.least))
		if err != nil && a.trim() == nil {
			s, err = a.grow(want)
		}
		if err != nil {
			return nil, err
		}
		b = s.head
	}
	b.take(want)
	a.inUse += b.size
	a.peak = max(a.peak, a.inUse)
	return b, nil
}

func (a *arena) find(want int64) *block {
	var best *block
	for _, s := range a.segments {
		for b := s.head; b != nil; b = b.next {
			if b.free && b.size >= want && (best == nil || b.size < best.size) {
				best = b
			}
		}
	}
	return best
}

func (a *arena) grow(size int64) (*segment, error) {
	addr, err := a.driver.Alloc(size)
	if err != nil {
		return nil, err
	}
	s := &segment{addr: addr, size: size}
	s.head = &block{addr: addr, size: size, free: true, segment: s}
	a.segments = append(a.segments, s)
	a.reserved += size
	return s, nil
}

// take marks b as used and splits off the part beyond want.
func (b *block) take(want int64) {
	b.free = false
	if b.size == want {
		return
	}
	rest := &block{addr: b.addr + Address(want), size: b.size - want, free: true, prev: b, next: b.next, segment: b.segment}
	if rest.next != nil {
		rest.next.prev = rest
	}
	b.size, b.next = want, rest
}

// free makes b available again. With one block per segment, it returns the segment to
// the driver.
func (a *arena) free(b *block) error {
	if b.free {
		panic(fmt.Sprintf("cuda: block %#x is freed twice", uint64(b.addr)))
	}
	b.free = true
	a.inUse -= b.size
	if b.next != nil && b.next.free {
		b.join()
	}
	if b.prev != nil && b.prev.free {
		b.prev.join()
	}
	if a.least == 0 {
		return a.trim()
	}
	return nil
}

// join merges b with the next block.
func (b *block) join() {
	n := b.next
	b.size += n.size
	b.next = n.next
	if n.next != nil {
		n.next.prev = b
	}
}

// trim returns unused segments to the driver.
func (a *arena) trim() error {
	var errs tally
	a.segments = slices.DeleteFunc(a.segments, func(s *segment) bool {
		if !s.head.free || s.head.next != nil {
			return false
		}
		a.reserved -= s.size
		errs.add(a.driver.Free(s.addr))
		return true
	})
	return errs.err()
}

// close returns all segments to the driver.
func (a *arena) close(errs *tally) {
	for _, s := range a.segments {
		errs.add(a.driver.Free(s.addr))
	}
	*a = arena{}
}
