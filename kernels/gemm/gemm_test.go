package gemm_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"xrun/kernels/gemm"
	"xrun/kernels/num"
	"xrun/kernels/pool"
)

// The specification, written as plainly as possible: one chain for each element.

type dtype int

const (
	f32 dtype = iota
	bf16
)

func (d dtype) String() string { return [...]string{"f32", "bf16"}[d] }

func toBF16(x float32) uint16 {
	u := math.Float32bits(x)
	if x != x {
		return 0x7fc0
	}
	lower := u & 0xffff
	u >>= 16
	if lower > 0x8000 || lower == 0x8000 && u&1 == 1 {
		u++
	}
	return uint16(u)
}

func fromBF16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// chain computes the chain of rule 1 or 2 over a and b (already rounded).
func chain(d dtype, c float32, a, b []float32) float32 {
	if d == f32 {
		for i := range a {
			c = num.FMA32(a[i], b[i], c)
		}
		return c
	}
	for i := 0; i < len(a); i += 2 {
		var a1, b1 float32 // an odd chain ends in a pair with 0
		if i+1 < len(a) {
			a1, b1 = a[i+1], b[i+1]
		}
		c = num.FMA32Flush(a1, b1, c)
		c = num.FMA32Flush(a[i], b[i], c)
	}
	return c
}

// mat is a test matrix: logical values, and the Matrix under test, with gaps between rows
// and guard words around it.
type mat struct {
	v          []float32 // rounded if bf16
	rows, cols int
	m          gemm.Matrix
	store32    []float32
	store16    []uint16
}

const guard = 0x7fa1 // no value a product writes: a signalling NaN

func newMat(d dtype, v []float32, rows, cols, gap int) *mat {
	x := &mat{v: slices.Clone(v), rows: rows, cols: cols}
	stride := max(cols+gap, 1)
	n := rows*stride + 16
	if d == bf16 {
		x.store16 = make([]uint16, n)
		for i := range x.store16 {
			x.store16[i] = guard
		}
		for i := range v {
			b := toBF16(v[i])
			x.v[i] = fromBF16(b)
			x.store16[8+i/cols*stride+i%cols] = b
		}
		x.m = gemm.Matrix{BF16: x.store16[8:max(8, 8+rows*stride-gap)], Rows: rows, Cols: cols, Stride: stride}
		return x
	}
	x.store32 = make([]float32, n)
	for i := range x.store32 {
		x.store32[i] = fromBF16(guard)
	}
	for i := range v {
		x.store32[8+i/cols*stride+i%cols] = v[i]
	}
	x.m = gemm.Matrix{F32: x.store32[8:max(8, 8+rows*stride-gap)], Rows: rows, Cols: cols, Stride: stride}
	return x
}

// values returns the current values of the Matrix and reports words written outside it.
func (x *mat) values(t *testing.T) []float32 {
	t.Helper()
	got := make([]float32, x.rows*x.cols)
	n := max(len(x.store32), len(x.store16))
	for i := range n {
		var bits uint32
		if x.store16 != nil {
			bits = uint32(x.store16[i]) << 16
		} else {
			bits = math.Float32bits(x.store32[i])
		}
		r, c := -1, 0
		if i >= 8 {
			r, c = (i-8)/x.m.Stride, (i-8)%x.m.Stride
		}
		if r >= 0 && r < x.rows && c < x.cols {
			got[r*x.cols+c] = math.Float32frombits(bits)
		} else if bits != guard<<16 {
			t.Fatalf("guard word %d (row %d, column %d of [%d, %d]) was overwritten", i, r, c, x.rows, x.cols)
		}
	}
	return got
}

// same reports the first difference. All NaNs count as equal.
func same(t *testing.T, what string, want, got []float32) {
	t.Helper()
	for i := range want {
		w, g := want[i], got[i]
		if math.Float32bits(w) != math.Float32bits(g) && !(w != w && g != g) {
			t.Fatalf("%s: element %d is %x (%g), want %x (%g)", what, i, math.Float32bits(g), g, math.Float32bits(w), w)
		}
	}
}

