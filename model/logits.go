package model

import (
	"fmt"

	"xrun/kernels"
)

// Logits computes the logits of every token of one sequence, [len(tokens)][vocab]. The
// first token is at the given position. It is meant for inspection and tests; LogProbs
// never holds all logits.
func (m *Model) Logits(tokens []int32, position int) ([][]float32, error) {
	if position < 0 {
		return nil, fmt.Errorf("computing logits: position %d is negative", position)
	}
	if err := m.checkTokens(tokens); err != nil {
		return nil, fmt.Errorf("computing logits: %w", err)
	}
	if len(tokens) == 0 {
		return nil, nil
	}
	var b batch
	b.add(tokens, position)
	all := make([]int32, len(tokens))
	for i := range all {
		all[i] = int32(i)
	}
	x := m.forward(&b, noPast(b.seqs), all)
	t := m.e.New(kernels.F32, len(tokens), m.Config.Vocab)
	defer m.e.Free(t)
	m.e.Linear(t, x, m.w.head, nil, nil)
	out := make([][]float32, len(tokens))
	for i := range out {
		out[i] = make([]float32, m.Config.Vocab)
		m.e.Read(out[i], t.Slice(i, i+1))
	}
	return out, m.e.Sync()
}
