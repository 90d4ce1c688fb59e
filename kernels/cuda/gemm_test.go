package cuda_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/num"
)

// productBound bounds the error of an element, as a fraction of the sum of the magnitudes of its
// terms, for float32 chains of a few hundred terms.
const productBound = 0x1p-19

// values is a tensor with its values.
type values struct {
	kernels.Tensor
	v []float64
}

// uniform returns a tensor of numbers in [-1, 1).
func uniform(e kernels.Engine, r *num.Philox, t kernels.DType, rows, cols int) values {
	f := make([]float32, rows*cols)
	for i := range f {
		f[i] = float32(2*r.Float64() - 1)
	}
	x := values{Tensor: e.New(t, rows, cols), v: make([]float64, len(f))}
	e.Write(x.Tensor, f)
	e.Read(f, x.Tensor)
	for i, v := range f {
		x.v[i] = float64(v)
	}
	return x
}

// TestProducts runs every kernel of gemm.cu, regardless of which the engine would choose, over
// shapes with edges inside tiles and several orders of warps.
func TestProducts(t *testing.T) {
	// m, n, k of each seed; n and k are multiples of eight, but for kernels that
	// take any.
	shapes := [2][][3]int{{{1, 8, 8}, {130, 136, 40}, {7, 200, 168}}, {{16, 32, 64}, {65, 72, 32}, {128, 128, 96}}}
	odd := [2][][3]int{{{1, 1, 1}, {65, 67, 33}}, {{3, 5, 7}, {17, 130, 9}}}
	for seed := range uint64(2) {
		for _, dt := range []kernels.DType{kernels.F32, kernels.BF16} {
			for _, tile := range cuda.Tiles(dt) {
				for _, layout := range []string{"nt", "nn", "tn"} {
					if tile == "thin" && layout != "nt" {
						continue
					}
					list := shapes[seed]
					if tile == "any" || tile == "f32" {
						list = slices.Concat(list, odd[seed])
					}
					t.Run(fmt.Sprintf("%v_%s_%s_%d", dt, layout, tile, seed), func(t *testing.T) {
						t.Parallel()
						e := newEngine(t, seed, cuda.Options{})
						defer e.Close()
						r := num.NewPhilox(7, uint32(seed), 0)
						for _, s := range list {
							if layout == "tn" { // the sides that are aligned
								s = [3]int{s[2], s[1], s[0]}
							}
							checkProduct(t, e, r, dt, tile, layout, s[0], s[1], s[2])
						}
					})
				}
			}
		}
	}
}

func checkProduct(t *testing.T, e *cuda.Engine, r *num.Philox, dt kernels.DType, tile, layout string, m, n, k int) {
	ar, ac, br, bc := m, k, k, n
	if layout == "tn" {
		ar, ac = k, m
	}
	if layout == "nt" {
		br, bc = n, k
	}
	a, b := uniform(e, r, dt, ar, ac), uniform(e, r, dt, br, bc)
	bias, residual := uniform(e, r, kernels.F32, 1, n), uniform(e, r, kernels.F32, m, n)
	at := func(x values, trans bool, i, j int) float64 {
		if trans {
			i, j = j, i
		}
		return x.v[i*x.Cols()+j]
	}
	for c := range 4 { // plain, with bias, with both, split and with residual
		out := kernels.F32
		if c == 1 || c == 2 {
			out = kernels.BF16
		}
		dst := uniform(e, r, out, m, n)
		splits := 1
		var bi, re kernels.Tensor
		switch c {
		case 1:
			bi = bias.Tensor
		case 2:
			bi, re = bias.Tensor, residual.Tensor
		case 3:
			re = residual.Tensor
			if dt == kernels.BF16 {
				splits = 3
			}
		}
		e.Product(layout, tile, splits, dst.Tensor, a.Tensor, b.Tensor, bi, re, false)
		got := make([]float32, m*n)
		e.Read(got, dst.Tensor)
		if err := e.Sync(); err != nil {
			t.Fatal(err)
		}
		for i := range m {
			for j := range n {
				want, scale := 0.0, 0.0
				add := func(v float64) { want, scale = want+v, scale+math.Abs(v) }
				for q := range k {
					add(at(a, layout == "tn", i, q) * at(b, layout == "nt", q, j))
				}
				if bi != nil {
					add(bias.v[j])
				}
				if re != nil {
					add(residual.v[i*n+j])
				}
				bound := scale * productBound
				if out == kernels.BF16 {
					bound += math.Abs(want) * 0x1.02p-8
				}
				if d := math.Abs(float64(got[i*n+j]) - want); !(d <= bound) {
					t.Fatalf("%d × %d × %d, case %d: c[%d, %d] = %g, want %g ± %g", m, n, k, c, i, j, got[i*n+j], want, bound)
				}
			}
		}
	}
}

// TestHeadOfLongRows checks the head, whose rows of logits are not contiguous, so that k is one
// chain where other products would split it.
func TestHeadOfLongRows(t *testing.T) {
	t.Parallel()
	e := newEngine(t, 2, cuda.Options{})
	defer e.Close()
	const rows, vocab, hidden = 3, 13, 4096
	r := num.NewPhilox(5, 0, 0)
	x, w := uniform(e, r, kernels.BF16, rows, hidden), uniform(e, r, kernels.BF16, vocab, hidden)
	got := make([]float64, rows)
	e.LogProb(got, nil, x.Tensor, w.Tensor, []int32{0, 1, 2}, []int32{12, 0, 5})
	if err := e.Sync(); err != nil {
		t.Fatal(err)
	}
	for i, target := range []int{12, 0, 5} {
		logits, sum := make([]float64, vocab), 0.0
		for j := range logits {
			for k := range hidden {
				logits[j] += x.v[i*hidden+k] * w.v[j*hidden+k]
			}
		}
		for _, l := range logits {
			sum += math.Exp(l - logits[target])
		}
		if want := -math.Log(sum); math.Abs(got[i]-want) > 1e-3 { // some 2^-24 · sqrt(4096) · 40
			t.Errorf("row %d: log-probability %v, want %v", i, got[i], want)
		}
	}
}
