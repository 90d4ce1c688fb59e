package emulated

import (
	"fmt"
	"hash/maphash"
	"unsafe"

	"xrun/kernels/cuda"
)

// hostMemory is memory that counts as page-locked.
type hostMemory struct{ b []byte }

// The fill patterns of fresh memory and of memory that a queued copy will write, chosen so
// that using them spoils any result.
const (
	freshByte   = 0xcd
	pendingByte = 0xdb
)

// hostLimit bounds one allocation. No machine has more, and Go aborts the process if an
// allocation fails.
const hostLimit = 1 << 40

// AllocHost returns memory filled with a pattern.
func (d *Driver) AllocHost(bytes int) ([]byte, error) {
	if err := d.usable(); err != nil {
		return nil, err
	}
	if bytes <= 0 {
		return nil, fmt.Errorf("cuda: allocating %d bytes of host memory", bytes)
	}
	if bytes > hostLimit {
		return nil, &cuda.OutOfMemoryError{Asked: int64(bytes), Host: true}
	}
	b := make([]byte, bytes)
	d.AdoptHost(b)
	return b, nil
}

// AdoptHost makes memory that the caller allocated count as page-locked until FreeHost is
// called for it.
func (d *Driver) AdoptHost(b []byte) {
	fill(b, freshByte)
	d.host[&b[0]] = &hostMemory{b}
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

// FreeHost waits for all queued work, as cuMemFreeHost does, and releases b.
func (d *Driver) FreeHost(b []byte) error {
	if err := d.usable(); err != nil || cap(b) == 0 {
		return err
	}
	p := unsafe.SliceData(b)
	if d.host[p] == nil {
		return fmt.Errorf("cuda: freeing host memory that AllocHost did not return")
	}
	if err := d.finish(); err != nil {
		return err
	}
	delete(d.host, p)
	return nil
}

// locked reports whether b lies within page-locked memory.
func (d *Driver) locked(b []byte) bool {
	lo := uintptr(unsafe.Pointer(&b[0]))
	for p, h := range d.host {
		base := uintptr(unsafe.Pointer(p))
		if lo >= base && lo+uintptr(len(b)) <= base+uintptr(len(h.b)) {
			return true
		}
	}
	return false
}

// digests detects changes of memory.
type digests struct{ seed maphash.Seed }

func newDigests() digests { return digests{maphash.MakeSeed()} }

func (h digests) of(b []byte) uint64 { return maphash.Bytes(h.seed, b) }

// CopyIn queues a copy to the device.
func (d *Driver) CopyIn(s cuda.Stream, dst cuda.Address, src []byte) error {
	if len(src) == 0 {
		return d.usable()
	}
	if !d.locked(src) {
		return fmt.Errorf("cuda: copying %d bytes to the device: the source is not memory of AllocHost", len(src))
	}
	was := d.digests.of(src)
	return d.memoryWork(s, "copying to the device", dst, int64(len(src)), func() error {
		if d.digests.of(src) != was {
			return fmt.Errorf("the %d bytes changed while the copy was queued", len(src))
		}
		return d.device.Write(uint64(dst), src)
	})
}

// CopyOut queues a copy from the device.
func (d *Driver) CopyOut(s cuda.Stream, dst []byte, src cuda.Address) error {
	if len(dst) == 0 {
		return d.usable()
	}
	if !d.locked(dst) {
		return fmt.Errorf("cuda: copying %d bytes from the device: the destination is not memory of AllocHost", len(dst))
	}
	if err := d.usable(); err != nil {
		return err
	}
	fill(dst, pendingByte)
	return d.memoryWork(s, "copying from the device", src, int64(len(dst)), func() error { return d.device.Read(dst, uint64(src)) })
}
