package ptx

import (
	"fmt"
	"io"
	"runtime"
	"sync"
)

// Config describes a device. The zero value is a device of compute capability 8.0 with
// all checks enabled.
type Config struct {
	// Seed determines the order of warps, blocks and atomics and, with Perturb, the
	// errors of approximate instructions.
	Seed uint64
	// Perturb changes the results of approximate instructions within their documented
	// bounds.
	Perturb bool
	// Fuse contracts a mul.f32 or mul.f64 without a rounding modifier into an add or
	// sub without one that uses its result, as ptxas may.
	Fuse bool

	// Threads is the number of blocks run at a time; 0 means GOMAXPROCS. Results do not
	// depend on it.
	Threads int
	// Budget bounds the instructions that one warp executes in a launch; 0 means 2^34.
	Budget int64

	// Memory is the size of device memory in bytes; 0 means 24 GiB. Host memory is only
	// used as device memory is allocated.
	Memory int64
	// Shared is the largest shared memory of a block, dynamic and static together; 0
	// means 163 KiB.
	Shared int
	// Multiprocessors is the value of %nsmid; 0 means 108.
	Multiprocessors int

	// Off lists the checks that are disabled.
	Off Check
	// Strict also reports code that the ISA allows but that is usually a mistake: a
	// barrier after threads have exited.
	Strict bool

	// Output receives the output of vprintf; nil discards it.
	Output io.Writer
}

// Check is a set of dynamic checks that can be disabled, for PTX that does such things
// intentionally.
type Check uint

const (
	// UninitializedMemory: reads of global, shared or local memory that was never
	// written.
	UninitializedMemory Check = 1 << iota
	// UninitializedRegister: reads of registers that were never written.
	UninitializedRegister
	// SharedRace: conflicting accesses to shared memory without a barrier between them.
	SharedRace
	// GlobalRace: conflicting accesses to global memory by two blocks of a launch.
	GlobalRace
	// WarpRace: the part of SharedRace within a warp, between lanes without a
	// bar.warp.sync between them.
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

// Device is a simulated GPU, with memory and a way to run kernels. Only one goroutine at a
// time may call its methods.
type Device struct {
	cfg     Config
	mem     memory
	printMu sync.Mutex
	stats   Stats
	workers workers
}

// Stats counts what a device has executed since it was created.
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

// Stats returns the counts of what the device has executed so far.
func (d *Device) Stats() Stats { return d.stats }

// Alloc returns the address of new device memory, a multiple of 256. The contents are
// undefined: reading a byte before it is written is a fault. There is unmapped space on
// both sides. Errors are of type *MemoryError.
func (d *Device) Alloc(bytes int64) (uint64, error) { return d.mem.alloc(bytes) }

// Free releases memory that Alloc returned.
func (d *Device) Free(addr uint64) error { return d.mem.free(addr) }

// Memory returns the bytes in use and the size of the device.
func (d *Device) Memory() (used, total int64) { return d.mem.used, d.mem.total }

// Write copies b to device memory at addr. Here and in the methods below, the range must
// lie within one allocation; otherwise nothing is changed and the error is of type
// *MemoryError.
func (d *Device) Write(addr uint64, b []byte) error { return d.mem.write(addr, b) }

// Read copies len(b) bytes of device memory at addr to b. It also reads bytes that were
// never written; see [Device.Written].
func (d *Device) Read(b []byte, addr uint64) error { return d.mem.read(b, addr) }

// Copy copies n bytes within device memory. The ranges may overlap. Bytes that were never
// written count as never written in the copy too.
func (d *Device) Copy(dst, src uint64, n int64) error { return d.mem.copy(dst, src, n) }

// Fill sets n bytes at addr to v.
func (d *Device) Fill(addr uint64, v byte, n int64) error { return d.mem.fill(addr, v, n) }

// Written reports whether all n bytes at addr have been written. If not, at is the address
// of the first that has not.
func (d *Device) Written(addr uint64, n int64) (ok bool, at uint64, err error) {
	return d.mem.written(addr, n)
}

// Load loads a module on the device. It allocates the module's global and constant
// variables and initializes them as the PTX specifies.
func (d *Device) Load(m *Module) (*Image, error) { return d.load(m) }

// Image is a module loaded on a device.
type Image struct {
	dev     *Device
	module  *Module
	globals map[string]symbol
	kernels map[string]*Kernel
	placed  map[*variable]symbol
}

// Kernel looks up a kernel.
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

// Launch runs a kernel to completion. args are the kernel's parameters in order: a bool, a
// sized integer, uintptr, float32, float64, or []byte for a parameter of that many bytes.
// Their sizes must match the parameters'. Errors in the shape or the arguments are of type
// *LaunchError, faults of the kernel of type *Fault.
func (d *Device) Launch(k *Kernel, l Launch, args ...any) error {
	params, err := k.marshal(args)
	if err != nil {
		return err
	}
	return d.LaunchRaw(k, l, params)
}

// LaunchRaw is Launch with the parameters already laid out as in [Kernel.Params], the form
// in which a driver has them.
func (d *Device) LaunchRaw(k *Kernel, l Launch, params []byte) error { return d.launch(k, l, params) }
