package cuda

import (
	"slices"

	"xrun/kernels"
	"xrun/kernels/args"
)

const (
	attentionRowBytes = 16 // size of Row in attention_grad.cu
	attentionSumKeys  = 16 // keys of a block of attention_heads
)

// AttentionGrad sets dq, dk and dv.
func (e *Engine) AttentionGrad(dq, dk, dv, dout, out, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape) {
	const op = "AttentionGrad"
	x := e.checkAttention(op, q, k, v, s)
	kv := s.KVHeads * s.HeadDim
	gq := e.dst(op, "dq", dq, kernels.F32, x.rows, x.cols)
	gk := e.dst(op, "dk", dk, kernels.F32, x.rows, kv)
	gv := e.dst(op, "dv", dv, kernels.F32, x.rows, kv)
	d := e.arg(op, "dout", dout, anyType, x.rows, x.cols)
	o := e.arg(op, "out", out, anyType, x.rows, x.cols)
	st := e.arg(op, "stats", stats, kernels.F32, x.rows, 2*s.Heads)
	e.checkSequences(op, seqs, x, s)
	e.must(args.NoPast(op, seqs))
	own := 64 // rows or keys of a block
	if x.dtype == kernels.F32 {
		own = 32
	}
	kt, vt := k.(*tensor), v.(*tensor)
	w := planAttention(kt, vt, seqs, s, own)
	if len(w.tasks) == 0 {
		return
	}
	var keyTasks, sumTasks []attentionTask // early keys, which most rows see, come first
	for _, seq := range seqs {
		t := attentionTask{first: int32(seq.First), length: int32(seq.Len)}
		keyTasks = t.cut(keyTasks, seq.Len, own)
		sumTasks = t.cut(sumTasks, seq.Len, attentionSumKeys)
	}

	if d.dtype != x.dtype { // both operands of a product must have the same type
		c := &tensor{engine: e, dtype: x.dtype, rows: d.rows, cols: d.cols}
		c.owner, c.addr = c, e.scratch("dout", c.bytes())
		e.Convert(c, d)
		d = c
	}
	lines := x.rows * s.Heads
	info := e.scratch("attention rows", int64(lines)*attentionRowBytes)
	e.launch(kernel{module: "attention_grad", name: "attention_rows"}.of(d.dtype, o.dtype), Dim{X: (lines + 7) / 8}, Dim{X: attentionThreads},
		info, st.addr, d.addr, o.addr, int32(lines), int32(s.HeadDim))

	at := e.upload(raw(w.tasks), raw(keyTasks), raw(sumTasks))
	shape := []any{int32(s.Heads), int32(s.KVHeads), int32(s.HeadDim)}
	how := []any{s.Scale(), flag(w.fast && x.addr%16 == 0 && d.addr%16 == 0)}
	run := func(name string, grid Dim, tasks Address, results ...any) {
		kn := attentionKernel("attention_grad", name, x.dtype, s.HeadDim)
		kn.shared = attentionGradShared(name, x.dtype, paddedHead(s.HeadDim))
		operands := []any{x.addr, kt.addr, vt.addr, d.addr, info, tasks}
		e.launch(kn, grid, Dim{X: attentionThreads}, slices.Concat(results, operands, shape, how)...)
	}
	run("attention_dq", Dim{X: len(w.tasks), Y: s.KVHeads}, at[0], gq.addr)

	// Each head computes dk and dv if it is alone in its group, otherwise parts of them.
	group, partK, partV := s.Heads/s.KVHeads, gk.addr, gv.addr
	if group > 1 {
		bytes := int64(x.size()) * 4
		partK, partV = e.scratch("keys of heads", bytes), e.scratch("values of heads", bytes)
	}
	run("attention_dkv", Dim{X: len(keyTasks), Y: group, Z: s.KVHeads}, at[1], partK, partV)
	if group > 1 {
		aligned := s.HeadDim%4 == 0 && gk.addr%16 == 0 && gv.addr%16 == 0
		e.launch(kernel{module: "attention_grad", name: "attention_heads"}, Dim{X: len(sumTasks), Y: s.KVHeads, Z: 2}, Dim{X: blockSize},
			slices.Concat([]any{gk.addr, gv.addr, partK, partV, at[2]}, shape, []any{int32(attentionSumKeys), flag(aligned)})...)
	}
}

// attentionGradShared returns the bytes of dynamic shared memory that a kernel of
// attention_grad.cu takes for a padded head size: for each of two tensors, a tile of 64
// lines and two of 32. In float32 the tiles have 32 and 16 lines, and their products are
// stored too.
func attentionGradShared(name string, t kernels.DType, size int) int {
	const own, met = 32, 16
	keys := name == "attention_dkv"
	if t == kernels.F32 {
		n := (2*own+2*met)*(size+4)*4 + own*(met+1)*4
		if keys {
			n += own * (met + 1) * 4
		}
		return n
	}
	n := 2*64*size*2 + 2*2*32*size*2
	if keys {
		n += 2 * 32 * attentionRowBytes
	}
	return n
}
