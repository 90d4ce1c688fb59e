package cpu

import (
	"math"
	"slices"

	"xrun/kernels"
	"xrun/kernels/args"
	"xrun/kernels/cpu/vec"
	"xrun/kernels/gemm"
)

// strip is the number of query rows whose scores against all their keys are held at
// once, group the number of rows that gemm.MulChain computes together.
const (
	strip = 4 * group
	group = 6
)

// widened is the number of bf16 rows that are widened at once. They stay in the
// first-level cache.
const widened = 64

// block is the unit to which rows of scores are padded.
const block = 16

func roundUp(n int) int { return (n + block - 1) &^ (block - 1) }

// rowStride returns the distance between rows of n scores or keys. It is an odd
// number of blocks, so that a column spreads over all sets of the first-level cache.
func rowStride(n int) int { return roundUp(n) | block }

// chunk is the number of query rows of a task, large enough that packing the keys is
// a small part of the work.
const chunk = 5 * strip

// attentionTask is the query rows [lo, hi) of a sequence, for the query heads
// of one key-value head.
type attentionTask struct {
	seq, kvHead, lo, hi int
}

// longestFirst orders tasks so that threads finish at about the same time. The last
// row of a task determines how many keys it reads.
func longestFirst(a, b attentionTask) int { return b.hi - a.hi }

// Attention sets dst = softmax(q·kᵀ/sqrt(HeadDim))·v.
func (e *Engine) Attention(dst, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape) {
	x := e.checkAttention("Attention", q, k, v, s)
	d := e.arg("Attention", "dst", dst, anyType, x.rows, x.cols)
	st := e.optional("Attention", "stats", stats, kernels.F32, x.rows, 2*s.Heads)
	e.checkSequences("Attention", seqs, x, s)
	e.tasks = e.tasks[:0]
	for i, seq := range seqs {
		for h := range s.KVHeads {
			for lo := 0; lo < seq.Len; lo += chunk {
				e.tasks = append(e.tasks, attentionTask{i, h, lo, min(lo+chunk, seq.Len)})
			}
		}
	}
	slices.SortFunc(e.tasks, longestFirst)
	e.op = operands{a: d, b: st, c: x, d: k.(*tensor), f: v.(*tensor), seqs: seqs, heads: s}
	e.run(len(e.tasks), attentionPiece)
}

func (e *Engine) checkAttention(op string, q, k, v kernels.Tensor, s kernels.HeadShape) *tensor {
	e.must(args.Heads(op, s))
	x := e.arg(op, "q", q, anyType, anySize, s.Heads*s.HeadDim)
	e.arg(op, "k", k, x.dtype, x.rows, s.KVHeads*s.HeadDim)
	e.arg(op, "v", v, x.dtype, x.rows, s.KVHeads*s.HeadDim)
	return x
}

func (e *Engine) checkSequences(op string, seqs []kernels.Sequence, q *tensor, s kernels.HeadShape) {
	e.must(args.Sequences(op, seqs, q.rows))
	for _, seq := range seqs {
		for _, p := range seq.Past {
			k := e.arg(op, "past k", p.K, q.dtype, anySize, s.KVHeads*s.HeadDim)
			e.arg(op, "past v", p.V, q.dtype, k.rows, s.KVHeads*s.HeadDim)
		}
	}
}

// Scratch buffers of attention.
const (
	bufKeysT = iota
	bufKeys
	bufValuesT
	bufValues
	bufScores
	bufGrads
	bufQuery
	bufOut
	bufDOut
	bufRow
	bufCount
)

func attentionPiece(e *Engine, w *worker, i int) {
	o := &e.op
	t := e.tasks[i]
	seq, s := &o.seqs[t.seq], o.heads
	if seq.Len == 1 {
		e.attendToken(w, seq, t.kvHead)
		return
	}
	hd := s.HeadDim
	past := 0
	for _, p := range seq.Past {
		past += p.K.Rows()
	}
	keys := past + t.hi
	ld := rowStride(keys)
	kt, v := w.scratch(bufKeysT, hd*ld), w.scratch(bufValues, keys*hd)
	at := 0
	for _, p := range seq.Past {
		n := p.K.Rows()
		packTransposed(w, kt[at:], ld, p.K.(*tensor), 0, n, t.kvHead*hd, hd)
		pack(v[at*hd:], p.V.(*tensor), 0, n, t.kvHead*hd, hd)
		at += n
	}
	packTransposed(w, kt[at:], ld, o.d, seq.First, t.hi, t.kvHead*hd, hd)
	clearTail(kt, ld, hd, keys)
	pack(v[at*hd:], o.f, seq.First, t.hi, t.kvHead*hd, hd)

	scale := s.Scale()
	scores := w.scratch(bufScores, strip*ld)
	heads := s.Heads / s.KVHeads
	for h := t.kvHead * heads; h < (t.kvHead+1)*heads; h++ {
		for lo := t.lo; lo < t.hi; lo += strip {
			m := min(strip, t.hi-lo)
			first := seq.First + lo
			q, ldq := o.c.strip(w, bufQuery, first, m, h*hd, hd)
			for g := 0; g < m; g += group {
				n := min(group, m-g)
				gemm.MulChain(scores[g*ld:], ld, q[g*ldq:], ldq, 1, kt, ld, n, roundUp(past+lo+g+n), hd, false)
			}
			out := w.scratch(bufOut, m*hd)
			full := past + lo + 1 // keys that the first row of the strip sees
			sums := w.scratch(bufRow, strip)
			for r := range m {
				sums[r] = o.exponentials(padded(scores[r*ld:], full+r), scale, first+r, h)
			}
			gemm.MulLower(out, hd, scores, ld, 1, v, hd, m, hd, full)
			for r := range m {
				o.average(out[r*hd:(r+1)*hd], sums[r], first+r, h)
			}
		}
	}
}

