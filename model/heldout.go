package model

import "fmt"

// Row is one training item: its tokens, of which the first Prompt are the prompt and the
// rest the output.
type Row struct {
	Tokens []int32
	Prompt int
}

// RowLoss is the cross-entropy of one row, in nats, summed separately over the targets
// among its prompt tokens and among its output tokens. The first token of a row is never
// a target.
type RowLoss struct {
	PromptCE, OutputCE         float64
	PromptTokens, OutputTokens int
}

// batchTokens is the number of tokens in a forward pass where nothing else bounds it.
const batchTokens = 2048

// HeldOutTokens returns the largest number of tokens that HeldOut computes at once.
func HeldOutTokens(rows []Row) int {
	most, n := 0, 0
	for _, r := range rows {
		if len(r.Tokens) < 2 {
			continue
		}
		if n > 0 && n+len(r.Tokens)-1 > batchTokens {
			n = 0
		}
		n += len(r.Tokens) - 1
		most = max(most, n)
	}
	return most
}

// HeldOut computes the losses of rows without training on them. Positions start at 0. Sums
// are float64, in the order of the tokens.
func (m *Model) HeldOut(rows []Row) ([]RowLoss, error) {
	for i, r := range rows {
		if err := m.checkRow(r); err != nil {
			return nil, fmt.Errorf("computing held-out loss: row %d: %w", i, err)
		}
	}
	out := make([]RowLoss, len(rows))
	var b batch
	for lo := 0; lo < len(rows); {
		b.reset()
		var wanted, targets, starts []int32
		hi := lo
		for ; hi < len(rows) && (hi == lo || len(b.ids)+len(rows[hi].Tokens)-1 <= batchTokens); hi++ {
			t := rows[hi].Tokens
			if len(t) < 2 {
				continue
			}
			starts = append(starts, int32(len(wanted)))
			for i := range t[1:] {
				wanted, targets = append(wanted, int32(len(b.ids)+i)), append(targets, t[i+1])
			}
			b.add(t[:len(t)-1], 0)
		}
		if len(wanted) > 0 {
			x := m.forward(&b, noPast(b.seqs), wanted)
			ce := make([]float64, len(wanted))
			m.e.CrossEntropy(ce, nil, nil, x, m.w.head, targets, nil, append(starts, int32(len(wanted))), false)
			if err := m.e.Sync(); err != nil {
				return nil, fmt.Errorf("computing held-out loss: %w", err)
			}
			at := 0
			for i := lo; i < hi; i++ {
				for j := 1; j < len(rows[i].Tokens); j++ {
					if j < rows[i].Prompt {
						out[i].PromptCE += ce[at]
						out[i].PromptTokens++
					} else {
						out[i].OutputCE += ce[at]
						out[i].OutputTokens++
					}
					at++
				}
			}
		}
		lo = hi
	}
	return out, nil
}

// checkRow returns an error if a row cannot be computed.
func (m *Model) checkRow(r Row) error {
	if r.Prompt < 0 || r.Prompt > len(r.Tokens) {
		return fmt.Errorf("its prompt is %d tokens of %d", r.Prompt, len(r.Tokens))
	}
	return m.checkTokens(r.Tokens)
}

func (m *Model) checkTokens(tokens []int32) error {
	for i, id := range tokens {
		if id < 0 || int(id) >= m.Config.Vocab {
			return fmt.Errorf("token %d has id %d, outside the vocabulary of %d", i, id, m.Config.Vocab)
		}
	}
	return nil
}
