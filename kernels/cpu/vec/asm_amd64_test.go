//go:build amd64 && !noasm

package vec

import (
	"math"
	"math/rand/v2"
	"testing"

	"xrun/kernels"
	"xrun/kernels/num"
)

// operations call every function that has assembly and return its results.
var operations = map[string]func(x, y, z, w []float32, s float32) [][]float32{
	"ExpSum": func(x, y, z, w []float32, s float32) [][]float32 { return [][]float32{{ExpSum(below(x, s), s)}, x} },
	"expSumRound": func(x, y, z, w []float32, s float32) [][]float32 {
		return [][]float32{{expSumRound(below(x, s), s)}, x}
	},
	"Softmax": func(x, y, z, w []float32, s float32) [][]float32 {
		top, sum := Softmax(x, s, false)
		return [][]float32{{top, sum}, x}
	},
	"Softmax rounded": func(x, y, z, w []float32, s float32) [][]float32 {
		top, sum := Softmax(x, s, true)
		return [][]float32{{top, sum}, x}
	},
	"DivideRound": func(x, y, z, w []float32, s float32) [][]float32 {
		b := make([]uint16, len(x))
		DivideRound(b, x, s)
		Widen(y, b)
		return [][]float32{y}
	},
	"ScoreGrad": func(x, y, z, w []float32, s float32) [][]float32 {
		ScoreGrad(below(x, s), y, s, 3.7, 0.3, 0.125, false)
		return [][]float32{x, y}
	},
	"ScoreGrad rounded": func(x, y, z, w []float32, s float32) [][]float32 {
		ScoreGrad(below(x, s), y, s, 3.7, 0.3, 0.125, true)
		return [][]float32{x, y}
	},
	"SoftmaxGrad": func(x, y, z, w []float32, s float32) [][]float32 {
		if len(x) > 0 {
			SoftmaxGrad(x, 3.3, s, len(x)/2)
		}
		return [][]float32{x}
	},
	"SwiGLU":     func(x, y, z, w []float32, s float32) [][]float32 { SwiGLU(z, x, y); return [][]float32{z} },
	"SwiGLUGrad": func(x, y, z, w []float32, s float32) [][]float32 { SwiGLUGrad(x, y, z, x, y); return [][]float32{x, y} },
	"SwiGLUBF16": func(x, y, z, w []float32, s float32) [][]float32 {
		g, u := narrow(x), narrow(y)
		SwiGLUBF16(g, g, u)
		Widen(z, g)
		return [][]float32{z}
	},
	"SwiGLUGradBF16": func(x, y, z, w []float32, s float32) [][]float32 {
		g, u := narrow(x), narrow(y)
		SwiGLUGradBF16(g, u, z, g, u)
		Widen(x, g)
		Widen(y, u)
		return [][]float32{x, y}
	},
	"Round": func(x, y, z, w []float32, s float32) [][]float32 {
		b := make([]uint16, len(x))
		Round(b, x)
		Widen(y, b)
		return [][]float32{y}
	},
	"WidenRows": func(x, y, z, w []float32, s float32) [][]float32 {
		const n = 16
		if rows := (len(x) - n) / 24; rows > 0 {
			WidenRows(y, narrow(x), 24, rows, n)
		}
		return [][]float32{y}
	},
	"RoundTo": func(x, y, z, w []float32, s float32) [][]float32 { RoundTo(x, x); return [][]float32{x} },
	"Xor": func(x, y, z, w []float32, s float32) [][]float32 {
		u := Xor(x)
		return [][]float32{{float32(u >> 16), float32(u & 0xffff)}}
	},
	"SumSquares32": func(x, y, z, w []float32, s float32) [][]float32 { return [][]float32{{SumSquares32(x)}} },
	"Dot":          func(x, y, z, w []float32, s float32) [][]float32 { return [][]float32{{Dot(x, y)}} },
	"SumSquares": func(x, y, z, w []float32, s float32) [][]float32 {
		u := math.Float64bits(SumSquares(x))
		return [][]float32{{float32(u >> 40), float32(u >> 20 & 0xfffff), float32(u & 0xfffff)}}
	},
	"Max":            func(x, y, z, w []float32, s float32) [][]float32 { return [][]float32{{Max(x)}} },
	"scaleMax":       func(x, y, z, w []float32, s float32) [][]float32 { return [][]float32{{scaleMax(x, s)}, x} },
	"Add":            func(x, y, z, w []float32, s float32) [][]float32 { Add(x, y); return [][]float32{x} },
	"Divide":         func(x, y, z, w []float32, s float32) [][]float32 { Divide(x, x, s); return [][]float32{x} },
	"Norm":           func(x, y, z, w []float32, s float32) [][]float32 { Norm(z, x, y, s); return [][]float32{z} },
	"NormDot":        func(x, y, z, w []float32, s float32) [][]float32 { return [][]float32{{NormDot(x, y, z, s)}} },
	"NormGrad":       func(x, y, z, w []float32, s float32) [][]float32 { NormGrad(x, y, z, w, s, 0.7); return [][]float32{x} },
	"NormGradWeight": func(x, y, z, w []float32, s float32) [][]float32 { NormGradWeight(x, y, z, s); return [][]float32{x} },
	"Rotate": func(x, y, z, w []float32, s float32) [][]float32 {
		Rotate(x, y, x, y, z, w, false)
		return [][]float32{x, y}
	},
	"Rotate back": func(x, y, z, w []float32, s float32) [][]float32 {
		Rotate(x, y, x, y, z, w, true)
		return [][]float32{x, y}
	},
	"AdamW": func(x, y, z, w []float32, s float32) [][]float32 {
		for i := range w {
			w[i] *= w[i]
		}
		AdamW(&kernels.AdamW{Scale: s, LRDecay: 1e-3, OneMinusBeta1: 0.1, Beta2: 0.999, OneMinusBeta2: 0.001, StepSize: 0.01, SqrtBC2: 0.3, Eps: 1e-8}, x, y, z, w)
		return [][]float32{x, z, w}
	},
	"Transpose": func(x, y, z, w []float32, s float32) [][]float32 {
		rows := int(math.Sqrt(float64(len(x))))
		if rows > 0 {
			cols := len(x) / rows
			Transpose(y, rows, x, cols, rows, cols)
		}
		return [][]float32{y}
	},
}

