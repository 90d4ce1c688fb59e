package enginetest

import (
	"fmt"
	"math"
	"strings"

	"xrun/kernels"
)

// checkNaN puts one NaN into an operand and checks that it reaches exactly the elements that
// depend on it.
func checkNaN(h *harness) {
	nan := float32(math.NaN())
	poison := func(dt kernels.DType, rows, cols, r, c int) matrix {
		v := make([]float32, rows*cols)
		for i := range v {
			v[i] = float32(h.random.Float64())
		}
		v[r*cols+c] = nan
		return h.tensor(dt, rows, cols, v)
	}
	only := func(name string, got kernels.Tensor, bad func(r, c int) bool) {
		for i, v := range h.read(got) {
			if r, c := i/got.Cols(), i%got.Cols(); math.IsNaN(v) != bad(r, c) {
				h.errorf("%s[%d, %d] = %g", name, r, c, v)
			}
		}
	}
	for _, dt := range types {
		h.in("%v", dt)
		x, w := poison(dt, 9, 17, 4, 16), h.uniform(kernels.F32, 11, 17, 1)
		dst := h.dirty(dt, 9, 11)
		h.Linear(dst, x.t, w.t, nil, nil)
		only("linear", dst, func(r, c int) bool { return r == 4 })
		dst = h.dirty(dt, 9, 11)
		h.Linear(dst, h.uniform(dt, 9, 17, 1).t, poison(kernels.F32, 11, 17, 10, 3).t, nil, nil)
		only("linear by weight", dst, func(r, c int) bool { return c == 10 })
		dw := h.dirty(kernels.F32, 11, 17)
		h.LinearGradWeight(dw, h.uniform(dt, 9, 11, 1).t, x.t, []int32{0, 5, 9}, false)
		only("weight gradient", dw, func(r, c int) bool { return c == 16 })

		n := h.dirty(dt, 3, 33)
		h.RMSNorm(n, poison(kernels.F32, 3, 33, 1, 32).t, h.uniform(kernels.F32, 1, 33, 1).t, 1e-5)
		only("norm", n, func(r, c int) bool { return r == 1 })
		g := h.dirty(dt, 3, 33)
		h.SwiGLU(g, poison(dt, 3, 33, 1, 32).t, h.uniform(dt, 3, 33, 1).t)
		only("swiglu", g, func(r, c int) bool { return r == 1 && c == 32 })

		// A key affects the queries from its own on, and no later sequence.
		s := kernels.HeadShape{Heads: 2, KVHeads: 1, HeadDim: 8}
		seqs := []kernels.Sequence{{First: 0, Len: 20}, {First: 20, Len: 4}}
		o := h.dirty(dt, 24, 16)
		h.Attention(o, nil, h.uniform(dt, 24, 16, 1).t, poison(dt, 24, 8, 6, 3).t, h.uniform(dt, 24, 8, 1).t, seqs, s)
		only("attention by key", o, func(r, c int) bool { return r >= 6 && r < 20 })
		h.Attention(o, nil, poison(dt, 24, 16, 6, 3).t, h.uniform(dt, 24, 8, 1).t, h.uniform(dt, 24, 8, 1).t, seqs, s)
		only("attention by query", o, func(r, c int) bool { return r == 6 && c < 8 })
		h.Attention(o, nil, h.uniform(dt, 24, 16, 1).t, h.uniform(dt, 24, 8, 1).t, poison(dt, 24, 8, 6, 3).t, seqs, s)
		only("attention by value", o, func(r, c int) bool { return r >= 6 && r < 20 && c%8 == 3 })

		ce := make([]float64, 3)
		h.CrossEntropy(ce, nil, nil, poison(dt, 3, 7, 1, 2).t, h.uniform(kernels.F32, 40, 7, 1).t, []int32{0, 1, 2}, nil, nil, false)
		for r, v := range ce {
			if math.IsNaN(v) != (r == 1) {
				h.errorf("ce[%d] = %g", r, v)
			}
		}
	}
	h.in("optimizer")
	if v := h.sumSquares(poison(kernels.F32, 3, 33, 1, 2)); !math.IsNaN(v) {
		h.errorf("sum of squares is %g", v)
	}
	p := h.uniform(kernels.F32, 3, 33, 1)
	zero := make([]float32, 99)
	h.AdamW(kernels.AdamW{Scale: 1, OneMinusBeta1: 0.1, Beta2: 0.9, OneMinusBeta2: 0.1, StepSize: 1, SqrtBC2: 1, Eps: 1e-8},
		p.t, poison(kernels.F32, 3, 33, 1, 2).t, h.tensor(kernels.F32, 3, 33, zero).t, h.tensor(kernels.F32, 3, 33, zero).t)
	only("adamw", p.t, func(r, c int) bool { return r == 1 && c == 2 })
}

