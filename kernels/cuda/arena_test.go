package cuda

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// heap is the part of a driver that an arena uses, with a limit.
type heap struct {
	Driver
	limit, used int64
	next        Address
	sizes       map[Address]int64
	allocs      int
}

func newHeap(limit int64) *heap {
	return &heap{limit: limit, next: 1 << 20, sizes: map[Address]int64{}}
}

func (h *heap) Alloc(bytes int64) (Address, error) {
	if h.used+bytes > h.limit {
		return 0, &OutOfMemoryError{Asked: bytes, Free: h.limit - h.used, Total: h.limit}
	}
	at := h.next
	h.next += Address(bytes+alignment)&^(alignment-1) + alignment
	h.sizes[at], h.used = bytes, h.used+bytes
	h.allocs++
	return at, nil
}

func (h *heap) Free(a Address) error {
	n, ok := h.sizes[a]
	if !ok {
		return errors.New("no such memory")
	}
	h.used -= n
	delete(h.sizes, a)
	return nil
}

// TestArenaBlocksAreApart allocates and frees blocks at random and checks that those in use lie
// in memory of the driver and do not overlap.
func TestArenaBlocksAreApart(t *testing.T) {
	for _, least := range []int64{0, 4096, 1 << 20} {
		h := newHeap(1 << 30)
		a := newArena(h, least)
		r := rand.New(rand.NewPCG(1, uint64(least)))
		asked := map[*block]int64{}
		live := []*block{}
		for range 3000 {
			if len(live) > 0 && r.IntN(5) < 2 {
				i := r.IntN(len(live))
				if err := a.free(live[i]); err != nil {
					t.Fatal(err)
				}
				delete(asked, live[i])
				live[i] = live[len(live)-1]
				live = live[:len(live)-1]
				continue
			}
			n := 1 + r.Int64N(1<<(4+r.IntN(14)))
			b, err := a.alloc(n)
			if err != nil {
				t.Fatal(err)
			}
			if b.addr%alignment != 0 || b.size < n {
				t.Fatalf("%d bytes at %#x of size %d", n, b.addr, b.size)
			}
			live, asked[b] = append(live, b), n
		}
		sum := int64(0)
		for i, b := range live {
			sum += b.size
			inside := false
			for at, size := range h.sizes {
				inside = inside || b.addr >= at && b.addr+Address(b.size) <= at+Address(size)
			}
			if !inside {
				t.Errorf("block %#x is not in memory of the driver", b.addr)
			}
			for _, c := range live[:i] {
				if b.addr < c.addr+Address(c.size) && c.addr < b.addr+Address(b.size) {
					t.Errorf("blocks %#x and %#x overlap", b.addr, c.addr)
				}
			}
		}
		if sum != a.inUse || a.reserved != h.used || a.peak < a.inUse {
			t.Errorf("counts %d in use of %d, want %d of %d", a.inUse, a.reserved, sum, h.used)
		}
		for _, b := range live {
			if err := a.free(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.trim(); err != nil || h.used != 0 || a.reserved != 0 {
			t.Errorf("with all blocks free %d bytes stay with the arena (%v)", h.used, err)
		}
	}
}

// TestArenaAsksTheDriverSeldom allocates the same tensors as in a thousand training steps.
func TestArenaAsksTheDriverSeldom(t *testing.T) {
	h := newHeap(1 << 30)
	a := newArena(h, 1<<20)
	for range 1000 {
		var made []*block
		for n := int64(1000); n < 1<<20; n *= 2 {
			b, err := a.alloc(n)
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, b)
		}
		for _, b := range made {
			if err := a.free(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if h.allocs > 3 {
		t.Errorf("the driver was asked %d times", h.allocs)
	}
}

// TestArenaGivesBackBeforeItFails requests memory that the driver has only after unused segments
// have been returned to it.
func TestArenaGivesBackBeforeItFails(t *testing.T) {
	h := newHeap(10 << 20)
	a := newArena(h, 1<<20)
	var small []*block
	for range 9 {
		b, err := a.alloc(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		small = append(small, b)
	}
	for _, b := range small {
		if err := a.free(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.alloc(9 << 20); err != nil {
		t.Errorf("9 of 10 MiB are free: %v", err)
	}
	var oom *OutOfMemoryError
	if _, err := a.alloc(2 << 20); !errors.As(err, &oom) || oom.Asked != 2<<20 {
		t.Errorf("with 1 MiB left, 2 MiB are refused with %v", err)
	}
	if _, err := a.alloc(1 << 20); err != nil {
		t.Errorf("a segment of 1 MiB is left: %v", err)
	}
}
