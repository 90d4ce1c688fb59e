package cpu

import (
	"fmt"

	"xrun/kernels"
	"xrun/kernels/gemm"
	"xrun/kernels/pages"
	"xrun/kernels/pool"
)

// Numerics identifies the bits that this engine computes. Its number is incremented
// whenever any of them changes; the golden digests of the tests belong to it.
const Numerics = "cpu/1"

// Options configure an engine. They never change a result.
type Options struct {
	// Threads is the number of threads; 0 means one for each processor that
	// the Go runtime uses.
	Threads int
}

// Engine is the CPU implementation of [kernels.Engine].
type Engine struct {
	pool    *pool.Pool
	workers []worker
	err     error

	// The operation in progress. call calls body for each piece; it is made once,
	// so that no operation allocates a closure.
	body func(e *Engine, w *worker, i int)
	call func(worker, i int)
	op   operands

	residual gemm.Matrix
	live     map[*tensor]struct{} // tensors not yet freed

	tasks         []attentionTask
	logits        []float32
	rowOf         []int32
	pick          []float32
	pickBF16      []uint16
	cuts, firstOf []int32
	inv           []float32
	sums          []float64
}

var _ kernels.Engine = (*Engine)(nil)

// New returns an engine with its own worker threads, which Close stops.
func New(o Options) (*Engine, error) {
	if o.Threads < 0 {
		return nil, fmt.Errorf("starting the cpu engine: %d threads, want at least 1 (or 0 for all processors)", o.Threads)
	}
	if err := gemm.CheckPath(); err != nil {
		return nil, fmt.Errorf("starting the cpu engine: %w", err)
	}
	p := pool.New(o.Threads)
	e := &Engine{pool: p, workers: make([]worker, p.Threads()), live: map[*tensor]struct{}{}}
	e.call = func(w, i int) { e.body(e, &e.workers[w], i) }
	return e, nil
}

// Name returns "cpu".
func (e *Engine) Name() string { return "cpu" }

// Numerics returns [Numerics].
func (e *Engine) Numerics() string { return Numerics }

// MicroBatchInvariant returns true: gradients are one chain over a whole step.
func (e *Engine) MicroBatchInvariant() bool { return true }

// Pass returns 512 tokens, because the activations of more no longer fit into the
// caches (2,048 tokens of SmolLM2 took 10 % more processor time), and 256 MiB.
func (e *Engine) Pass() (tokens int, memory int64) { return 512, 256 << 20 }

// Threads returns the number of worker threads.
func (e *Engine) Threads() int { return len(e.workers) }

// Sync returns the first failure since the last Sync, and clears it.
func (e *Engine) Sync() error {
	err := e.err
	e.err = nil
	return err
}

// Close stops the worker threads and frees all memory. The engine and its tensors
// must not be used afterwards.
func (e *Engine) Close() error {
	if e.pool != nil {
		e.pool.Close()
		for t := range e.live {
			mem := t.mem
			*t = tensor{}
			pages.Free(mem)
		}
		pages.Free(e.logits)
		*e = Engine{err: e.err}
	}
	return e.Sync()
}

// fail remembers the first failure for Sync.
func (e *Engine) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

// bug panics with a description of the caller's mistake, after clearing operands that
// may be half set.
func (e *Engine) bug(format string, args ...any) {
	e.op = operands{}
	panic("kernels: " + fmt.Sprintf(format, args...))
}

// run calls body for each of n pieces, which must be independent.
func (e *Engine) run(n int, body func(e *Engine, w *worker, i int)) {
	e.body = body
	e.pool.Run(n, e.call)
	e.body, e.op = nil, operands{}
}

// operands are the arguments of the operation in progress. Their meaning is
// the operation's own.
type operands struct {
	a, b, c, d, f, g, h *tensor
	k, v                *tensor
	ids                 []int32
	x                   float32
	n, m                int // total and piece size of a split
	flag                bool
	ce                  []float64
	coef                []float32
	best                []int32
	heads               kernels.HeadShape
	seqs                []kernels.Sequence
	adamw               kernels.AdamW
}

// pieceSize is the approximate number of elements in a piece of elementwise work, few
// enough that its operands stay in the first-level cache.
const pieceSize = 4096

// split returns the number of pieces that n elements make, and sets op.n and op.m for
// operands.piece.
func (e *Engine) split(n, piece int) int {
	e.op.n, e.op.m = n, piece
	return (n + piece - 1) / piece
}

// piece returns the range of piece i of a split.
func (o *operands) piece(i int) (lo, hi int) {
	lo = i * o.m
	return lo, min(lo+o.m, o.n)
}

// rowsPerPiece returns the number of rows of cols elements that make a piece.
func rowsPerPiece(cols int) int { return max(1, pieceSize/max(cols, 1)) }

// worker is the scratch memory of one thread.
type worker struct {
	buf [bufCount][]float32
}

// scratch returns buffer k with n elements of unspecified values.
func (w *worker) scratch(k, n int) []float32 {
	if cap(w.buf[k]) < n {
		w.buf[k] = make([]float32, n+n/4)
	}
	return w.buf[k][:n]
}
