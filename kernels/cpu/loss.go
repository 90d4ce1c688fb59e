package cpu

import (
	"unsafe"

	"xrun/kernels"
	"xrun/kernels/args"
	"xrun/kernels/cpu/vec"
	"xrun/kernels/gemm"
	"xrun/kernels/num"
	"xrun/kernels/pages"
)

// The limits on the label rows whose logits are in memory at once. There are many,
// because the head's weights and gradients are read and updated once for each
// chunk, which should cost little beside the products. The memory they take is
// bounded; the rows of one call seldom fill it.
const (
	lossRows   = 512
	lossMemory = 320 << 20
)

// lossChunk returns the number of rows of logits in memory at once, which is even.
func lossChunk(vocab int) int { return min(lossRows, max(16, lossMemory/4/max(vocab, 1)&^1)) }

// logitsFor allocates memory for the logits of a chunk and returns the chunk's
// number of rows. Pages that are never touched take no memory.
func (e *Engine) logitsFor(vocab int) int {
	rows := lossChunk(vocab)
	if n := rows * logitStride(vocab); len(e.logits) < n {
		pages.Free(e.logits)
		e.logits = pages.Alloc(n)
	}
	return rows
}

// logitStride is the distance of two rows of logits: whole lines, and no multiple of
// 4 KB. Rows so far apart would share a few sets of the first-level cache, which do not
// hold the rows of one tile and of the next.
func logitStride(vocab int) int {
	n := (vocab + 15) &^ 15
	if n%1024 == 0 {
		n += 16
	}
	return n
}

// logitMatrix returns the first rows rows of the logits.
func (e *Engine) logitMatrix(rows, vocab int) gemm.Matrix {
	ld := logitStride(vocab)
	return gemm.Matrix{F32: e.logits[:rows*ld], Rows: rows, Cols: vocab, Stride: ld}
}

// logitRow returns row i of the logits.
func (e *Engine) logitRow(i, vocab int) []float32 {
	return e.logits[i*logitStride(vocab):][:vocab]
}

// CrossEntropy computes ce[r] = -log softmax(x[r]·wᵀ)[targets[r]] and, when dx
// is not nil, the gradients of Σ coef[r]*ce[r].
func (e *Engine) CrossEntropy(ce []float64, dx, dw, x, w kernels.Tensor, targets []int32, coef []float32, starts []int32, carry bool) {
	const op = "CrossEntropy"
	s := e.arg(op, "x", x, anyType, anySize, anySize)
	m := e.arg(op, "w", w, args.Weights(s.dtype), anySize, s.cols)
	gx := e.optional(op, "dx", dx, kernels.F32, s.rows, s.cols)
	gw := e.optional(op, "dw", dw, kernels.F32, m.rows, m.cols)
	if (gx == nil) != (gw == nil) {
		e.bug("%s: one of dx and dw is nil", op)
	}
	e.count(op, "losses", len(ce), s.rows)
	e.count(op, "targets", len(targets), s.rows)
	if gx != nil {
		e.arg(op, "w", w, kernels.F32, m.rows, m.cols)
		e.count(op, "coefficients", len(coef), s.rows)
		e.checkStarts(op, starts, s.rows)
	}
	if !e.inTable(op, "target", targets, m.rows) {
		return
	}
	if s.rows == 0 && gw != nil && !carry {
		clear(gw.f)
	}
	chunk := e.logitsFor(m.rows)
	for lo, hi := 0, 0; lo < s.rows; lo = hi {
		hi = min(lo+chunk, s.rows)
		if gx != nil {
			hi = evenCut(hi, starts)
		}
		e.logitRows(s, m, lo, hi)
		e.op = operands{a: s, n: m.rows, m: lo, ids: targets, ce: ce, coef: coef, flag: gx != nil}
		e.run(hi-lo, lossRow)
		if gx == nil {
			continue
		}
		g := e.logitMatrix(hi-lo, m.rows)
		if s.dtype == kernels.BF16 {
			g.BF16, g.F32, g.Stride = halves(g.F32), nil, 2*g.Stride
		}
		gemm.GradInput(e.pool, gx.matrix().SliceRows(lo, hi), g, m.matrix(), false)
		e.cuts = cutStarts(e.cuts[:0], starts, lo, hi)
		gemm.GradWeight(e.pool, gw.matrix(), g, s.matrix().SliceRows(lo, hi), e.cuts, carry || lo > 0)
	}
}

// evenCut returns the end of a chunk of rows that may extend to hi: hi, or hi-1 if
// hi would split a pair of rows. Pairs count from the start of each sequence.
func evenCut(hi int, starts []int32) int {
	first := int32(0)
	for _, s := range starts {
		if int(s) > hi {
			break
		}
		first = s
	}
	return hi - (hi-int(first))%2
}

// cutStarts returns the starts of the sequences in rows [lo, hi), relative to lo. A
// sequence that began before lo, by an even number of rows, starts at 0.
func cutStarts(dst, starts []int32, lo, hi int) []int32 {
	dst = append(dst, 0)
	for _, s := range starts {
		if int(s) > lo && int(s) < hi {
			dst = append(dst, s-int32(lo))
		}
	}
	return append(dst, int32(hi-lo))
}