// checkOutOfRange checks that an id outside a table is an error of the next Sync, which names
// the id, its index and the table, and that the engine works afterwards.
func checkOutOfRange(h *harness) {
	f32 := func(r, c int) matrix { return h.uniform(kernels.F32, r, c, 1) }
	for _, id := range []int32{-1, 37, 1 << 30} {
		ids := []int32{0, 1, id}
		for name, op := range map[string]func(){
			"Embed":       func() { h.Embed(f32(3, 5).t, f32(37, 5).t, ids, kernels.F32) },
			"EmbedGrad":   func() { h.EmbedGrad(f32(37, 5).t, f32(3, 5).t, ids, false) },
			"AddRows":     func() { h.AddRows(f32(37, 5).t, f32(3, 5).t, ids) },
			"GatherRows":  func() { h.GatherRows(f32(3, 5).t, f32(37, 5).t, ids) },
			"ScatterRows": func() { h.ScatterRows(f32(37, 5).t, f32(3, 5).t, ids) },
			"Rotary":      func() { h.Rotary(f32(3, 8).t, f32(3, 8).t, f32(37, 4).t, f32(37, 4).t, ids, 8, false) },
			"CrossEntropy": func() {
				h.CrossEntropy(make([]float64, 3), nil, nil, f32(3, 5).t, f32(37, 5).t, ids, nil, nil, false)
			},
			"LogProb targets": func() {
				h.LogProb(make([]float64, 3), nil, f32(3, 5).t, f32(37, 5).t, []int32{0, 1, 2}, ids)
			},
			"LogProb rows": func() {
				h.LogProb(make([]float64, 3), nil, f32(37, 5).t, f32(40, 5).t, ids, []int32{0, 1, 2})
			},
		} {
			h.in("%s of %d", name, id)
			op()
			err := h.Sync()
			if err == nil {
				h.errorf("no error")
				continue
			}
			for _, part := range []string{fmt.Sprint(id), "37", "2"} {
				if !strings.Contains(err.Error(), part) {
					h.errorf("error %q does not name %s", err, part)
				}
			}
			if err := h.Sync(); err != nil {
				h.errorf("error %q is repeated", err)
			}
		}
	}
	h.in("afterwards")
	src := f32(4, 3)
	dst := h.dirty(kernels.F32, 4, 3)
	h.Convert(dst, src.t)
	h.same("convert", dst, src.v)
}

// checkMisuse checks that a wrong type or shape panics with "kernels: ".
func checkMisuse(h *harness) {
	f32 := func(r, c int) matrix { return h.uniform(kernels.F32, r, c, 1) }
	b16 := func(r, c int) matrix { return h.uniform(kernels.BF16, r, c, 1) }
	for name, op := range map[string]func(){
		"Convert of another shape": func() { h.Convert(f32(2, 3).t, f32(3, 2).t) },
		"Linear with a short row":  func() { h.Linear(f32(2, 3).t, f32(2, 4).t, f32(3, 5).t, nil, nil) },
		"Linear with bf16 weights": func() { h.Linear(f32(2, 3).t, f32(2, 4).t, b16(3, 4).t, nil, nil) },
		"Embed of f32 from bf16":   func() { h.Embed(f32(1, 4).t, b16(3, 4).t, []int32{0}, kernels.F32) },
		"loss gradient of bf16 weights": func() {
			h.CrossEntropy(make([]float64, 1), f32(1, 4).t, f32(3, 4).t, b16(1, 4).t, b16(3, 4).t, []int32{0}, []float32{1}, []int32{0, 1}, false)
		},
		"weights' gradient of two": func() { h.LinearGradWeight(f32(3, 4).t, f32(2, 3).t, b16(2, 4).t, []int32{0, 2}, false) },
		"starts that do not end":   func() { h.LinearGradWeight(f32(3, 4).t, f32(2, 3).t, f32(2, 4).t, []int32{0, 1}, false) },
		"GateUp of two types": func() {
			h.GateUp(f32(2, 3).t, nil, b16(2, 3).t, f32(2, 4).t, f32(3, 4).t, f32(3, 4).t, nil, nil)
		},
		"RMSNorm by parts":        func() { h.RMSNorm(f32(2, 3).t, f32(2, 3).t, f32(1, 2).t, 1) },
		"RMSNorm of bf16":         func() { h.RMSNorm(f32(2, 3).t, b16(2, 3).t, f32(1, 3).t, 1) },
		"Embed with few ids":      func() { h.Embed(f32(2, 3).t, f32(9, 3).t, []int32{1}, kernels.F32) },
		"Rotary with odd head":    func() { h.Rotary(f32(1, 9).t, f32(1, 9).t, f32(1, 4).t, f32(1, 4).t, []int32{0}, 9, false) },
		"Write of another length": func() { h.Write(f32(1, 9).t, make([]float32, 8)) },
		"Slice beyond the end":    func() { f32(3, 3).t.Slice(2, 4) },
		"Attention with odd groups": func() {
			h.Attention(f32(1, 24).t, nil, f32(1, 24).t, f32(1, 16).t, f32(1, 16).t, nil, kernels.HeadShape{Heads: 3, KVHeads: 2, HeadDim: 8})
		},
		"half a gradient": func() {
			h.CrossEntropy(make([]float64, 1), f32(1, 3).t, nil, f32(1, 3).t, f32(9, 3).t, []int32{0}, []float32{1}, []int32{0, 1}, false)
		},
		"AdamW without a moment": func() { h.AdamW(kernels.AdamW{}, f32(1, 1).t, f32(1, 1).t, f32(1, 1).t) },
		"nil":                    func() { h.Add(f32(1, 1).t, nil) },
	} {
		h.in("%s", name)
		func() {
			defer func() {
				if s, ok := recover().(string); !ok || !strings.HasPrefix(s, "kernels: ") {
					h.errorf("did not panic with \"kernels: \", but %q", s)
				}
			}()
			op()
		}()
	}
}
