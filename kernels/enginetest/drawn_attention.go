package enginetest

import (
	"fmt"
	"math"
	"slices"

	"xrun/kernels"
)

// heads draws a grouping of heads and their size.
func (d *drawing) heads() kernels.HeadShape {
	kv := 1 + d.choose(3)
	group := []int{1, 1, 2, 3, 4, 5, 7, 8, 9, 16}[d.choose(10)]
	return kernels.HeadShape{Heads: kv * group, KVHeads: kv, HeadDim: d.size(1, 128, 12, 20, 40, 80, 96)}
}

// sequences draws the lengths of sequences, including 0 and 1, whose scores stay within
// budget. It places them with rows that belong to no sequence between them.
func (d *drawing) sequences(s kernels.HeadShape, budget int) (seqs []kernels.Sequence, rows int) {
	for range d.choose(5) {
		rows += d.choose(3) * d.choose(2)
		longest := int(math.Sqrt(float64(budget) / float64(s.Heads*s.HeadDim)))
		group := s.Heads / s.KVHeads
		n := d.size(0, max(1, min(260, longest)), 48, 96, 64/group, 128/group)
		if d.choose(5) == 0 {
			n = d.choose(2)
		}
		budget -= n * n * s.Heads * s.HeadDim
		seqs = append(seqs, kernels.Sequence{First: rows, Len: n})
		rows += n
	}
	return seqs, rows + d.choose(2)
}

// outside reports for each row whether it belongs to no sequence.
func outside(seqs []kernels.Sequence, rows int) []bool {
	out := make([]bool, rows)
	for i := range out {
		out[i] = !slices.ContainsFunc(seqs, func(s kernels.Sequence) bool { return i >= s.First && i < s.First+s.Len })
	}
	return out
}

// packed returns a tensor in which rows that belong to no sequence are NaN.
func (d *drawing) packed(t kernels.DType, rows, cols int, scale float64, no []bool) matrix {
	v := make([]float32, rows*cols)
	for i := range v {
		v[i] = float32((2*d.random.Float64() - 1) * scale)
		if no[i/cols] {
			v[i] = float32(math.NaN())
		}
	}
	x := d.place(t, rows, cols, v)
	return matrix{x, d.read(x)}
}

// untouched checks that rows that belong to no sequence are still NaN.
func (d *drawing) untouched(name string, x kernels.Tensor, no []bool) {
	for i, v := range d.read(x) {
		if no[i/x.Cols()] && v == v {
			d.errorf("%s: row %d of no sequence is written to", name, i/x.Cols())
			return
		}
	}
}

func drawAttention(d *drawing) {
	s := d.heads()
	dt, out, kept := d.dtype(), d.dtype(), d.coin()
	seqs, rows := d.sequences(s, 1_000_000)
	ldq, ldk := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	// Spans that sequences share.
	pool := make([]int, d.choose(4))
	for i := range pool {
		pool[i] = d.size(0, max(1, min(150, 300_000/ldq)))
	}
	past := make([][]int, len(seqs)) // indices in pool
	if len(pool) > 0 {
		for i := range seqs {
			for range d.choose(4) {
				past[i] = append(past[i], d.choose(len(pool)))
			}
		}
	}
	var lengths [][2]int
	for _, q := range seqs {
		lengths = append(lengths, [2]int{q.First, q.Len})
	}
	d.in("attention of %+v, rows %v of %d, spans %v used %v, %v to %v, statistics %v", s, lengths, rows, pool, past, dt, out, kept)
	var ks, vs []matrix
	for _, n := range pool {
		ks, vs = append(ks, d.given(dt, n, ldk, 1.5)), append(vs, d.given(dt, n, ldk, 1))
	}
	for i := range seqs {
		for _, j := range past[i] {
			seqs[i].Past = append(seqs[i].Past, kernels.Span{K: ks[j].t, V: vs[j].t})
		}
	}
	no := outside(seqs, rows)
	scale := 4 / math.Sqrt(float64(s.HeadDim))
	q, k, v := d.packed(dt, rows, ldq, scale, no), d.packed(dt, rows, ldk, 1.5, no), d.packed(dt, rows, ldk, 1, no)
	dst := d.wanted(out, rows, ldq)
	var stats kernels.Tensor
	if kept {
		stats = d.wanted(kernels.F32, rows, 2*s.Heads)
	}
	d.Attention(dst, stats, q.t, k.t, v.t, seqs, s)
	d.untouched("attention", dst, no)
	var st []float64
	if kept {
		d.untouched("statistics", stats, no)
		st = d.read(stats)
	}
	for i, seq := range seqs {
		var allK, allV []float64
		for _, j := range past[i] {
			allK, allV = append(allK, ks[j].v...), append(allV, vs[j].v...)
		}
		n := len(allK) / ldk
		want, wantStats := attend(part(q, seq), append(allK, part(k, seq)...), append(allV, part(v, seq)...), seq.Len, n, s)
		d.near(fmt.Sprintf("sequence %d", i), dst.Slice(seq.First, seq.First+seq.Len), want, d.shareOf(dt))
		for j, w := range wantStats {
			if kept {
				if g := st[seq.First*2*s.Heads+j]; !(math.Abs(g-w) <= 4*d.tol.Chain*(10+math.Abs(w))) {
					d.errorf("sequence %d: statistic %d is %g, want %g", i, j, g, w)
				}
			}
		}
	}
	if len(seqs) == 0 {
		return
	}
	// A sequence must have the same bits alone as among others.
	one := seqs[d.choose(len(seqs))]
	lo, hi := one.First, one.First+one.Len
	alone := d.wanted(out, one.Len, ldq)
	one.First = 0
	d.Attention(alone, nil, q.t.Slice(lo, hi), k.t.Slice(lo, hi), v.t.Slice(lo, hi), []kernels.Sequence{one}, s)
	d.sameBits("a sequence alone", alone, dst.Slice(lo, hi))
}

