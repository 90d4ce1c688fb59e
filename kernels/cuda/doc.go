// Package cuda is the CUDA implementation of kernels.Engine. Its kernels are
// written in CUDA C++ (the .cu files here) and compiled to PTX, which is committed,
// embedded, and launched through a [Driver].
//
// It is not a CUDA binding. It accesses the device through the small interface
// [Driver], which has two implementations: kernels/cuda/nvidia, over
// gorgonia.org/cu (build tag cuda), and kernels/cuda/emulated, which runs the same
// PTX on the interpreter of kernels/ptx. Most readers need two calls: [New], which
// makes an engine over a driver, and [Driver].Launch, which queues a kernel.
//
// The kernels are tested on the interpreter, assembled with NVIDIA's ptxas, and
// also compiled with nvcc. roofline.md counts what bounds their speed. They have
// run on one GPU, an H200; measured.md has the times.
//
// # Bits
//
// Runs are bit-identical on one compute capability, whatever the neighbours in a
// batch: no kernel adds floats atomically, and no order of summation depends on the
// number of rows or multiprocessors. Elementwise operations, norms, embeddings, the
// optimizer and float32 products (one chain of fma over k) give the CPU engine's
// bits. The other operations agree with it within a tolerance:
//
// Products of bf16 operands are one chain of mma.sync m16n8k16 over k, 16 at a
// time, from +0 in float32. The bits do not depend on the tile, so the choice of
// kernel is free. Three kinds of product split k into parts, which are added in
// order: gradients of small weights, the gradient of a head's input, and products
// with a long k and few columns. The number of parts depends only on the shape of
// the weights. In a weight gradient, k is the tokens of a micro-batch, so its bits
// depend on the micro-batch. A carried gradient is added to the finished product.
// GateUp has the bits of the two products and SwiGLU.
//
// Attention works in tiles of 64 keys (32 for head sizes above 64; 16 in float32),
// counted from a sequence's first key through its segments, with a running maximum
// and sum (Milakov & Gimelshein 2018; Dao et al. 2022). A value that is not finite
// reaches only the rows that see it; an infinite one counts as NaN in a tile that
// the row sees only part of. Gradients sum over keys ascending (dq), or over
// queries ascending and then over the heads of the group (dk, dv). Exponentials of
// bf16 scores are the hardware's (ex2.approx), whose bits may differ between
// compute capabilities.
//
// Losses: see loss.cu. The bits depend on the row alone, so LogProb has those of
// CrossEntropy.
//
// # Memory
//
// A weight matrix that is multiplied by bf16 operands has a rounded copy beside it,
// 2 bytes an element, which forward, backward and every generated token read;
// rounding at each use would move four times the bytes. AdamW updates both; any
// other write to the matrix invalidates the copy. For Qwen2.5-0.5B the copies take
// 1 GB, beside 8 GB of weights, gradients and moments. Logits take up to 640 MiB.
package cuda
