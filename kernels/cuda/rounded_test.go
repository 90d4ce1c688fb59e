package cuda_test

import (
	"slices"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/num"
)

// counted is a driver that counts launches of each kernel.
type counted struct {
	cuda.Driver
	launches map[string]int
}

type namedFunction struct {
	cuda.Function
	name string
}

func (d counted) Function(m cuda.Module, name string, shared int) (cuda.Function, error) {
	f, err := d.Driver.Function(m, name, shared)
	return namedFunction{f, name}, err
}

func (d counted) Launch(s cuda.Stream, f cuda.Function, grid, block cuda.Dim, shared int, args ...any) error {
	d.launches[f.(namedFunction).name]++
	return d.Driver.Launch(s, f.(namedFunction).Function, grid, block, shared, args...)
}

// TestAdamWKeepsRoundedCopies checks that products after a step read the weights as rounded by
// that step, without rounding them again, whether the step updates them in one piece or several,
// and that products see other writes.
func TestAdamWKeepsRoundedCopies(t *testing.T) {
	d := counted{exact(1), map[string]int{}}
	e, err := cuda.New(d, cuda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r := num.NewPhilox(5, 3, 0)
	h := kernels.AdamW{Scale: 0.3, LRDecay: 1e-3, OneMinusBeta1: 0.1, Beta2: 0.95, OneMinusBeta2: 0.05, StepSize: 0.1, SqrtBC2: 0.7, Eps: 1e-8}
	for _, k := range []int{8, 7} { // elements that go by four, and not
		const n, cut = 12, 5
		x, w, g := uniform(e, r, bf16, 3, k), uniform(e, r, f32, n, k), uniform(e, r, f32, n, k)
		m, v := e.New(f32, n, k), e.New(f32, n, k)
		out := e.New(f32, 3, n)
		conversions := func(do func()) int {
			before := d.launches["convert"]
			do()
			return d.launches["convert"] - before
		}
		// linear checks a product with w against one with a tensor that has no copy yet.
		linear := func(when string, want int) {
			t.Helper()
			if got := conversions(func() { e.Linear(out, x.Tensor, w.Tensor, nil, nil) }); got != want {
				t.Errorf("%d columns, %s: weights were rounded %d times, not %d", k, when, got, want)
			}
			again, other := e.New(f32, n, k), e.New(f32, 3, n)
			e.Write(again, bitsOf(e, w.Tensor))
			e.Linear(other, x.Tensor, again, nil, nil)
			if !slices.Equal(bitsOf(e, out), bitsOf(e, other)) {
				t.Errorf("%d columns, %s: a product reads other weights", k, when)
			}
		}
		step := func(lo, hi int) {
			e.AdamW(h, w.Slice(lo, hi), g.Slice(lo, hi), m.Slice(lo, hi), v.Slice(lo, hi))
		}
		linear("at first", 1)
		e.AdamW(h, w.Tensor, g.Tensor, m, v)
		linear("after a step", 0)
		step(0, cut)
		step(cut, n)
		linear("after a step in pieces", 0)
		e.Add(w.Slice(0, cut), g.Slice(0, cut))
		step(cut, n)
		linear("after a part was written and another had its step", 1)
		e.Add(w.Tensor, g.Tensor)
		step(0, n)
		linear("after a write and a step", 0)
	}
	if err := e.Sync(); err != nil {
		t.Fatal(err)
	}
}
