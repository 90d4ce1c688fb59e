// Package model is a decoder-only transformer over a [kernels.Engine]: Qwen2
// and Llama read from a transformers directory, trained, scored and sampled.
//
// It is not a framework: there is one architecture, its forward pass
// (qwen2.go) and its hand-written gradient (backward.go) in mirror order, and
// no autograd. Text is not its business either; see model/tokenizer.
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
// Llama is Qwen2 without the biases of q, k and v. The last block's MLP, the
// final norm and the head see only the rows whose logits are wanted.
//
// # Words
//
//   - T: tokens of a batch; sequences are laid end to end, there are no pads,
//     and attention runs within each sequence.
//   - hidden, heads, kvHeads, headDim, intermediate, vocab: as in config.json.
//   - label row: a token whose successor is a target with a positive weight; R
//     of them.
//   - target: a token to be predicted; the first of a row never is one.
//   - step: one update of the weights, over all rows given to Trainer.Step.
//   - micro-batch: rows computed at once. A memory choice: results do not
//     depend on it on an engine that is MicroBatchInvariant.
//
// # Precision
//
// Weights, their gradients and moments, the residual stream and its gradient,
// norm inputs, logits and the loss are float32 (sums over losses float64). In
// bf16 the operands of matrix products and attention are rounded to nearest
// even where they are made, so that every reader sees one value: norm outputs;
// q and k after rotary embedding; v; attention output; gate, up and their
// product; and every gradient that enters a matrix product. Biases and norm
// weights are read as float32. Rotary angles are float64, rounded once. A model
// that is not trained may be loaded frozen ([LoadFrozen]): in bf16 its matrices
// are then stored rounded, with the same results.
package model
