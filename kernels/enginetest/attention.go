package enginetest

import (
	"fmt"
	"math"

	"xrun/kernels"
)

// attend is the oracle for attention of one sequence of n queries, where query i sees keys
// 0..past+i. q is [n, heads*size], k and v are [past+n, kvHeads*size].
func attend(q, k, v []float64, n, past int, s kernels.HeadShape) (out result, stats []float64) {
	hd, ldq, ldk := s.HeadDim, s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	out, stats = newResult(n*ldq), make([]float64, n*2*s.Heads)
	p := make([]float64, past+n)
	for i := range n {
		for h := range s.Heads {
			kv := h / (s.Heads / s.KVHeads) * hd
			top, sum := math.Inf(-1), 0.0
			for j := range past + i + 1 {
				p[j] = dot(q[i*ldq+h*hd:][:hd], k[j*ldk+kv:][:hd]) / math.Sqrt(float64(hd))
				top = math.Max(top, p[j])
			}
			for j := range past + i + 1 {
				p[j] = math.Exp(p[j] - top)
				sum += p[j]
			}
			for j := range past + i + 1 {
				for c := range hd {
					out.add(i*ldq+h*hd+c, p[j]/sum*v[j*ldk+kv+c])
				}
			}
			stats[i*2*s.Heads+2*h], stats[i*2*s.Heads+2*h+1] = top, sum
		}
	}
	return out, stats
}

var heads = []kernels.HeadShape{
	{Heads: 1, KVHeads: 1, HeadDim: 8}, {Heads: 4, KVHeads: 2, HeadDim: 16}, {Heads: 9, KVHeads: 3, HeadDim: 64},
	{Heads: 2, KVHeads: 2, HeadDim: 22}, {Heads: 3, KVHeads: 1, HeadDim: 128}, {Heads: 2, KVHeads: 1, HeadDim: 40},
}

// batches lists the lengths of sequences of test batches.
var batches = [][]int{{}, {0}, {1}, {1, 1, 0, 1}, {7, 8, 9}, {15, 16, 17}, {1, 63, 0, 64, 65}, {140}}

func lay(lengths []int) (seqs []kernels.Sequence, rows int) {
	for _, n := range lengths {
		seqs = append(seqs, kernels.Sequence{First: rows, Len: n})
		rows += n
	}
	return seqs, rows
}

// shareOf returns the tolerance of attention. With bfloat16 operands every probability is
// rounded once.
func (h *harness) shareOf(dt kernels.DType) float64 {
	if dt == kernels.BF16 {
		return h.tol.Round + h.tol.Chain
	}
	return h.tol.Chain
}

func checkAttention(h *harness) {
	for _, s := range heads {
		for _, lengths := range batches {
			seqs, rows := lay(lengths)
			for _, dt := range types {
				h.in("%+v %v %v", s, lengths, dt)
				q, k, v := h.uniform(dt, rows, s.Heads*s.HeadDim, 1.5), h.uniform(dt, rows, s.KVHeads*s.HeadDim, 1.5), h.uniform(dt, rows, s.KVHeads*s.HeadDim, 1)
				dst, stats := h.dirty(dt, rows, s.Heads*s.HeadDim), h.dirty(kernels.F32, rows, 2*s.Heads)
				h.Attention(dst, stats, q.t, k.t, v.t, seqs, s)
				st := h.read(stats)
				for i, seq := range seqs {
					want, wantStats := attend(part(q, seq), part(k, seq), part(v, seq), seq.Len, 0, s)
					h.near(fmt.Sprintf("sequence %d", i), dst.Slice(seq.First, seq.First+seq.Len), want, h.shareOf(dt))
					for j, w := range wantStats {
						if g := st[seq.First*2*s.Heads+j]; math.Abs(g-w) > 4*h.tol.Chain*(10+math.Abs(w)) {
							h.errorf("sequence %d: statistic %d is %g, want %g", i, j, g, w)
						}
					}
				}
				plain := h.dirty(dt, rows, s.Heads*s.HeadDim)
				h.Attention(plain, nil, q.t, k.t, v.t, seqs, s)
				h.same("without statistics", plain, h.read(dst))
			}
		}
	}
}

// part returns the values of a sequence's rows.
func part(m matrix, s kernels.Sequence) []float64 {
	return m.v[s.First*m.t.Cols() : (s.First+s.Len)*m.t.Cols()]
}

