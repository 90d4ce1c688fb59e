//go:build cuda && cgo && linux

/* Every function of the driver, as a call through a table that xrun_cuda_open fills
 * from libcuda.so.1. So the program also starts on a machine without a driver.
 * gorgonia.org/cu calls cuInit in its init and exits the process if that fails; this
 * cuInit always succeeds. */
#include <dlfcn.h>
#include <stdio.h>
#include "cuda.h"
#include "library.h"

enum {
#define X(name, params, args) index_##name,
#include "cuda_functions.h"
#undef X
	functions
};

static void *table[functions];

static const char *const names[functions] = {
#define X(name, params, args) #name,
#include "cuda_functions.h"
#undef X
};

#define X(name, params, args) \
	CUresult name params { \
		CUresult(*call) params = (CUresult(*) params)table[index_##name]; \
		return call ? call args : CUDA_ERROR_NOT_INITIALIZED; \
	}
#include "cuda_functions.h"
#undef X

CUresult cuInit(unsigned int flags) { return CUDA_SUCCESS; }

/* Defined by package fake, in builds that use it instead of a driver. */
extern void *xrun_fake_symbol(const char *name) __attribute__((weak));

static void *open_library(char *why, size_t n) {
	/* The second is its place under Windows' Subsystem for Linux. */
	static const char *const places[] = {"libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"};
	for (int i = 0; i < 2; i++) {
		void *library = dlopen(places[i], RTLD_NOW | RTLD_GLOBAL);
		if (library) return library;
		if (i == 0) snprintf(why, n, "%s", dlerror());
	}
	return NULL;
}

const char *xrun_cuda_open(int *result) {
	static char why[256];
	void *library = NULL;
	if (!xrun_fake_symbol && !(library = open_library(why, sizeof why))) return why;
#define FIND(name) (library ? dlsym(library, name) : xrun_fake_symbol(name))
	for (int i = 0; i < functions; i++) table[i] = FIND(names[i]);
	CUresult (*init)(unsigned int) = (CUresult(*)(unsigned int))FIND("cuInit");
	if (!init) return "libcuda.so.1 has no cuInit";
	*result = init(0);
	return NULL;
}
