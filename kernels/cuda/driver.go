package cuda

// Address is an address in a device's memory; 0 means none.
type Address uint64

// Device describes the device of a driver.
type Device struct {
	Name            string
	Major, Minor    int // compute capability
	Multiprocessors int
	SharedPerBlock  int   // bytes of shared memory a block may opt into
	Memory          int64 // bytes of device memory
	Emulated        bool
}

// Dim is the size of a grid or block; a zero field counts as 1.
type Dim struct{ X, Y, Z int }

// Stream, Event, Module and Function are handles of the driver that made them.
type (
	Stream   any
	Event    any
	Module   any
	Function any
)

// Driver is the interface to a device that the engine needs. Work queued on one stream
// runs in order; different streams are ordered only by events. A failure of queued work
// may be reported by any later call, and after one only Close may be called. A Driver is
// not safe for concurrent use.
type Driver interface {
	Device() Device

	// Load compiles PTX. The error includes the compiler's log.
	Load(name string, ptx []byte) (Module, error)
	// Function looks up a kernel. sharedBytes is the largest dynamic shared memory
	// of its launches.
	Function(m Module, name string, sharedBytes int) (Function, error)

	// Alloc returns device memory of undefined contents, aligned to 256 bytes. If
	// there is none left the error is an *OutOfMemoryError.
	Alloc(bytes int64) (Address, error)
	Free(a Address) error
	// AllocHost returns page-locked memory, outside Go's heap. Copies from and to it
	// can overlap with kernels.
	AllocHost(bytes int) ([]byte, error)
	FreeHost(b []byte) error

	NewStream() (Stream, error)
	NewEvent() (Event, error)
	Record(e Event, s Stream) error
	// Wait makes work that is queued on s from now on wait for e.
	Wait(s Stream, e Event) error
	// SynchronizeEvent waits on the host.
	SynchronizeEvent(e Event) error
	Synchronize(s Stream) error
	// Elapsed returns the milliseconds between two recorded, finished events.
	Elapsed(start, end Event) (float64, error)

	// CopyIn and CopyOut queue a copy between device memory and memory of AllocHost,
	// which must not be changed or freed until the copy is done.
	CopyIn(s Stream, dst Address, src []byte) error
	CopyOut(s Stream, dst []byte, src Address) error
	CopyDevice(s Stream, dst, src Address, bytes int64) error
	// Zero queues setting bytes to 0.
	Zero(s Stream, dst Address, bytes int64) error

	// Launch queues a kernel. args are the kernel's parameters in order, each an
	// Address, int32, uint32, int64, uint64, float32 or float64.
	Launch(s Stream, f Function, grid, block Dim, sharedBytes int, args ...any) error

	Close() error
}

// OutOfMemoryError is returned by [Driver].Alloc and AllocHost.
type OutOfMemoryError struct {
	Asked, Free, Total int64 // bytes; Free and Total are 0 if unknown
	Host               bool
}

// Norm returns d with zero fields set to 1.
func (d Dim) Norm() Dim { return Dim{max(d.X, 1), max(d.Y, 1), max(d.Z, 1)} }
