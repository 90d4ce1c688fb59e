package cuda

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"unsafe"

	"xrun/kernels"
	"xrun/kernels/args"
)

// uploads copies data from the host to the device for kernels: ids, descriptors, values
// of Write. It uses a ring of page-locked memory and a stream of its own, so that copies
// for later kernels run concurrently with earlier kernels. The compute stream waits for
// an event of each copy, and the host waits for the kernels that read the data that it
// is about to overwrite.
type uploads struct {
	stream Stream
	host   []byte
	device Address // a ring of the same size; 0 if each upload has memory of its own
	at     int
	slots  []*upload // uploads that may be in use, oldest first
	latest *upload   // the upload that the kernels launched last may read
	spare  []Event
}

// upload is one copy in flight, of n bytes from host[from:to].
type upload struct {
	n, from, to int
	device      Address
	own         bool // device is an allocation of its own, not part of the ring
	copied      Event
	consumed    Event // after the last kernel that reads it
}

func (u *uploads) start(e *Engine, o Options) (err error) {
	if u.stream, err = e.driver.NewStream(); err != nil {
		return err
	}
	return u.resize(e, o.StagingBytes)
}

// resize replaces the rings by rings of the given size, after waiting for all kernels.
func (u *uploads) resize(e *Engine, bytes int) (err error) {
	var errs tally
	if u.release(e, &errs); errs.first != nil {
		return errs.err()
	}
	if u.host, err = e.driver.AllocHost(bytes); err != nil {
		return err
	}
	if e.memory.least == 0 {
		return nil
	}
	if u.device, err = e.driver.Alloc(int64(bytes)); err != nil { // both or none
		err = errors.Join(err, e.driver.FreeHost(u.host))
		u.host = nil
	}
	return err
}

// release frees the rings after waiting for all kernels.
func (u *uploads) release(e *Engine, errs *tally) {
	if u.host == nil {
		return
	}
	errs.add(e.driver.Synchronize(e.compute))
	for len(u.slots) > 0 {
		errs.add(u.retire(e))
	}
	errs.add(e.driver.FreeHost(u.host))
	if u.device != 0 {
		errs.add(e.driver.Free(u.device))
	}
	u.host, u.device, u.at, u.latest = nil, 0, 0, nil
}

// retire drops the oldest upload, whose kernels have run.
func (u *uploads) retire(e *Engine) error {
	s := u.slots[0]
	u.slots = u.slots[1:]
	u.spare = append(u.spare, s.copied, s.consumed)
	if s.own {
		return e.driver.Free(s.device)
	}
	return nil
}

func (u *uploads) event(e *Engine) (Event, error) {
	if n := len(u.spare); n > 0 {
		v := u.spare[n-1]
		u.spare = u.spare[:n-1]
		return v, nil
	}
	return e.driver.NewEvent()
}

// upload copies the parts to the device and returns the address of each, aligned to 16
// bytes. They are valid until the next upload; kernels that read them must be launched
// before. Data that are still on the device are not copied again, since every layer
// uploads the same positions.
func (e *Engine) upload(parts ...[]byte) []Address {
	at := make([]Address, len(parts))
	if e.err != nil {
		return at
	}
	n, size, gap := 0, 0, 0
	if e.uploads.device == 0 {
		gap = 16 // never written, so that the interpreter detects reads beyond a part
	}
	for i, p := range parts {
		at[i] = Address(n)
		n += (len(p)+15)&^15 + gap
		size += len(p)
	}
	if size == 0 {
		return at
	}
	base, err := e.uploads.find(e, n, func(host []byte) bool {
		for i, p := range parts {
			if !bytes.Equal(host[at[i]:][:len(p)], p) {
				return false
			}
		}
		return true
	})
	if base == 0 && err == nil {
		base, err = e.uploads.push(e, n, at, parts)
	}
	var oom *OutOfMemoryError
	switch {
	case errors.As(err, &oom):
		e.outOfMemory("copying to the device", err)
	case err != nil:
		e.broken("copying to the device", err)
	}
	for i := range at {
		at[i] += base
	}
	return at
}

