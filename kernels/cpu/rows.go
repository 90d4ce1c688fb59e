package cpu

import (
	"xrun/kernels"
	"xrun/kernels/args"
	"xrun/kernels/cpu/vec"
)

// Convert copies src to dst, rounding as needed.
func (e *Engine) Convert(dst, src kernels.Tensor) {
	d := e.arg("Convert", "dst", dst, anyType, anySize, anySize)
	e.op.a = d
	e.op.b = e.arg("Convert", "src", src, anyType, d.rows, d.cols)
	e.run(e.split(d.size(), pieceSize), convertPiece)
}

func convertPiece(e *Engine, w *worker, i int) {
	lo, hi := e.op.piece(i)
	copyRange(e.op.a, lo, e.op.b, lo, hi-lo)
}

// copyRange converts n elements of src from s into dst from d.
func copyRange(dst *tensor, d int, src *tensor, s, n int) {
	switch {
	case dst.dtype == kernels.F32 && src.dtype == kernels.F32:
		copy(dst.f[d:d+n], src.f[s:s+n])
	case dst.dtype == kernels.F32:
		vec.Widen(dst.f[d:d+n], src.b[s:s+n])
	case src.dtype == kernels.F32:
		vec.Round(dst.b[d:d+n], src.f[s:s+n])
	default:
		copy(dst.b[d:d+n], src.b[s:s+n])
	}
}

// Add adds src to dst.
func (e *Engine) Add(dst, src kernels.Tensor) {
	d := e.arg("Add", "dst", dst, anyType, anySize, anySize)
	e.op.a = d
	e.op.b = e.arg("Add", "src", src, anyType, d.rows, d.cols)
	e.run(e.split(d.size(), pieceSize), addPiece)
}

func addPiece(e *Engine, w *worker, i int) {
	lo, hi := e.op.piece(i)
	d := e.op.a.load(w, 0, lo, hi)
	vec.Add(d, e.op.b.load(w, 1, lo, hi))
	e.op.a.store(d, lo)
}

// Embed sets dst[t] to table[ids[t]] rounded to operand.
func (e *Engine) Embed(dst, table kernels.Tensor, ids []int32, operand kernels.DType) {
	t := e.arg("Embed", "table", table, args.Weights(operand), anySize, anySize)
	d := e.arg("Embed", "dst", dst, kernels.F32, anySize, t.cols)
	e.count("Embed", "ids", len(ids), d.rows)
	if !e.inTable("Embed", "id", ids, t.rows) {
		return
	}
	e.op.a, e.op.b, e.op.ids, e.op.flag = d, t, ids, operand == kernels.BF16
	e.run(e.split(d.rows, rowsPerPiece(d.cols)), embedPiece)
}

func embedPiece(e *Engine, w *worker, i int) {
	d, t := e.op.a, e.op.b
	lo, hi := e.op.piece(i)
	for r := lo; r < hi; r++ {
		from := int(e.op.ids[r]) * t.cols
		if e.op.flag && t.dtype == kernels.F32 {
			vec.RoundTo(d.f[r*d.cols:(r+1)*d.cols], t.f[from:from+t.cols])
		} else {
			copyRange(d, r*d.cols, t, from, t.cols)
		}
	}
}

// columnPiece is the width of a piece of work that walks down columns: enough whole
// cache lines for the prefetcher.
const columnPiece = 64

// EmbedGrad adds d[t] to rows[slots[t]], tokens ascending.
func (e *Engine) EmbedGrad(rows, d kernels.Tensor, slots []int32, carry bool) {
	r := e.arg("EmbedGrad", "rows", rows, kernels.F32, anySize, anySize)
	x := e.arg("EmbedGrad", "d", d, kernels.F32, anySize, r.cols)
	e.count("EmbedGrad", "slots", len(slots), x.rows)
	if !e.inTable("EmbedGrad", "slot", slots, r.rows) {
		return
	}
	e.op.a, e.op.b, e.op.ids, e.op.flag = r, x, slots, carry
	e.run(e.split(r.cols, columnPiece), embedGradPiece)
}

