package ptx

import (
	"fmt"
	"io"
	"runtime"
	"sync"
)

// Config describes a device. The zero value is a device of compute capability
// 8.0 with every check on.
type Config struct {
	// Seed draws the order of warps, blocks and atomics and, under Perturb, the
	// errors of approximate instructions.
	Seed uint64
	// Perturb moves results of approximate instructions within their
	// documented bounds.
	Perturb bool
	// Fuse contracts a mul.f32 or mul.f64 without a rounding modifier into the
	// add or sub without one that consumes it, as ptxas may.
	Fuse bool

	// Threads is the number of blocks run at a time; 0 is GOMAXPROCS. Results
	// do not depend on it.
	Threads int
	// Budget bounds the instructions one warp executes in a launch; 0 is 2^34.
	Budget int64

	// Memory is the size of device memory in bytes; 0 is 24 GiB. Memory is
	// taken from the host only as it is allocated.
	Memory int64
	// Shared is the shared memory a block may have, dynamic and static
	// together; 0 is 163 KiB.
	Shared int
	// Multiprocessors is what %nsmid says; 0 is 108.
	Multiprocessors int

	// Checks that are off; the zero value has all of them on.
	Off Check
	// Strict also finds fault with what the ISA allows but is a mistake more
	// often than not: a barrier when threads have exited.
	Strict bool

	// Output receives what kernels print with vprintf; nil discards it.
	Output io.Writer
}

// Check is a set of dynamic checks that can be turned off, for PTX that does
// such things on purpose.
type Check uint

const (
	// UninitializedMemory: reads of global, shared or local memory that
	// nothing wrote.
	UninitializedMemory Check = 1 << iota
	// UninitializedRegister: reads of registers that nothing wrote.
	UninitializedRegister
	// SharedRace: conflicting accesses to shared memory that no barrier orders.
	SharedRace
	// GlobalRace: conflicting accesses of two blocks of one launch to global
	// memory.
	GlobalRace
	// WarpRace: the part of SharedRace within one warp, between lanes that no
	// bar.warp.sync orders.
	WarpRace
)

// Dim is the size of a grid or block; a zero field counts as 1.
type Dim struct{ X, Y, Z int }

func (d Dim) norm() Dim {
	return Dim{max(d.X, 1), max(d.Y, 1), max(d.Z, 1)}
}

func (d Dim) count() int64 { return int64(d.X) * int64(d.Y) * int64(d.Z) }

// Launch is the shape of a launch.
type Launch struct {
	Grid, Block Dim
	Shared      int // bytes of dynamic shared memory
}

// Device is a simulated GPU: memory, and the means to run kernels on it. One
// goroutine at a time may call its methods.
type Device struct {
	cfg     Config
	mem     memory
	printMu sync.Mutex
	stats   Stats
	workers workers
}

// Stats counts what a device has executed since it was made.
type Stats struct {
	Launches     int64
	Instructions int64 // executed by warps
	Lanes        int64 // executed by threads
	Multiplies   int64 // multiply-adds of mma and wmma
}

// NewDevice returns a device with empty memory.
func NewDevice(c Config) *Device {
	if c.Threads <= 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
	if c.Budget <= 0 {
		c.Budget = 1 << 34
	}
	if c.Memory <= 0 {
		c.Memory = 24 << 30
	}
	if c.Shared <= 0 {
		c.Shared = 163 << 10
	}
	if c.Multiprocessors <= 0 {
		c.Multiprocessors = 108
	}
	d := &Device{cfg: c}
	d.mem.init(c.Memory)
	return d
}

// Config returns the configuration with its defaults filled in.
func (d *Device) Config() Config { return d.cfg }

// SetSeed changes the seed of later launches.
func (d *Device) SetSeed(seed uint64) { d.cfg.Seed = seed }

// Stats returns what the device has executed so far.
func (d *Device) Stats() Stats { return d.stats }

// Alloc returns the address of new device memory, a multiple of 256, with
// undefined contents: reading a byte before it is written is a fault. Unmapped
// space lies on both sides. Errors are of type *MemoryError.
func (d *Device) Alloc(bytes int64) (uint64, error) { return d.mem.alloc(bytes) }

// Free releases memory of Alloc.
func (d *Device) Free(addr uint64) error { return d.mem.free(addr) }

// Memory returns the bytes in use and the size of the device.
func (d *Device) Memory() (used, total int64) { return d.mem.used, d.mem.total }

// Write copies b to device memory at addr. The range must lie in one
// allocation, here and in the methods below; otherwise nothing is changed and
// the error is of type *MemoryError.
func (d *Device) Write(addr uint64, b []byte) error { return d.mem.write(addr, b) }

// Read copies len(b) bytes of device memory at addr to b. Bytes that nothing
// wrote are read as they are; see [Device.Written].
func (d *Device) Read(b []byte, addr uint64) error { return d.mem.read(b, addr) }

// Copy copies n bytes within device memory. Ranges may overlap. Bytes that
// nothing wrote stay so in the copy.
func (d *Device) Copy(dst, src uint64, n int64) error { return d.mem.copy(dst, src, n) }

// Fill sets n bytes at addr to v.
func (d *Device) Fill(addr uint64, v byte, n int64) error { return d.mem.fill(addr, v, n) }

// Forget marks n bytes at addr as never written, which is what memory of an
// arena is when it is handed out again.
func (d *Device) Forget(addr uint64, n int64) error { return d.mem.forget(addr, n) }

// Written reports whether each of n bytes at addr has been written; if not, at
// is the first that has not.
func (d *Device) Written(addr uint64, n int64) (ok bool, at uint64, err error) {
	return d.mem.written(addr, n)
}

// Load places a module on the device: its global and constant variables take
// memory, initialized as the PTX says.
func (d *Device) Load(m *Module) (*Image, error) { return d.load(m) }

// Image is a module on a device.
type Image struct {
	dev     *Device
	module  *Module
	globals map[string]symbol
	kernels map[string]*Kernel
	placed  map[*variable]symbol
}

// Kernel looks a kernel up.
func (i *Image) Kernel(name string) (*Kernel, error) {
	k := i.kernels[name]
	if k == nil {
		return nil, fmt.Errorf("%s: no kernel %q", i.module.Name, name)
	}
	return k, nil
}

// Global returns the address and size of a .global or .const variable.
func (i *Image) Global(name string) (addr uint64, bytes int64, err error) {
	s, ok := i.globals[name]
	if !ok {
		return 0, 0, fmt.Errorf("%s: no global variable %q", i.module.Name, name)
	}
	return s.addr, s.size, nil
}

// Unload releases the module's variables. Its kernels may not be launched any
// more.
func (i *Image) Unload() error { return i.dev.unload(i) }

// Launch runs a kernel to its end. Each argument is a parameter in order:
// bool, a sized integer, uintptr, float32, float64, or []byte for a parameter
// of that many bytes; its size must be the parameter's. Errors in the shape or
// the arguments are of type *LaunchError, faults of the kernel of type *Fault.
func (d *Device) Launch(k *Kernel, l Launch, args ...any) error {
	params, err := k.marshal(args)
	if err != nil {
		return err
	}
	return d.LaunchRaw(k, l, params)
}

// LaunchRaw is Launch with the parameters already laid out as
// [Kernel.Params] says, which is what a driver has.
func (d *Device) LaunchRaw(k *Kernel, l Launch, params []byte) error { return d.launch(k, l, params) }