// fill draws values of one kind.
func fill(r *rand.Rand, kind string, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		x := float32(r.NormFloat64())
		switch kind {
		case "tiny": // products and sums around 2^-126
			x = float32(math.Ldexp(r.NormFloat64(), -63-r.IntN(4)))
			if r.IntN(8) == 0 {
				x = math.Float32frombits(r.Uint32() & 0x807fffff)
			}
		case "special":
			switch r.IntN(40) {
			case 0:
				x = float32(math.Inf(1))
			case 1:
				x = float32(math.Inf(-1))
			case 2:
				x = float32(math.NaN())
			case 3, 4, 5, 6, 7, 8:
				x = float32(math.Copysign(0, -1))
			case 9, 10, 11:
				x = math.Float32frombits(r.Uint32() & 0x807fffff)
			case 12:
				x = 3e38
			}
		}
		v[i] = x
	}
	return v
}

func eachPath(t *testing.T, f func(t *testing.T)) {
	for _, name := range append(gemm.Paths(), gemm.Models...) {
		t.Run("impl="+name, func(t *testing.T) {
			defer gemm.Force(name)()
			f(t)
		})
	}
	for _, name := range []string{"avx2", "avx512", "avx512bf16", "neon"} {
		if !slices.Contains(gemm.Paths(), name) {
			t.Run("impl="+name, func(t *testing.T) { t.Skipf("THIS PROCESSOR OR BUILD HAS NO %s: NOT TESTED", name) })
		}
	}
}

type shape struct{ m, n, k int }

// shapes returns awkward shapes: every size in every position, most of them small.
func shapes() []shape {
	sizes := []int{0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65}
	r := rand.New(rand.NewPCG(1, 2))
	var list []shape
	for _, s := range sizes {
		for range 3 {
			a, b := sizes[r.IntN(len(sizes))], sizes[r.IntN(len(sizes))]
			list = append(list, shape{s, a, b}, shape{a, s, b}, shape{a, b, s})
		}
	}
	for m := 1; m <= 9; m++ {
		list = append(list, shape{m, 33, 40}, shape{m, 71, 13})
	}
	return append(list, shape{1, 129, 96}, shape{2, 97, 26}, shape{4, 66, 101}, shape{8, 40, 200}, shape{5, 9, 700}, shape{13, 17, 1301}, shape{130, 300, 5}, shape{300, 21, 33}, shape{6, 16, 320}, shape{12, 32, 640})
}

var kinds = []string{"normal", "tiny", "special"}

func TestForwardIsTheChain(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		p := pool.New(3)
		defer p.Close()
		for i, s := range shapes() {
			for _, d := range []dtype{f32, bf16} {
				kind := kinds[(i+int(d))%3]
				x := newMat(d, fill(r, kind, s.m*s.k), s.m, s.k, i%3)
				w := newMat([]dtype{f32, d}[i/3%2], fill(r, kind, s.n*s.k), s.n, s.k, (i+1)%4)
				var bias []float32
				if i%2 == 1 {
					bias = fill(r, kind, s.n)
				}
				out := []dtype{f32, d}[i/2%2]
				dst := newMat(out, fill(r, "normal", s.m*s.n), s.m, s.n, i%2)
				var res *gemm.Matrix
				resv := make([]float32, s.m*s.n)
				if i/4%2 == 1 {
					if out == f32 { // in place
						copy(resv, dst.v)
						res = &dst.m
					} else {
						rm := newMat(f32, fill(r, kind, s.m*s.n), s.m, s.n, 1)
						copy(resv, rm.v)
						res = &rm.m
					}
				}
				want := make([]float32, s.m*s.n)
				for a := range s.m {
					for b := range s.n {
						wb := slices.Clone(w.v[b*s.k : (b+1)*s.k])
						if d == bf16 {
							for q := range wb {
								wb[q] = fromBF16(toBF16(wb[q]))
							}
						}
						c := chain(d, 0, x.v[a*s.k:(a+1)*s.k], wb)
						if bias != nil {
							c += bias[b]
						}
						if res != nil {
							c += resv[a*s.n+b]
						}
						if out == bf16 {
							c = fromBF16(toBF16(c))
						}
						want[a*s.n+b] = c
					}
				}
				gemm.Forward(p, dst.m, x.m, w.m, bias, res)
				what := fmt.Sprintf("%v %v %s bias=%v res=%v out=%v w bf16=%v", s, d, kind, bias != nil, res != nil, out, w.m.BF16 != nil)
				same(t, what, want, dst.values(t))
			}
		}
	})
}

