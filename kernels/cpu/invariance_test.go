package cpu_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/kernels"
)

// bits returns the digest of tensors.
func (b *bench) bits(xs ...kernels.Tensor) string {
	return b.digest(func(b *bench) { b.out(xs...) })
}

// step is the part of a training step in which the order of tokens matters.
type step struct {
	b                  *bench
	t                  kernels.DType
	lengths            []int
	x, dy              kernels.Tensor // [T, 24], [T, 40]
	norm, head         kernels.Tensor // [1, 24], [97, 24]
	slots, targets     []int32
	coef               []float32
	dw, db, dn, de, dh kernels.Tensor
	ce                 []float64
	dx                 kernels.Tensor
}

func newStep(b *bench, t kernels.DType, lengths []int) *step {
	rows := 0
	for _, n := range lengths {
		rows += n
	}
	s := &step{b: b, t: t, lengths: lengths}
	b.digest(func(b *bench) {
		s.x, s.dy = b.in(t, rows, 24, 1), b.in(t, rows, 40, 1)
		s.norm, s.head = b.in(f32, 1, 24, 1), b.in(f32, 97, 24, 1)
		s.slots, s.targets, s.coef = b.ids(rows, 6), b.ids(rows, 97), b.values(rows, 1)
		s.dw, s.db, s.dn, s.de, s.dh = b.in(f32, 40, 24, 9), b.in(f32, 1, 40, 9), b.in(f32, 1, 24, 9), b.in(f32, 6, 24, 9), b.in(f32, 97, 24, 9)
		s.ce, s.dx = make([]float64, rows), b.New(f32, rows, 24)
	})
	return s
}

// run runs the step over sequences [from, to).
func (s *step) run(from, to int, carry bool) {
	lo := 0
	for _, n := range s.lengths[:from] {
		lo += n
	}
	starts := []int32{0}
	for _, n := range s.lengths[from:to] {
		starts = append(starts, starts[len(starts)-1]+int32(n))
	}
	hi := lo + int(starts[len(starts)-1])
	x, dy := s.x.Slice(lo, hi), s.dy.Slice(lo, hi)
	plain := s.b.New(f32, hi-lo, 24)
	s.b.Convert(plain, x)
	s.b.LinearGradWeight(s.dw, dy, x, starts, carry)
	s.b.BiasGrad(s.db, dy, carry)
	s.b.RMSNormGrad(s.b.New(f32, hi-lo, 24), s.dn, x, plain, s.norm, 1e-5, carry)
	s.b.EmbedGrad(s.de, plain, s.slots[lo:hi], carry)
	s.b.CrossEntropy(s.ce[lo:hi], s.dx.Slice(lo, hi), s.dh, x, s.head, s.targets[lo:hi], s.coef[lo:hi], starts, carry)
}

func (s *step) bits() string {
	return s.b.digest(func(b *bench) {
		b.out(s.dw, s.db, s.dn, s.de, s.dh, s.dx)
		b.numbers(s.ce...)
	})
}

// TestBitsDoNotDependOnMicroBatch computes one step as a whole and in several calls with carry.
// Lengths are odd, so that pairs would shift if they were not counted from the start of each
// sequence. One sequence begins at an odd row and is longer than the rows of logits in memory
// at once.
func TestBitsDoNotDependOnMicroBatch(t *testing.T) {
	for _, dt := range []kernels.DType{f32, bf16} {
		for _, lengths := range [][]int{{5, 3, 1, 8, 7}, {3, 1301, 2, 700, 5}} {
			want := ""
			for _, parts := range [][]int{{5}, {1, 5}, {2, 3, 5}, {1, 2, 3, 4, 5}} {
				s := newStep(newBench(t, 2), dt, lengths)
				from := 0
				for _, to := range parts {
					s.run(from, to, from > 0)
					from = to
				}
				if got := s.bits(); want == "" {
					want = got
				} else if got != want {
					t.Errorf("%v %v: split at %v gives other bits", dt, lengths, parts)
				}
			}
		}
	}
}

// TestRowsDoNotDependOnTheirNeighbours computes rows alone and in batches.
func TestRowsDoNotDependOnTheirNeighbours(t *testing.T) {
	for _, dt := range []kernels.DType{f32, bf16} {
		b := newBench(t, 2)
		b.digest(func(*bench) {})
		const rows, hidden, vocab = 70, 40, 530
		x, w, norm := b.in(dt, rows, hidden, 1), b.in(f32, vocab, hidden, 1), b.in(f32, 1, hidden, 1)
		weight := b.in(f32, hidden, hidden, 1)
		targets := b.ids(rows, vocab)
		for _, n := range []int{1, 2, 7, 16, 33} {
			for at := 0; at < rows; at += n {
				lo, hi := at, min(at+n, rows)
				// run computes rows of x and keeps rows [from, to) of them.
				run := func(x kernels.Tensor, targets []int32, from, to int) (string, []float64) {
					r := x.Rows()
					y, z, l := b.New(f32, r, hidden), b.New(dt, r, hidden), b.New(f32, r, vocab)
					b.Convert(y, x)
					b.RMSNorm(z, y, norm, 1e-5)
					b.Linear(l, z, w, nil, nil)
					d := b.New(f32, r, hidden)
					b.LinearGradInput(d, x, weight, false)
					ce := make([]float64, r)
					b.CrossEntropy(ce, nil, nil, x, w, targets, nil, nil, false)
					return b.bits(z.Slice(from, to), l.Slice(from, to), d.Slice(from, to)), ce[from:to]
				}
				wantBits, wantCE := run(x, targets, lo, hi)
				gotBits, gotCE := run(x.Slice(lo, hi), targets[lo:hi], 0, hi-lo)
				if wantBits != gotBits || !cmp.Equal(wantCE, gotCE) {
					t.Errorf("%v: rows [%d, %d) alone have other bits", dt, at, at+n)
				}
			}
		}
	}
}

// TestSharedPrefixesHaveTheSameBits computes a sequence as a whole, and its tail after the keys
// and values of its head in one or several segments.
func TestSharedPrefixesHaveTheSameBits(t *testing.T) {
	for _, dt := range []kernels.DType{f32, bf16} {
		for _, s := range []kernels.HeadShape{{Heads: 4, KVHeads: 2, HeadDim: 24}, {Heads: 3, KVHeads: 1, HeadDim: 64}} {
			b := newBench(t, 2)
			b.digest(func(*bench) {})
			const n = 213
			q, k, v := b.in(dt, n, s.Heads*s.HeadDim, 2), b.in(dt, n, s.KVHeads*s.HeadDim, 2), b.in(dt, n, s.KVHeads*s.HeadDim, 1)
			whole := b.New(dt, n, s.Heads*s.HeadDim)
			b.Attention(whole, nil, q, k, v, []kernels.Sequence{{Len: n}}, s)
			for _, cuts := range [][]int{{1}, {16}, {100}, {212}, {7, 8, 150}, {0, 50, 50, 211}} {
				var past []kernels.Span
				at := 0
				for _, c := range cuts {
					past = append(past, kernels.Span{K: k.Slice(at, c), V: v.Slice(at, c)})
					at = c
				}
				tail := b.New(dt, n-at, s.Heads*s.HeadDim)
				b.Attention(tail, nil, q.Slice(at, n), k.Slice(at, n), v.Slice(at, n), []kernels.Sequence{{Len: n - at, Past: past}}, s)
				if b.bits(tail) != b.bits(whole.Slice(at, n)) {
					t.Errorf("%v %+v: rows behind prefixes that end at %v have other bits", dt, s, cuts)
				}
			}
		}
	}
}
