// Package emulated is a [cuda.Driver] without a GPU: the engine's PTX runs on the
// interpreter of kernels/ptx.
//
// It is a test instrument, thousands of times slower than a GPU, and as unkind as
// the contract of cuda.Driver allows. What is queued runs late, when somebody
// waits for it, and streams advance in an order drawn from the seed, so that a
// forgotten event gives wrong results. Memory of AllocHost that changes while a
// copy from it is queued is an error, and memory that a queued copy will write is
// overwritten at once with a pattern. Everything that the interpreter calls a
// fault ends the driver's life, like a fault on a GPU.
//
// Most readers need two calls: [Open], and [Driver.Stats] to count what ran.
package emulated