// Whole and partial tiles round every class of sum to bf16: ties to even, denormals like
// other numbers, overflow to infinity, and NaN stays NaN.
func TestResultsAreRounded(t *testing.T) {
	var x []float32
	for _, u := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0x18000, 0x7fffff, 0x800000, 0x3f808000, 0x3f808001, 0x3f818000, 0x3f817fff,
		0x7f7f7fff, 0x7f7f8000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fffffff} {
		x = append(x, math.Float32frombits(u), math.Float32frombits(u|1<<31))
	}
	const n = 71
	m := len(x)
	w, bias := slices.Repeat([]float32{1}, n), make([]float32, n)
	for i := range bias {
		bias[i] = float32(math.Copysign(math.Ldexp(1, -149+i*37%277), float64(i%2)-0.5))
	}
	eachPath(t, func(t *testing.T) {
		p := pool.New(2)
		defer p.Close()
		for _, bias := range [][]float32{nil, bias} {
			want, y := make([]float32, m*n), newMat(bf16, make([]float32, m*n), m, n, 3)
			for i := range want {
				v := num.FMA32(x[i/n], 1, 0)
				if bias != nil {
					v += bias[i%n]
				}
				want[i] = fromBF16(toBF16(v))
			}
			gemm.Forward(p, y.m, gemm.NewF32(x, m, 1), gemm.NewF32(w, n, 1), bias, nil)
			same(t, fmt.Sprintf("bias=%v", bias != nil), want, y.values(t))
		}
	})
}

func TestGradInputIsTheChain(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		p := pool.New(2)
		defer p.Close()
		for i, s := range shapes() {
			for _, d := range []dtype{f32, bf16} {
				kind := kinds[(i+int(d))%3]
				dy := newMat(d, fill(r, kind, s.m*s.k), s.m, s.k, i%3)
				w := newMat(f32, fill(r, kind, s.n*s.k), s.k, s.n, (i+1)%4)
				dx := newMat(f32, fill(r, "normal", s.m*s.n), s.m, s.n, i%2)
				add := i%2 == 1
				want := make([]float32, s.m*s.n)
				col := make([]float32, s.k)
				for a := range s.m {
					for b := range s.n {
						for q := range col {
							col[q] = w.v[q*s.n+b]
							if d == bf16 {
								col[q] = fromBF16(toBF16(col[q]))
							}
						}
						c := chain(d, 0, dy.v[a*s.k:(a+1)*s.k], col)
						if add {
							c += dx.v[a*s.n+b]
						}
						want[a*s.n+b] = c
					}
				}
				gemm.GradInput(p, dx.m, dy.m, w.m, add)
				same(t, fmt.Sprintf("%v %v %s add=%v", s, d, kind, add), want, dx.values(t))
			}
		}
	})
}

// sequences cuts tokens into runs of odd and even length, some empty.
func sequences(r *rand.Rand, tokens int) []int32 {
	starts := []int32{0}
	for at := 0; at < tokens; {
		at = min(tokens, at+r.IntN(9))
		starts = append(starts, int32(at))
	}
	if len(starts) == 1 {
		starts = append(starts, 0)
	}
	return starts
}

func TestGradWeightIsTheChain(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		p := pool.New(3)
		defer p.Close()
		for i, s := range shapes() {
			for _, d := range []dtype{f32, bf16} {
				kind := kinds[(i+int(d))%3]
				dy := newMat(d, fill(r, kind, s.k*s.m), s.k, s.m, i%3)
				x := newMat(d, fill(r, kind, s.k*s.n), s.k, s.n, (i+1)%4)
				dw := newMat(f32, fill(r, "normal", s.m*s.n), s.m, s.n, i%2)
				starts := sequences(r, s.k)
				carry := i%2 == 1
				want := make([]float32, s.m*s.n)
				var ya, xb []float32
				for a := range s.m {
					for b := range s.n {
						c := float32(0)
						if carry {
							c = dw.v[a*s.n+b]
						}
						for q := 1; q < len(starts); q++ {
							ya, xb = ya[:0], xb[:0]
							for tok := starts[q-1]; tok < starts[q]; tok++ {
								ya = append(ya, dy.v[int(tok)*s.m+a])
								xb = append(xb, x.v[int(tok)*s.n+b])
							}
							c = chain(d, c, ya, xb)
						}
						want[a*s.n+b] = c
					}
				}
				gemm.GradWeight(p, dw.m, dy.m, x.m, starts, carry)
				same(t, fmt.Sprintf("%v %v %s carry=%v starts=%v", s, d, kind, carry, starts), want, dw.values(t))
			}
		}
	})
}

