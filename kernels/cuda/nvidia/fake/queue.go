//go:build cuda && fakecuda && cgo && linux

package fake

// #include "fake.h"
import "C"

import (
	"unsafe"

	"xrun/kernels/cuda"
)

// onStream runs a call that queues work.
func onStream(s C.CUstream, call func(cuda.Stream) error) C.CUresult {
	return with(func() C.CUresult {
		st, ok := handles[unsafe.Pointer(s)]
		if !ok {
			return C.CUDA_ERROR_INVALID_HANDLE
		}
		return code(call(st))
	})
}

//export fake_cuStreamCreate
func fake_cuStreamCreate(s *C.CUstream, _ C.uint) C.CUresult {
	return with(func() C.CUresult {
		st, err := device.NewStream()
		*s = C.CUstream(newHandle(st))
		return code(err)
	})
}

//export fake_cuStreamSynchronize
func fake_cuStreamSynchronize(s C.CUstream) C.CUresult {
	return onStream(s, func(s cuda.Stream) error { return device.Synchronize(s) })
}

//export fake_cuStreamWaitEvent
func fake_cuStreamWaitEvent(s C.CUstream, e C.CUevent, _ C.uint) C.CUresult {
	return onStream(s, func(s cuda.Stream) error { return device.Wait(s, handles[unsafe.Pointer(e)]) })
}

//export fake_cuEventCreate
func fake_cuEventCreate(e *C.CUevent, _ C.uint) C.CUresult {
	return with(func() C.CUresult {
		ev, err := device.NewEvent()
		*e = C.CUevent(newHandle(ev))
		return code(err)
	})
}

//export fake_cuEventRecord
func fake_cuEventRecord(e C.CUevent, s C.CUstream) C.CUresult {
	return onStream(s, func(s cuda.Stream) error { return device.Record(handles[unsafe.Pointer(e)], s) })
}

//export fake_cuEventSynchronize
func fake_cuEventSynchronize(e C.CUevent) C.CUresult {
	return with(func() C.CUresult { return code(device.SynchronizeEvent(handles[unsafe.Pointer(e)])) })
}

//export fake_cuEventElapsedTime
func fake_cuEventElapsedTime(ms *C.float, start, end C.CUevent) C.CUresult {
	return with(func() C.CUresult {
		t, err := device.Elapsed(handles[unsafe.Pointer(start)], handles[unsafe.Pointer(end)])
		if err != nil {
			return C.CUDA_ERROR_NOT_READY
		}
		*ms = C.float(t)
		return 0
	})
}

//export fake_cuMemcpyHtoDAsync_v2
func fake_cuMemcpyHtoDAsync_v2(dst C.CUdeviceptr, src unsafe.Pointer, n C.size_t, s C.CUstream) C.CUresult {
	return onStream(s, func(s cuda.Stream) error {
		return device.CopyIn(s, cuda.Address(dst), unsafe.Slice((*byte)(src), int(n)))
	})
}

//export fake_cuMemcpyDtoHAsync_v2
func fake_cuMemcpyDtoHAsync_v2(dst unsafe.Pointer, src C.CUdeviceptr, n C.size_t, s C.CUstream) C.CUresult {
	return onStream(s, func(s cuda.Stream) error {
		return device.CopyOut(s, unsafe.Slice((*byte)(dst), int(n)), cuda.Address(src))
	})
}

//export fake_cuMemcpyDtoDAsync_v2
func fake_cuMemcpyDtoDAsync_v2(dst, src C.CUdeviceptr, n C.size_t, s C.CUstream) C.CUresult {
	return onStream(s, func(s cuda.Stream) error {
		return device.CopyDevice(s, cuda.Address(dst), cuda.Address(src), int64(n))
	})
}

//export fake_cuMemsetD8Async
func fake_cuMemsetD8Async(dst C.CUdeviceptr, v C.uchar, n C.size_t, s C.CUstream) C.CUresult {
	if v != 0 {
		return C.CUDA_ERROR_NOT_SUPPORTED
	}
	return onStream(s, func(s cuda.Stream) error { return device.Zero(s, cuda.Address(dst), int64(n)) })
}

//export fake_cuLaunchKernel
func fake_cuLaunchKernel(f C.CUfunction, gx, gy, gz, bx, by, bz, shared C.uint, s C.CUstream, params, extra *unsafe.Pointer) C.CUresult {
	return onStream(s, func(s cuda.Stream) error {
		h, ok := get[*function](unsafe.Pointer(f))
		if !ok || extra != nil {
			return errHandle
		}
		buf := make([]byte, h.fn.ParamBytes)
		for i, p := range h.fn.Params {
			value := unsafe.Slice(params, len(h.fn.Params))[i]
			copy(buf[p.Offset:p.Offset+p.Size], unsafe.Slice((*byte)(value), p.Size))
		}
		return device.LaunchBytes(s, h.fn, cuda.Dim{X: int(gx), Y: int(gy), Z: int(gz)}, cuda.Dim{X: int(bx), Y: int(by), Z: int(bz)}, int(shared), buf)
	})
}
