//go:build cuda && fakecuda && cgo && linux

package fake

// #include "fake.h"
import "C"

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unsafe"

	"xrun/kernels/cuda"
	"xrun/kernels/cuda/emulated"
	"xrun/kernels/ptx"
)

// Config describes the machine to imitate.
type Config struct {
	emulated.Options
	Version    int  // of the driver, 12040 if zero
	NoDevice   bool // a driver without a device
	InitResult int  // what cuInit returns

	// Log receives the details that result codes do not carry. It may be nil.
	Log io.Writer
}

// Configure sets the machine. It must not be called while a driver is open.
func Configure(c Config) {
	lock.Lock()
	defer lock.Unlock()
	if device != nil {
		panic("fake: the driver is open")
	}
	config = c
}

// The machine: one device with one context, which exists while it is retained.
var (
	lock     sync.Mutex
	config   Config
	device   *emulated.Driver
	retained int
	failed   C.CUresult // result of a failed kernel, returned by every later call
	handles  map[unsafe.Pointer]any
	hosts    map[unsafe.Pointer][]byte
)

// code returns the driver's result for an error of the emulated one.
func code(err error) C.CUresult {
	var oom *cuda.OutOfMemoryError
	var fault *ptx.Fault
	if err != nil && config.Log != nil {
		fmt.Fprintf(config.Log, "fake libcuda: %v\n", err)
	}
	switch {
	case err == nil:
		return C.CUDA_SUCCESS
	case errors.As(err, &oom):
		return C.CUDA_ERROR_OUT_OF_MEMORY
	case errors.As(err, &fault):
		failed = C.CUDA_ERROR_LAUNCH_FAILED
		switch fault.Kind {
		case ptx.OutOfBounds:
			failed = C.CUDA_ERROR_ILLEGAL_ADDRESS
		case ptx.Misaligned:
			failed = C.CUDA_ERROR_MISALIGNED_ADDRESS
		}
		return failed
	}
	return C.CUDA_ERROR_INVALID_VALUE
}

// with runs a call that needs a context.
func with(call func() C.CUresult) C.CUresult {
	lock.Lock()
	defer lock.Unlock()
	switch {
	case C.fake_current() == nil || device == nil:
		return C.CUDA_ERROR_INVALID_CONTEXT
	case failed != 0:
		return failed
	}
	return call()
}

// newHandle returns a pointer that serves as a handle of v.
func newHandle(v any) unsafe.Pointer {
	p := C.malloc(1)
	handles[p] = v
	return p
}

// get returns the value of a handle.
func get[T any](h unsafe.Pointer) (v T, ok bool) {
	v, ok = handles[h].(T)
	return v, ok
}

//export fake_init
func fake_init(C.uint) C.CUresult { return C.CUresult(config.InitResult) }

//export fake_cuGetErrorName
func fake_cuGetErrorName(r C.CUresult, s **C.char) C.CUresult {
	*s = errorNames[r]
	if *s == nil {
		return C.CUDA_ERROR_INVALID_VALUE
	}
	return 0
}

// errorNames are C strings that live as long as the process, like the driver's.
var errorNames = map[C.CUresult]*C.char{}

func init() {
	for r, name := range map[C.CUresult]string{
		1: "INVALID_VALUE", 2: "OUT_OF_MEMORY", 3: "NOT_INITIALIZED", 100: "NO_DEVICE", 101: "INVALID_DEVICE", 200: "INVALID_IMAGE",
		201: "INVALID_CONTEXT", 218: "INVALID_PTX", 222: "UNSUPPORTED_PTX_VERSION", 400: "INVALID_HANDLE", 500: "NOT_FOUND", 600: "NOT_READY",
		700: "ILLEGAL_ADDRESS", 716: "MISALIGNED_ADDRESS", 719: "LAUNCH_FAILED", 803: "SYSTEM_DRIVER_MISMATCH",
	} {
		errorNames[r] = C.CString("CUDA_ERROR_" + name)
	}
}