func TestMulChainIsTheChain(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for i, s := range shapes() {
			for _, transposed := range []bool{false, true} {
				kind := kinds[i%3]
				a := fill(r, kind, s.m*s.k)
				aRow, aCol := s.k, 1
				if transposed {
					aRow, aCol = 1, s.m
				}
				b := newMat(f32, fill(r, kind, s.k*s.n), s.k, s.n, i%5)
				c := newMat(f32, fill(r, kind, s.m*s.n), s.m, s.n, i%3)
				carry := i%2 == 0
				want := make([]float32, s.m*s.n)
				for x := range s.m {
					for y := range s.n {
						v := float32(0)
						if carry {
							v = c.v[x*s.n+y]
						}
						for q := range s.k {
							v = num.FMA32(a[x*aRow+q*aCol], b.v[q*s.n+y], v)
						}
						want[x*s.n+y] = v
					}
				}
				gemm.MulChain(c.m.F32, c.m.Stride, a, aRow, aCol, b.m.F32, b.m.Stride, s.m, s.n, s.k, carry)
				same(t, fmt.Sprintf("%v %s carry=%v transposed=%v", s, kind, carry, transposed), want, c.values(t))
			}
		}
	})
}

func TestTriangularChains(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(15, 16))
		for i, s := range append(shapes(), shape{24, 64, 24}, shape{24, 64, 25}, shape{24, 64, 600}, shape{9, 40, 515}) {
			for _, upper := range []bool{false, true} {
				k := s.k
				if upper {
					k = max(k, s.m)
				}
				kind, all := kinds[i%3], k+max(s.m-1, 0)
				a := fill(r, kind, s.m*all)
				aRow, aCol := all, 1
				if i%2 == 0 {
					aRow, aCol = 1, s.m
				}
				b := newMat(f32, fill(r, kind, all*s.n), all, s.n, i%5)
				c := newMat(f32, fill(r, kind, s.m*s.n), s.m, s.n, i%3)
				want := make([]float32, s.m*s.n)
				for x := range s.m {
					for y := range s.n {
						v, from, to := float32(0), 0, k+x
						if upper {
							v, from, to = c.v[x*s.n+y], x, k
						}
						for q := from; q < to; q++ {
							v = num.FMA32(a[x*aRow+q*aCol], b.v[q*s.n+y], v)
						}
						want[x*s.n+y] = v
					}
				}
				multiply := gemm.MulLower
				if upper {
					multiply = gemm.MulUpper
				}
				multiply(c.m.F32, c.m.Stride, a, aRow, aCol, b.m.F32, b.m.Stride, s.m, s.n, k)
				same(t, fmt.Sprintf("%v %s upper=%v", s, kind, upper), want, c.values(t))
			}
		}
	})
}

func TestMulRowsIsTheChain(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for i, s := range append(shapes(), shape{3, 100, 64}, shape{7, 33, 128}) {
			for _, d := range []dtype{f32, bf16} {
				kind := kinds[i%3]
				x := fill(r, kind, s.k*s.m)
				w := newMat(d, fill(r, kind, s.n*s.k), s.n, s.k, i%5)
				c := newMat(f32, fill(r, kind, s.m*s.n), s.m, s.n, i%3)
				want := make([]float32, s.m*s.n)
				for a := range s.m {
					for b := range s.n {
						for q := range s.k {
							want[a*s.n+b] = num.FMA32(x[q*s.m+a], w.v[b*s.k+q], want[a*s.n+b])
						}
					}
				}
				if d == f32 {
					gemm.MulRows(c.m.F32, c.m.Stride, x, w.m.F32, w.m.Stride, s.m, s.n, s.k)
				} else {
					gemm.MulRowsBF16(c.m.F32, c.m.Stride, x, w.m.BF16, w.m.Stride, s.m, s.n, s.k)
				}
				same(t, fmt.Sprintf("%v %v %s", s, d, kind), want, c.values(t))
			}
		}
	})
}

