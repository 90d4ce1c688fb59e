//go:build cuda && cgo && linux

package nvidia

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"gorgonia.org/cu"

	"xrun/kernels/cuda"
)

// Options of [Open].
type Options struct {
	// Blocking waits for every launch, so that a failure names its kernel. Setting
	// CUDA_LAUNCH_BLOCKING=1 in the environment has the same effect.
	Blocking bool
}

// minVersion is the oldest driver that compiles the kernels, which are PTX 7.0.
const minVersion = 11000

// driver implements cuda.Driver.
type driver struct {
	device   cu.Device
	info     cuda.Device
	ctx      cu.CUContext
	blocking bool
	kernels  map[cu.Function]kernel
	host     map[*byte]int
	recent   []string // kernels launched since the last successful wait
	failed   error
	closed   bool
}

// module is a cuda.Module.
type module struct {
	cu.Module
	signatures map[string]signature
}

// kernel describes a function.
type kernel struct {
	name   string
	params signature
}

var library = sync.OnceValues(openLibrary)

// Open returns the driver of the first device of compute capability 8.0 or more. If there
// is none the error is an *UnavailableError.
func Open(o Options) (cuda.Driver, error) {
	code, why := library()
	if why != "" {
		return nil, &UnavailableError{"no CUDA driver: " + why, "install NVIDIA's driver"}
	}
	if code != 0 {
		e := &Error{Doing: "starting the driver", Code: code, Name: text(code)}
		return nil, &UnavailableError{e.Error(), e.Hint()}
	}
	if v := cu.Version(); v < minVersion {
		return nil, &UnavailableError{
			fmt.Sprintf("the CUDA driver is too old: it supports CUDA %d.%d, the kernels need 11.0", v/1000, v%1000/10),
			"install driver 450.36 or newer"}
	}
	n, err := cu.NumDevices()
	if err != nil {
		e := failure("counting devices", err)
		return nil, &UnavailableError{e.Error(), e.Hint()}
	}
	var small []string
	for i := range n {
		dev, err := cu.GetDevice(i)
		if err != nil {
			return nil, failure("opening device", err)
		}
		info, err := describe(dev)
		if err != nil {
			return nil, err
		}
		if info.Major < cuda.MinMajor || info.Major == cuda.MinMajor && info.Minor < cuda.MinMinor {
			small = append(small, fmt.Sprintf("%s (%d.%d)", info.Name, info.Major, info.Minor))
			continue
		}
		return open(dev, info, o)
	}
	if n == 0 {
		return nil, &UnavailableError{"no CUDA device", explanations[100].hint}
	}
	return nil, &UnavailableError{
		fmt.Sprintf("no CUDA device of compute capability %d.%d or more: %s", cuda.MinMajor, cuda.MinMinor, strings.Join(small, ", ")),
		"the kernels need an Ampere GPU (RTX 30, A100) or a newer one"}
}

func describe(dev cu.Device) (cuda.Device, error) {
	name, err := dev.Name()
	if err != nil {
		return cuda.Device{}, failure("asking for a device's name", err)
	}
	a, err := dev.Attributes(cu.ComputeCapabilityMajor, cu.ComputeCapabilityMinor, cu.MultiprocessorCount, sharedPerBlockOptIn)
	if err != nil {
		return cuda.Device{}, failure("asking for the attributes of "+name, err)
	}
	memory, err := dev.TotalMem()
	if err != nil {
		return cuda.Device{}, failure("asking for the memory of "+name, err)
	}
	return cuda.Device{Name: name, Major: a[0], Minor: a[1], Multiprocessors: a[2], SharedPerBlock: a[3], Memory: memory}, nil
}

func open(dev cu.Device, info cuda.Device, o Options) (cuda.Driver, error) {
	ctx, err := dev.RetainPrimaryCtx()
	if err != nil {
		return nil, failure("opening "+info.Name, err)
	}
	return &driver{
		device: dev, info: info, ctx: ctx, blocking: o.Blocking || os.Getenv("CUDA_LAUNCH_BLOCKING") == "1",
		kernels: map[cu.Function]kernel{}, host: map[*byte]int{},
	}, nil
}

// failure converts an error of cu, which is an integer of an unexported type, to an
// *Error.
func failure(doing string, err error) *Error {
	code := -1
	if v := reflect.ValueOf(err); v.Kind() == reflect.Int {
		code = int(v.Int())
	}
	return &Error{Doing: doing, Code: code, Name: text(code)}
}

