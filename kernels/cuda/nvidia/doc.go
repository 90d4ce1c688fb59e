// Package nvidia implements [cuda.Driver] over NVIDIA's driver, through
// gorgonia.org/cu. It needs the build tag cuda, Linux, cgo and a C compiler, but not
// NVIDIA's toolkit, neither to build nor to run:
//
//	just build-cuda
//
// sets CGO_CFLAGS to include/, which has our own cuda.h, and CGO_LDFLAGS to lib/,
// which has a linker script in place of libcuda. Without the tag, [Open] returns an
// error that says how to build.
//
// Most readers need two calls: [Open], which finds a device, and the Driver's
// Launch.
//
// # Use of cu
//
// Only its raw calls are used: device, primary context, module, function, stream,
// event, memory, launch. Its Ctx is not, because it hands each call to a thread of
// its own (45 µs a call against 45 ns), loses errors, and is never freed; nor are
// its graphs, pointer attributes and batches, which do not work. missing.go adds
// what cu lacks: page-locked memory, the opt-in to more than 48 KB of shared memory,
// and the driver's own error texts. Each method locks its goroutine to its thread
// and makes the context current there for the duration of the call.
//
// cu's init calls cuInit and exits the process if that fails, and every program
// that imports cu is linked against libcuda. Here each function of the driver is
// called through a table that Open fills with dlopen (library.c), and until then
// cuInit reports success, so the same program also starts where there is no driver.
//
// # Failures
//
// The driver's result codes become an [*Error], which says what happened and what
// to do. Kernels run asynchronously, so a fault in a kernel is reported by a later
// call, which names all kernels that were in flight. With CUDA_LAUNCH_BLOCKING=1
// every launch is waited for, and the message names the one that failed.
//
// # Testing
//
// The tests run this package, unmodified, against package fake: a libcuda whose
// kernels run on the interpreter of kernels/ptx. Of NVIDIA's drivers, 580.159 has
// loaded these kernels, on an H200 (kernels/cuda/measured.md); run `xrun selftest`
// to test yours.
package nvidia
