// Package cpu is the CPU implementation of kernels.Engine: the products of
// kernels/gemm, the row operations of kernels/cpu/vec and the exact
// functions of kernels/num, on the workers of kernels/pool.
//
// It is not for use without the interface: models are written against
// kernels.Engine, and only the code that chooses an engine knows this one.
// Most readers need two calls: [New], which starts an engine with its threads,
// and [Engine.Close].
//
// # Bits
//
// Results are equal to the bit whatever the number of threads, the
// micro-batch, the neighbours in a batch, shared prefixes, the vector width
// and the processor. [Numerics] names the bits. What follows defines those
// that package kernels leaves open, so that another implementation can
// reproduce them. All arithmetic is float32 unless stated, each operation
// rounds once to nearest even, and denormals are kept, except in products of
// BF16 operands (see gemm). fma is fused; nothing else is. exp is num.Exp32,
// log is num.Log, and bf16(x) rounds to bfloat16, to nearest even, denormals
// kept. A tree is the 16-lane sum of package kernels. NaN payloads are not
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
// Linear and its gradients: see gemm. Bias, then residual, are added to the
// finished chain.
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
// largest score (+0 if it is zero), e = exp(score - m), and the sum is a tree
// over the absolute index of the key. out = (chain over keys of p and v) /
// sum, where p is e, or bf16(e) if q, k, v are BF16.
//
// AttentionGrad: dout is first rounded to BF16 if q is BF16. d = tree(dout*out)
// over the head size; qk and m, sum are those of Attention; dp is a chain over
// the head size of dout and v; then
//
//	p  = exp(qk*scale - m) / sum
//	ds = ((dp - d) * p) * scale
//
// and both are rounded to BF16 if q is BF16, ds being computed from the
// unrounded p. dq is the chain over keys of ds and k; dv and dk are chains of
// p and dout, ds and q, over the query heads of the group in order and in each
// over queries. The scale is inside ds, so nothing is multiplied afterwards.
// Keys that a query does not see are not in any chain. Rows of no sequence are
// not written.
//
// CrossEntropy: m is the largest logit, e = exp(logit - m), sum is a tree over
// the vocabulary; ce = (m - logit[target]) + log(sum) in float64. Gradient of
// the logits: (e/sum) * coef, at the target (e/sum - 1) * coef, rounded to BF16
// if x is BF16. dx is a chain over the vocabulary ascending; dw one over label
// rows, which in BF16 go in pairs from the start of each sequence. Logits of a
// few hundred rows are in memory at once; how many shows in nothing. LogProb is
// -ce.
//
// SumSquares: squares in float64, where they are exact; 16 lanes and the tree
// in blocks of 65,536 elements, blocks added in order.
//
// AdamW: as kernels.AdamW, the scale always multiplied; sqrt and divisions
// round correctly.
//
// # Environment
//
// XRUN_SIMD=noasm, like the build tag noasm, takes all assembly away, here and
// in gemm; its other values choose among gemm's products. Processors without
// AVX2 and FMA do without assembly too.
//
// # Memory
//
// Tensors from 64 KiB on are outside the collected heap (package pages): Free
// gives them back to the system at once, Close gives back the rest. If the
// system has none left, New and operations panic with a *pages.ExhaustedError.
// Operations allocate only while their scratch memory grows: the keys and values
// of one head of one sequence, a strip of its scores, and the logits of up to 512
// label rows (320 MiB at most).
package cpu
