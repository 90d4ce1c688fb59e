package cuda

import (
	"fmt"
	"slices"

	"xrun/kernels"
	"xrun/kernels/args"
)

// attentionTask and attentionSegment mirror Task and Segment of attention.cuh.
type attentionTask struct {
	first, length, past, row, segment, segments int32
}

type attentionSegment struct {
	k, v       Address
	start, end int32
}

// attentionWork describes the blocks of a launch and the keys that they read.
type attentionWork struct {
	tasks    []attentionTask
	segments []attentionSegment
	fast     bool // all rows of keys and values are aligned to 16 bytes
}

// maxHeadSize is the largest head size that the kernels hold in registers.
const maxHeadSize = 128

// paddedHead returns the head size for which the kernel to use is compiled.
func paddedHead(size int) int {
	switch {
	case size <= 32:
		return 32
	case size <= 64:
		return 64
	}
	return maxHeadSize
}

const attentionThreads = 128

// attentionKernel returns the variant of a kernel for a type and head size.
func attentionKernel(module, name string, t kernels.DType, size int) kernel {
	return kernel{module: module, name: fmt.Sprintf("%s_%v_%d", name, t, paddedHead(size))}
}

// Attention sets dst = softmax(q·kᵀ/sqrt(HeadDim))·v.
func (e *Engine) Attention(dst, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape) {
	const op = "Attention"
	x := e.checkAttention(op, q, k, v, s)
	d := e.dst(op, "dst", dst, anyType, x.rows, x.cols)
	var st *tensor
	if stats != nil {
		st = e.dst(op, "stats", stats, kernels.F32, x.rows, 2*s.Heads)
	}
	e.checkSequences(op, seqs, x, s)
	rows := 64
	if x.dtype == kernels.F32 {
		rows = 32
	}
	w := planAttention(k.(*tensor), v.(*tensor), seqs, s, rows)
	if len(w.tasks) == 0 {
		return
	}
	at := e.upload(raw(w.tasks), raw(w.segments))
	e.launch(attentionKernel("attention", "attention", x.dtype, s.HeadDim), Dim{X: len(w.tasks), Y: s.KVHeads}, Dim{X: attentionThreads},
		d.addr, st.address(), x.addr, at[0], at[1], int32(s.Heads), int32(s.KVHeads), int32(s.HeadDim), s.Scale(),
		flag(w.fast && x.addr%16 == 0), flag(d.dtype == kernels.BF16))
}

// planAttention cuts the packed rows of each sequence (see attention.cuh) into tasks of
// the given number of rows. Tasks with the most keys come first.
func planAttention(k, v *tensor, seqs []kernels.Sequence, s kernels.HeadShape, rows int) attentionWork {
	group := s.Heads / s.KVHeads
	w := attentionWork{fast: s.HeadDim%8 == 0}
	for _, q := range seqs {
		if q.Len == 0 {
			continue
		}
		t := attentionTask{first: int32(q.First), length: int32(q.Len), segment: int32(len(w.segments))}
		add := func(k, v Address, n int) {
			w.segments = append(w.segments, attentionSegment{k, v, t.past, t.past + int32(n)})
			w.fast = w.fast && k%16 == 0 && v%16 == 0
		}
		for _, p := range q.Past {
			if n := p.K.Rows(); n > 0 {
				add(p.K.(*tensor).addr, p.V.(*tensor).addr, n)
				t.past += int32(n)
			}
		}
		add(k.row(q.First), v.row(q.First), q.Len)
		t.segments = int32(len(w.segments)) - t.segment
		w.tasks = t.cut(w.tasks, q.Len*group, rows)
	}
	last := func(t attentionTask) int32 { return t.past + t.row/int32(group) }
	slices.SortStableFunc(w.tasks, func(a, b attentionTask) int { return int(last(b) - last(a)) })
	return w
}

// cut appends tasks like t that cover n rows or keys, size of them each.
func (t attentionTask) cut(tasks []attentionTask, n, size int) []attentionTask {
	for ; int(t.row) < n; t.row += int32(size) {
		tasks = append(tasks, t)
	}
	return tasks
}

func (e *Engine) checkAttention(op string, q, k, v kernels.Tensor, s kernels.HeadShape) *tensor {
	e.must(args.Heads(op, s))
	if s.HeadDim > maxHeadSize {
		e.bug("%s: heads of size %d; the cuda engine's kernels take at most %d", op, s.HeadDim, maxHeadSize)
	}
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