// exponentials replaces the scores of a row and head by their exponentials and
// returns the sum.
func (o *operands) exponentials(scores []float32, scale float32, row, head int) (sum float32) {
	top, sum := vec.Softmax(scores, scale, o.c.dtype == kernels.BF16)
	if o.b != nil {
		st := o.b.f[row*o.b.cols+2*head:]
		st[0], st[1] = top, sum
	}
	return sum
}

// average stores the weighted sum of values of a row and head, divided by the sum of
// the weights.
func (o *operands) average(values []float32, sum float32, row, head int) {
	to := row*o.a.cols + head*len(values)
	if o.a.dtype == kernels.F32 {
		vec.Divide(o.a.f[to:to+len(values)], values, sum)
	} else {
		vec.DivideRound(o.a.b[to:to+len(values)], values, sum)
	}
}

// attendToken is attentionPiece for a sequence of one row, as in generation. It reads
// keys and values once, in place.
func (e *Engine) attendToken(w *worker, seq *kernels.Sequence, kvHead int) {
	o := &e.op
	s := o.heads
	hd, heads, row := s.HeadDim, s.Heads/s.KVHeads, seq.First
	keys := 1
	for _, p := range seq.Past {
		keys += p.K.Rows()
	}
	ld := roundUp(keys)
	head := kvHead * heads
	q, x := w.scratch(bufOut, heads*hd), w.scratch(bufQuery, heads*hd)
	pack(q, o.c, row, 1, head*hd, heads*hd)
	vec.Transpose(x, heads, q, hd, heads, hd)
	scores, sums := w.scratch(bufScores, heads*ld), w.scratch(bufRow, heads)
	at := 0
	score := func(k *tensor, first, n int) {
		if n == 0 {
			return
		}
		if from := first*k.cols + kvHead*hd; k.dtype == kernels.F32 {
			gemm.MulRows(scores[at:], ld, x, k.f[from:], k.cols, heads, n, hd)
		} else {
			gemm.MulRowsBF16(scores[at:], ld, x, k.b[from:], k.cols, heads, n, hd)
		}
		at += n
	}
	for _, p := range seq.Past {
		score(p.K.(*tensor), 0, p.K.Rows())
	}
	score(o.d, row, 1)
	for h := range heads {
		sums[h] = o.exponentials(padded(scores[h*ld:], keys), s.Scale(), row, head+h)
	}
	out := q
	at = 0
	add := func(v *tensor, first, n int) {
		step := n
		if v.dtype == kernels.BF16 {
			step = widened
		}
		for end := first + n; first < end; first += step {
			n := min(step, end-first)
			m, stride := v.strip(w, bufValues, first, n, kvHead*hd, hd)
			gemm.MulChain(out, hd, scores[at:], ld, 1, m, stride, heads, hd, n, at > 0)
			at += n
		}
	}
	for _, p := range seq.Past {
		add(p.V.(*tensor), 0, p.V.Rows())
	}
	add(o.f, row, 1)
	for h := range heads {
		o.average(out[h*hd:(h+1)*hd], sums[h], row, head+h)
	}
}

// strip returns columns [col, col+n) of m rows from first, and the distance between
// rows. If t is F32 this is the tensor's own memory, otherwise scratch buffer k.
func (t *tensor) strip(w *worker, k, first, m, col, n int) ([]float32, int) {
	if t.dtype == kernels.F32 {
		return t.f[first*t.cols+col:], t.cols
	}
	buf := w.scratch(k, m*n)
	pack(buf, t, first, m, col, n)
	return buf, n
}

// pack copies columns [col, col+n) of the given number of rows from first into dst,
// without gaps.
func pack(dst []float32, t *tensor, first, rows, col, n int) {
	from := first*t.cols + col
	if t.dtype == kernels.BF16 {
		if rows > 0 {
			vec.WidenRows(dst, t.b[from:], t.cols, rows, n)
		}
		return
	}
	for r := range rows {
		copy(dst[r*n:(r+1)*n], t.f[from+r*t.cols:])
	}
}

// packTransposed is pack, but puts element (r, c) at dst[c*ld+r].
func packTransposed(w *worker, dst []float32, ld int, t *tensor, first, rows, col, n int) {
	if t.dtype == kernels.F32 {
		if rows > 0 {
			vec.Transpose(dst, ld, t.f[first*t.cols+col:], t.cols, rows, n)
		}
		return
	}
	buf := w.scratch(bufRow, widened*n)
	for r := 0; r < rows; r += widened {
		m := min(widened, rows-r)
		pack(buf, t, first+r, m, col, n)
		vec.Transpose(dst[r:], ld, buf, n, m, n)
	}
}

// clearTail clears the columns from n to the next whole block, in rows of ld values.
func clearTail(m []float32, ld, rows, n int) {
	for r := range rows {
		clear(m[r*ld+n : r*ld+roundUp(n)])
	}
}

// padded returns the first n elements of a row of scores, padded with -Inf to whole
// blocks, which are faster. The exponentials of -Inf are zeros and change no sum.
func padded(row []float32, n int) []float32 {
	end := roundUp(n)
	for i := n; i < end; i++ {
		row[i] = float32(math.Inf(-1))
	}
	return row[:end]
}
