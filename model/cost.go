package model

import "xrun/kernels"

// MatmulParams returns the number of weights in the matrix products of one token: those of
// all matrices, including the head, but not the embedding.
func (c Config) MatmulParams() int64 {
	block := int64(c.Hidden) * int64(2*c.qDim()+2*c.kvDim()+3*c.Intermediate)
	return int64(c.Layers)*block + c.headParams()
}

func (c Config) headParams() int64 { return int64(c.Hidden) * int64(c.Vocab) }

// Matrices returns the rows and columns of the weight matrices that tokens are multiplied
// by. They include the head, which is the embedding if it is tied.
func (c Config) Matrices() [][2]int {
	var out [][2]int
	c.eachParam(&weights{}, func(_ string, shape []int, _ *kernels.Tensor) {
		if len(shape) == 2 {
			out = append(out, [2]int{shape[0], shape[1]})
		}
	})
	if !c.Tied { // the embedding comes first
		out = out[1:]
	}
	return out
}

// lastMLPParams returns the number of weights, besides the head, that are applied to label
// rows only.
func (c Config) lastMLPParams() int64 { return 3 * int64(c.Hidden) * int64(c.Intermediate) }

// ForwardFLOPs returns the floating-point operations of a forward pass over one sequence
// of tokens after past cached tokens, with the given number of rows of logits. A fused
// multiply-add counts as two. Norms, softmax and similar operations are not counted.
func (c Config) ForwardFLOPs(tokens, past, rows int) float64 {
	// The conversions keep arm64 from fusing products and sums.
	T, R := float64(tokens), float64(rows)
	body := float64(2 * T * float64(c.MatmulParams()-c.headParams()-c.lastMLPParams()))
	tail := float64(2 * R * float64(c.lastMLPParams()+c.headParams()))
	pairs := float64(T*float64(past)) + float64(T*(T+1)/2) // of queries and keys
	return body + tail + float64(4*pairs*float64(c.qDim()*c.Layers))
}

// TrainFLOPs returns the operations of training on tokens, all of them labels: three times
// the forward products, and attention's scores once more. pairs is the number of pairs of
// a query and a key that it sees, T(T+1)/2 for a row of T tokens.
func TrainFLOPs(c Config, tokens int64, pairs float64) float64 {
	return float64(6*float64(tokens)*float64(c.MatmulParams())) + float64(14*pairs*float64(c.qDim()*c.Layers))
}

// TrainBytes is the memory that a model and its trainer allocate from the engine, by
// purpose. It does not include the engine's own scratch memory.
type TrainBytes struct {
	Weights     int64 // float32
	Gradients   int64 // float32, including those of looked-up rows
	Moments     int64 // both moments of AdamW, float32
	Activations int64 // of a micro-batch, and the rotary table
}

// Total returns the sum.
func (b TrainBytes) Total() int64 { return b.Weights + b.Gradients + b.Moments + b.Activations }

// TrainMemory predicts the memory of training on steps up to the extent e, with the given
// number of recomputed blocks.
func TrainMemory(c Config, precision kernels.DType, recompute int, e Extent) TrainBytes {
	b := TrainBytes{Weights: 4 * c.Parameters(), Moments: 8 * c.Parameters()}
	b.Gradients = 4*c.Parameters() + 4*int64(c.Hidden)*int64(sinkRows+min(e.Step, c.Vocab))
	for _, s := range trainShapes(c, precision, recompute) {
		b.Activations += int64(s.dtype.Size()) * int64(s.cols) * int64(e.Tokens)
	}
	b.Activations += 4 * int64(c.HeadDim) * int64(max(e.Longest, 64))
	return b
}

// InferMemory predicts the bytes that scoring or generation allocate from the engine,
// beside the model's weights, for passes of the given numbers of tokens and rows of
// logits, and the given number of tokens with cached keys and values.
func InferMemory(c Config, precision kernels.DType, tokens, rows, cached int) int64 {
	size, T := int64(precision.Size()), int64(tokens)
	bytes := T * (4*int64(c.Hidden) + size*int64(2*c.qDim()+2*c.kvDim()+2*c.Intermediate+c.Hidden))
	if c.headNorms() {
		bytes += 4 * T * int64(c.qDim()+c.kvDim())
	}
	if precision != kernels.F32 {
		bytes += 4 * T * int64(c.qDim()+c.kvDim())
	}
	bytes += int64(rows) * int64(c.Hidden) * (4 + size)
	return bytes + int64(cached)*int64(c.Layers)*int64(2*c.kvDim())*size
}

// GenerationBytes returns the bytes of weights that one new token of one
// sequence reads.
func (m *Model) GenerationBytes() int64 {
	return m.Config.MatmulParams() * int64(m.w.head.DType().Size())
}
