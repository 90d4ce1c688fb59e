// Package cpu is the CPU implementation of kernels.Engine: the products of
// kernels/gemm, the row operations of kernels/cpu/vec and the exact
// functions of kernels/num, on the workers of kernels/pool.
//
// It is meant to be used through the interface: models are written against
// kernels.Engine, and only the code that chooses an engine imports this package.
// Most readers need two calls: [New], which starts an engine and its threads, and
// [Engine.Close].
//
// # Bits
//
// Results are bit-identical for any number of threads, any micro-batch, any
// neighbours in a batch, with or without shared prefixes, and for any vector
// width and processor. [Numerics] names the version of the bits. This section
// defines what package kernels leaves open, so that another implementation can
// reproduce them. All arithmetic is float32 unless stated, each operation
// rounds once to nearest even, and denormals are kept, except in products of
// BF16 operands (see gemm). fma is fused; nothing else is. exp is num.Exp32,
// log is num.Log, and bf16(x) rounds to bfloat16, to nearest even, keeping
// denormals. A tree is the 16-lane sum of package kernels. NaN payloads are not
// defined.
//
// Convert, Write: bf16(x). Add, AddRows, EmbedGrad, BiasGrad: x + y, tokens
// ascending from +0 or from the carried value.
//
// RMSNorm: ms = tree(x*x) / n; inv = 1 / sqrt(ms + eps); y = (x*inv) * w.
//
// RMSNormGrad: with g = dy*w and h = x*inv, c = tree(g*h) / n; then dx =
// fma(fma(h, -c, g), inv, dx), and over tokens dw = fma(dy, h, dw).
//
// Linear and its gradients: see gemm. The bias, then the residual, is added to
// the finished chain.
//
// Rotary: (a*cos - b*sin, b*cos + a*sin), each product and sum rounded. The
// inverse takes -sin.
//
// SwiGLU: with e = exp(-|g|) and r = 1/(1+e), s = r and t = e*r for g >= 0,
// swapped for g < 0, so that s is the sigmoid and t is 1 - s without
// cancellation: y = (g*s) * up. Gradient: dup = dy * (g*s), dgate = (dy*up) *
// (s*fma(g, t, 1)).
//
// Attention: score = qk * scale, where qk is a chain over the head size and
// scale = 1/sqrt(head size), computed in float64 and rounded once. m is the
// largest score (+0 if it is zero), e = exp(score - m), and sum is the tree of e
// over the absolute index of the key. out = (chain over keys of p and v) /
// sum, where p is e, or bf16(e) if q, k, v are BF16.
//
// AttentionGrad: dout is first rounded to BF16 if q is BF16. d = tree(dout*out)
// over the head size; qk, m and sum are those of Attention; dp is the chain of
// dout and v over the head size; then
//
//	p  = exp(qk*scale - m) / sum
//	ds = ((dp - d) * p) * scale
//
// and both are rounded to BF16 if q is BF16; ds is computed from the unrounded
// p. dq is the chain of ds and k over keys. dv and dk are the chains of p and
// dout, and of ds and q, over the query heads of the group in order and, within
// each, over queries. ds already contains the scale. Keys that a query does not
// see are in no chain. Rows that belong to no sequence are not written.
//
// CrossEntropy: m is the largest logit, e = exp(logit - m), and sum is the tree
// of e over the vocabulary; ce = (m - logit[target]) + log(sum) in float64. The
// gradient of the logits is (e/sum) * coef, at the target (e/sum - 1) * coef,
// rounded to BF16 if x is BF16. dx is a chain over the vocabulary, ascending. dw
// is a chain over label rows, which in BF16 are paired from the start of each
// sequence. The logits of at most 512 rows are in memory at once; the number does
// not affect the result. LogProb is -ce.
//
// SumSquares: squares in float64, where they are exact, added as a tree within
// blocks of 65,536 elements; the block sums are added in order.
//
// AdamW: as kernels.AdamW, with the multiplication by Scale always done; square
// roots and divisions are correctly rounded.
//
// # Environment
//
// XRUN_SIMD=noasm, like the build tag noasm, disables all assembly, here and in
// gemm; its other values select one of gemm's paths. On amd64 processors without
// AVX2 and FMA no assembly is used either.
//
// # Memory
//
// Tensors of 64 KiB or more live outside the garbage-collected heap (package
// pages): Free returns them to the system at once, and Close returns the rest. If
// the system is out of memory, New and the operations panic with a
// *pages.ExhaustedError. Operations allocate only while their scratch memory
// grows. It holds, for each thread, the keys and values of one head of one sequence
// and a strip of its scores, and, once, the logits of up to 512 label rows (at most
// 320 MiB).
package cpu
