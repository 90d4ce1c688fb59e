package cuda

import (
	"xrun/kernels"
	"xrun/kernels/args"
)

// The kernels of rows.cu, which use a block for each row of the destination.
var (
	gatherKernel    = kernel{module: "rows", name: "gather"}
	addRowsKernel   = kernel{module: "rows", name: "add_rows"}
	embedGradKernel = kernel{module: "rows", name: "embed_grad"}
	rotaryKernel    = kernel{module: "rows", name: "rotary"}
)

// launchRows queues a kernel with a block for each of n rows and threads for cols
// elements of a row.
func (e *Engine) launchRows(k kernel, n, cols int, args ...any) {
	if n == 0 || cols == 0 {
		return
	}
	threads := min(blockSize, (cols+31)/32*32)
	e.launch(k, Dim{X: n}, Dim{X: threads}, args...)
}

// gather sets d[i] = s[rows[i]], or zeros where rows[i] is negative.
func (e *Engine) gather(d, s *tensor, rows []int32, roundTo bool) {
	if d.size() == 0 {
		return
	}
	w := wide(d.cols, d, s)
	at := e.upload(raw(rows))[0]
	e.launchRows(gatherKernel, d.rows, groups(d.cols, w), d.addr, d.typeCode(), s.addr, s.typeCode(), at, int32(d.cols), flag(roundTo), flag(w))
}

// groups returns the number of threads for which a row of cols elements has work.
func groups(cols int, wide bool) int {
	if wide {
		return cols / 4
	}
	return cols
}

// Embed sets dst[t] to table[ids[t]] rounded to operand.
func (e *Engine) Embed(dst, table kernels.Tensor, ids []int32, operand kernels.DType) {
	t := e.arg("Embed", "table", table, args.Weights(operand), anySize, anySize)
	d := e.dst("Embed", "dst", dst, kernels.F32, anySize, t.cols)
	e.count("Embed", "ids", len(ids), d.rows)
	if e.inTable("Embed", "id", ids, t.rows) {
		e.gather(d, t, ids, operand == kernels.BF16)
	}
}

// GatherRows sets dst[i] to src[rows[i]].
func (e *Engine) GatherRows(dst, src kernels.Tensor, rows []int32) {
	s := e.arg("GatherRows", "src", src, anyType, anySize, anySize)
	d := e.dst("GatherRows", "dst", dst, anyType, anySize, s.cols)
	e.count("GatherRows", "rows", len(rows), d.rows)
	if e.inTable("GatherRows", "row", rows, s.rows) {
		e.gather(d, s, rows, false)
	}
}

// ScatterRows sets dst[rows[i]] to src[i] and the other rows to zero.
func (e *Engine) ScatterRows(dst, src kernels.Tensor, rows []int32) {
	s := e.arg("ScatterRows", "src", src, anyType, anySize, anySize)
	d := e.dst("ScatterRows", "dst", dst, anyType, anySize, s.cols)
	e.count("ScatterRows", "rows", len(rows), s.rows)
	if !e.inTable("ScatterRows", "row", rows, d.rows) {
		return
	}
	e.ints = resize(e.ints, d.rows)
	for i := range e.ints {
		e.ints[i] = -1
	}
	for i, r := range rows {
		e.ints[r] = int32(i)
	}
	e.gather(d, s, e.ints, false)
}

// AddRows adds rows[i] to dst[ids[i]].
func (e *Engine) AddRows(dst, rows kernels.Tensor, ids []int32) {
	d := e.dst("AddRows", "dst", dst, kernels.F32, anySize, anySize)
	r := e.arg("AddRows", "rows", rows, kernels.F32, anySize, d.cols)
	e.count("AddRows", "ids", len(ids), r.rows)
	if !e.inTable("AddRows", "id", ids, d.rows) || r.size() == 0 {
		return
	}
	w := wide(d.cols, d, r)
	at := e.upload(raw(ids))[0]
	e.launchRows(addRowsKernel, r.rows, groups(d.cols, w), d.addr, r.addr, at, int32(d.cols), flag(w))
}

// EmbedGrad adds d[t] to rows[slots[t]], tokens ascending.
func (e *Engine) EmbedGrad(rows, d kernels.Tensor, slots []int32, carry bool) {
	r := e.dst("EmbedGrad", "rows", rows, kernels.F32, anySize, anySize)
	x := e.arg("EmbedGrad", "d", d, kernels.F32, anySize, r.cols)
	e.count("EmbedGrad", "slots", len(slots), x.rows)
	if !e.inTable("EmbedGrad", "slot", slots, r.rows) || r.size() == 0 {
		return
	}
	used, starts, tokens := e.bySlot(slots, r.rows, carry)
	w := wide(r.cols, r, x)
	at := e.upload(raw(used), raw(starts), raw(tokens))
	e.launchRows(embedGradKernel, len(used), groups(r.cols, w), r.addr, x.addr, at[0], at[1], at[2], int32(r.cols), flag(carry), flag(w))
}

// bySlot sorts tokens by slot, ascending within each: the tokens of slot used[i] are
// tokens[starts[i]:starts[i+1]]. With carry, slots without tokens are left out.
func (e *Engine) bySlot(slots []int32, n int, carry bool) (used, starts, tokens []int32) {
	e.ints = resize(e.ints, 2*n+1+len(slots))
	next, tokens := e.ints[:n+1], e.ints[n+1:][:len(slots)]
	used = e.ints[n+1+len(slots):][:0]
	clear(next)
	for _, s := range slots {
		next[s+1]++
	}
	starts = e.starts[:0]
	for s := range n {
		if next[s+1] > 0 || !carry {
			used = append(used, int32(s))
			starts = append(starts, next[s])
		}
		next[s+1] += next[s]
	}
	e.starts = append(starts, int32(len(slots)))
	for t, s := range slots {
		tokens[next[s]] = int32(t)
		next[s]++
	}
	return used, e.starts, tokens
}

// Rotary rotates the heads of src by their tokens' angles into dst.
func (e *Engine) Rotary(dst, src, cos, sin kernels.Tensor, positions []int32, headDim int, inverse bool) {
	s := e.arg("Rotary", "src", src, anyType, anySize, anySize)
	if headDim <= 0 || headDim%2 != 0 || s.cols%headDim != 0 {
		e.bug("Rotary: head size %d in %d columns", headDim, s.cols)
	}
	e.count("Rotary", "positions", len(positions), s.rows)
	c := e.arg("Rotary", "cos", cos, kernels.F32, anySize, headDim/2)
	z := e.arg("Rotary", "sin", sin, kernels.F32, c.rows, headDim/2)
	d := e.dst("Rotary", "dst", dst, anyType, s.rows, s.cols)
	if !e.inTable("Rotary", "position", positions, c.rows) || s.size() == 0 {
		return
	}
	sign := float32(1)
	if inverse {
		sign = -1
	}
	w := wide(headDim/2, d, s, c, z)
	at := e.upload(raw(positions))[0]
	e.launchRows(rotaryKernel, s.rows, groups(s.cols/2, w), d.addr, d.typeCode(), s.addr, s.typeCode(), c.addr, z.addr, at,
		int32(s.cols), int32(headDim/2), sign, flag(w))
}

// resize returns s with n elements of unspecified values.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n+n/4)[:n]
	}
	return s[:n]
}
