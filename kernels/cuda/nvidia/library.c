//go:build cuda && cgo && linux

/* Every function of the driver, as a call through a table that xrun_cuda_open
 * fills from libcuda.so.1. So the program starts on a machine without a driver,
 * and the import of gorgonia.org/cu, whose init calls cuInit and ends the process
 * when that fails, costs nothing: here cuInit only says yes. */
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

/* Package fake defines it in builds that have no driver but a substitute. */
extern void *xrun_fake_symbol(const char *name) __attribute__((weak));

static void *open_library(char *why, size_t n) {
	/* The second is where Windows puts it under its Linux subsystem. */
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
