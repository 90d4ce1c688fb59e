package cuda_test

import (
	"fmt"
	"math"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/cuda"
	"xrun/kernels/num"
)

const (
	f32  = kernels.F32
	bf16 = kernels.BF16
)

// bench is an engine with a source of operands, the same for every engine, and the results of
// operations.
type bench struct {
	kernels.Engine
	random *num.Philox
	made   []kernels.Tensor
	got    []float32
	sums   []float64
}

func newBench(e kernels.Engine) *bench {
	return &bench{Engine: e, random: num.NewPhilox(3, 0x62697473, 0)}
}

func (b *bench) values(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		// Magnitudes over a few powers of two, so that additions round.
		v[i] = float32((2*b.random.Float64() - 1) * math.Exp2(float64(b.random.Below(7))-3))
	}
	return v
}

func (b *bench) in(t kernels.DType, rows, cols int) kernels.Tensor {
	x := b.New(t, rows, cols)
	b.made = append(b.made, x)
	b.Write(x, b.values(rows*cols))
	return x
}

func (b *bench) ids(n, table int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(b.random.Below(uint64(table)))
	}
	return ids
}

func (b *bench) out(xs ...kernels.Tensor) {
	for _, x := range xs {
		v := make([]float32, x.Rows()*x.Cols())
		b.Read(v, x)
		b.got = append(b.got, v...)
	}
}

// equal lists the operations with the CPU engine's bits.
var equal = map[string]func(b *bench, rows, cols int){
	"Write, Read and Convert": func(b *bench, rows, cols int) {
		x, y := b.in(f32, rows, cols), b.in(bf16, rows, cols)
		p, q := b.New(bf16, rows, cols), b.New(f32, rows, cols)
		b.Convert(p, x)
		b.Convert(q, y)
		b.out(x, y, p, q)
	},
	"Add": func(b *bench, rows, cols int) {
		for _, d := range []kernels.DType{f32, bf16} {
			for _, s := range []kernels.DType{f32, bf16} {
				x := b.in(d, rows, cols)
				b.Add(x, b.in(s, rows, cols))
				b.out(x)
			}
		}
	},
	"Embed": func(b *bench, rows, cols int) {
		table, ids := b.in(f32, 37, cols), b.ids(rows, 37)
		for _, t := range []kernels.DType{f32, bf16} {
			x := b.in(f32, rows, cols)
			b.Embed(x, table, ids, t)
			b.out(x)
		}
	},
	"EmbedGrad": func(b *bench, rows, cols int) {
		x, slots := b.in(f32, 9, cols), b.ids(rows, 7)
		b.EmbedGrad(x, b.in(f32, rows, cols), slots, false)
		b.out(x)
		b.EmbedGrad(x, b.in(f32, rows, cols), slots, true)
		b.out(x)
	},
	"AddRows, GatherRows and ScatterRows": func(b *bench, rows, cols int) {
		ids := make([]int32, rows)
		for i := range ids {
			ids[i] = int32((7*i + 3) % (rows + rows%7 + 8) % (rows + 8))
		}
		seen := map[int32]bool{}
		for i := range ids {
			for seen[ids[i]] {
				ids[i] = (ids[i] + 1) % int32(rows+8)
			}
			seen[ids[i]] = true
		}
		for _, t := range []kernels.DType{f32, bf16} {
			x, y := b.in(t, rows+8, cols), b.in(t, rows, cols)
			b.GatherRows(y, x, ids)
			b.out(y)
			b.ScatterRows(x, b.in(t, rows, cols), ids)
			b.out(x)
		}
		x := b.in(f32, rows+8, cols)
		b.AddRows(x, b.in(f32, rows, cols), ids)
		b.out(x)
	},
	"RMSNorm": func(b *bench, rows, cols int) {
		for _, t := range []kernels.DType{f32, bf16} {
			x := b.in(t, rows, cols)
			b.RMSNorm(x, b.in(f32, rows, cols), b.in(f32, 1, cols), 1e-5)
			b.out(x)
		}
	},
	"RMSNormGrad": func(b *bench, rows, cols int) {
		for _, t := range []kernels.DType{f32, bf16} {
			dx, dw := b.in(f32, rows, cols), b.in(f32, 1, cols)
			b.RMSNormGrad(dx, dw, b.in(t, rows, cols), b.in(f32, rows, cols), b.in(f32, 1, cols), 1e-5, false)
			b.out(dx, dw)
			b.RMSNormGrad(dx, dw, b.in(t, rows, cols), b.in(f32, rows, cols), b.in(f32, 1, cols), 1e-5, true)
			b.out(dx, dw)
		}
	},
	"BiasGrad": func(b *bench, rows, cols int) {
		for _, t := range []kernels.DType{f32, bf16} {
			db := b.in(f32, 1, cols)
			b.BiasGrad(db, b.in(t, rows, cols), false)
			b.out(db)
			b.BiasGrad(db, b.in(t, rows, cols), true)
			b.out(db)
		}
	},
	"Rotary": func(b *bench, rows, cols int) {
		for _, half := range []int{1, 4, 11} {
			cos, sin, positions := b.in(f32, 50, half), b.in(f32, 50, half), b.ids(rows, 50)
			for i, t := range []kernels.DType{f32, bf16} {
				x, y := b.in(f32, rows, 6*half), b.in(t, rows, 6*half)
				b.Rotary(y, x, cos, sin, positions, 2*half, i == 1)
				b.out(y)
				b.Rotary(y, y, cos, sin, positions, 2*half, i == 0)
				b.out(y)
			}
		}
	},
	"SwiGLU": func(b *bench, rows, cols int) {
		types := []kernels.DType{f32, bf16}
		for i := range 8 {
			x := b.in(types[i/4], rows, cols)
			b.SwiGLU(x, b.in(types[i/2%2], rows, cols), b.in(types[i%2], rows, cols))
			b.out(x)
		}
	},
	"SwiGLUGrad": func(b *bench, rows, cols int) {
		types := []kernels.DType{f32, bf16}
		for i := range 16 {
			if rows > 5 && i%5 != 0 {
				continue // all sixteen on small shapes
			}
			dg, du := b.in(types[i/8], rows, cols), b.in(types[i/4%2], rows, cols)
			b.SwiGLUGrad(dg, du, b.in(f32, rows, cols), b.in(types[i/2%2], rows, cols), b.in(types[i%2], rows, cols))
			b.out(dg, du)
		}
		gate, up := b.in(bf16, rows, cols), b.in(bf16, rows, cols)
		b.SwiGLUGrad(gate, up, b.in(f32, rows, cols), gate, up)
		b.out(gate, up)
	},
	"SumSquares": func(b *bench, rows, cols int) {
		sums := make([]float64, 3)
		b.SumSquares(sums, b.in(f32, rows, cols), b.in(f32, 1, 1), b.in(f32, 1, rows))
		b.sums = append(b.sums, sums...)
	},
	"AdamW": func(b *bench, rows, cols int) {
		p, m, v := b.in(f32, rows, cols), b.in(f32, rows, cols), b.New(f32, rows, cols)
		for range 2 {
			b.AdamW(kernels.AdamW{Scale: 0.3, LRDecay: 1e-3, OneMinusBeta1: 0.1, Beta2: 0.95,
				OneMinusBeta2: 0.05, StepSize: 1e-2, SqrtBC2: 0.7, Eps: 1e-8}, p, b.in(f32, rows, cols), m, v)
		}
		b.out(p, m, v)
	},
}

