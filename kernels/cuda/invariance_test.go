package cuda_test

import (
	"slices"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/cuda/emulated"
	"xrun/kernels/num"
)

// plainEngine returns an engine whose tensor cores add in a fixed order, as those of one device
// do.
func plainEngine(t *testing.T) *cuda.Engine {
	e, err := cuda.New(emulated.Open(emulated.Options{}), cuda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func bitsOf(e *cuda.Engine, x kernels.Tensor) []float32 {
	f := make([]float32, x.Rows()*x.Cols())
	e.Read(f, x)
	return f
}

// TestProductsDoNotDependOnRows compares each row of a product with the same row in a smaller
// product, which uses other kernels.
func TestProductsDoNotDependOnRows(t *testing.T) {
	e, r := plainEngine(t), num.NewPhilox(5, 1, 0)
	const rows, n, k = 40, 72, 136
	x, w := uniform(e, r, kernels.BF16, rows, k), uniform(e, r, kernels.F32, n, k)
	for _, tile := range []string{"large", "small", "narrow", "any", "thin"} {
		wd, all, some := e.New(kernels.BF16, n, k), e.New(kernels.F32, rows, n), e.New(kernels.F32, rows, n)
		e.Convert(wd, w.Tensor)
		e.Linear(all, x.Tensor, w.Tensor, nil, nil)
		for lo := 0; lo < rows; lo += 10 {
			e.Product("nt", tile, 1, some.Slice(lo, lo+10), x.Tensor.Slice(lo, lo+10), wd, nil, nil, false)
		}
		if !slices.Equal(bitsOf(e, all), bitsOf(e, some)) {
			t.Errorf("rows of a batch and rows of kernel %s differ", tile)
		}
	}
}

// TestAttentionDoesNotDependOnNeighbours computes a sequence among others,
// alone, and as a prefix and the rest.
func TestAttentionDoesNotDependOnNeighbours(t *testing.T) {
	e, r := plainEngine(t), num.NewPhilox(5, 2, 0)
	s := kernels.HeadShape{Heads: 3, KVHeads: 1, HeadDim: 40}
	const before, cut, length = 7, 50, 90
	for _, dt := range []kernels.DType{kernels.F32, kernels.BF16} {
		q, k, v := uniform(e, r, dt, before+length, 120), uniform(e, r, dt, before+length, 40), uniform(e, r, dt, before+length, 40)
		out := e.New(dt, before+length, 120)
		e.Attention(out, nil, q.Tensor, k.Tensor, v.Tensor, []kernels.Sequence{{First: 0, Len: before}, {First: before, Len: length}}, s)
		want := bitsOf(e, out.Slice(before, before+length))

		part := func(x values, lo, hi int) kernels.Tensor { return x.Tensor.Slice(before+lo, before+hi) }
		alone := e.New(dt, length, 120)
		e.Attention(alone, nil, part(q, 0, length), part(k, 0, length), part(v, 0, length), []kernels.Sequence{{Len: length}}, s)
		if !slices.Equal(bitsOf(e, alone), want) {
			t.Errorf("%v: a sequence alone differs from the same among others", dt)
		}
		grads := func(q, k, v kernels.Tensor, seqs ...kernels.Sequence) (g [3]kernels.Tensor) {
			n := q.Rows()
			for i, cols := range []int{120, 40, 40} {
				g[i] = e.New(kernels.F32, n, cols)
			}
			y, stats := e.New(dt, n, 120), e.New(kernels.F32, n, 6)
			e.Attention(y, stats, q, k, v, seqs, s)
			e.AttentionGrad(g[0], g[1], g[2], q, y, stats, q, k, v, seqs, s) // dout is q: any will do
			return g
		}
		among := grads(q.Tensor, k.Tensor, v.Tensor, kernels.Sequence{First: 0, Len: before}, kernels.Sequence{First: before, Len: length})
		for i, g := range grads(part(q, 0, length), part(k, 0, length), part(v, 0, length), kernels.Sequence{Len: length}) {
			if !slices.Equal(bitsOf(e, g), bitsOf(e, among[i].Slice(before, before+length))) {
				t.Errorf("%v: d%c of a sequence alone differs from the same among others", dt, "qkv"[i])
			}
		}
		rest := e.New(dt, length-cut, 120)
		past := []kernels.Span{{K: part(k, 0, 20), V: part(v, 0, 20)}, {K: part(k, 20, cut), V: part(v, 20, cut)}}
		e.Attention(rest, nil, part(q, cut, length), part(k, cut, length), part(v, cut, length), []kernels.Sequence{{Len: length - cut, Past: past}}, s)
		if !slices.Equal(bitsOf(e, rest), want[cut*120:]) {
			t.Errorf("%v: what follows a prefix differs from the whole", dt)
		}
	}
}