// The number of recent uploads that find searches, and the largest size it looks for.
const (
	findSlots = 16
	findBytes = 1 << 20
)

// find returns the device address of a recent upload of n bytes for which same returns
// true, or 0.
func (u *uploads) find(e *Engine, n int, same func(host []byte) bool) (Address, error) {
	if n > findBytes {
		return 0, nil
	}
	for _, s := range slices.Backward(u.slots[max(0, len(u.slots)-findSlots):]) {
		if s.n == n && same(u.host[s.from:][:n]) {
			return s.device, u.read(e, s)
		}
	}
	return 0, nil
}

// read makes s the upload that kernels launched from now on read. Kernels launched so
// far read the previous one.
func (u *uploads) read(e *Engine, s *upload) error {
	if before := u.latest; before != nil && before != s {
		if err := e.driver.Record(before.consumed, e.compute); err != nil {
			return err
		}
	}
	u.latest = s
	return nil
}

// push queues the copy of parts to their offsets at within n bytes, and returns the
// device address of these bytes.
func (u *uploads) push(e *Engine, n int, at []Address, parts [][]byte) (Address, error) {
	d := e.driver
	if err := u.read(e, nil); err != nil {
		return 0, err
	}
	from, to, err := u.reserve(e, n)
	if err != nil {
		return 0, err
	}
	for i, p := range parts {
		copy(u.host[from+int(at[i]):], p)
	}
	s := &upload{n: n, from: from, to: to, device: u.device + Address(from)}
	if s.copied, err = u.event(e); err != nil {
		return 0, err
	}
	if s.consumed, err = u.event(e); err != nil {
		return 0, err
	}
	if u.device == 0 {
		if s.device, err = d.Alloc(int64(n)); err != nil {
			return 0, err
		}
		s.own = true
	}
	u.slots, u.latest = append(u.slots, s), s
	if s.own {
		for i, p := range parts {
			err = errors.Join(err, d.CopyIn(u.stream, s.device+at[i], u.host[from+int(at[i]):][:len(p)]))
		}
	} else {
		err = d.CopyIn(u.stream, s.device, u.host[from:from+n])
	}
	return s.device, errors.Join(err, d.Record(s.copied, u.stream), d.Wait(e.compute, s.copied))
}

// maxSlots is the largest number of uploads that are remembered. It covers several
// steps, so that the host hardly waits for the oldest, and bounds the number of events in
// a long run.
const maxSlots = 1024

// reserve returns a part of the ring for n bytes, after waiting for the kernels that
// read its old contents.
func (u *uploads) reserve(e *Engine, n int) (from, to int, err error) {
	n = (n + alignment - 1) &^ (alignment - 1)
	if 2*n > len(u.host) {
		if err := u.resize(e, 4*n); err != nil {
			return 0, 0, err
		}
	}
	// Uploads in use lie in order, with the oldest next after at. So only the oldest
	// can be in the way or, if the ring wraps around, left at its end.
	left := func(s *upload) bool { return false }
	if u.at+n > len(u.host) {
		end := u.at
		left = func(s *upload) bool { return s.from >= end }
		u.at = 0
	}
	from, to = u.at, u.at+n
	for len(u.slots) > 0 {
		s := u.slots[0]
		if inTheWay := s.from < to && from < s.to; !inTheWay && !left(s) && len(u.slots) < maxSlots {
			break
		}
		if err := e.driver.SynchronizeEvent(s.consumed); err != nil {
			return 0, 0, err
		}
		if err := u.retire(e); err != nil {
			return 0, 0, err
		}
	}
	u.at = to
	return from, to, nil
}

// downloads copies results to the host through two pieces of page-locked memory in
// turn: while one is being filled, the other is copied out.
type downloads struct {
	stream Stream
	host   []byte
	ready  Event
	done   [2]Event
}

