// Package emulated implements [cuda.Driver] without a GPU: it runs the engine's PTX
// on the interpreter of kernels/ptx.
//
// It is a test tool, thousands of times slower than a GPU, and as strict as the
// contract of cuda.Driver allows. Queued work runs only when something waits for it,
// and streams advance in an order drawn from the seed, so that a missing event gives
// wrong results. Memory of AllocHost that changes while a copy from it is queued is
// an error, and memory that a queued copy will write is overwritten with a pattern
// at once. After a fault in the interpreter the driver is unusable, as after a
// fault on a GPU.
//
// Most readers need two calls: [Open], and [Driver.Stats] to count what ran.
package emulated
