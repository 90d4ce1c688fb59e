package modeltest

import (
	"testing"

	"xrun/kernels"
	"xrun/kernels/num"
	"xrun/model"
)

// Small returns a model with awkward sizes: none is a multiple of a vector or a tile.
func Small(arch string, layers int) model.Config {
	c := model.Config{
		Architecture: arch, Vocab: 101, Hidden: 36, Intermediate: 50, Layers: layers, Heads: 6, KVHeads: 2, HeadDim: 6, MaxPositions: 256,
		RopeTheta: 1e4, NormEps: 1e-6, InitRange: 0.2, Tied: arch == model.Qwen2, QKVBias: arch == model.Qwen2, BOS: -1, Pad: -1, EOS: []int32{2},
	}
	if arch == model.Qwen3 {
		c.HeadDim = 10
	}
	return c
}

// Random makes a model with random weights, which is closed at the end of the test.
func Random(t testing.TB, e kernels.Engine, c model.Config, p kernels.DType) *model.Model {
	t.Helper()
	m, err := model.New(e, c, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if err := m.InitRandom(5); err != nil {
		t.Fatal(err)
	}
	return m
}

// Rows makes n rows of 1 to 30 tokens of Small's vocabulary. Some have no output, some no
// prompt.
func Rows(n int, seed uint64) []model.Row {
	g := num.NewPhilox(seed, 99, 0)
	var out []model.Row
	for range n {
		length := 1 + int(g.Below(30))
		r := model.Row{Tokens: make([]int32, length), Prompt: int(g.Below(uint64(length + 1)))}
		for i := range r.Tokens {
			r.Tokens[i] = int32(g.Below(101))
		}
		out = append(out, r)
	}
	return out
}
