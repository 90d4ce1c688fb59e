package cuda

import (
	"math"

	"xrun/kernels"
	"xrun/kernels/args"
	"xrun/kernels/num"
)

// The limits on the label rows whose logits are in memory at once. For each such chunk,
// the weights of the head and their gradient are read and written once, which takes
// about as long as the products themselves.
const (
	lossRows   = 1024
	lossMemory = 640 << 20
)

var (
	lossRowsKernel = kernel{module: "loss", name: "loss_rows"}
	lossPickKernel = kernel{module: "loss", name: "loss_pick"}
	lossGradKernel = kernel{module: "loss", name: "loss_grad"}
)

const lossThreads = 256

// head computes the logits x·wᵀ of some rows, a chunk at a time, and keeps their
// statistics.
type head struct {
	e       *Engine
	x, w    *tensor
	ld      int     // distance between rows of logits, so that operands are aligned
	logits  Address // of one chunk
	results Address // (top, sum) and best id of each row, then the logit of each target
	targets int
	rows    int
}

func (e *Engine) newHead(x, w *tensor, targets, rows int) *head {
	h := &head{e: e, x: x, w: w, ld: (w.rows + 7) &^ 7, targets: targets, rows: rows}
	h.logits = e.scratch("logits", int64(min(rows, h.chunk()))*int64(h.ld)*4)
	h.results = e.scratch("losses", int64(targets+3*rows)*4)
	return h
}

// chunk returns the number of rows of logits in memory at once.
func (h *head) chunk() int { return lossChunk(h.ld) }

func lossChunk(ld int) int { return min(lossRows, max(16, lossMemory/4/max(ld, 1))) }

func (h *head) statsAt(r int) Address  { return h.results + Address(8*r) }
func (h *head) bestAt(r int) Address   { return h.results + Address(8*h.rows+4*r) }
func (h *head) logitsAt(i int) Address { return h.results + Address(12*h.rows+4*i) }

// compute queues the logits of n rows of x and their statistics, which become rows first
// and following of the results.
func (h *head) compute(x Address, n, first int) {
	e, w := h.e, h.w
	e.multiply(product{layout: nt, dtype: h.x.dtype, m: n, n: w.rows, k: w.cols, c: h.logits, ldc: h.ld,
		a: x, lda: w.cols, b: e.weights(w, h.x.dtype), ldb: w.cols})
	e.launch(lossRowsKernel, Dim{X: n}, Dim{X: lossThreads}, h.statsAt(first), h.bestAt(first), h.logits, int32(w.rows), int32(h.ld))
}

// pick queues the copy of the logits of n targets to the results from index to on. rows
// holds the row of each target; the chunk begins at row first.
func (h *head) pick(to int, rows, targets Address, n, first int) {
	h.e.launchEach(lossPickKernel, int64(n), h.logitsAt(to), h.logits, rows, targets, int32(n), int32(first), int32(h.ld))
}

// losses waits for the results. It returns ce, which gives the loss of target i in row r,
// and best, which gives the id of the largest logit in row r.
func (h *head) losses() (ce func(i, r int) float64, best func(r int) int32) {
	f := make([]float32, h.targets+3*h.rows)
	downloadTo(h.e, f, h.results)
	ids, logits := f[2*h.rows:], f[3*h.rows:]
	ce = func(i, r int) float64 {
		top, sum := float64(f[2*r]), float64(f[2*r+1])
		return (top - float64(logits[i])) + num.Log(sum)
	}
	return ce, func(r int) int32 { return int32(math.Float32bits(ids[r])) }
}

// CrossEntropy computes ce[r] = -log softmax(x[r]·wᵀ)[targets[r]] and, when dx
// is not nil, the gradients of Σ coef[r]*ce[r].
func (e *Engine) CrossEntropy(ce []float64, dx, dw, x, w kernels.Tensor, targets []int32, coef []float32, starts []int32, carry bool) {
	const op = "CrossEntropy"
	s := e.arg(op, "x", x, anyType, anySize, anySize)
	m := e.arg(op, "w", w, args.Weights(s.dtype), anySize, s.cols)
	gx := e.optionalDst(op, "dx", dx, kernels.F32, s.rows, s.cols)
	gw := e.optionalDst(op, "dw", dw, kernels.F32, m.rows, m.cols)
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
	if s.rows == 0 {
		if gw != nil && !carry {
			e.zero(gw.addr, gw.bytes())
		}
		return
	}
	h := e.newHead(s, m, s.rows, s.rows)
	if gx == nil {
		coef = nil
	}
	at := e.upload(raw(targets), raw(coef))
	for lo := 0; lo < s.rows; lo += h.chunk() {
		n := min(h.chunk(), s.rows-lo)
		ids, c := at[0]+Address(4*lo), at[1]+Address(4*lo)
		h.compute(s.row(lo), n, lo)
		h.pick(lo, 0, ids, n, 0)
		if gx == nil {
			continue
		}
		bf16 := s.dtype == kernels.BF16
		e.launch(lossGradKernel, Dim{X: n}, Dim{X: lossThreads}, h.logits, h.statsAt(lo), ids, c, int32(m.rows), int32(h.ld), flag(bf16))
		ld := h.ld
		if bf16 {
			ld *= 2
		}
		e.multiply(product{layout: nn, dtype: s.dtype, m: n, n: m.cols, k: m.rows, c: gx.row(lo), a: h.logits, lda: ld, b: e.weights(m, s.dtype), ldb: m.cols})
		e.multiply(gradWeight(gw.addr, s.dtype, n, h.logits, m.rows, ld, s.row(lo), m.cols, carry || lo > 0))
	}
	loss, _ := h.losses()
	for r := range ce {
		ce[r] = loss(r, r)
	}
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
	if !e.inTable(op, "row", rows, s.rows) || !e.inTable(op, "target", targets, m.rows) || len(rows) == 0 {
		return
	}
	distinct, rowOf := ranks(rows)
	h := e.newHead(s, m, len(rows), len(distinct))
	for lo, i := 0, 0; lo < len(distinct); lo += h.chunk() {
		part := distinct[lo:min(lo+h.chunk(), len(distinct))]
		h.compute(e.rowsOf(s, part), len(part), lo)
		j := i
		for j < len(rows) && int(rowOf[j]) < lo+len(part) {
			j++
		}
		at := e.upload(raw(rowOf[i:j]), raw(targets[i:j]))
		h.pick(i, at[0], at[1], j-i, lo)
		i = j
	}
	loss, id := h.losses()
	for i, r := range rowOf {
		dst[i] = -loss(i, int(r))
		if best != nil {
			best[i] = id(int(r))
		}
	}
}

// ranks returns the distinct values of an ascending list, and the index of each element
// among them.
func ranks(list []int32) (distinct, rank []int32) {
	rank = make([]int32, len(list))
	for i, v := range list {
		if i == 0 || v != list[i-1] {
			distinct = append(distinct, v)
		}
		rank[i] = int32(len(distinct) - 1)
	}
	return distinct, rank
}

// rowsOf returns the address of the given ascending rows of x without gaps: in x, or in
// a copy.
func (e *Engine) rowsOf(x *tensor, rows []int32) Address {
	first, n := int(rows[0]), len(rows)
	if int(rows[n-1])-first == n-1 {
		return x.row(first)
	}
	c := &tensor{engine: e, dtype: x.dtype, rows: n, cols: x.cols}
	c.owner, c.addr = c, e.scratch("picked rows", c.bytes())
	e.GatherRows(c, x, rows)
	return c.addr
}
