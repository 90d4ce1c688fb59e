package cuda_test

import "xrun/kernels"

// mutations of every kernel. Each is a mistake that could be made in the source, or by a compiler
// or assembler. It must lead to a fault in the interpreter or to a result that a probe finds
// wrong.
var mutations = []mutation{
	// Norms and sums over tokens.
	{name: "a tile added before it is there", module: "norm", kernel: "bias_grad_f32", old: `bar\.sync\s+0;`, nth: 1, probe: sameBits("BiasGrad", 131, 36)},
	{name: "a tile stored over the one before", module: "norm", kernel: "bias_grad_f32", old: `bar\.sync\s+0;`, probe: sameBits("BiasGrad", 300, 36)},
	{name: "a weight's tile stored over the one before", module: "norm", kernel: "rmsnorm_grad_weight_bf16", old: `bar\.sync\s+0;`, probe: sameBits("RMSNormGrad", 300, 36)},
	{name: "a fill of tiles that counts", module: "norm", kernel: "bias_grad_f32", old: `0f80000000`, new: "0f3F800000", probe: sameBits("BiasGrad", 131, 36)},
	{name: "a row too many summed", module: "norm", kernel: "bias_grad_f32", old: `setp\.lt\.s32`, nth: 1, new: "setp.le.s32", probe: sameBits("BiasGrad", 5, 132)},
	{name: "a barrier that one warp skips", module: "norm", kernel: "bias_grad_f32", old: `bar\.sync\s+0;`, new: "{ .reg .pred q; .reg .u32 t; mov.u32 t, %tid.x; setp.ge.u32 q, t, 32; @q bar.sync 0; }", probe: sameBits("BiasGrad", 131, 36)},
	{name: "a row summed before it is there", module: "norm", kernel: "rmsnorm_bf16", old: `bar\.sync\s+0;`, nth: 1, probe: sameBits("RMSNorm", 17, 65)},
	{name: "a part stored over the one before", module: "norm", kernel: "rmsnorm_grad_f32", old: `bar\.sync\s+0;`, probe: sameBits("RMSNormGrad", 1, 2100)},
	{name: "a sum read before it is there", module: "norm", kernel: "rmsnorm_f32", old: `bar\.sync\s+0;`, nth: 2, probe: sameBits("RMSNorm", 17, 65)},
	{name: "a tree that adds a lane twice", module: "norm", kernel: "rmsnorm_f32", old: `(shfl\.sync\.bfly\.b32\s+%f\d+, %f\d+), 8,`, new: "$1, 4,", probe: sameBits("RMSNorm", 17, 65)},
	{name: "a shuffle that names lanes which left", module: "norm", kernel: "rmsnorm_bf16", old: `(shfl\.sync\.bfly\.b32\s+%f\d+, %f\d+, 1, 31), -1;`, new: "{ .reg .pred q; .reg .u32 t; mov.u32 t, %laneid; setp.lt.u32 q, t, 16; @q $1, -1; }", probe: sameBits("RMSNorm", 17, 65)},
	{name: "a fill of rows that counts", module: "norm", kernel: "rmsnorm_f32", old: `0f80000000`, new: "0f3F800000", probe: sameBits("RMSNorm", 17, 65)},
	{name: "a column too many stored", module: "norm", kernel: "rmsnorm_grad_f32", old: `setp\.ge\.s32`, nth: 24, new: "setp.gt.s32", probe: sameBits("RMSNormGrad", 3, 300)},
	{name: "a part's columns in another's place", module: "norm", kernel: "rmsnorm_f32", old: `, 2048;`, new: ", 1792;", probe: sameBits("RMSNorm", 1, 2100)},
	{name: "an approximate root", module: "norm", kernel: "rmsnorm_f32", old: `sqrt\.rn\.f32`, new: "sqrt.approx.f32", probe: sameBits("RMSNorm", 70, 33)},
	{name: "an approximate division", module: "optimizer", kernel: "adamw", old: `div\.rn\.f32`, new: "div.full.f32", probe: sameBits("AdamW", 131, 36)},
	{name: "a product rounded to zero", module: "optimizer", kernel: "adamw", old: `fma\.rn\.f32`, new: "fma.rz.f32", probe: sameBits("AdamW", 131, 36)},
	{name: "decay of the wrong sign", module: "optimizer", kernel: "adamw", old: `neg\.f32(\s+%f1,)`, new: "mov.f32$1", probe: sameBits("AdamW", 5, 132)},
	{name: "swapped elements of a vector", module: "optimizer", kernel: "adamw", old: `(st\.v4\.f32\s+\[%rd\d+(?:\+-?\d+)?\]), \{(%f\d+), (%f\d+),`, nth: 1, new: "$1, {$3, $2,", probe: sameBits("AdamW", 5, 132)},
	{name: "weights rounded to zero", module: "optimizer", kernel: "adamw", old: `cvt\.rn\.bf16x2\.f32`, new: "cvt.rz.bf16x2.f32", probe: steps},
	{name: "a sum in another order", module: "optimizer", kernel: "sum_squares", old: `add\.s64(\s+%rd54, %rd54), 64;`, new: "add.s64$1, 60;", probe: sameBits("SumSquares", 17, 65)},
	{name: "sums rounded down", module: "optimizer", kernel: "sum_squares", old: `add\.rn\.f64`, nth: 1, new: "add.rm.f64", probe: sameBits("SumSquares", 131, 36)},
	{name: "a block's descriptor of another size", module: "optimizer", kernel: "sum_squares", old: `mul\.wide\.s32(\s+%rd\d+, %r\d+), 16;`, new: "mul.wide.s32$1, 8;", probe: sameBits("SumSquares", 17, 65)},
	{name: "additions rounded to zero", module: "rows", kernel: "embed_grad", old: `add\.rn\.f32`, new: "add.rz.f32", probe: sameBits("EmbedGrad", 131, 36)},
	{name: "tokens beyond a slot's", module: "rows", kernel: "embed_grad", old: `(ld\.global\.u32\s+%r2, \[%rd38)\+4\]`, new: "$1+8]", probe: sameBits("EmbedGrad", 17, 65)},
	{name: "a stride of half the row", module: "rows", kernel: "gather", old: `mul\.wide\.s32(\s+%rd\d+, %r15, %r11);`, new: "mul.wide.s32$1; shr.s64 %rd5, %rd5, 1;", probe: sameBits("Embed", 5, 132)},
	{name: "a missing bound of columns", module: "rows", kernel: "gather", old: `@%p2 bra\s+\$L__BB0_25;`, probe: sameBits("Embed", 5, 132)},
	{name: "rotated the wrong way", module: "rows", kernel: "rotary", old: `sub\.rn\.f32`, new: "add.rn.f32", probe: sameBits("Rotary", 17, 65)},
	{name: "bf16 rounded to zero", module: "elementwise", kernel: "convert", old: `cvt\.rn\.bf16x2\.f32`, new: "cvt.rz.bf16x2.f32", probe: sameBits("Write, Read and Convert", 5, 132)},
	{name: "halves of a word swapped", module: "elementwise", kernel: "convert", old: `(cvt\.rn\.bf16x2\.f32\s+%r\d+), (%f\d+), (%f\d+);`, new: "$1, $3, $2;", probe: sameBits("Write, Read and Convert", 5, 132)},
	{name: "a wide access where lines are odd", module: "elementwise", kernel: "add", old: `setp\.eq\.s32(\s+%p1, %r\d+), 0;`, new: "setp.eq.s32$1, 2;", probe: sameBits("Add", 3, 7)},
	{name: "an exponential of two instead of e", module: "elementwise", kernel: "swiglu", old: `0fBFB8AA3B`, new: "0fBF800000", probe: sameBits("SwiGLU", 5, 132)},
	{name: "a register that nothing wrote", module: "elementwise", kernel: "swiglu", old: `rcp\.rn\.f32(\s+%f\d+), %f\d+;`, new: "{ .reg .f32 u; rcp.rn.f32$1, u; }", probe: sameBits("SwiGLU", 5, 132)},

	// Barriers and asynchronous copies.
	{name: "no barrier in the loop", module: "gemm", kernel: "product_nt_small", old: `bar\.sync\s+0;`, probe: products("nt", "small")},
	{name: "no barrier before the strips", module: "gemm", kernel: "product_nt_small", old: `bar\.sync\s+0;`, nth: 1, probe: products("nt", "small")},
	{name: "no wait for copies", module: "gemm", kernel: "product_nn_small", old: `cp\.async\.wait_group 1;`, probe: products("nn", "small")},
	{name: "a wait for one group too few", module: "gemm", kernel: "product_nt_large", old: `cp\.async\.wait_group 1;`, new: "cp.async.wait_group 2;", probe: products("nt", "large")},
	{name: "copies not committed", module: "gemm", kernel: "product_tn_small", old: `cp\.async\.commit_group;`, nth: 1, probe: products("tn", "small")},
	{name: "no barrier of the warp's strip", module: "gemm", kernel: "product_nt_thin", old: `bar\.warp\.sync\s+-1;`, nth: 1, probe: products("nt", "thin")},
	// Fragments.
	{name: "rows of a swapped", module: "gemm", kernel: "product_nt_small", old: `(mma\.sync\S+\s+?\{[^}]*\}, \{)(%r\d+), (%r\d+)`, new: "$1$3, $2", probe: products("nt", "small")},
	{name: "halves of b swapped", module: "gemm", kernel: "product_nn_large", old: `(mma\.sync\S+\s+?\{[^}]*\}, \{[^}]*\}, \{)(%r\d+), (%r\d+)`, nth: 3, new: "$1$3, $2", probe: products("nn", "large")},
	{name: "accumulators swapped", module: "gemm", kernel: "product_tn_large", old: `(mma\.sync\S+\s+?\{)(%f\d+), (%f\d+)`, nth: 5, new: "$1$3, $2", probe: products("tn", "large")},
	{name: "a not transposed", module: "gemm", kernel: "product_tn_small", old: `\.x4\.trans`, new: ".x4", probe: products("tn", "small")},
	{name: "b transposed", module: "gemm", kernel: "product_nt_small", old: `m8n8\.x4\.shared`, nth: 2, new: "m8n8.x4.trans.shared", probe: products("nt", "small")},
	{name: "a product left out", module: "gemm", kernel: "product_nt_thin", old: `mma\.sync[^;]*;`, nth: 7, probe: products("nt", "thin")},
	// Addresses, bounds, predicates.
	{name: "another swizzle for the reader", module: "gemm", kernel: "product_nt_small", old: `xor\.b32`, nth: 2, new: "or.b32", probe: products("nt", "small")},
	{name: "a copy of nothing", module: "gemm", kernel: "product_nt_small", old: `(cp\.async\.cg\.shared\.global \[\S+\], \[\S+\], 16), %r\d+;`, nth: 6, new: "$1, 0;", probe: products("nt", "small")},
	{name: "one column too many", module: "gemm", kernel: "product_nt_any", old: `setp\.ge\.s32`, nth: -2, new: "setp.gt.s32", probe: products("nt", "any")},
	{name: "a fused product left out", module: "gemm", kernel: "product_tn_f32", old: `fma\.rn\.f32[^;]*;`, nth: 200, probe: products("tn", "f32")},
	{name: "lines of the tile half as far apart", module: "gemm", kernel: "product_nn_small", old: `(shl\.b32\s+%r\d+, %r\d+), 6;`, new: "$1, 5;", probe: products("nn", "small")},
	{name: "the wrong rounding", module: "gemm", kernel: "product_nt_small", old: `cvt\.rn\.bf16x2`, new: "cvt.rz.bf16x2", probe: products("nt", "small")},
	{name: "fma rounded to zero", module: "gemm", kernel: "product_nt_f32", old: `fma\.rn\.f32`, nth: 100, new: "fma.rz.f32", probe: products("nt", "f32")},
	{name: "bias subtracted", module: "gemm", kernel: "product_nt_small", old: `add\.rn\.f32`, nth: 2, new: "sub.rn.f32", probe: products("nt", "small")},
	{name: "a split left out of the sum", module: "gemm", kernel: "product_sum", old: `setp\.lt\.s32\s+(%p\d+), (%r\d+), 2`, new: "setp.lt.s32 	$1, $2, 3", probe: twoSplits},

	// Attention.
	{name: "attention: no barrier in the loop", module: "attention", kernel: "attention_bf16_64", old: `bar\.sync\s+0;`, probe: attends(kernels.BF16, 64)},
	{name: "attention: no wait for copies", module: "attention", kernel: "attention_bf16_64", old: `cp\.async\.wait_group 0;`, probe: attends(kernels.BF16, 64)},
	{name: "attention: a key of the future", module: "attention", kernel: "attention_f32_32", old: `setp\.gt\.s32\s+(%p\d+), (%r\d+), (%r\d+);`, nth: 2, new: "setp.ge.s32 	$1, $2, $3;", probe: attends(kernels.F32, 24)},
	{name: "attention: half the maximum", module: "attention", kernel: "attention_f32_32", old: `(shfl\.sync\.bfly\.b32\s+%f\d+, %f\d+), 2,`, new: "$1, 1,", probe: attends(kernels.F32, 24)},
	{name: "attention: half the sum", module: "attention", kernel: "attention_bf16_32", old: `(shfl\.sync\.bfly\.b32\s+%f\d+, %f\d+), 2,`, nth: -1, new: "$1, 1,", probe: attends(kernels.BF16, 32)},
	{name: "attention: the maximum of one half", module: "attention", kernel: "attention_bf16_64", old: `ldmatrix\S+\.trans\S+ [^;]*;`, probe: attends(kernels.BF16, 64)},
	{name: "attention: nothing is not a number", module: "attention", kernel: "attention_bf16_32", old: `32640;`, nth: 8, new: "0;", probe: attendsNaN},
	{name: "attention: a coefficient of exp", module: "attention", kernel: "attention_f32_32", old: `0f3E2AAA49`, new: "0f3E2BAA49", probe: attends(kernels.F32, 24)},
	{name: "backward: no barrier in the loop", module: "attention_grad", kernel: "attention_dkv_bf16_64", old: `bar\.sync\s+0;`, probe: attendGrads(kernels.BF16, 64)},
	{name: "backward: half of a Row copied", module: "attention_grad", kernel: "attention_dkv_bf16_32", old: `selp\.b32\s+(%r\d+), 16, 0,`, nth: -1, new: "selp.b32 	$1, 8, 0,", probe: attendGrads(kernels.BF16, 32)},
	{name: "backward: a head of the next key added", module: "attention_grad", kernel: "attention_heads", old: `setp\.ge\.s32`, nth: 2, new: "setp.gt.s32", probe: attendGrads(kernels.BF16, 32)},
	{name: "backward: delta added", module: "attention_grad", kernel: "attention_dq_f32_32", old: `sub\.rn\.f32\s+(%f\d+), (%f\d+), (%f\d+);`, nth: -1, new: "add.rn.f32 	$1, $2, $3;", probe: attendGrads(kernels.F32, 24)},
	{name: "backward: a key of the future", module: "attention_grad", kernel: "attention_dq_bf16_32", old: `setp\.lt\.s32\s+(%p\d+), (%r\d+), (%r\d+);`, nth: 5, new: "setp.le.s32 	$1, $2, $3;", probe: attendGrads(kernels.BF16, 32)},
	{name: "backward: no barrier of the warp", module: "attention_grad", kernel: "attention_dkv_f32_32", old: `bar\.warp\.sync\s+-1;`, probe: attendGrads(kernels.F32, 24)},

	// Loss.
	{name: "loss: parts not awaited", module: "loss", kernel: "loss_rows", old: `bar\.sync\s+0;`, probe: losses},
	{name: "loss: an eighth of a row forgotten", module: "loss", kernel: "loss_rows", old: `(shfl\.sync\.bfly\.b32\s+%f\d+, %f\d+), 8,`, nth: 1, new: "$1, 16,", probe: losses},
	{name: "loss: the last of equals is best", module: "loss", kernel: "loss_rows", old: `min\.s32`, nth: -1, new: "max.s32", probe: losses},
	{name: "loss: written before it is read", module: "loss", kernel: "loss_grad", old: `bar\.sync\s+0;`, probe: losses},
	{name: "loss: the target's one added", module: "loss", kernel: "loss_grad", old: `0fBF800000`, new: "0f3F800000", probe: losses},
	{name: "loss: all but the target", module: "loss", kernel: "loss_grad", old: `setp\.eq\.s32`, nth: 2, new: "setp.ne.s32", probe: losses},

	// Gate and up.
	{name: "gate and up: no barrier in the loop", module: "gateup", kernel: "gateup_small", old: `bar\.sync\s+0;`, probe: gatesUp("small")},
	{name: "gate and up: a wait for one group too few", module: "gateup", kernel: "gateup_large", old: `cp\.async\.wait_group 1;`, new: "cp.async.wait_group 2;", probe: gatesUp("large")},
	{name: "gate and up: gate's bias for both", module: "gateup", kernel: "gateup_small", old: `(ld\.param\.u64\s+%rd\d+, \[gateup_small_param_)7\]`, new: "${1}6]", probe: gatesUp("small")},
	{name: "gate and up: lines of one weight for both", module: "gateup", kernel: "gateup_thin", old: `(ld\.param\.u64\s+%rd\d+, \[gateup_thin_param_)5\]`, new: "${1}4]", probe: gatesUp("thin")},
	{name: "gate and up: an unrounded pair", module: "gateup", kernel: "gateup_small", old: `and\.b32(\s+%r\d+, %r\d+), -65536;`, nth: 2, new: "and.b32$1, -1;", probe: gatesUp("small")},
	{name: "gate and up: half a product left out", module: "gateup", kernel: "gateup_any", old: `mma\.sync[^;]*;`, nth: 3, probe: gatesUp("any")},
	{name: "gate and up: a column too many", module: "gateup", kernel: "gateup_any", old: `setp\.ge\.s32`, nth: -2, new: "setp.gt.s32", probe: gatesUp("any")},
	{name: "gate and up: fused in float32", module: "gateup", kernel: "gateup_f32", old: `fma\.rn\.f32[^;]*;`, nth: 100, probe: gatesUp("f32")},
}