// Bits must not depend on the number of threads, nor on how the tokens are cut
// into micro-batches.
func TestSplitsDoNotShow(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		const tokens, n, k = 203, 67, 90
		starts := sequences(r, tokens)
		for _, d := range []dtype{f32, bf16} {
			x := newMat(d, fill(r, "normal", tokens*k), tokens, k, 0)
			dy := newMat(d, fill(r, "normal", tokens*n), tokens, n, 0)
			w := newMat(f32, fill(r, "normal", n*k), n, k, 0)
			var first [3][]float32
			for _, threads := range []int{1, 2, 3, 7} {
				p := pool.New(threads)
				y := newMat(f32, make([]float32, tokens*n), tokens, n, 0)
				dx := newMat(f32, make([]float32, tokens*k), tokens, k, 0)
				dw := newMat(f32, make([]float32, n*k), n, k, 0)
				step := max(1, threads*threads)
				for lo := 0; lo < len(starts)-1; lo += step {
					hi := min(lo+step, len(starts)-1)
					t0, t1 := int(starts[lo]), int(starts[hi])
					part := slices.Clone(starts[lo : hi+1])
					for i := range part {
						part[i] -= int32(t0)
					}
					gemm.Forward(p, y.m.SliceRows(t0, t1), x.m.SliceRows(t0, t1), w.m, nil, nil)
					gemm.GradInput(p, dx.m.SliceRows(t0, t1), dy.m.SliceRows(t0, t1), w.m, false)
					gemm.GradWeight(p, dw.m, dy.m.SliceRows(t0, t1), x.m.SliceRows(t0, t1), part, lo > 0)
				}
				got := [3][]float32{y.values(t), dx.values(t), dw.values(t)}
				if threads == 1 {
					first = got
				}
				for i, name := range []string{"Forward", "GradInput", "GradWeight"} {
					same(t, fmt.Sprintf("%s %v threads=%d", name, d, threads), first[i], got[i])
				}
				p.Close()
			}
		}
	})
}

// Compares with float64: the error of a chain of k fused additions is at most
// k·2^-24·Σ|a·b| (Higham 2002, section 3.1, with one rounding a step), also for bf16 operands
// once they are rounded.
func TestForwardIsNearFloat64(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		p := pool.New(2)
		defer p.Close()
		const m, n, k = 37, 45, 576
		for _, d := range []dtype{f32, bf16} {
			x := newMat(d, fill(r, "normal", m*k), m, k, 0)
			w := newMat(f32, fill(r, "normal", n*k), n, k, 0)
			y := newMat(f32, make([]float32, m*n), m, n, 0)
			gemm.Forward(p, y.m, x.m, w.m, nil, nil)
			for i, got := range y.values(t) {
				var sum, abs float64
				for q := range k {
					b := w.v[i%n*k+q]
					if d == bf16 {
						b = fromBF16(toBF16(b))
					}
					v := float64(x.v[i/n*k+q]) * float64(b)
					sum, abs = sum+v, abs+math.Abs(v)
				}
				if e := math.Abs(float64(got) - sum); e > k*0x1p-24*abs {
					t.Fatalf("%v: element %d is %g, want %g within %g", d, i, got, sum, k*0x1p-24*abs)
				}
			}
		}
	})
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	p := pool.New(2)
	defer p.Close()
	const T, n, k = 64, 96, 80
	x, w := make([]float32, T*k), make([]float32, n*k)
	y, dw, w16 := make([]float32, T*n), make([]float32, n*k), make([]uint16, n*k)
	starts := []int32{0, T}
	step := func() {
		X, W, Y, DW := gemm.NewF32(x, T, k), gemm.NewF32(w, n, k), gemm.NewF32(y, T, n), gemm.NewF32(dw, n, k)
		gemm.Forward(p, Y, X, W, nil, &Y)
		gemm.GradInput(p, X, Y, W, true)
		gemm.GradWeight(p, DW, Y, X, starts, true)
		gemm.MulChain(y, n, x, k, 1, w, n, 16, n, 64, false)
		gemm.MulLower(y, n, x, k, 1, w, n, 16, n, 40)
		gemm.MulUpper(y, n, x, k, 1, w, n, 16, n, 40)
		gemm.MulRows(y, n, x, w, k, 3, n, k)
		gemm.MulRowsBF16(y, n, x, w16, k, 3, n, k)
	}
	if a := testing.AllocsPerRun(50, step); a != 0 {
		t.Fatalf("%v allocations a step", a)
	}
}

