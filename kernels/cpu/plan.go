package cpu

import "xrun/kernels/gemm"

// Training describes a model and its largest micro-batch for [Engine.Overhead].
type Training struct {
	Vocab, Hidden, HeadDim int
	Inner                  int // width of the MLP
	Tokens                 int
	Labels                 int // label rows
	Longest                int // tokens of the longest sequence
}

// heapGrowth is the expected growth of the Go heap.
const heapGrowth = 4 << 20

// Overhead predicts the bytes that the engine uses in training beside its tensors:
// the logits of the label rows in memory at once, packed operands, and each thread's
// keys, values and scores.
func (e *Engine) Overhead(t Training) int64 {
	logits := int64(min(t.Labels, lossChunk(t.Vocab))) * int64(logitStride(t.Vocab))
	ld := int64(rowStride(t.Longest))
	attention := 5*ld*int64(t.HeadDim) + 2*strip*ld
	widest := max(t.Inner, t.Hidden)
	packed := min(gemm.Scratch, max(t.Tokens*widest, t.Labels*t.Vocab)) + gemm.ThreadScratch*e.Threads()
	return 4*(logits+attention*5/4*int64(e.Threads())+int64(packed)) + heapGrowth
}
