package cuda

import (
	"fmt"
	"math"

	"xrun/kernels"
	"xrun/kernels/args"
)

// tensor is a dense row-major matrix in device memory. The owner of a view is the tensor
// whose memory it shares; other tensors own themselves.
type tensor struct {
	engine     *Engine
	dtype      kernels.DType
	rows, cols int
	addr       Address
	owner      *tensor
	block      *block // of the arena; nil for views and empty tensors

	// Only in owners: the values rounded to bf16, made for products and valid, if
	// fresh is set, until the tensor is written to. See Engine.rounded.
	half  *block
	fresh bool
}

// New returns a zeroed tensor. If the device has no memory left, the tensor has none
// either, and the next Sync returns the failure.
func (e *Engine) New(t kernels.DType, rows, cols int) kernels.Tensor {
	if rows < 0 || cols < 0 || cols > 0 && rows > math.MaxInt/8/cols {
		e.bug("New: %d rows of %d columns", rows, cols)
	}
	if t != kernels.F32 && t != kernels.BF16 {
		e.bug("New: invalid type of element")
	}
	x := &tensor{engine: e, dtype: t, rows: rows, cols: cols}
	x.owner = x
	if x.bytes() == 0 || e.err != nil {
		return x
	}
	b, err := e.memory.alloc(x.bytes())
	if err != nil {
		e.outOfMemory(fmt.Sprintf("making a tensor of %v", args.Describe(x)), err)
		return x
	}
	x.block, x.addr = b, b.addr
	e.zero(x.addr, x.bytes())
	return x
}

// Free frees the memory of ts. They and their views must not be used afterwards. Work
// already queued may still use the memory, because only work queued later can reuse it.
func (e *Engine) Free(ts ...kernels.Tensor) {
	for _, t := range ts {
		x, ok := t.(*tensor)
		if !ok || x == nil || x.engine == nil {
			continue
		}
		if x.engine != e || x.owner != x {
			e.bug("Free: %s is a view or of another engine", args.Describe(t))
		}
		for _, b := range []*block{x.block, x.half} {
			if b == nil {
				continue
			}
			if err := e.memory.free(b); err != nil {
				e.broken("freeing memory", err)
			}
		}
		*x = tensor{}
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
	v := &tensor{engine: t.engine, dtype: t.dtype, rows: hi - lo, cols: t.cols, owner: t.owner}
	if t.addr != 0 {
		v.addr = t.row(lo)
	}
	return v
}

func (t *tensor) size() int    { return t.rows * t.cols }
func (t *tensor) bytes() int64 { return int64(t.size()) * int64(t.dtype.Size()) }

// row returns the address of row r.
func (t *tensor) row(r int) Address {
	return t.element(r * t.cols)
}

// element returns the address of element i.
func (t *tensor) element(i int) Address { return t.addr + Address(i)*Address(t.dtype.Size()) }

// address returns the address of t as an optional operand of a kernel, 0 if t is nil.
func (t *tensor) address() Address {
	if t == nil {
		return 0
	}
	return t.addr
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
	if y.addr == 0 && y.bytes() > 0 {
		e.fail("computing %s: no memory could be allocated for %s, %s", op, name, args.Describe(x))
	}
	return y
}

// dst is arg for a tensor that the operation writes. It invalidates the rounded copy.
func (e *Engine) dst(op, name string, x kernels.Tensor, t kernels.DType, rows, cols int) *tensor {
	y := e.arg(op, name, x, t, rows, cols)
	y.owner.fresh = false
	return y
}

// rounded returns the address of the values of w rounded to bf16. The rounded copy of a
// weight matrix stays in memory beside it, 2 bytes an element, for the products of
// forward and backward; rounding each time would move four times the bytes. The next
// write to w invalidates the copy, unless it writes both (see rewrote).
func (e *Engine) rounded(w *tensor) Address {
	o := w.owner
	if o.addr == 0 {
		return 0
	}
	if o.half == nil {
		b, err := e.memory.alloc(int64(o.size()) * 2)
		if err != nil {
			e.outOfMemory(fmt.Sprintf("rounding %v to bf16", args.Describe(o)), err)
			return 0
		}
		o.half, o.fresh = b, false
	}
	if !o.fresh {
		e.convert(o.halfOf(o), o)
		o.fresh = e.err == nil
	}
	return o.halfOf(w).addr
}

// halfOf returns the part of o's rounded copy that holds the elements of w.
func (o *tensor) halfOf(w *tensor) *tensor {
	return &tensor{engine: o.engine, dtype: kernels.BF16, rows: w.rows, cols: w.cols, addr: o.half.addr + (w.addr-o.addr)/2}
}

// roundedCopy returns the part of the rounded copy of w's owner that holds the elements
// of w, or nil if there is no copy.
func (e *Engine) roundedCopy(w *tensor) *tensor {
	if w.owner.half == nil {
		return nil
	}
	return w.owner.halfOf(w)
}

// rewrote records that an operation wrote every element of w and of its rounded copy. If
// the operation failed, the copy is invalid.
func (e *Engine) rewrote(w *tensor) {
	if o := w.owner; o.half != nil {
		o.fresh = e.err == nil && (o.fresh || w.size() == o.size())
	}
}

// optional is arg for an argument that may be nil.
func (e *Engine) optional(op, name string, x kernels.Tensor, t kernels.DType, rows, cols int) *tensor {
	if x == nil {
		return nil
	}
	return e.arg(op, name, x, t, rows, cols)
}

// optionalDst is dst for an argument that may be nil.
func (e *Engine) optionalDst(op, name string, x kernels.Tensor, t kernels.DType, rows, cols int) *tensor {
	if x == nil {
		return nil
	}
	return e.dst(op, name, x, t, rows, cols)
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
// that is not, for Sync. Ids are checked here, on the host, so that kernels need not.
func (e *Engine) inTable(op, name string, ids []int32, n int) bool {
	err := args.Table(op, name, ids, n)
	if err != nil {
		e.fail("%v", err)
	}
	return err == nil
}
