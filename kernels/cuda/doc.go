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
//
// They are proven on the interpreter, accepted by NVIDIA's assembler, and
// compiled by a second compiler; roofline.md counts what bounds their speed. One
// GPU has run them, an H200: measured.md says what it took.
//
// # Bits
//
// Runs agree to the bit on one compute capability, whatever the neighbours in a
// batch: no kernel adds floats atomically, and no order depends on the number of
// rows or of multiprocessors. Elementwise operations, norms, embeddings and the
// optimizer have the CPU engine's bits, and so have float32 products (one chain
// of fma over k). Against the CPU engine in the rest, bounds hold:
//
// Products of bf16 operands: one chain of mma.sync m16n8k16 over k in sixteens
// from +0 in float32. No tile shows in it, so the choice of a kernel may depend
// on anything. Gradients of small weights and of a head's input, and products over
// a long k with few columns, cut k into splits, whose number depends on the shape
// of the weights alone, and add them in order; the weight gradient's k is the
// tokens of a micro-batch, which therefore shows.
// A carried gradient is added to the finished product.
// GateUp has the bits of the two products and SwiGLU.
//
// Attention: tiles of 64 keys (32 for heads above 64; 16 in float32), counted
// from a sequence's first key through its segments, with a running maximum and
// sum (Milakov & Gimelshein 2018; Dao et al. 2022). What a row does not see is
// not in its result: a value that is not finite reaches the rows that see it and
// no others, where one that is infinite counts as NaN in the tile that a row
// sees part of. Gradients sum over keys ascending (dq), and over queries
// ascending and then the heads of the group (dk, dv). Exponentials of bf16 scores
// are the hardware's (ex2.approx), whose bits may differ between compute
// capabilities.
//
// Losses: see loss.cu; bits depend on a row alone, so LogProb has those of
// CrossEntropy.
//
// # Memory
//
// A weight matrix that meets bf16 operands has a rounded copy beside it, 2 bytes
// an element, until something else than AdamW, which writes both, writes to it:
// read by forward, backward and every generated token, where rounding at each
// use would move four times the bytes. Qwen2.5-0.5B has 1 GB of them, beside 8 GB of weights,
// gradients and moments. Logits take up to 640 MiB.
package cuda
