package cpu_test

import (
	"math"
	"math/rand"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
)

func TestSmoke(t *testing.T) {
	for _, dt := range []kernels.DType{kernels.F32, kernels.BF16} {
		e, err := cpu.New(cpu.Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		T, H, KV, D := 40, 4, 2, 8
		mk := func(dt kernels.DType, r, c int) kernels.Tensor {
			x := e.New(dt, r, c)
			v := make([]float32, r*c)
			for i := range v {
				v[i] = float32(rand.NormFloat64())
			}
			e.Write(x, v)
			return x
		}
		q, k, v := mk(dt, T, H*D), mk(dt, T, KV*D), mk(dt, T, KV*D)
		out, st := mk(dt, T, H*D), mk(kernels.F32, T, 2*H)
		seqs := []kernels.Sequence{{First: 0, Len: 33}, {First: 33, Len: 7}}
		hs := kernels.HeadShape{Heads: H, KVHeads: KV, HeadDim: D}
		e.Attention(out, st, q, k, v, seqs, hs)
		dq, dk, dv := mk(kernels.F32, T, H*D), mk(kernels.F32, T, KV*D), mk(kernels.F32, T, KV*D)
		e.AttentionGrad(dq, dk, dv, mk(dt, T, H*D), out, st, q, k, v, seqs, hs)
		x, w := mk(dt, T, 32), mk(kernels.F32, 100, 32)
		ce := make([]float64, T)
		tg := make([]int32, T)
		cf := make([]float32, T)
		e.CrossEntropy(ce, mk(kernels.F32, T, 32), mk(kernels.F32, 100, 32), x, w, tg, cf, []int32{0, 33, 40}, false)
		lp := make([]float64, T)
		rows := make([]int32, T)
		for i := range rows {
			rows[i] = int32(i)
		}
		e.LogProb(lp, make([]int32, T), x, w, rows, tg)
		for i := range lp {
			if lp[i] != -ce[i] || math.IsNaN(lp[i]) {
				t.Fatal(i, lp[i], ce[i])
			}
		}
		o := make([]float32, T*H*D)
		e.Read(o[:T*KV*D], dk)
		for _, x := range o[:T*KV*D] {
			if x != x {
				t.Fatal("nan")
			}
		}
		if err := e.Sync(); err != nil {
			t.Fatal(err)
		}
		e.Close()
	}
}
