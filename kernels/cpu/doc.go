// Package cpu is the CPU implementation of kernels.Engine.
//
// It is not for use without the interface: models are written against
// [kernels.Engine]. Most readers need two calls: [New], which starts an
// engine with its threads, and [Engine.Close].
package cpu