// checkAttentionPast passes keys and values in several segments, one of which is shared by
// two sequences.
func checkAttentionPast(h *harness) {
	for _, s := range heads {
		for _, dt := range types {
			h.in("%+v %v", s, dt)
			ldk := s.KVHeads * s.HeadDim
			var spans []kernels.Span
			var ks, vs [][]float64
			for _, n := range []int{17, 1, 0, 40} {
				k, v := h.uniform(dt, n, ldk, 1.5), h.uniform(dt, n, ldk, 1)
				spans, ks, vs = append(spans, kernels.Span{K: k.t, V: v.t}), append(ks, k.v), append(vs, v.v)
			}
			seqs := []kernels.Sequence{
				{First: 0, Len: 19, Past: spans[:2]},
				{First: 19, Len: 1, Past: spans},
				{First: 20, Len: 5},
				{First: 25, Len: 33, Past: spans[3:]},
			}
			from, to := []int{0, 0, 0, 3}, []int{2, 4, 0, 4}
			q, k, v := h.uniform(dt, 58, s.Heads*s.HeadDim, 1.5), h.uniform(dt, 58, ldk, 1.5), h.uniform(dt, 58, ldk, 1)
			dst := h.dirty(dt, 58, s.Heads*s.HeadDim)
			h.Attention(dst, nil, q.t, k.t, v.t, seqs, s)
			for i, seq := range seqs {
				var allK, allV []float64
				for j := from[i]; j < to[i]; j++ {
					allK, allV = append(allK, ks[j]...), append(allV, vs[j]...)
				}
				past := len(allK) / ldk
				want, _ := attend(part(q, seq), append(allK, part(k, seq)...), append(allV, part(v, seq)...), seq.Len, past, s)
				h.near(fmt.Sprintf("sequence %d", i), dst.Slice(seq.First, seq.First+seq.Len), want, h.shareOf(dt))
			}
		}
	}
}

func checkAttentionGrad(h *harness) {
	for _, s := range []kernels.HeadShape{{Heads: 1, KVHeads: 1, HeadDim: 8}, {Heads: 4, KVHeads: 2, HeadDim: 6}, {Heads: 3, KVHeads: 1, HeadDim: 16}} {
		for _, lengths := range [][]int{{}, {0}, {1, 0, 1}, {7, 2}, {17}, {35}} {
			if len(lengths) == 1 && lengths[0] == 35 && s.Heads > 1 {
				continue // the differences would take too long
			}
			seqs, rows := lay(lengths)
			for _, dt := range types {
				for _, dyType := range types {
					h.in("%+v %v %v, dout %v", s, lengths, dt, dyType)
					ldq, ldk := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
					q, k, v := h.uniform(dt, rows, ldq, 1.5), h.uniform(dt, rows, ldk, 1.5), h.uniform(dt, rows, ldk, 1)
					out, stats := h.dirty(dt, rows, ldq), h.dirty(kernels.F32, rows, 2*s.Heads)
					h.Attention(out, stats, q.t, k.t, v.t, seqs, s)
					dout := h.uniform(dyType, rows, ldq, 1)
					dq, dk, dv := h.dirty(kernels.F32, rows, ldq), h.dirty(kernels.F32, rows, ldk), h.dirty(kernels.F32, rows, ldk)
					h.AttentionGrad(dq, dk, dv, dout.t, out, stats, q.t, k.t, v.t, seqs, s)
					share := 32 * h.tol.Chain
					if dt == kernels.BF16 {
						share = 4 * h.tol.Round // P, dS and the output are rounded
					}
					for i, seq := range seqs {
						qs, ks, vs, ds := part(q, seq), part(k, seq), part(v, seq), part(dout, seq)
						loss := func() float64 {
							o, _ := attend(qs, ks, vs, seq.Len, 0, s)
							return dot(o.v, ds)
						}
						lo, hi := seq.First, seq.First+seq.Len
						// A gradient that vanishes (for example of the query of a
						// single token) is still a difference of terms near one.
						unit := func(r result) result {
							for i := range r.scale {
								r.scale[i] = math.Max(r.scale[i], 1)
							}
							return r
						}
						h.near(fmt.Sprintf("dq of sequence %d", i), dq.Slice(lo, hi), unit(differences(qs, loss)), share)
						h.near(fmt.Sprintf("dk of sequence %d", i), dk.Slice(lo, hi), unit(differences(ks, loss)), share)
						h.near(fmt.Sprintf("dv of sequence %d", i), dv.Slice(lo, hi), unit(differences(vs, loss)), share)
					}
				}
			}
		}
	}
}
