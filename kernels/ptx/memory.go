package ptx

import (
	"fmt"
	"sort"
)

// Generic addresses are divided into windows, so that an address determines its space.
// Device memory lies far above any host pointer or 32-bit integer.
const (
	globalBase = 0x0000_7d00_0000_0000
	constBase  = 0x0000_7e00_0000_0000
	sharedBase = 0x0000_7f00_0000_0000
	localBase  = 0x0000_7f10_0000_0000
	paramBase  = 0x0000_7f20_0000_0000
	windowEnd  = 0x0000_7f30_0000_0000
	windowSize = 0x10_0000_0000 // of shared, local and param

	allocAlign = 256
	allocGap   = 4096 // unmapped bytes after each allocation, at least
)

// allocation is a range of device memory, with a bit for each byte that records whether it
// has been written.
type allocation struct {
	base uint64
	data []byte
	init bitmap
	full bool // every byte was written
	name string
	ro   bool // constant bank
	id   int
}

func (a *allocation) end() uint64 { return a.base + uint64(len(a.data)) }

// memory is the device's memory: allocations in order of address.
type memory struct {
	allocs []*allocation
	next   uint64
	used   int64
	total  int64
	serial int
}

func (m *memory) init(total int64) { m.next, m.total = globalBase, total }

func (m *memory) alloc(n int64) (uint64, error) {
	a, err := m.place(n, "")
	if err != nil {
		return 0, err
	}
	return a.base, nil
}

func (m *memory) place(n int64, name string) (*allocation, error) {
	switch {
	case n <= 0:
		return nil, &MemoryError{Op: "alloc", Bytes: n, Free: m.total - m.used, Msg: "not a positive size"}
	case n > m.total-m.used:
		return nil, &MemoryError{Op: "alloc", Bytes: n, Free: m.total - m.used,
			Msg: fmt.Sprintf("out of memory, %d of %d bytes free", m.total-m.used, m.total)}
	}
	size := (n + allocAlign - 1) / allocAlign * allocAlign
	if m.next+uint64(size)+2*allocGap > constBase {
		return nil, &MemoryError{Op: "alloc", Bytes: n, Msg: "out of addresses"}
	}
	m.serial++
	a := &allocation{base: m.next, data: make([]byte, n), init: newBitmap(n), name: name, id: m.serial}
	m.next += uint64(size) + allocGap
	m.used += n
	m.allocs = append(m.allocs, a) // addresses ascend and are never reused
	return a, nil
}

func (m *memory) free(addr uint64) error {
	i := m.index(addr)
	if i < 0 || m.allocs[i].base != addr || m.allocs[i].name != "" {
		return &MemoryError{Op: "free", Addr: addr, Msg: "not an address of Alloc, or freed already"}
	}
	m.remove(i)
	return nil
}

func (m *memory) remove(i int) {
	m.used -= int64(len(m.allocs[i].data))
	m.allocs = append(m.allocs[:i], m.allocs[i+1:]...)
}

// index returns the allocation that holds addr, or -1.
func (m *memory) index(addr uint64) int {
	i := sort.Search(len(m.allocs), func(i int) bool { return m.allocs[i].base > addr }) - 1
	if i < 0 || addr >= m.allocs[i].end() {
		return -1
	}
	return i
}

// find returns the allocation that holds addr, or nil.
func (m *memory) find(addr uint64) *allocation {
	if i := m.index(addr); i >= 0 {
		return m.allocs[i]
	}
	return nil
}

// span returns the allocation that holds n bytes at addr, and their offset.
func (m *memory) span(op string, addr uint64, n int64) (*allocation, int64, error) {
	if n < 0 {
		return nil, 0, &MemoryError{Op: op, Addr: addr, Bytes: n, Msg: "negative size"}
	}
	a := m.find(addr)
	if a == nil {
		return nil, 0, &MemoryError{Op: op, Addr: addr, Bytes: n, Msg: m.near(addr)}
	}
	off := int64(addr - a.base)
	if n > int64(len(a.data))-off {
		return nil, 0, &MemoryError{Op: op, Addr: addr, Bytes: n,
			Msg: fmt.Sprintf("runs past the end of an allocation of %d bytes at %#x", len(a.data), a.base)}
	}
	return a, off, nil
}

// near describes the position of addr relative to the nearest allocation.
func (m *memory) near(addr uint64) string {
	i := sort.Search(len(m.allocs), func(i int) bool { return m.allocs[i].base > addr })
	const far = 1 << 30
	if i > 0 {
		if a := m.allocs[i-1]; addr-a.end() < far {
			return fmt.Sprintf("%d bytes past the end of %s", addr-a.end(), a)
		}
	}
	if i < len(m.allocs) {
		if a := m.allocs[i]; a.base-addr < far {
			return fmt.Sprintf("%d bytes before %s", a.base-addr, a)
		}
	}
	return "no allocation is near"
}

func (a *allocation) String() string {
	if a.name != "" {
		return fmt.Sprintf("%s (%d bytes at %#x)", a.name, len(a.data), a.base)
	}
	return fmt.Sprintf("an allocation of %d bytes at %#x", len(a.data), a.base)
}

func (m *memory) write(addr uint64, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	a, off, err := m.span("write", addr, int64(len(b)))
	if err != nil {
		return err
	}
	copy(a.data[off:], b)
	a.mark(off, int64(len(b)))
	return nil
}

// mark records a write of the host.
func (a *allocation) mark(off, n int64) {
	if a.full {
		return
	}
	if off == 0 && n == int64(len(a.data)) {
		a.full = true
	}
	a.init.set(off, n)
}

func (m *memory) read(b []byte, addr uint64) error {
	if len(b) == 0 {
		return nil
	}
	a, off, err := m.span("read", addr, int64(len(b)))
	if err != nil {
		return err
	}
	copy(b, a.data[off:])
	return nil
}

func (m *memory) copy(dst, src uint64, n int64) error {
	if n == 0 {
		return nil
	}
	d, do, err := m.span("copy", dst, n)
	if err != nil {
		return err
	}
	s, so, err := m.span("copy", src, n)
	if err != nil {
		return err
	}
	copy(d.data[do:do+n], s.data[so:so+n])
	if s.full || s.init.all(so, n) {
		d.mark(do, n)
		return nil
	}
	written := make([]bool, n)
	for i := range written {
		written[i] = s.init.get(so + int64(i))
	}
	d.full = false
	for i, w := range written {
		if w {
			d.init.set(do+int64(i), 1)
		} else {
			d.init.clear(do+int64(i), 1)
		}
	}
	return nil
}

func (m *memory) fill(addr uint64, v byte, n int64) error {
	if n == 0 {
		return nil
	}
	a, off, err := m.span("fill", addr, n)
	if err != nil {
		return err
	}
	b := a.data[off : off+n]
	for i := range b {
		b[i] = v
	}
	a.mark(off, n)
	return nil
}

func (m *memory) written(addr uint64, n int64) (bool, uint64, error) {
	a, off, err := m.span("check", addr, n)
	if err != nil {
		return false, 0, err
	}
	if a.full || a.init.all(off, n) {
		return true, 0, nil
	}
	for i := off; i < off+n; i++ {
		if !a.init.get(i) {
			return false, a.base + uint64(i), nil
		}
	}
	return true, 0, nil
}
