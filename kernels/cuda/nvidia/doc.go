// Package nvidia is the [cuda.Driver] of NVIDIA's driver, through
// gorgonia.org/cu. It is in the build with the tag cuda, on Linux, with cgo and a
// C compiler; NVIDIA's toolkit is not needed, neither to build nor to run:
//
//	just build-cuda
//
// which sets CGO_CFLAGS to include/, our own cuda.h, and CGO_LDFLAGS to lib/, a
// linker script in place of libcuda. Without the tag [Open] says how to build.
//
// Most readers need two calls: [Open], which finds a device, and the Driver's
// Launch.
//
// # What of cu is used
//
// Its raw calls: device, primary context, module, function, stream, event,
// memory, launch. Not its Ctx, which hands each call to a thread of its own (45
// µs a call against 45 ns), loses errors, and is never freed; nor its graphs,
// pointer attributes and batches, which do not work. What cu lacks is in
// missing.go: page-locked memory, the opt-in to more than 48 KB of shared memory,
// the driver's own error texts. Each method locks its goroutine to the thread it
// runs on and makes the context current there for the time of the call.
//
// cu's init calls cuInit and ends the process when that fails, and libcuda is a
// needed library of whatever imports it. Here every function of the driver is a
// call through a table that Open fills with dlopen (library.c), and cuInit only
// says yes until then: so the same program starts where there is no driver.
//
// # Failures
//
// The driver's result codes become an [*Error] that says what happened and what
// to do. Kernels run behind the host's back, so what a kernel did wrong is
// reported by a later call, which names the kernels that were in flight; with
// CUDA_LAUNCH_BLOCKING=1 every launch is waited for, and the message names one.
//
// # What was tried
//
// Its tests run it, unmodified, against package fake: a libcuda whose kernels
// run on the interpreter of kernels/ptx. Of NVIDIA's drivers 580.159 has loaded
// these kernels, for an H200 (kernels/cuda/measured.md); `xrun selftest` finds
// out about yours.
package nvidia
