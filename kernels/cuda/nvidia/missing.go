//go:build cuda && cgo && linux

package nvidia

// Functions that gorgonia.org/cu lacks.

// #cgo CFLAGS: -I${SRCDIR}/include
// #cgo LDFLAGS: -ldl
// #include "cuda.h"
// #include "library.h"
import "C"

import (
	"fmt"
	"unsafe"

	"gorgonia.org/cu"
)

// openLibrary loads the driver's library. code is the result of cuInit; why, if not
// empty, explains why the library could not be loaded.
func openLibrary() (code int, why string) {
	var result C.int
	if msg := C.xrun_cuda_open(&result); msg != nil {
		return 0, C.GoString(msg)
	}
	return int(result), ""
}

// text returns the driver's name for a result code.
func text(code int) string {
	var s *C.char
	if C.cuGetErrorName(C.CUresult(code), &s) != 0 || s == nil {
		return fmt.Sprintf("unknown error %d", code)
	}
	return C.GoString(s)
}

// setSharedMemory allows a function the given number of bytes of dynamic shared memory,
// which is required beyond 48 KB.
func setSharedMemory(f cu.Function, bytes int) int {
	// A cu.Function is a struct with one unexported pointer.
	return int(C.cuFuncSetAttribute(*(*C.CUfunction)(unsafe.Pointer(&f)), C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, C.int(bytes)))
}

// allocHost returns page-locked memory.
func allocHost(bytes int) ([]byte, int) {
	var p unsafe.Pointer
	if r := C.cuMemHostAlloc(&p, C.size_t(bytes), 0); r != 0 {
		return nil, int(r)
	}
	return unsafe.Slice((*byte)(p), bytes), 0
}

// logBuffer returns memory for the PTX compiler's messages. The driver keeps its address
// as an integer, so it must not be Go memory.
func logBuffer(bytes int) []byte {
	return unsafe.Slice((*byte)(C.calloc(1, C.size_t(bytes))), bytes)
}

func freeLogBuffer(b []byte) { C.free(unsafe.Pointer(unsafe.SliceData(b))) }

// sharedPerBlockOptIn is attribute 97, for which cu has no name.
const sharedPerBlockOptIn = cu.DeviceAttribute(C.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
