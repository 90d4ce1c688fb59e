// Package fake is a CUDA driver without a GPU. It implements the functions of
// libcuda that kernels/cuda/nvidia calls, over kernels/cuda/emulated. A program that
// imports it, in a build with the tags cuda and fakecuda, never looks for
// libcuda.so.1. The real host code then runs unchanged, through gorgonia.org/cu and
// cgo down to the last argument, while its kernels run on the interpreter of
// kernels/ptx.
//
// It enforces the driver's rules: a context must be current on the calling thread,
// handles must be its own, parameters are read from the launch's array of pointers,
// and after a kernel has failed every call fails.
//
// Most readers need one call: [Configure], before the driver is opened.
package fake
