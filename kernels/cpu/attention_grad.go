package cpu

import (
	"slices"

	"xrun/kernels"
	"xrun/kernels/args"
	"xrun/kernels/cpu/vec"
	"xrun/kernels/gemm"
)

// AttentionGrad sets dq, dk and dv.
func (e *Engine) AttentionGrad(dq, dk, dv, dout, out, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape) {
	x := e.checkAttention("AttentionGrad", q, k, v, s)
	kv := s.KVHeads * s.HeadDim
	op := operands{
		a: e.arg("AttentionGrad", "dq", dq, kernels.F32, x.rows, x.cols),
		b: e.arg("AttentionGrad", "dk", dk, kernels.F32, x.rows, kv),
		c: e.arg("AttentionGrad", "dv", dv, kernels.F32, x.rows, kv),
		d: e.arg("AttentionGrad", "dout", dout, anyType, x.rows, x.cols),
		f: e.arg("AttentionGrad", "out", out, anyType, x.rows, x.cols),
		g: e.arg("AttentionGrad", "stats", stats, kernels.F32, x.rows, 2*s.Heads),
		h: x, k: k.(*tensor), v: v.(*tensor),
		seqs: seqs, heads: s,
	}
	e.checkSequences("AttentionGrad", seqs, x, s)
	e.must(args.NoPast("AttentionGrad", seqs))
	e.tasks = e.tasks[:0]
	for i, seq := range seqs {
		for h := range s.KVHeads {
			e.tasks = append(e.tasks, attentionTask{i, h, 0, seq.Len})
		}
	}
	slices.SortFunc(e.tasks, longestFirst)
	e.op = op
	e.run(len(e.tasks), attentionGradPiece)
}

func attentionGradPiece(e *Engine, w *worker, i int) {
	o := &e.op
	t := e.tasks[i]
	first, n, s := o.seqs[t.seq].First, t.hi, o.heads
	if n == 0 {
		return
	}
	hd, bf16 := s.HeadDim, o.h.dtype == kernels.BF16
	col := t.kvHead * hd
	ld := rowStride(n)
	kt, vt, keys := w.scratch(bufKeysT, hd*ld), w.scratch(bufValuesT, hd*ld), w.scratch(bufKeys, n*hd)
	packTransposed(w, kt, ld, o.k, first, n, col, hd)
	packTransposed(w, vt, ld, o.v, first, n, col, hd)
	clearTail(kt, ld, hd, n)
	clearTail(vt, ld, hd, n)
	pack(keys, o.k, first, n, col, hd)
	lkv := o.b.cols
	dk, dv := o.b.f[first*lkv+col:], o.c.f[first*lkv+col:]
	for r := range n {
		clear(dk[r*lkv:][:hd])
		clear(dv[r*lkv:][:hd])
	}

	scale := s.Scale()
	p, ds := w.scratch(bufScores, strip*ld), w.scratch(bufGrads, strip*ld)
	heads := s.Heads / s.KVHeads
	for h := t.kvHead * heads; h < (t.kvHead+1)*heads; h++ {
		for lo := 0; lo < n; lo += strip {
			m := min(strip, n-lo)
			full := lo + 1 // keys that the first row of the strip sees
			q, ldq := o.h.strip(w, bufQuery, first+lo, m, h*hd, hd)
			out, dout := w.scratch(bufOut, m*hd), w.scratch(bufDOut, m*hd)
			pack(out, o.f, first+lo, m, h*hd, hd)
			pack(dout, o.d, first+lo, m, h*hd, hd)
			if bf16 && o.d.dtype == kernels.F32 {
				vec.RoundTo(dout, dout)
			}
			for g := 0; g < m; g += group {
				n := min(group, m-g)
				seen := roundUp(lo + g + n)
				gemm.MulChain(p[g*ld:], ld, q[g*ldq:], ldq, 1, kt, ld, n, seen, hd, false)
				gemm.MulChain(ds[g*ld:], ld, dout[g*hd:], hd, 1, vt, ld, n, seen, hd, false)
			}
			for r := range m {
				d := vec.Dot(dout[r*hd:(r+1)*hd], out[r*hd:])
				st := o.g.f[(first+lo+r)*o.g.cols+2*h:]
				vis := full + r
				vec.ScoreGrad(padded(p[r*ld:], vis), ds[r*ld:(r+1)*ld], st[0], st[1], d, scale, bf16)
			}
			dq := o.a.f[(first+lo)*o.a.cols+h*hd:]
			gemm.MulLower(dq, o.a.cols, ds, ld, 1, keys, hd, m, hd, full)
			chainSeen(dv, lkv, p, ld, dout, hd, lo, m, hd)
			chainSeen(dk, lkv, ds, ld, q, ldq, lo, m, hd)
		}
	}
}

// chainSeen continues the chains of keys 0 to lo+m-1, rows of c with n values, over
// the m queries of a strip: key j sums a[r*lda+j] times row r of b over the queries r
// that see it. Query r sees the keys up to lo+r.
func chainSeen(c []float32, ldc int, a []float32, lda int, b []float32, ldb, lo, m, n int) {
	gemm.MulChain(c, ldc, a, 1, lda, b, ldb, lo, n, m, true)
	gemm.MulUpper(c[lo*ldc:], ldc, a[lo:], 1, lda, b, ldb, m, n, m)
}