//export fake_cuDriverGetVersion
func fake_cuDriverGetVersion(v *C.int) C.CUresult {
	*v = 12040
	if config.Version != 0 {
		*v = C.int(config.Version)
	}
	return 0
}

//export fake_cuDeviceGetCount
func fake_cuDeviceGetCount(n *C.int) C.CUresult {
	*n = 1
	if config.NoDevice {
		*n = 0
	}
	return 0
}

//export fake_cuDeviceGet
func fake_cuDeviceGet(d *C.CUdevice, ordinal C.int) C.CUresult {
	if ordinal != 0 || config.NoDevice {
		return C.CUDA_ERROR_INVALID_DEVICE
	}
	*d = 0
	return 0
}

// info describes the device, open or not.
func info() cuda.Device {
	if device != nil {
		return device.Device()
	}
	return emulated.Open(config.Options).Device()
}

//export fake_cuDeviceGetName
func fake_cuDeviceGetName(name *C.char, n C.int, _ C.CUdevice) C.CUresult {
	b := unsafe.Slice((*byte)(unsafe.Pointer(name)), int(n))
	b[copy(b[:n-1], "fake CUDA device")] = 0
	return 0
}

//export fake_cuDeviceGetAttribute
func fake_cuDeviceGetAttribute(v *C.int, a C.CUdevice_attribute, _ C.CUdevice) C.CUresult {
	d := info()
	switch a {
	case C.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
		*v = C.int(d.Major)
	case C.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
		*v = C.int(d.Minor)
	case C.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
		*v = C.int(d.Multiprocessors)
	case C.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
		*v = C.int(d.SharedPerBlock)
	default:
		return C.CUDA_ERROR_INVALID_VALUE
	}
	return 0
}

//export fake_cuDeviceTotalMem_v2
func fake_cuDeviceTotalMem_v2(n *C.size_t, _ C.CUdevice) C.CUresult {
	*n = C.size_t(info().Memory)
	return 0
}

//export fake_cuDevicePrimaryCtxRetain
func fake_cuDevicePrimaryCtxRetain(c *C.CUcontext, _ C.CUdevice) C.CUresult {
	lock.Lock()
	defer lock.Unlock()
	if retained == 0 && failed != 0 { // this process can no longer use the device
		return failed
	}
	if retained == 0 {
		device = emulated.Open(config.Options)
		handles, hosts = map[unsafe.Pointer]any{}, map[unsafe.Pointer][]byte{}
		context = C.CUcontext(newHandle(nil))
	}
	retained++
	*c = context
	return 0
}

var context C.CUcontext

//export fake_cuDevicePrimaryCtxRelease_v2
func fake_cuDevicePrimaryCtxRelease_v2(C.CUdevice) C.CUresult {
	lock.Lock()
	defer lock.Unlock()
	if retained == 0 {
		return C.CUDA_ERROR_INVALID_CONTEXT
	}
	if retained--; retained == 0 {
		for p := range handles {
			C.free(p)
		}
		for p := range hosts {
			C.free(p)
		}
		device, handles, hosts = nil, nil, nil
	}
	return 0
}

//export fake_cuModuleLoadDataEx
func fake_cuModuleLoadDataEx(m *C.CUmodule, image unsafe.Pointer, n C.uint, options *C.CUjit_option, values *unsafe.Pointer) C.CUresult {
	return with(func() C.CUresult {
		text := C.GoString((*C.char)(image))
		if !strings.Contains(text, ".version") {
			return C.CUDA_ERROR_INVALID_IMAGE
		}
		mod, err := device.Load("ptx", []byte(text))
		if err == nil {
			*m = C.CUmodule(newHandle(mod))
			return 0
		}
		var log []byte
		value := unsafe.Slice((*uintptr)(unsafe.Pointer(values)), int(n))
		for i, o := range unsafe.Slice(options, int(n)) {
			switch o {
			case C.CU_JIT_ERROR_LOG_BUFFER:
				log = unsafe.Slice((*byte)(pointer(value[i])), 1)
			case C.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
				log = unsafe.Slice(unsafe.SliceData(log), int(value[i]))
			}
		}
		if len(log) > 0 {
			log[copy(log[:len(log)-1], err.Error())] = 0
		}
		if errors.As(err, new(*emulated.VersionError)) {
			return C.CUDA_ERROR_UNSUPPORTED_PTX_VERSION
		}
		return C.CUDA_ERROR_INVALID_PTX
	})
}

