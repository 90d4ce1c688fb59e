package emulated

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"xrun/kernels/cuda"
	"xrun/kernels/ptx"
)

// Options describes the device. The zero value is a device of compute capability 8.0 with
// all checks of the interpreter enabled.
type Options struct {
	ptx.Config
	// Major and Minor are the compute capability to report, 8.0 if zero.
	Major, Minor int
}

// Driver is a cuda.Driver over the interpreter.
type Driver struct {
	device *ptx.Device
	info   cuda.Device
	queues
	host    map[*byte]*hostMemory
	failed  error
	closed  bool
	digests digests
}

var _ cuda.Driver = (*Driver)(nil)

// Open creates a device and returns its driver.
func Open(o Options) *Driver {
	if o.Major == 0 {
		o.Major = 8
	}
	d := &Driver{device: ptx.NewDevice(o.Config), host: map[*byte]*hostMemory{}, digests: newDigests()}
	c := d.device.Config()
	d.info = cuda.Device{Name: "PTX interpreter", Major: o.Major, Minor: o.Minor, Multiprocessors: c.Multiprocessors,
		SharedPerBlock: c.Shared, Memory: c.Memory, Emulated: true}
	d.queues.init(o.Seed)
	return d
}

// Stats counts what the device has executed.
func (d *Driver) Stats() ptx.Stats { return d.device.Stats() }

// Device describes the device.
func (d *Driver) Device() cuda.Device { return d.info }

// usable returns an error if the driver no longer accepts calls.
func (d *Driver) usable() error {
	if d.closed {
		return fmt.Errorf("cuda: the driver is closed")
	}
	return d.failed
}

// Load parses and checks PTX.
func (d *Driver) Load(name string, text []byte) (cuda.Module, error) {
	if err := d.usable(); err != nil {
		return nil, err
	}
	m, err := parse(name, text)
	if err == nil {
		err = d.suits(m)
	}
	if err != nil {
		return nil, fmt.Errorf("cuda: loading %s: %w", name, err)
	}
	img, err := d.device.Load(m)
	if err != nil {
		return nil, fmt.Errorf("cuda: loading %s: %w", name, err)
	}
	return img, nil
}

// VersionError reports a module in a newer PTX version than current drivers support, or
// for a newer device.
type VersionError struct{ Msg string }

func (e *VersionError) Error() string { return e.Msg }

// newestPTX is the major version of PTX in CUDA 13.
const newestPTX = 9

// suits returns an error if a driver of this device would reject the module.
func (d *Driver) suits(m *ptx.Module) error {
	var major, minor int
	if _, err := fmt.Sscanf(m.Version, "%d.%d", &major, &minor); err != nil || major > newestPTX {
		return &VersionError{fmt.Sprintf("PTX version %s is not supported", m.Version)}
	}
	for _, t := range m.Target {
		var sm int
		if _, err := fmt.Sscanf(t, "sm_%d", &sm); err == nil && sm > 10*d.info.Major+d.info.Minor {
			return &VersionError{fmt.Sprintf("target %s is newer than the device, of compute capability %d.%d", t, d.info.Major, d.info.Minor)}
		}
	}
	return nil
}

// parsed caches every parsed module, because tests open hundreds of devices for the same
// kernels. Modules are immutable.
var parsed sync.Map // of [sha256.Size]byte to *ptx.Module

func parse(name string, text []byte) (*ptx.Module, error) {
	key := sha256.Sum256(append([]byte(name+"\x00"), text...))
	if m, ok := parsed.Load(key); ok {
		return m.(*ptx.Module), nil
	}
	m, err := ptx.Parse(name, text)
	if err == nil {
		parsed.Store(key, m)
	}
	return m, err
}

// Function is the function type that [Driver.Function] returns.
type Function struct {
	*ptx.Kernel
	shared int // largest dynamic shared memory of launches
}

// Function looks up a kernel.
func (d *Driver) Function(m cuda.Module, name string, sharedBytes int) (cuda.Function, error) {
	if err := d.usable(); err != nil {
		return nil, err
	}
	img, ok := m.(*ptx.Image)
	if !ok {
		return nil, fmt.Errorf("cuda: looking up kernel %s: not a module of this driver", name)
	}
	k, err := img.Kernel(name)
	if err != nil {
		return nil, fmt.Errorf("cuda: looking up kernel: %w", err)
	}
	if n := sharedBytes + k.StaticBytes; n > d.info.SharedPerBlock {
		return nil, fmt.Errorf("cuda: kernel %s needs %d bytes of shared memory, %s has %d a block", name, n, d.info.Name, d.info.SharedPerBlock)
	}
	return &Function{k, sharedBytes}, nil
}

// Alloc returns device memory, all of which counts as never written.
func (d *Driver) Alloc(bytes int64) (cuda.Address, error) {
	if err := d.usable(); err != nil {
		return 0, err
	}
	if bytes <= 0 {
		return 0, fmt.Errorf("cuda: allocating %d bytes", bytes)
	}
	used, total := d.device.Memory()
	if bytes > total-used {
		return 0, &cuda.OutOfMemoryError{Asked: bytes, Free: total - used, Total: total}
	}
	a, err := d.device.Alloc(bytes)
	if err != nil {
		return 0, fmt.Errorf("cuda: %w", err)
	}
	return cuda.Address(a), nil
}

// Free waits for all queued work, as cuMemFree does, and releases a.
func (d *Driver) Free(a cuda.Address) error {
	if err := d.usable(); err != nil || a == 0 {
		return err
	}
	if err := d.finish(); err != nil {
		return err
	}
	if err := d.device.Free(uint64(a)); err != nil {
		return fmt.Errorf("cuda: %w", err)
	}
	return nil
}