func TestBadShapesPanic(t *testing.T) {
	p := pool.New(1)
	defer p.Close()
	a := gemm.NewF32(make([]float32, 12), 3, 4)
	b := gemm.NewBF16(make([]uint16, 12), 3, 4)
	for name, f := range map[string]func(){
		"columns": func() {
			gemm.Forward(p, gemm.NewF32(make([]float32, 9), 3, 3), a, gemm.NewF32(make([]float32, 9), 3, 3), nil, nil)
		},
		"short":    func() { gemm.Forward(p, gemm.NewF32(make([]float32, 8), 3, 3), a, a, nil, nil) },
		"bias":     func() { gemm.Forward(p, gemm.NewF32(make([]float32, 9), 3, 3), a, a, make([]float32, 2), nil) },
		"types":    func() { gemm.GradWeight(p, gemm.NewF32(make([]float32, 16), 4, 4), a, b, []int32{0, 3}, false) },
		"starts":   func() { gemm.GradWeight(p, gemm.NewF32(make([]float32, 16), 4, 4), a, a, []int32{0, 2}, false) },
		"w bf16":   func() { gemm.Forward(p, gemm.NewF32(make([]float32, 9), 3, 3), a, b, nil, nil) },
		"mulchain": func() { gemm.MulChain(make([]float32, 3), 2, a.F32, 1, 1, a.F32, 2, 2, 2, 1, false) },
		"mulupper": func() { gemm.MulUpper(make([]float32, 4), 2, a.F32, 1, 1, a.F32, 2, 2, 2, 1) },
		"mullower": func() { gemm.MulLower(make([]float32, 4), 2, a.F32, 4, 1, a.F32, 2, 2, 2, 6) },
		"mulrows":  func() { gemm.MulRows(make([]float32, 3), 2, a.F32, a.F32, 2, 2, 2, 2) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// Directed cases of the flush, through whole products. The accumulator is carried in, so that
// a·b + c comes within 2^-148 … 2^-153 of ±2^-126 from both sides. Every class of operand is
// combined with every other.
func TestFlushOfBF16(t *testing.T) {
	var values []float32
	for _, e := range []int{-60, -63, -66, -74, -75, -76, -77, -126, -127, -133} {
		for _, m := range []float64{1, 1.0078125, 1.5, 1.9921875} {
			values = append(values, fromBF16(toBF16(float32(math.Ldexp(m, e)))), -fromBF16(toBF16(float32(math.Ldexp(m, e)))))
		}
	}
	inf := float32(math.Inf(1))
	values = append(values, 0, float32(math.Copysign(0, -1)), 1, -1, inf, -inf, float32(math.NaN()), 3e38, fromBF16(1), fromBF16(0x8001), fromBF16(0x7f))
	starts := []float32{0x1p-126, 0x1p-126 + 0x1p-149, 0x1p-126 - 0x1p-149, 0x1p-125, 0x1p-125 - 0x1p-149, 0x1p-149, 0, 1, inf}
	eachPath(t, func(t *testing.T) {
		p := pool.New(2)
		defer p.Close()
		n := len(values)
		for _, sign := range []float32{1, -1} {
			for _, start := range starts {
				// One token: the odd place of the pair is a zero, executed first.
				x := newMat(bf16, values, 1, n, 0)
				dw := newMat(f32, slices.Repeat([]float32{sign * start}, n*n), n, n, 0)
				want := make([]float32, n*n)
				for i := range want {
					want[i] = chain(bf16, sign*start, x.v[i/n:][:1], x.v[i%n:][:1])
				}
				gemm.GradWeight(p, dw.m, x.m, x.m, []int32{0, 1}, true)
				same(t, fmt.Sprintf("from %g", sign*start), want, dw.values(t))
			}
		}
	})
}

func TestSelfCheck(t *testing.T) {
	for _, name := range gemm.Paths() {
		if err := gemm.SelfCheck(name); err != nil {
			t.Error(err)
		}
	}
	// A processor that flushes before rounding, or keeps denormals, is found.
	for name, fault := range map[string]func(c []float32){
		"keeps denormals": func(c []float32) {
			for i := range c {
				if c[i] == 0 {
					c[i] = 0x1p-149
				}
			}
		},
		"flushes before rounding": func(c []float32) {
			for i := range c {
				if c[i] == 0x1p-126 {
					c[i] = 0
				}
			}
		},
		"loses the sign of zero": func(c []float32) {
			for i := range c {
				if c[i] == 0 {
					c[i] = 0
				}
			}
		},
	} {
		if !gemm.SelfCheckFails(fault) {
			t.Errorf("a path that %s passes", name)
		}
	}
}

// XRUN_SIMD is read only once, so a child process tries each value.
func TestPathByEnvironment(t *testing.T) {
	if want := os.Getenv("XRUN_TEST_PATH"); want != "" {
		if want == "error" {
			if gemm.CheckPath() == nil {
				t.Fatal("no error")
			}
			return
		}
		if got := gemm.Path(); got != want {
			t.Fatalf("Path() = %s, want %s", got, want)
		}
		return
	}
	try := func(env, want string) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPathByEnvironment$")
		cmd.Env = append(os.Environ(), "XRUN_SIMD="+env, "XRUN_TEST_PATH="+want)
		if out, err := cmd.CombinedOutput(); errors.Is(err, syscall.ENOEXEC) {
			t.Skip("this program cannot start itself here (an emulator?)")
		} else if err != nil {
			t.Errorf("XRUN_SIMD=%s: %v\n%s", env, err, out)
		}
	}
	for _, name := range gemm.Paths() {
		try(name, name)
	}
	try("", gemm.Paths()[0])
	try("sse9", "error")
}

// Large results that are overwritten are stored past the caches, with the same bits in all
// rows and columns.
func TestLargeOverwriteIsTheChain(t *testing.T) {
	p := pool.New(2)
	defer p.Close()
	r := rand.New(rand.NewPCG(31, 32))
	const tokens, n, k = 9, 2051, 1040 // 2051 rows: whole tiles and a rest
	for _, name := range gemm.Paths() {
		if name == "noasm" {
			continue // it has one way of storing
		}
		t.Run("impl="+name, func(t *testing.T) {
			defer gemm.Force(name)()
			for _, d := range []dtype{f32, bf16} {
				dy := newMat(d, fill(r, "normal", tokens*n), tokens, n, 0)
				x := newMat(d, fill(r, "normal", tokens*k), tokens, k, 0)
				dw := make([]float32, n*k+32)
				for off := range 16 { // some offset is a multiple of 64 bytes
					if off > 0 && off < 15 && uintptr(unsafe.Pointer(&dw[off]))%64 != 0 {
						continue
					}
					out := dw[off:][:n*k]
					for i := range dw {
						dw[i] = fromBF16(guard)
					}
					gemm.GradWeight(p, gemm.NewF32(out, n, k), dy.m, x.m, []int32{0, 4, tokens}, false)
					for _, i := range []int{0, 1, k - 1, k, 77*k + 5, (n-4)*k + 1000, (n-3)*k + 16, (n-1)*k + k - 1} {
						var want float32
						for _, s := range [][2]int{{0, 4}, {4, tokens}} {
							var a, b []float32
							for q := s[0]; q < s[1]; q++ {
								a, b = append(a, dy.v[q*n+i/k]), append(b, x.v[q*k+i%k])
							}
							want = chain(d, want, a, b)
						}
						same(t, fmt.Sprintf("%v offset %d element %d", d, off, i), []float32{want}, out[i:i+1])
					}
					for i := range dw {
						if written := math.Float32bits(dw[i]) != guard<<16; written != (i >= off && i < off+n*k) {
							t.Fatalf("%v offset %d: word %d written: %v", d, off, i, written)
						}
					}
				}
			}
		})
	}
}
