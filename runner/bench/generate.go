package bench

import (
	"slices"
	"time"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/num"
	"xrun/model"
)

// Generation is the speed of continuing one sequence greedily.
type Generation struct {
	Precision string `json:"precision"`
	Prompt    int    `json:"prompt_tokens"`
	Tokens    int    `json:"tokens"`
	// TokensPerSecond is one over the median time between two tokens.
	TokensPerSecond float64 `json:"tokens_per_s"`
	// GBps is the weights' bytes read for a token, by that time. ReadGBps is the
	// median speed of a loop that reads and xors as many bytes, run between each
	// two tokens, and Share the part of it; both are 0 where the engine has none.
	GBps     float64   `json:"weight_gbps"`
	ReadGBps float64   `json:"read_gbps,omitempty"`
	Share    float64   `json:"share_of_limit,omitempty"`
	Ops      []*OpTime `json:"ops"` // over all tokens but the first
}

// MeasureGeneration continues a prompt by tokens new ones.
func MeasureGeneration(e kernels.Engine, load Loader, p kernels.DType, prompt, tokens int) (*Generation, error) {
	t := newTimed(e)
	m, err := load(t, p, true)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	var reader *cpu.Reader
	if own, ok := e.(*cpu.Engine); ok {
		reader = own.NewReader()
		defer reader.Close()
	}
	g := num.NewPhilox(2, 0x62656e63, 0)
	ids := make([]int32, prompt)
	for i := range ids {
		ids[i] = int32(g.Below(uint64(m.Config.Vocab)))
	}
	var times, reads []float64
	last := time.Now()
	_, err = m.Generate([][]int32{ids}, model.GenerateOptions{MaxNew: tokens + 1, OnToken: func(int, int32) {
		now := time.Now()
		if len(times) == 0 {
			t.reset()
		}
		times = append(times, now.Sub(last).Seconds())
		if reader != nil {
			reads = append(reads, reader.Speed(m.GenerationBytes()))
		}
		last = time.Now()
	}})
	if err != nil {
		return nil, err
	}
	median := middle(times[1:]) // the first is the prompt's
	r := &Generation{Precision: p.String(), Prompt: prompt, Tokens: tokens, TokensPerSecond: 1 / median}
	r.GBps = float64(m.GenerationBytes()) / median / 1e9
	if reader != nil {
		r.ReadGBps = middle(reads)
	}
	r.Ops = t.order
	return r, nil
}

// middle returns the median of values, which it sorts.
func middle(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
