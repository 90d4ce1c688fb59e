// Package model implements a decoder-only transformer over a [kernels.Engine]:
// Qwen2, Qwen3 and Llama, loaded from a transformers directory, with training,
// scoring and generation.
//
// It is not a framework: there is one architecture, with its forward pass in
// qwen2.go and its hand-written gradient in backward.go, in mirror order, and
// no autograd. It works on token ids; for text see model/tokenizer.
//
// Most readers need two calls: [Load], which reads weights, and
// [Trainer.Step], which updates them. [Model.LogProbs] scores sequences and
// [Model.Generate] continues them.
//
// # One block
//
//	x ──┬─ RMSNorm ─┬─ q_proj ─ rotary ─┐
//	    │           ├─ k_proj ─ rotary ─┼─ attention ─ o_proj ─(+)─ x1
//	    │           └─ v_proj ──────────┘                       │
//	    └───────────────────────────────────────────────────────┘
//	x1 ─┬─ RMSNorm ─┬─ gate_proj ─┬─ SwiGLU ─ down_proj ─(+)─ next block's x
//	    │           └─ up_proj ───┘                       │
//	    └─────────────────────────────────────────────────┘
//
// Llama is Qwen2 without the biases of q, k and v, and may scale the rotary
// frequencies. Qwen3 is Llama with an RMSNorm of each head's query and key before the
// rotary embedding. The last block's MLP, the final norm and the head are computed only
// for the rows whose logits are needed.
//
// # Terms
//
//   - T: the tokens of a batch. Sequences are concatenated without padding, and
//     attention runs within each sequence.
//   - hidden, heads, kvHeads, headDim, intermediate, vocab: as in config.json.
//   - target: a token to be predicted. The first token of a sequence is never one.
//   - label row: a token whose successor is a target with a positive weight. R is
//     the number of label rows.
//   - step: one update of the weights, from all rows given to Trainer.Step.
//   - micro-batch: the rows computed at once. It only affects memory: on an engine
//     that is MicroBatchInvariant, results do not depend on it.
//
// # Precision
//
// Weights, their gradients and moments, the residual stream and its gradient,
// norm inputs and logits are float32, and so is the loss, which is summed in
// float64. In bf16, the operands of matrix products and attention are rounded to
// nearest even when they are produced, so that every reader sees the same value:
// norm outputs; q and k after rotary embedding; v; attention output; gate, up and
// their product; and every gradient that enters a matrix product. Biases and norm
// weights are used as float32. Rotary angles are computed in float64 and their
// sines and cosines rounded once. A model that is not trained may be loaded
// frozen ([LoadFrozen]): in bf16 its matrices are then stored rounded, with the
// same results.
package model
