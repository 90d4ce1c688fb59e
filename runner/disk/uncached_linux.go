package disk

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

const (
	// directSize is how much is given to the disk at once, and directAlign what
	// places in memory and in the file must be multiples of.
	directSize  = 4 << 20
	directAlign = 64 << 10
)

// uncached lets a file past the system's cache, where the file system allows it.
func uncached(f File) File {
	o, ok := f.(*os.File)
	if !ok || setDirect(o, true) != nil {
		return f
	}
	return &direct{f: o, buf: aligned(directSize)}
}

// direct collects what is written into pieces that are aligned in memory and in
// the file, as O_DIRECT wants them. The last piece is written without it.
type direct struct {
	f   *os.File
	buf []byte
	n   int // bytes in buf
}

func (d *direct) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n := copy(d.buf[d.n:], p)
		d.n += n
		written += n
		p = p[n:]
		if d.n == len(d.buf) {
			if err := d.flush(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// flush writes what is in buf. A file system that has promised O_DIRECT and then
// refuses a piece gets it the ordinary way.
func (d *direct) flush() error {
	at := 0
	for at < d.n {
		n, err := d.f.Write(d.buf[at:d.n])
		at += n
		if errors.Is(err, syscall.EINVAL) && setDirect(d.f, false) == nil {
			n, err = d.f.Write(d.buf[at:d.n])
			at += n
		}
		if err != nil {
			return err
		}
	}
	d.n = 0
	return nil
}

func (d *direct) Sync() error {
	if d.n > 0 {
		if err := setDirect(d.f, false); err != nil {
			return err
		}
		if err := d.flush(); err != nil {
			return err
		}
	}
	return d.f.Sync()
}

func (d *direct) Close() error { return d.f.Close() }

func setDirect(f *os.File, on bool) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno syscall.Errno
	err = c.Control(func(fd uintptr) {
		flags, _, e := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
		if e == 0 {
			flags &^= syscall.O_DIRECT
			if on {
				flags |= syscall.O_DIRECT
			}
			_, _, e = syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_SETFL, flags)
		}
		errno = e
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}

// aligned returns n bytes that begin at a multiple of directAlign.
func aligned(n int) []byte {
	b := make([]byte, n+directAlign)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (directAlign - 1)
	return b[skip : skip+n : skip+n]
}