func embedGradPiece(e *Engine, w *worker, i int) {
	rows, d := e.op.a, e.op.b
	lo, hi := e.op.piece(i)
	if !e.op.flag {
		for r := range rows.rows {
			clear(rows.f[r*rows.cols+lo : r*rows.cols+hi])
		}
	}
	for t, s := range e.op.ids {
		at := int(s) * rows.cols
		vec.Add(rows.f[at+lo:at+hi], d.f[t*d.cols+lo:t*d.cols+hi])
	}
}

// AddRows adds rows[i] to dst[ids[i]].
func (e *Engine) AddRows(dst, rows kernels.Tensor, ids []int32) {
	d := e.arg("AddRows", "dst", dst, kernels.F32, anySize, anySize)
	r := e.arg("AddRows", "rows", rows, kernels.F32, anySize, d.cols)
	e.count("AddRows", "ids", len(ids), r.rows)
	if !e.inTable("AddRows", "id", ids, d.rows) {
		return
	}
	e.op.a, e.op.b, e.op.ids = d, r, ids
	e.run(e.split(r.rows, rowsPerPiece(r.cols)), addRowsPiece)
}

func addRowsPiece(e *Engine, w *worker, i int) {
	d, src := e.op.a, e.op.b
	lo, hi := e.op.piece(i)
	for r := lo; r < hi; r++ {
		at := int(e.op.ids[r]) * d.cols
		vec.Add(d.f[at:at+d.cols], src.f[r*d.cols:(r+1)*d.cols])
	}
}

// GatherRows sets dst[i] to src[rows[i]].
func (e *Engine) GatherRows(dst, src kernels.Tensor, rows []int32) {
	s := e.arg("GatherRows", "src", src, anyType, anySize, anySize)
	d := e.arg("GatherRows", "dst", dst, anyType, anySize, s.cols)
	e.count("GatherRows", "rows", len(rows), d.rows)
	if !e.inTable("GatherRows", "row", rows, s.rows) {
		return
	}
	e.op.a, e.op.b, e.op.ids = d, s, rows
	e.run(e.split(d.rows, rowsPerPiece(d.cols)), gatherPiece)
}

func gatherPiece(e *Engine, w *worker, i int) {
	n := e.op.a.cols
	lo, hi := e.op.piece(i)
	for r := lo; r < hi; r++ {
		copyRange(e.op.a, r*n, e.op.b, int(e.op.ids[r])*n, n)
	}
}

// ScatterRows sets dst[rows[i]] to src[i] and the other rows to zero.
func (e *Engine) ScatterRows(dst, src kernels.Tensor, rows []int32) {
	s := e.arg("ScatterRows", "src", src, anyType, anySize, anySize)
	d := e.arg("ScatterRows", "dst", dst, anyType, anySize, s.cols)
	e.count("ScatterRows", "rows", len(rows), s.rows)
	if !e.inTable("ScatterRows", "row", rows, d.rows) {
		return
	}
	e.rowOf = resize(e.rowOf, d.rows)
	for i := range e.rowOf {
		e.rowOf[i] = -1
	}
	for i, r := range rows {
		e.rowOf[r] = int32(i)
	}
	e.op.a, e.op.b, e.op.ids = d, s, e.rowOf
	e.run(e.split(d.rows, rowsPerPiece(d.cols)), scatterPiece)
}

func scatterPiece(e *Engine, w *worker, i int) {
	n := e.op.a.cols
	lo, hi := e.op.piece(i)
	for r := lo; r < hi; r++ {
		if s := int(e.op.ids[r]); s >= 0 {
			copyRange(e.op.a, r*n, e.op.b, s*n, n)
		} else {
			e.op.a.zero(r*n, (r+1)*n)
		}
	}
}

// resize returns s with n elements of unspecified values.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n+n/4)[:n]
	}
	return s[:n]
}
