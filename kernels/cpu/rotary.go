package cpu

import (
	"xrun/kernels"
	"xrun/kernels/cpu/vec"
)

// Rotary rotates the heads of src by their tokens' angles into dst.
func (e *Engine) Rotary(dst, src, cos, sin kernels.Tensor, positions []int32, headDim int, inverse bool) {
	s := e.arg("Rotary", "src", src, anyType, anySize, anySize)
	if headDim <= 0 || headDim%2 != 0 || s.cols%headDim != 0 {
		e.bug("Rotary: head size %d in %d columns", headDim, s.cols)
	}
	e.count("Rotary", "positions", len(positions), s.rows)
	c := e.arg("Rotary", "cos", cos, kernels.F32, anySize, headDim/2)
	op := operands{
		a: e.arg("Rotary", "dst", dst, anyType, s.rows, s.cols), b: s,
		c: c, d: e.arg("Rotary", "sin", sin, kernels.F32, c.rows, headDim/2),
		ids: positions, heads: kernels.HeadShape{HeadDim: headDim}, flag: inverse,
	}
	if !e.inTable("Rotary", "position", positions, c.rows) {
		return
	}
	e.op = op
	e.run(e.split(s.rows, rowsPerPiece(s.cols)), rotaryPiece)
}

func rotaryPiece(e *Engine, w *worker, i int) {
	o := &e.op
	half := o.heads.HeadDim / 2
	lo, hi := o.piece(i)
	for r := lo; r < hi; r++ {
		from, to := r*o.a.cols, (r+1)*o.a.cols
		src, dst := o.b.load(w, 0, from, to), o.a.target(w, 1, from, to)
		at := int(o.ids[r]) * half
		cos, sin := o.c.f[at:at+half], o.d.f[at:at+half]
		for h := 0; h < len(src); h += 2 * half {
			vec.Rotate(dst[h:h+half], dst[h+half:h+2*half], src[h:h+half], src[h+half:h+2*half], cos, sin, o.flag)
		}
		o.a.store(dst, from)
	}
}