// collect returns the results of an operation.
func collect(t testing.TB, e kernels.Engine, op func(b *bench, rows, cols int), rows, cols int) *bench {
	t.Helper()
	b := newBench(e)
	op(b, rows, cols)
	e.Free(b.made...)
	if err := e.Sync(); err != nil {
		t.Fatal(err)
	}
	return b
}

// difference describes the first difference, or returns "" if there is none.
func difference(got, want *bench) string {
	for i, w := range want.got {
		if g := got.got[i]; math.Float32bits(g) != math.Float32bits(w) {
			return fmt.Sprintf("value %d is %g (%#x), want %g (%#x)", i, g, math.Float32bits(g), w, math.Float32bits(w))
		}
	}
	for i, w := range want.sums {
		if g := got.sums[i]; math.Float64bits(g) != math.Float64bits(w) {
			return fmt.Sprintf("sum %d is %.17g, want %.17g", i, g, w)
		}
	}
	return ""
}

// TestBitsOfTheCPU compares the operations that promise the CPU engine's bits,
// under several orders of warps.
func TestBitsOfTheCPU(t *testing.T) {
	t.Parallel()
	host, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	shapes := [][2]int{{1, 1}, {3, 7}, {2, 16}, {17, 65}, {5, 132}, {70, 33}, {131, 36}}
	for name, op := range equal {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(3) {
				e := newEngine(t, seed, cuda.Options{})
				for i, s := range shapes {
					if seed > 0 && i%2 == 0 {
						continue
					}
					want := collect(t, host, op, s[0], s[1])
					if d := difference(collect(t, e, op, s[0], s[1]), want); d != "" {
						t.Errorf("seed %d, %v: %s", seed, s, d)
					}
				}
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestBitsOfLargeSums does the same for sums over several of the contract's blocks, or over more
// than a block of threads processes at once.
func TestBitsOfLargeSums(t *testing.T) {
	t.Parallel()
	host, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	e := newEngine(t, 1, cuda.Options{})
	defer e.Close()
	for _, s := range []struct {
		op         string
		rows, cols int
	}{{"SumSquares", 3, 65536}, {"SumSquares", 7, 30011}, {"RMSNorm", 2, 2048}, {"RMSNorm", 3, 4500}, {"RMSNormGrad", 3, 4500}, {"RMSNormGrad", 600, 19}, {"BiasGrad", 512, 16}, {"BiasGrad", 600, 19}} {
		want := collect(t, host, equal[s.op], s.rows, s.cols)
		if d := difference(collect(t, e, equal[s.op], s.rows, s.cols), want); d != "" {
			t.Errorf("%v: %s", s, d)
		}
	}
}