// halves returns the memory of x as bfloat16.
func halves(x []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(x))), 2*len(x))
}

// logitRows computes the logits of rows [lo, hi) of x into e.logits.
func (e *Engine) logitRows(x, w *tensor, lo, hi int) {
	gemm.Forward(e.pool, e.logitMatrix(hi-lo, w.rows), x.matrix().SliceRows(lo, hi), w.matrix(), nil, nil)
}

// lossRow computes the loss of a row of logits and, if wanted, replaces the row by
// its gradient.
func lossRow(e *Engine, w *worker, i int) {
	o := &e.op
	row, r := e.logitRow(i, o.n), o.m+i
	t := o.ids[r]
	logit, top := row[t], vec.Max(row)
	sum := vec.ExpSum(row, top)
	o.ce[r] = crossEntropy(logit, top, sum)
	if !o.flag {
		return
	}
	vec.SoftmaxGrad(row, sum, o.coef[r], int(t))
	if o.a.dtype == kernels.BF16 {
		// In place: bfloat16 element j overwrites half of float32 element j/2, which
		// has been read already.
		vec.Round(halves(row)[:len(row)], row)
	}
}

// crossEntropy returns log Σ exp(l) - l[target], given l[target], the maximum
// and the sum of exp(l - maximum).
func crossEntropy(logit, top, sum float32) float64 {
	return (float64(top) - float64(logit)) + num.Log(float64(sum))
}

// LogProb sets dst[i] = log softmax(x[rows[i]]·wᵀ)[targets[i]], and best[i] to
// the lowest id of the largest logit.
func (e *Engine) LogProb(dst []float64, best []int32, x, w kernels.Tensor, rows, targets []int32) {
	const op = "LogProb"
	s := e.arg(op, "x", x, anyType, anySize, anySize)
	m := e.arg(op, "w", w, args.Weights(s.dtype), anySize, s.cols)
	e.count(op, "values", len(dst), len(rows))
	e.count(op, "targets", len(targets), len(rows))
	if best != nil {
		e.count(op, "best ids", len(best), len(rows))
	}
	if !e.inTable(op, "row", rows, s.rows) || !e.inTable(op, "target", targets, m.rows) {
		return
	}
	chunk := e.logitsFor(m.rows)
	for lo := 0; lo < len(rows); {
		hi := e.gather(s, rows, lo, chunk)
		n := int(e.rowOf[hi-lo-1]) + 1
		x := e.picked(s, n)
		gemm.Forward(e.pool, e.logitMatrix(n, m.rows), x, m.matrix(), nil, nil)
		e.op = operands{n: m.rows, m: lo, ids: targets, ce: dst, best: best}
		e.firstOf = firsts(e.firstOf[:0], e.rowOf[:hi-lo])
		e.run(n, logProbRow)
		lo = hi
	}
}

// gather copies the distinct rows among rows[lo:hi], at most chunk of them, into
// e.pick or e.pickBF16 and returns hi. e.rowOf maps each index to its copy.
func (e *Engine) gather(x *tensor, rows []int32, lo, chunk int) (hi int) {
	e.rowOf = e.rowOf[:0]
	n := 0
	size := min(chunk, len(rows)-lo) * x.cols
	if x.dtype == kernels.BF16 {
		e.pickBF16 = resize(e.pickBF16, size)
	} else {
		e.pick = resize(e.pick, size)
	}
	dst := &tensor{dtype: x.dtype, f: e.pick, b: e.pickBF16}
	for hi = lo; hi < len(rows); hi++ {
		if hi == lo || rows[hi] != rows[hi-1] {
			if n == chunk {
				break
			}
			copyRange(dst, n*x.cols, x, int(rows[hi])*x.cols, x.cols)
			n++
		}
		e.rowOf = append(e.rowOf, int32(n-1))
	}
	return hi
}

// picked returns the rows that gather copied.
func (e *Engine) picked(x *tensor, n int) gemm.Matrix {
	if x.dtype == kernels.BF16 {
		return gemm.NewBF16(e.pickBF16, n, x.cols)
	}
	return gemm.NewF32(e.pick, n, x.cols)
}

// firsts returns the index of the first occurrence of each value 0, 1, ... in the
// ascending list, followed by the length of the list.
func firsts(dst, list []int32) []int32 {
	for i, v := range list {
		if int(v) == len(dst) {
			dst = append(dst, int32(i))
		}
	}
	return append(dst, int32(len(list)))
}

func logProbRow(e *Engine, w *worker, i int) {
	o := &e.op
	row := e.logitRow(i, o.n)
	top := vec.Max(row)
	from, to := o.m+int(e.firstOf[i]), o.m+int(e.firstOf[i+1])
	if o.best != nil {
		id := int32(max(vec.Index(row, top), 0))
		for j := from; j < to; j++ {
			o.best[j] = id
		}
	}
	for j := from; j < to; j++ {
		o.ce[j] = float64(row[o.ids[j]])
	}
	sum := vec.ExpSum(row, top)
	for j := from; j < to; j++ {
		o.ce[j] = -crossEntropy(float32(o.ce[j]), top, sum)
	}
}
