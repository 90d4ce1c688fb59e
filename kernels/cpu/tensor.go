package cpu

import (
	"math"

	"xrun/kernels"
	"xrun/kernels/args"
	"xrun/kernels/cpu/vec"
	"xrun/kernels/pages"
)

// tensor is a dense row-major matrix: f or b holds rows*cols elements. The owner of a
// view is the tensor whose memory it shares; other tensors own themselves.
type tensor struct {
	engine     *Engine
	dtype      kernels.DType
	rows, cols int
	f          []float32
	b          []uint16
	owner      *tensor
	mem        []float32 // allocated memory; nil for views

	// The last view that Slice made, of rows from lastAt. It is kept because a step
	// asks for the same views as the step before.
	last   *tensor
	lastAt int
}

// New returns a zeroed tensor.
func (e *Engine) New(t kernels.DType, rows, cols int) kernels.Tensor {
	if rows < 0 || cols < 0 {
		e.bug("New: %d rows of %d columns", rows, cols)
	}
	if cols > 0 && rows > math.MaxInt/8/cols {
		e.bug("New: %d rows of %d columns", rows, cols)
	}
	x := &tensor{engine: e, dtype: t, rows: rows, cols: cols}
	x.owner = x
	n := rows * cols
	switch t {
	case kernels.F32:
		x.mem = pages.Alloc(n)
		x.f = x.mem
	case kernels.BF16:
		x.mem = pages.Alloc((n + 1) / 2)
		x.b = halves(x.mem)[:n:n]
	default:
		e.bug("New: invalid type of element")
	}
	e.live[x] = struct{}{}
	return x
}

// Free frees the memory of ts. They and their views must not be used afterwards.
func (e *Engine) Free(ts ...kernels.Tensor) {
	for _, t := range ts {
		x, ok := t.(*tensor)
		if !ok || x == nil || x.engine == nil {
			continue
		}
		if x.engine != e || x.owner != x {
			e.bug("Free: %s is a view or of another engine", args.Describe(t))
		}
		delete(e.live, x)
		mem := x.mem
		*x = tensor{}
		pages.Free(mem)
	}
}

func (t *tensor) DType() kernels.DType { return t.dtype }
func (t *tensor) Rows() int            { return t.rows }
func (t *tensor) Cols() int            { return t.cols }

// Slice returns rows [lo, hi) as a view.
func (t *tensor) Slice(lo, hi int) kernels.Tensor {
	if t.engine == nil || t.owner.engine == nil {
		panic("kernels: Slice: the tensor is freed")
	}
	if lo < 0 || hi < lo || hi > t.rows {
		t.engine.bug("Slice: rows [%d, %d) of %d", lo, hi, t.rows)
	}
	if v := t.last; v != nil && t.lastAt == lo && v.rows == hi-lo {
		return v
	}
	v := &tensor{engine: t.engine, dtype: t.dtype, rows: hi - lo, cols: t.cols, owner: t.owner}
	if t.dtype == kernels.BF16 {
		v.b = t.b[lo*t.cols : hi*t.cols : hi*t.cols]
	} else {
		v.f = t.f[lo*t.cols : hi*t.cols : hi*t.cols]
	}
	t.last, t.lastAt = v, lo
	return v
}

func (t *tensor) size() int { return t.rows * t.cols }

// load returns elements [lo, hi) as float32: the tensor's own memory if it is
// F32, otherwise scratch buffer k of w.
func (t *tensor) load(w *worker, k, lo, hi int) []float32 {
	if t.dtype == kernels.F32 {
		return t.f[lo:hi]
	}
	buf := w.scratch(k, hi-lo)
	vec.Widen(buf, t.b[lo:hi])
	return buf
}

// target returns memory in which to compute elements [lo, hi) before calling store:
// the tensor's own if it is F32, otherwise scratch buffer k of w.
func (t *tensor) target(w *worker, k, lo, hi int) []float32 {
	if t.dtype == kernels.F32 {
		return t.f[lo:hi]
	}
	return w.scratch(k, hi-lo)
}

// store rounds the values computed in target's memory into the elements from lo on.
func (t *tensor) store(buf []float32, lo int) {
	if t.dtype == kernels.BF16 {
		vec.Round(t.b[lo:lo+len(buf)], buf)
	}
}

// zero clears elements [lo, hi).
func (t *tensor) zero(lo, hi int) {
	if t.dtype == kernels.BF16 {
		clear(t.b[lo:hi])
	} else {
		clear(t.f[lo:hi])
	}
}

// Write copies src into dst, rounding if dst is BF16.
func (e *Engine) Write(dst kernels.Tensor, src []float32) {
	d := e.arg("Write", "dst", dst, anyType, anySize, anySize)
	if len(src) != d.size() {
		e.bug("Write: %d values into %v", len(src), args.Describe(dst))
	}
	if d.dtype == kernels.F32 {
		copy(d.f, src)
	} else {
		vec.Round(d.b, src)
	}
}

// Read copies src into dst.
func (e *Engine) Read(dst []float32, src kernels.Tensor) {
	s := e.arg("Read", "src", src, anyType, anySize, anySize)
	if len(dst) != s.size() {
		e.bug("Read: %d values from %v", len(dst), args.Describe(src))
	}
	if s.dtype == kernels.F32 {
		copy(dst, s.f)
	} else {
		vec.Widen(dst, s.b)
	}
}

// Arguments of arg that match any type and any size.
const (
	anyType = args.AnyType
	anySize = args.AnySize
)

// arg checks a tensor argument of an operation: that this engine made it, and that it
// has type t and shape [rows, cols], except where these are anyType or anySize.
func (e *Engine) arg(op, name string, x kernels.Tensor, t kernels.DType, rows, cols int) *tensor {
	y, ok := x.(*tensor)
	switch {
	case !ok || y == nil || y.engine == nil || y.owner.engine == nil:
		e.bug("%s: %s is nil, freed or of another engine", op, name)
	case y.engine != e:
		e.bug("%s: %s belongs to another engine", op, name)
	}
	e.must(args.Tensor(op, name, y, t, rows, cols))
	return y
}

// optional is arg for an argument that may be nil.
func (e *Engine) optional(op, name string, x kernels.Tensor, t kernels.DType, rows, cols int) *tensor {
	if x == nil {
		return nil
	}
	return e.arg(op, name, x, t, rows, cols)
}

// must panics if err, which describes a caller's mistake, is not nil.
func (e *Engine) must(err error) {
	if err != nil {
		e.bug("%v", err)
	}
}

func (e *Engine) count(op, name string, got, want int) { e.must(args.Count(op, name, got, want)) }

func (e *Engine) checkStarts(op string, starts []int32, rows int) {
	e.must(args.Starts(op, starts, rows))
}

// inTable reports whether all ids are rows of a table of n rows. It records the first
// that is not, for Sync.
func (e *Engine) inTable(op, name string, ids []int32, n int) bool {
	err := args.Table(op, name, ids, n)
	if err != nil {
		e.fail("%v", err)
	}
	return err == nil
}