// CopyDevice queues a copy within device memory.
func (d *Driver) CopyDevice(s cuda.Stream, dst, src cuda.Address, bytes int64) error {
	if bytes == 0 {
		return d.usable()
	}
	if err := d.within(src, bytes); err != nil {
		return err
	}
	return d.memoryWork(s, "copying", dst, bytes, func() error { return d.device.Copy(uint64(dst), uint64(src), bytes) })
}

// Zero queues setting bytes to 0.
func (d *Driver) Zero(s cuda.Stream, dst cuda.Address, bytes int64) error {
	if bytes == 0 {
		return d.usable()
	}
	return d.memoryWork(s, "zeroing", dst, bytes, func() error { return d.device.Fill(uint64(dst), 0, bytes) })
}

// within returns an error unless the range lies within one allocation.
func (d *Driver) within(a cuda.Address, bytes int64) error {
	if _, _, err := d.device.Written(uint64(a), bytes); err != nil {
		return fmt.Errorf("cuda: %d bytes at %#x: %w", bytes, uint64(a), err)
	}
	return nil
}

// memoryWork queues work on a range of device memory, which must exist.
func (d *Driver) memoryWork(s cuda.Stream, what string, a cuda.Address, bytes int64, run func() error) error {
	if err := d.within(a, bytes); err != nil {
		return err
	}
	return d.enqueue(s, func() error {
		if err := run(); err != nil {
			return fmt.Errorf("cuda: %s: %w", what, err)
		}
		return nil
	})
}

// Launch queues a kernel. If the arguments do not match its parameters, it returns an
// error at once.
func (d *Driver) Launch(s cuda.Stream, f cuda.Function, grid, block cuda.Dim, sharedBytes int, args ...any) error {
	fn := f.(*Function)
	params, err := fn.encode(args)
	if err != nil {
		return err
	}
	return d.LaunchBytes(s, fn, grid, block, sharedBytes, params)
}

// LaunchBytes is Launch with the parameters already laid out as in the kernel's Params.
func (d *Driver) LaunchBytes(s cuda.Stream, f *Function, grid, block cuda.Dim, sharedBytes int, params []byte) error {
	if err := f.check(grid.Norm(), block.Norm(), sharedBytes); err != nil {
		return err
	}
	l := ptx.Launch{Grid: ptx.Dim(grid), Block: ptx.Dim(block), Shared: sharedBytes}
	return d.enqueue(s, func() error {
		if err := d.device.LaunchRaw(f.Kernel, l, params); err != nil {
			return fmt.Errorf("cuda: running %s: %w", f.Name, err)
		}
		return nil
	})
}

// check checks a launch against the limits of all devices since compute capability 3.0,
// and against the shared memory given when the function was looked up.
func (f *Function) check(grid, block cuda.Dim, sharedBytes int) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("cuda: launching %s: %s", f.Name, fmt.Sprintf(format, args...))
	}
	switch threads := block.X * block.Y * block.Z; {
	case block.X > 1024 || block.Y > 1024 || block.Z > 64 || threads > 1024:
		return bad("a block of %d × %d × %d threads, the limit is 1024", block.X, block.Y, block.Z)
	case f.MaxThreads > 0 && threads > f.MaxThreads:
		return bad("a block of %d threads, the kernel is compiled for %d", threads, f.MaxThreads)
	case grid.X > math.MaxInt32 || grid.Y > 65535 || grid.Z > 65535:
		return bad("a grid of %d × %d × %d blocks", grid.X, grid.Y, grid.Z)
	case sharedBytes < 0 || sharedBytes > f.shared:
		return bad("%d bytes of shared memory, but it was looked up for %d", sharedBytes, f.shared)
	}
	return nil
}

// encode lays out arguments as the kernel's parameters.
func (f *Function) encode(args []any) ([]byte, error) {
	if len(args) != len(f.Params) {
		return nil, fmt.Errorf("cuda: launching %s: %d arguments for %d parameters", f.Name, len(args), len(f.Params))
	}
	buf := make([]byte, f.ParamBytes)
	le := binary.LittleEndian
	for i, a := range args {
		var b []byte
		switch a := a.(type) {
		case cuda.Address:
			b = le.AppendUint64(nil, uint64(a))
		case int32:
			b = le.AppendUint32(nil, uint32(a))
		case uint32:
			b = le.AppendUint32(nil, a)
		case int64:
			b = le.AppendUint64(nil, uint64(a))
		case uint64:
			b = le.AppendUint64(nil, a)
		case float32:
			b = le.AppendUint32(nil, math.Float32bits(a))
		case float64:
			b = le.AppendUint64(nil, math.Float64bits(a))
		default:
			return nil, fmt.Errorf("cuda: launching %s: argument %d is a %T", f.Name, i, a)
		}
		if p := f.Params[i]; len(b) != p.Size {
			return nil, fmt.Errorf("cuda: launching %s: argument %d is a %T, parameter %s is a .%s", f.Name, i, a, p.Name, p.Type)
		}
		copy(buf[f.Params[i].Offset:], b)
	}
	return buf, nil
}

// Close closes the driver. Queued work for which nothing has waited does not run.
func (d *Driver) Close() error {
	d.closed = true
	return nil
}

// Memory returns the bytes of device memory in use and in total.
func (d *Driver) Memory() (used, total int64) { return d.device.Memory() }