// attendGrad is the oracle for AttentionGrad of one sequence without a past. With p the
// probabilities and D = dout·out: dS = p·(dout·v - D)/√size, dq = dS·k, dk = dSᵀ·q and dv =
// pᵀ·dout.
func attendGrad(q, k, v, dout []float64, n int, s kernels.HeadShape) (dq, dk, dv result) {
	hd, ldq, ldk := s.HeadDim, s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	dq, dk, dv = newResult(n*ldq), newResult(n*ldk), newResult(n*ldk)
	out, stats := attend(q, k, v, n, 0, s)
	scale := 1 / math.Sqrt(float64(hd))
	magnitude := func(a, b []float64) (sum float64) {
		for i := range a {
			sum += math.Abs(a[i] * b[i])
		}
		return sum
	}
	for i := range n {
		for h := range s.Heads {
			at, kv := i*ldq+h*hd, h/(s.Heads/s.KVHeads)*hd
			qi, do, o := q[at:][:hd], dout[at:][:hd], out.v[at:][:hd]
			delta, deltaScale := dot(do, o), magnitude(do, o)
			top, sum := stats[i*2*s.Heads+2*h], stats[i*2*s.Heads+2*h+1]
			for j := range i + 1 {
				kj, vj := k[j*ldk+kv:][:hd], v[j*ldk+kv:][:hd]
				p := math.Exp(dot(qi, kj)*scale-top) / sum
				ds, dsScale := p*(dot(do, vj)-delta)*scale, p*(magnitude(do, vj)+deltaScale)*scale
				for c := range hd {
					dq.v[at+c] += ds * kj[c]
					dq.scale[at+c] += dsScale * math.Abs(kj[c])
					dk.v[j*ldk+kv+c] += ds * qi[c]
					dk.scale[j*ldk+kv+c] += dsScale * math.Abs(qi[c])
					dv.add(j*ldk+kv+c, p*do[c])
				}
			}
		}
	}
	return dq, dk, dv
}

func drawAttentionGrad(d *drawing) {
	s := d.heads()
	dt, dyType, outType := d.dtype(), d.dtype(), d.dtype()
	seqs, rows := d.sequences(s, 400_000)
	var lengths [][2]int
	for _, q := range seqs {
		lengths = append(lengths, [2]int{q.First, q.Len})
	}
	d.in("attention gradient of %+v, rows %v of %d, %v, dout %v, out %v", s, lengths, rows, dt, dyType, outType)
	no := outside(seqs, rows)
	ldq, ldk := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	q, k, v := d.packed(dt, rows, ldq, 4/math.Sqrt(float64(s.HeadDim)), no), d.packed(dt, rows, ldk, 1.5, no), d.packed(dt, rows, ldk, 1, no)
	out, stats := d.wanted(outType, rows, ldq), d.wanted(kernels.F32, rows, 2*s.Heads)
	d.Attention(out, stats, q.t, k.t, v.t, seqs, s)
	dout := d.packed(dyType, rows, ldq, 1, no)
	dq, dk, dv := d.wanted(kernels.F32, rows, ldq), d.wanted(kernels.F32, rows, ldk), d.wanted(kernels.F32, rows, ldk)
	d.AttentionGrad(dq, dk, dv, dout.t, out, stats, q.t, k.t, v.t, seqs, s)
	share := 8 * d.tol.Chain
	if dt == kernels.BF16 || outType == kernels.BF16 {
		share = 2 * d.tol.Round // P, dS, dout and the output are rounded
	}
	for i, seq := range seqs {
		gq, gk, gv := attendGrad(part(q, seq), part(k, seq), part(v, seq), operand(part(dout, seq), dt), seq.Len, s)
		lo, hi := seq.First, seq.First+seq.Len
		d.near(fmt.Sprintf("dq of sequence %d", i), dq.Slice(lo, hi), gq, share)
		d.near(fmt.Sprintf("dk of sequence %d", i), dk.Slice(lo, hi), gk, share)
		d.near(fmt.Sprintf("dv of sequence %d", i), dv.Slice(lo, hi), gv, share)
	}
	d.untouched("dq", dq, no)
	d.untouched("dk", dk, no)
	d.untouched("dv", dv, no)
}