// do calls the driver on a thread on which the context is current. The error of an
// earlier kernel may surface in any call.
func (d *driver) do(doing string, call func() error) error {
	if d.closed {
		return fmt.Errorf("cuda: %s: the driver is closed", doing)
	}
	if d.failed != nil {
		return d.failed
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cu.SetCurrentContext(d.ctx)
	if err == nil {
		err = call()
	}
	if err == nil {
		return nil
	}
	e := failure(doing, err)
	if sticky(e.Code) {
		e.About = d.suspects()
		d.failed = e
	}
	return e
}

// sticky reports whether a result means that the context is lost.
func sticky(code int) bool {
	switch code {
	case 214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999:
		return true
	}
	return false
}

// suspects names the kernels that were in flight.
func (d *driver) suspects() string {
	switch n := len(d.recent); n {
	case 0:
		return ""
	case 1:
		return "kernel " + d.recent[0]
	default:
		return "one of the kernels " + strings.Join(d.recent, ", ")
	}
}

const maxSuspects = 32

func (d *driver) launched(name string) {
	if i := slices.Index(d.recent, name); i >= 0 {
		d.recent = slices.Delete(d.recent, i, i+1)
	} else if len(d.recent) == maxSuspects {
		d.recent = slices.Delete(d.recent, 0, 1)
	}
	d.recent = append(d.recent, name)
}

func (d *driver) Device() cuda.Device { return d.info }

func (d *driver) Load(name string, ptx []byte) (cuda.Module, error) {
	if i := bytes.IndexByte(ptx, 0); i >= 0 {
		return nil, fmt.Errorf("cuda: loading %s: PTX is text, but byte %d is zero", name, i)
	}
	log := logBuffer(16 << 10)
	defer freeLogBuffer(log)
	var m cu.Module
	err := d.do("loading "+name, func() (err error) {
		m, err = cu.LoadDataEx(string(ptx), &cu.JITErrorLogBuffer{Buffer: log})
		return err
	})
	if e, ok := err.(*Error); ok {
		text, _, _ := bytes.Cut(log, []byte{0})
		e.Log = string(text)
	}
	if err != nil {
		return nil, err
	}
	return module{m, signatures(ptx)}, nil
}

func (d *driver) Function(m cuda.Module, name string, sharedBytes int) (cuda.Function, error) {
	mod, ok := m.(module)
	if !ok {
		return nil, fmt.Errorf("cuda: looking up kernel %s: not a module of this driver", name)
	}
	if sharedBytes > d.info.SharedPerBlock {
		return nil, fmt.Errorf("cuda: kernel %s needs %d bytes of shared memory, %s has %d a block", name, sharedBytes, d.info.Name, d.info.SharedPerBlock)
	}
	var f cu.Function
	err := d.do("looking up kernel "+name, func() (err error) {
		f, err = mod.Module.Function(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := d.code("giving kernel "+name+" shared memory", func() int { return setSharedMemory(f, sharedBytes) }); err != nil {
		return nil, err
	}
	d.kernels[f] = kernel{name, mod.signatures[name]}
	return f, nil
}

// code is do for calls that cu lacks.
func (d *driver) code(doing string, call func() int) error {
	return d.do(doing, func() error {
		if r := call(); r != 0 {
			return result(r)
		}
		return nil
	})
}

// result is a CUresult, like cu's own type.
type result int

func (r result) Error() string { return text(int(r)) }

func (d *driver) Alloc(n int64) (cuda.Address, error) {
	if n <= 0 {
		return 0, fmt.Errorf("cuda: allocating %d bytes", n)
	}
	var p cu.DevicePtr
	err := d.do(fmt.Sprintf("allocating %d bytes", n), func() (err error) {
		p, err = cu.MemAlloc(n)
		return err
	})
	if isOutOfMemory(err) {
		return 0, d.outOfMemory(n, false)
	}
	return cuda.Address(p), err
}

func isOutOfMemory(err error) bool {
	e, ok := err.(*Error)
	return ok && e.Code == int(cu.OutOfMemory)
}

func (d *driver) outOfMemory(n int64, host bool) error {
	e := &cuda.OutOfMemoryError{Asked: n, Host: host}
	if !host {
		_ = d.do("asking for free memory", func() (err error) {
			e.Free, e.Total, err = cu.MemInfo()
			return err
		})
	}
	return e
}

func (d *driver) Free(a cuda.Address) error {
	if a == 0 {
		return nil
	}
	return d.do("freeing memory", func() error { return cu.MemFree(cu.DevicePtr(a)) })
}

func (d *driver) AllocHost(n int) ([]byte, error) {
	if n <= 0 {
		return nil, fmt.Errorf("cuda: allocating %d bytes of host memory", n)
	}
	var b []byte
	err := d.code(fmt.Sprintf("allocating %d bytes of page-locked memory", n), func() (r int) {
		b, r = allocHost(n)
		return r
	})
	if isOutOfMemory(err) {
		return nil, d.outOfMemory(int64(n), true)
	}
	if err != nil {
		return nil, err
	}
	d.host[&b[0]] = n
	return b, nil
}

func (d *driver) FreeHost(b []byte) error {
	if cap(b) == 0 {
		return nil
	}
	p := unsafe.SliceData(b)
	if d.host[p] == 0 {
		return fmt.Errorf("cuda: freeing host memory that AllocHost did not return")
	}
	delete(d.host, p)
	return d.do("freeing page-locked memory", func() error { return cu.MemFreeHost(unsafe.Pointer(p)) })
}

func (d *driver) NewStream() (cuda.Stream, error) {
	var s cu.Stream
	err := d.do("making a stream", func() (err error) {
		s, err = cu.MakeStream(cu.NonBlocking)
		return err
	})
	return s, err
}

func (d *driver) NewEvent() (cuda.Event, error) {
	var e cu.Event
	err := d.do("making an event", func() (err error) {
		e, err = cu.MakeEvent(cu.DefaultEvent)
		return err
	})
	return e, err
}

func (d *driver) Record(e cuda.Event, s cuda.Stream) error {
	return d.do("recording an event", func() error { return e.(cu.Event).Record(s.(cu.Stream)) })
}

func (d *driver) Wait(s cuda.Stream, e cuda.Event) error {
	return d.do("waiting for an event", func() error { return s.(cu.Stream).Wait(e.(cu.Event), 0) })
}

func (d *driver) SynchronizeEvent(e cuda.Event) error {
	return d.do("waiting for an event", e.(cu.Event).Synchronize)
}

func (d *driver) Synchronize(s cuda.Stream) error {
	return d.do("waiting for the device", s.(cu.Stream).Synchronize)
}

func (d *driver) Elapsed(start, end cuda.Event) (ms float64, err error) {
	err = d.do("reading an event's time", func() (err error) {
		ms, err = start.(cu.Event).Elapsed(end.(cu.Event))
		return err
	})
	return ms, err
}

func (d *driver) CopyIn(s cuda.Stream, dst cuda.Address, src []byte) error {
	if len(src) == 0 {
		return nil
	}
	return d.do(fmt.Sprintf("copying %d bytes to the device", len(src)), func() error {
		return cu.MemcpyHtoDAsync(cu.DevicePtr(dst), unsafe.Pointer(&src[0]), int64(len(src)), s.(cu.Stream))
	})
}

func (d *driver) CopyOut(s cuda.Stream, dst []byte, src cuda.Address) error {
	if len(dst) == 0 {
		return nil
	}
	return d.do(fmt.Sprintf("copying %d bytes from the device", len(dst)), func() error {
		return cu.MemcpyDtoHAsync(unsafe.Pointer(&dst[0]), cu.DevicePtr(src), int64(len(dst)), s.(cu.Stream))
	})
}

func (d *driver) CopyDevice(s cuda.Stream, dst, src cuda.Address, n int64) error {
	if n == 0 {
		return nil
	}
	return d.do(fmt.Sprintf("copying %d bytes on the device", n), func() error {
		return cu.MemcpyDtoDAsync(cu.DevicePtr(dst), cu.DevicePtr(src), n, s.(cu.Stream))
	})
}

func (d *driver) Zero(s cuda.Stream, dst cuda.Address, n int64) error {
	if n == 0 {
		return nil
	}
	return d.do(fmt.Sprintf("zeroing %d bytes", n), func() error {
		return cu.MemsetD8Async(cu.DevicePtr(dst), 0, n, s.(cu.Stream))
	})
}

func (d *driver) Launch(s cuda.Stream, f cuda.Function, grid, block cuda.Dim, sharedBytes int, args ...any) error {
	fn := f.(cu.Function)
	name, sizes := d.kernels[fn].name, d.kernels[fn].params
	if len(args) != len(sizes) {
		return fmt.Errorf("cuda: launching %s: %d arguments for %d parameters", name, len(args), len(sizes))
	}
	// cu reads eight bytes of every parameter, whatever its type.
	values := make([]uint64, len(args))
	params := make([]unsafe.Pointer, len(args))
	for i, a := range args {
		v, size := bits(a)
		if size == 0 || sizes[i] != 0 && sizes[i] != size {
			return fmt.Errorf("cuda: launching %s: argument %d is a %T, the parameter has %d bytes", name, i, a, sizes[i])
		}
		values[i] = v
		params[i] = unsafe.Pointer(&values[i])
	}
	g, b := grid.Norm(), block.Norm()
	stream := s.(cu.Stream)
	d.launched(name)
	err := d.do("launching "+name, func() error {
		return fn.Launch(g.X, g.Y, g.Z, b.X, b.Y, b.Z, sharedBytes, stream, params)
	})
	if err != nil || !d.blocking {
		return err
	}
	if err := d.do("running "+name, stream.Synchronize); err != nil {
		return err
	}
	d.recent = nil
	return nil
}

// bits returns an argument's bytes, little-endian, in the low bytes of v, and their
// number, which is 0 for types that are not allowed as arguments.
func bits(a any) (v uint64, size int) {
	switch a := a.(type) {
	case cuda.Address:
		return uint64(a), 8
	case int32:
		return uint64(uint32(a)), 4
	case uint32:
		return uint64(a), 4
	case int64:
		return uint64(a), 8
	case uint64:
		return a, 8
	case float32:
		return uint64(math.Float32bits(a)), 4
	case float64:
		return math.Float64bits(a), 8
	}
	return 0, 0
}

// Close releases the device and all memory allocated on it.
func (d *driver) Close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	for p := range d.host {
		runtime.LockOSThread()
		_ = cu.SetCurrentContext(d.ctx)
		_ = cu.MemFreeHost(unsafe.Pointer(p))
		runtime.UnlockOSThread()
	}
	if err := d.device.ReleasePrimaryCtx(); err != nil && d.failed == nil {
		return failure("closing "+d.info.Name, err)
	}
	return nil
}