func (d *downloads) start(e *Engine, o Options) (err error) {
	if d.stream, err = e.driver.NewStream(); err != nil {
		return err
	}
	for _, v := range []*Event{&d.ready, &d.done[0], &d.done[1]} {
		if *v, err = e.driver.NewEvent(); err != nil {
			return err
		}
	}
	d.host, err = e.driver.AllocHost(max(o.StagingBytes, 2*alignment))
	return err
}

func (d *downloads) close(e *Engine) error {
	if d.host == nil {
		return nil
	}
	h := d.host
	d.host = nil
	return e.driver.FreeHost(h)
}

// download waits for the kernels queued so far, copies n bytes from src and passes them
// to take, piece by piece and in order. The length of every piece but the last is a
// multiple of 256 bytes.
func (e *Engine) download(n int, src Address, take func(piece []byte)) {
	if e.err != nil || n == 0 {
		return
	}
	if err := e.downloads.pull(e, n, src, take); err != nil {
		e.broken("copying from the device", err)
	}
}

func (d *downloads) pull(e *Engine, n int, src Address, take func(piece []byte)) error {
	if err := errors.Join(e.driver.Record(d.ready, e.compute), e.driver.Wait(d.stream, d.ready)); err != nil {
		return err
	}
	size := len(d.host) / 2 &^ (alignment - 1)
	var waiting []byte // the previous piece
	for at, k := 0, 0; at < n || waiting != nil; at, k = at+size, 1-k {
		var piece []byte
		if at < n {
			piece = d.host[k*size:][:min(size, n-at)]
			err := errors.Join(e.driver.CopyOut(d.stream, piece, src+Address(at)), e.driver.Record(d.done[k], d.stream))
			if err != nil {
				return err
			}
		}
		if waiting != nil {
			if err := e.driver.SynchronizeEvent(d.done[1-k]); err != nil {
				return err
			}
			take(waiting)
		}
		waiting = piece
	}
	return nil
}

// downloadTo is download into the memory of dst.
func downloadTo[T any](e *Engine, dst []T, src Address) {
	b := raw(dst)
	e.download(len(b), src, func(piece []byte) { b = b[copy(b, piece):] })
}

// raw returns the memory of s.
func raw[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0])))
}

// Write copies src into dst, rounding if dst is BF16.
func (e *Engine) Write(dst kernels.Tensor, src []float32) {
	d := e.dst("Write", "dst", dst, anyType, anySize, anySize)
	if len(src) != d.size() {
		e.bug("Write: %d values into %v", len(src), args.Describe(dst))
	}
	// The values are uploaded while kernels may still use dst, and moved to dst in
	// stream order.
	piece := max(len(e.uploads.host)/4, alignment) / 4
	for at := 0; at < len(src) && e.err == nil; at += piece {
		part := src[at:min(at+piece, len(src))]
		from := e.upload(raw(part))[0]
		to := tensor{dtype: d.dtype, rows: 1, cols: len(part), addr: d.element(at)}
		e.convert(&to, &tensor{dtype: kernels.F32, rows: 1, cols: len(part), addr: from})
	}
}

// Read waits for outstanding work and copies src to dst.
func (e *Engine) Read(dst []float32, src kernels.Tensor) {
	s := e.arg("Read", "src", src, anyType, anySize, anySize)
	if len(dst) != s.size() {
		e.bug("Read: %d values from %v", len(dst), args.Describe(src))
	}
	if s.dtype == kernels.F32 {
		downloadTo(e, dst, s.addr)
		return
	}
	e.download(2*len(dst), s.addr, func(piece []byte) {
		for i := range len(piece) / 2 {
			dst[i] = math.Float32frombits(uint32(piece[2*i])<<16 | uint32(piece[2*i+1])<<24)
		}
		dst = dst[len(piece)/2:]
	})
}