// pointer converts an integer that the C side made from a pointer back to a pointer.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// function is the value of a CUfunction handle.
type function struct {
	module cuda.Module
	name   string
	fn     *emulated.Function
}

//export fake_cuModuleGetFunction
func fake_cuModuleGetFunction(f *C.CUfunction, m C.CUmodule, name *C.char) C.CUresult {
	return with(func() C.CUresult {
		mod, ok := get[cuda.Module](unsafe.Pointer(m))
		if !ok {
			return C.CUDA_ERROR_INVALID_HANDLE
		}
		// Every function may use 48 KB without opting in.
		const byDefault = 48 << 10
		fn, err := device.Function(mod, C.GoString(name), byDefault)
		if err != nil {
			return C.CUDA_ERROR_NOT_FOUND
		}
		*f = C.CUfunction(newHandle(&function{mod, C.GoString(name), fn.(*emulated.Function)}))
		return 0
	})
}

//export fake_cuFuncSetAttribute
func fake_cuFuncSetAttribute(f C.CUfunction, a C.CUfunction_attribute, v C.int) C.CUresult {
	return with(func() C.CUresult {
		h, ok := get[*function](unsafe.Pointer(f))
		if !ok {
			return C.CUDA_ERROR_INVALID_HANDLE
		}
		if a != C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES {
			return C.CUDA_ERROR_INVALID_VALUE
		}
		fn, err := device.Function(h.module, h.name, int(v))
		if err == nil {
			h.fn = fn.(*emulated.Function)
		}
		return code(err)
	})
}

//export fake_cuMemAlloc_v2
func fake_cuMemAlloc_v2(p *C.CUdeviceptr, n C.size_t) C.CUresult {
	return with(func() C.CUresult {
		a, err := device.Alloc(int64(n))
		*p = C.CUdeviceptr(a)
		return code(err)
	})
}

//export fake_cuMemFree_v2
func fake_cuMemFree_v2(p C.CUdeviceptr) C.CUresult {
	return with(func() C.CUresult { return code(device.Free(cuda.Address(p))) })
}

//export fake_cuMemGetInfo_v2
func fake_cuMemGetInfo_v2(free, total *C.size_t) C.CUresult {
	return with(func() C.CUresult {
		used, all := device.Memory()
		*free, *total = C.size_t(all-used), C.size_t(all)
		return 0
	})
}

//export fake_cuMemHostAlloc
func fake_cuMemHostAlloc(p *unsafe.Pointer, n C.size_t, _ C.uint) C.CUresult {
	return with(func() C.CUresult {
		const limit = 1 << 40
		if n == 0 || n > limit {
			return C.CUDA_ERROR_OUT_OF_MEMORY
		}
		m := C.malloc(n)
		if m == nil {
			return C.CUDA_ERROR_OUT_OF_MEMORY
		}
		b := unsafe.Slice((*byte)(m), int(n))
		device.AdoptHost(b)
		hosts[m], *p = b, m
		return 0
	})
}

//export fake_cuMemFreeHost
func fake_cuMemFreeHost(p unsafe.Pointer) C.CUresult {
	return with(func() C.CUresult {
		b := hosts[p]
		if b == nil {
			return C.CUDA_ERROR_INVALID_VALUE
		}
		err := device.FreeHost(b)
		delete(hosts, p)
		C.free(p)
		return code(err)
	})
}

var errHandle = errors.New("not a handle of this driver")
