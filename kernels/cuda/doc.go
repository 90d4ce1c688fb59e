// Package cuda is the CUDA implementation of kernels.Engine: kernels written in
// CUDA C++ (the .cu files here), compiled to PTX that is committed and embedded,
// and launched through a [Driver].
//
// It is not a CUDA binding. What it needs of a device is the small interface
// [Driver], which has two implementations: kernels/cuda/nvidia, over
// gorgonia.org/cu (build tag cuda), and kernels/cuda/emulated, which runs the
// same PTX on the interpreter of kernels/ptx. Most readers need two calls:
// New, which makes an engine over a driver, and [Driver].Launch, which every
// operation ends in.
package cuda
