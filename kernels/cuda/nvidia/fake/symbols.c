//go:build cuda && fakecuda && cgo && linux

/* Looks up the functions of the fake driver by name. Those for the calling thread, and
 * cuInit, which runs before Go's packages are initialized, are here; the others are
 * exported by fake.go. */
#include <string.h>
#include "fake.h"

static __thread CUcontext current;

CUcontext fake_current(void) { return current; }

static CUresult set_current(CUcontext c) {
	current = c;
	return CUDA_SUCCESS;
}

static CUresult get_current(CUcontext *c) {
	*c = current;
	return CUDA_SUCCESS;
}

extern CUresult fake_init(unsigned int flags);
#define EXPORTED(X) \
	X(cuDriverGetVersion) \
	X(cuDeviceGetCount) \
	X(cuDeviceGet) \
	X(cuDeviceGetName) \
	X(cuDeviceGetAttribute) \
	X(cuDeviceTotalMem_v2) \
	X(cuDevicePrimaryCtxRetain) \
	X(cuDevicePrimaryCtxRelease_v2) \
	X(cuModuleLoadDataEx) \
	X(cuModuleGetFunction) \
	X(cuFuncSetAttribute) \
	X(cuMemAlloc_v2) \
	X(cuMemFree_v2) \
	X(cuMemGetInfo_v2) \
	X(cuMemHostAlloc) \
	X(cuMemFreeHost) \
	X(cuStreamCreate) \
	X(cuStreamSynchronize) \
	X(cuStreamWaitEvent) \
	X(cuEventCreate) \
	X(cuEventRecord) \
	X(cuEventSynchronize) \
	X(cuEventElapsedTime) \
	X(cuMemcpyHtoDAsync_v2) \
	X(cuMemcpyDtoHAsync_v2) \
	X(cuMemcpyDtoDAsync_v2) \
	X(cuMemsetD8Async) \
	X(cuLaunchKernel) \
	X(cuGetErrorName)

#define X(name) extern CUresult fake_##name();
EXPORTED(X)
#undef X

void *xrun_fake_symbol(const char *name) {
	if (strcmp(name, "cuInit") == 0) return fake_init;
	if (strcmp(name, "cuCtxSetCurrent") == 0) return set_current;
	if (strcmp(name, "cuCtxGetCurrent") == 0) return get_current;
#define X(f) if (strcmp(name, #f) == 0) return fake_##f;
	EXPORTED(X)
#undef X
	return NULL;
}
