package cuda

import (
	"fmt"
	"slices"
)

// arena hands out device memory. It asks the driver for segments, which takes
// the driver long and may wait for the device, and cuts blocks out of them;
// freed blocks join their free neighbours. All blocks are used on one stream,
// in whose order a freed block may be handed out at once.
type arena struct {
	driver   Driver
	least    int64 // size of a segment that holds more than one block; 0: one block a segment
	segments []*segment

	inUse, reserved, peak int64
}

// segment is memory of one driver allocation. Its blocks cover it in order.
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

// alignment of blocks, which the driver gives segments too.
const alignment = 256

func newArena(d Driver, least int64) arena { return arena{driver: d, least: least} }

// alloc returns memory of unspecified contents: the smallest free block that
// holds it, or one of a new segment. Before it fails it gives back segments
// that are wholly free.
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

// take marks b as used and cuts off what is beyond want.
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

// free makes b available again. Segments of one block go back to the driver.
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

// join makes b and its next block one.
func (b *block) join() {
	n := b.next
	b.size += n.size
	b.next = n.next
	if n.next != nil {
		n.next.prev = b
	}
}

// trim gives wholly free segments back to the driver.
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

// close gives everything back.
func (a *arena) close(errs *tally) {
	for _, s := range a.segments {
		errs.add(a.driver.Free(s.addr))
	}
	*a = arena{}
}