// narrow returns x rounded to bfloat16.
func narrow(x []float32) []uint16 {
	b := make([]uint16, len(x))
	Round(b, x)
	return b
}

// below limits x to what a maximum of m allows.
func below(x []float32, m float32) []float32 {
	for i := range x {
		if x[i] > m {
			x[i] = m - x[i]
		}
	}
	return x
}

// special are values of every class, and ties of rounding to bfloat16.
var special = []uint32{0, 1 << 31, 1, 0x80000001, 0x7fffff, 0x800000, 0x3f808000, 0x3f818000, 0x3f808001, 0x7f7fffff, 0xff7fffff,
	0x7f7f8000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0x3f800000, 0xbf800000}

func TestAssemblyHasTheBitsOfGo(t *testing.T) {
	if !assembly {
		t.Skip("no AVX2 here, or XRUN_SIMD=noasm")
	}
	defer func() { assembly = true }()
	for name, op := range operations {
		r := rand.New(rand.NewPCG(1, 2))
		for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 63, 64, 65, 144, 1000} {
			for round := range 20 {
				in := make([][]float32, 4)
				for k := range in {
					in[k] = make([]float32, n)
					for i := range in[k] {
						switch {
						case round == 0:
							in[k][i] = math.Float32frombits(special[r.IntN(len(special))])
						case round < 5:
							in[k][i] = math.Float32frombits(r.Uint32())
						default:
							in[k][i] = float32(r.NormFloat64() * math.Exp2(float64(round-12)))
						}
					}
				}
				s := float32(math.Abs(r.NormFloat64()))
				var got [2][]uint32 // bits; every NaN alike
				for k := range got {
					assembly = k == 1
					var c [4][]float32
					for i := range in {
						c[i] = append([]float32(nil), in[i]...)
					}
					for _, v := range op(c[0], c[1], c[2], c[3], s) {
						for _, f := range v {
							if f != f {
								f = float32(math.NaN())
							}
							got[k] = append(got[k], math.Float32bits(f))
						}
					}
				}
				for i, want := range got[0] {
					if got[1][i] != want {
						t.Fatalf("%s of %d elements, round %d: value %d is %#08x in assembly, %#08x in Go", name, n, round, i, got[1][i], want)
					}
				}
			}
		}
	}
}

// TestExponentialsAreExp32 compares with num.Exp32 over every 9973rd float32
// that is not positive, whatever its class.
func TestExponentialsAreExp32(t *testing.T) {
	x := make([]float32, 1<<12)
	for u := uint64(1 << 31); u < 1<<32; {
		in := make([]float32, 0, len(x))
		for len(in) < cap(in) && u < 1<<32 {
			in = append(in, math.Float32frombits(uint32(u)))
			u += 9973
		}
		x = append(x[:0], in...)
		ExpSum(x, 0)
		for i, v := range in {
			if want := num.Exp32(v); x[i] != want && want == want {
				t.Fatalf("exp(%g) = %g, want %g", v, x[i], want)
			}
		}
	}
}
