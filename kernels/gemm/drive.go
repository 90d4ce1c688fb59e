package gemm

import (
	"sync"
	"unsafe"

	"xrun/kernels/pages"
	"xrun/kernels/pool"
)

// path is one implementation of the inner parts. All paths give the same bits.
type path struct {
	name string
	// mr×nr is the tile held in registers. a is packed in panels of mr lanes, b in
	// panels of nr.
	mr, nr int
	// pack implements the function pack for the widths mr and nr.
	pack func(dst []float32, panel int, s *side, lane, lanes, width, k0, k1 int)
	// tile computes the chains of m rows and nr columns of c over k packed
	// positions; mode is a set of the bits below. If e is not nil the chains end
	// here and are stored where e says; the values in c are then undefined.
	tile func(c []float32, ldc int, a, b []float32, k, m, mode int, e *ending)
	// pairs reports that bf16 operands are packed as words of two, for VDPBF16PS.
	pairs bool
	// finish implements finishPortable.
	finish func(dst []float32, dst16 []uint16, c, bias, res []float32)
	// mulChain implements MulChain, MulUpper and MulLower, selected by shape.
	mulChain func(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k, shape int)
	// mulRows and mulRowsBF16 implement MulRows and MulRowsBF16.
	mulRows     func(c []float32, cStride int, x, w []float32, wStride, m, n, k int)
	mulRowsBF16 func(c []float32, cStride int, x []float32, w []uint16, wStride, m, n, k int)
	// thin computes columns [n0, n1) of a Forward of at most thinRows rows.
	thinRows int
	thin     func(j *job, worker, n0, n1 int)
	// peak runs rounds of independent multiply-adds, of peakFlops operations each.
	// peakRounds of them take a few milliseconds.
	peak                  func(rounds int)
	peakPairs             func(rounds int) // with VDPBF16PS, twice the operations
	peakFlops, peakRounds int
}

// Bits of a tile's mode; kernels/_gen mirrors them.
const (
	modeLoad   = 1 << iota // continue from the values in c, not from +0
	modeFlush              // bf16: flush denormals, or take words of two
	modeStream             // store past the caches, if the path can
)

// Blocking, in float32 values. A block of kBlock positions of one panel of b stays in
// L1 while it is multiplied by a block of rowBlock rows of a, which stays in L2 while
// it is multiplied by the panels of b. Of the operand that each worker packs for
// itself, a piece has at most colPanels panels of b, or rowBlock rows of a. The other
// operand is packed a chunk of chunkWords at a time, and a piece has at most laneLimit
// of its rows or columns. asideWords is the largest size of a piece whose chains are kept
// outside the result until they end.
const (
	kBlock     = 384
	rowBlock   = 144
	colPanels  = 4
	laneLimit  = 2048
	asideWords = 1 << 17
	chunkWords = 3 << 19
	thinCols   = 8       // columns that a thin product computes at a time
	thinLimit  = 4096    // largest number of columns of a piece of a thin product
	smallWork  = 1 << 16 // multiply-adds too few to wake a worker for
	// A result of at least streamWords values that is overwritten, in one block of
	// at most streamBlock positions, is stored past the caches: it is not read, and
	// too large to stay in them.
	streamWords = 1 << 21
	streamBlock = 512
)

// Scratch is the largest number of float32 values that products keep for the packed
// shared operand, ThreadScratch the largest number that each thread keeps besides.
const (
	Scratch       = chunkWords
	ThreadScratch = rowBlock*streamBlock + asideWords
)

// job is one product: c[m,n] (+)= a·b, then finish. Jobs are reused, with
// their memory.
type job struct {
	path     *path
	a, b     side
	m, n, k  int // k counts packed positions, which may be pairs
	flushing bool
	carry    bool

	out    Matrix
	bias   []float32
	res    Matrix // added if res.F32 is not nil
	direct bool   // the chains are kept in out itself
	stream bool   // results are stored past the caches

	kb int // positions in a block of k

	// The smaller operand, shared, is packed for all workers, a chunk at a time:
	// lanes [l0, l1) and positions [k0, k1). Each worker packs its part of the larger
	// one, own, itself.
	shared, own    operand
	l0, l1, k0, k1 int
	split          packSplit
	panels         int // in the chunk
	part, group    int // panels of a piece: of shared, of own
	groups         int // pieces side by side along own
	packed         []float32
	scratch        []scratch // of each worker
	order          []int32

	thinWidth int // columns in a piece of a thin product

	packPiece, tilePiece, thinPiece func(worker, i int)
}

// operand is one of the two sides of a product, in panels of width lanes.
type operand struct {
	*side
	lanes, width int
}

func (o operand) panels() int { return ceilDiv(o.lanes, o.width) }

// lanesOf returns the first lane of panels [p, q) and how many there are.
func (o operand) lanesOf(p, q int) (lane, lanes int) {
	lane = p * o.width
	return lane, min(q*o.width, o.lanes) - lane
}

// scratch is a worker's own memory.
type scratch struct {
	own  []float32 // packed panels of the operand own
	c    []float32 // chains, before the epilogue
	edge []float32 // a column of tiles for cut panels
	end  ending
}

var idle struct {
	sync.Mutex
	jobs []*job
}

func newJob() *job {
	idle.Lock()
	defer idle.Unlock()
	if n := len(idle.jobs); n > 0 {
		j := idle.jobs[n-1]
		idle.jobs = idle.jobs[:n-1]
		return j
	}
	j := &job{}
	j.packPiece, j.tilePiece, j.thinPiece = j.runPack, j.runTile, j.runThin
	return j
}

// release drops references to the caller's memory and keeps the job, with its own
// memory, for reuse.
func (j *job) release() {
	j.a, j.b, j.out, j.res, j.bias = side{}, side{}, Matrix{}, Matrix{}, nil
	idle.Lock()
	idle.jobs = append(idle.jobs, j)
	idle.Unlock()
}

func grow(buf *[]float32, n int) []float32 {
	if cap(*buf) < n {
		pages.Free((*buf)[:cap(*buf)])
		*buf = pages.Alloc(n)
	}
	*buf = (*buf)[:n]
	return *buf
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// even splits n into the fewest equal parts of at most limit, each a multiple
// of unit, and returns the size of a part.
func even(n, limit, unit int) int {
	if n == 0 {
		return unit
	}
	parts := ceilDiv(n, max(limit, unit))
	return ceilDiv(ceilDiv(n, parts), unit) * unit
}

// run computes the product on p.
func (j *job) run(p *pool.Pool) {
	if j.m == 0 || j.n == 0 {
		return
	}
	j.growScratch(p)
	small := j.m*j.n*max(j.k, 1) < smallWork
	j.direct = j.out.F32 != nil && j.res.F32 == nil
	j.kb = even(j.k, kBlock, 8)
	j.stream = !j.carry && j.direct && j.bias == nil && j.m*j.n >= streamWords && j.k <= streamBlock && aligned(&j.out)
	if j.stream {
		j.kb = even(j.k, streamBlock, 8)
	}
	// Chains that are kept outside the result are not cut.
	kChunk := max(j.k, 1)
	if j.direct && j.bias == nil {
		kChunk = even(j.k, 4096, j.kb)
	}
	j.shared, j.own = operand{&j.a, j.m, j.path.mr}, operand{&j.b, j.n, j.path.nr}
	if j.m > j.n {
		j.shared, j.own = j.own, j.shared
	}
	lanes, width := j.shared.lanes, j.shared.width
	chunk := even(lanes, max(chunkWords/kChunk, width), width)
	grow(&j.packed, chunk*min(kChunk, j.k))
	for j.l0 = 0; j.l0 < lanes; j.l0 = j.l1 {
		j.l1 = min(j.l0+chunk, lanes)
		j.panels = ceilDiv(j.l1-j.l0, width)
		for j.k0 = 0; j.k0 < j.k || j.k0 == 0; j.k0 += kChunk {
			j.k1 = min(j.k0+kChunk, j.k)
			j.split = j.splitShared()
			each(p, small, j.split.pieces(), j.packPiece)
			each(p, small, j.splitResult(p.Threads()), j.tilePiece)
		}
	}
}

// ownsRows reports whether a is the operand that workers pack for themselves.
func (j *job) ownsRows() bool { return j.own.side == &j.a }

// splitResult cuts the chunk of the result into pieces and returns their number. The
// own panels are cut first, because a worker packs them anew for each piece. There are
// enough pieces for threads to finish at about the same time.
func (j *job) splitResult(threads int) int {
	j.part = even(j.panels, laneLimit/j.shared.width, 1)
	limit := colPanels
	if j.ownsRows() {
		limit = rowBlock / j.path.mr
	}
	if !j.direct {
		limit = min(limit, asideWords/(j.part*j.path.mr*j.path.nr))
	}
	panels := j.own.panels()
	j.group = even(panels, limit, 1)
	pieces := func() int { return ceilDiv(j.panels, j.part) * ceilDiv(panels, j.group) }
	for j.group > 1 && pieces() < 8*threads {
		j.group = ceilDiv(j.group, 2)
	}
	for j.part > 4 && pieces() < 4*threads {
		j.part = ceilDiv(j.part, 2)
	}
	j.groups = ceilDiv(panels, j.group)
	return pieces()
}

// aligned reports whether every row of m begins at a multiple of 64 bytes.
func aligned(m *Matrix) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(m.F32)))%64 == 0 && m.Stride%16 == 0
}

func each(p *pool.Pool, small bool, n int, f func(worker, i int)) {
	if !small {
		p.Run(n, f)
		return
	}
	for i := range n {
		f(0, i)
	}
}

// packSplit describes how the packing of the shared operand is cut into pieces of about
// 16K values: group panels by segment positions.
type packSplit struct{ group, segment, groups, segments int }

// downColumns and downRows are the size of a piece of a side whose chains run down the
// matrix. A few cache lines are read from each row.
const downColumns, downRows = 256, 64

func (j *job) splitShared() packSplit {
	width, depth := j.shared.width, max(j.k1-j.k0, 1)
	s := packSplit{group: max(16384/(depth*width), 1), segment: depth}
	if !j.shared.along {
		s = packSplit{group: downColumns / width, segment: min(downRows, j.kb)}
	}
	s.groups, s.segments = ceilDiv(j.panels, s.group), ceilDiv(j.k1-j.k0, s.segment)
	return s
}

func (s *packSplit) pieces() int { return s.groups * s.segments }

// runPack packs a group of shared panels: [block of k][panel][k][lane].
func (j *job) runPack(_, i int) {
	s, width := &j.split, j.shared.width
	first := i % s.groups * s.group
	from := j.k0 + i/s.groups*s.segment
	to := min(from+s.segment, j.k1)
	lane := j.l0 + first*width
	lanes := min(s.group*width, j.l1-lane)
	for from < to {
		// The part of the segment within one block.
		k := j.k0 + (from-j.k0)/j.kb*j.kb
		end := min(k+j.kb, j.k1)
		part := min(to, end)
		dst := j.packed[(k-j.k0)*j.panels*width+first*width*(end-k)+(from-k)*width:]
		j.path.pack(dst, width*(end-k), j.shared.side, lane, lanes, width, from, part)
		from = part
	}
}

// runTile computes one piece of the result: for each block of k, it packs its own
// panels and multiplies them by the shared ones. finishRow finishes what the tiles do
// not, while the rows are in the cache.
func (j *job) runTile(worker, i int) {
	nr := j.path.nr
	w := &j.scratch[worker]
	s0, o0 := i/j.groups*j.part, i%j.groups*j.group
	s1, o1 := min(s0+j.part, j.panels), min(o0+j.group, j.own.panels())
	ownLane, ownLanes := j.own.lanesOf(o0, o1)
	n0, cols := ownLane, ownLanes
	m0, rows := j.shared.lanesOf(s0+j.l0/j.shared.width, s1+j.l0/j.shared.width)
	if j.ownsRows() {
		m0, rows, n0, cols = n0, cols, m0, rows
	}
	var c []float32
	ldc := j.out.Stride
	if j.direct {
		c = j.out.F32[m0*ldc+n0:]
	} else {
		ldc = ceilDiv(cols, nr) * nr
		c = grow(&w.c, rows*ldc)
	}
	own := grow(&w.own, (o1-o0)*j.own.width*min(j.kb, j.k))
	finishing := !j.direct || j.bias != nil
	whole := cols / nr * nr // columns of whole tiles, which finish their chains themselves
	for k := j.k0; k < j.k1 || k == j.k0; k += j.kb {
		depth := min(k+j.kb, j.k1) - k
		last := k+j.kb >= j.k1
		j.path.pack(own, j.own.width*depth, j.own.side, ownLane, ownLanes, j.own.width, k, k+depth)
		a, b := j.packed[(k-j.k0)*j.panels*j.shared.width+s0*j.shared.width*depth:], own
		if j.ownsRows() {
			a, b = b, a
		}
		mode := j.mode(k)
		for r := 0; r < rows; r += rowBlock {
			m := min(rowBlock, rows-r)
			for q := 0; q < cols; q += nr {
				var end *ending
				if finishing && last && q < whole {
					end = j.end(w, m0+r, n0+q)
				}
				if cut := cols - q; cut < nr && j.direct {
					j.cut(w, c[r*ldc+q:], cut, a[r*depth:], b[q*depth:], depth, m, mode)
				} else {
					j.path.tile(c[r*ldc+q:], ldc, a[r*depth:], b[q*depth:], depth, m, mode, end)
				}
			}
			if finishing && last && whole < cols {
				for i := r; i < r+m; i++ {
					j.finishRow(m0+i, n0+whole, n0+cols, c[i*ldc:][whole:cols])
				}
			}
		}
	}
}

// end returns the ending that stores the chains from row m and column n on in the
// result.
func (j *job) end(w *scratch, m, n int) *ending {
	e := &w.end
	*e = ending{ldd: j.out.Stride, ldr: j.res.Stride}
	if at := m*e.ldd + n; j.out.BF16 != nil {
		e.dst16 = j.out.BF16[at:]
	} else {
		e.dst = j.out.F32[at:]
	}
	if j.bias != nil {
		e.bias = j.bias[n:]
	}
	if j.res.F32 != nil {
		e.res = j.res.F32[m*e.ldr+n:]
	}
	return e
}

// mode returns the tiles' mode for the block of k that begins at k.
func (j *job) mode(k int) int {
	mode := 0
	if j.carry || k > 0 {
		mode |= modeLoad
	}
	if j.flushing {
		mode |= modeFlush
	}
	if j.stream {
		mode |= modeStream
	}
	return mode
}

// cut computes a column of tiles with fewer than nr columns, in a buffer.
func (j *job) cut(w *scratch, c []float32, cols int, a, b []float32, depth, rows, mode int) {
	nr, ldc := j.path.nr, j.out.Stride
	e := grow(&w.edge, rows*nr)
	if mode&modeLoad != 0 {
		for r := range rows {
			copy(e[r*nr:][:cols], c[r*ldc:])
			clear(e[r*nr+cols : (r+1)*nr])
		}
	}
	j.path.tile(e, nr, a, b, depth, rows, mode&^modeStream, nil)
	for r := range rows {
		copy(c[r*ldc:][:cols], e[r*nr:])
	}
}

// finishRow writes columns [n0, n1) of row m of the result from the finished chains
// c.
func (j *job) finishRow(m, n0, n1 int, c []float32) {
	var dst, bias, res []float32
	var dst16 []uint16
	if at := m * j.out.Stride; j.out.BF16 != nil {
		dst16 = j.out.BF16[at+n0 : at+n1]
	} else {
		dst = j.out.F32[at+n0 : at+n1]
	}
	if j.bias != nil {
		bias = j.bias[n0:n1]
	}
	if j.res.F32 != nil {
		at := m * j.res.Stride
		res = j.res.F32[at+n0 : at+n1]
	}
	j.path.finish(dst, dst16, c, bias, res)
}

func (j *job) growScratch(p *pool.Pool) {
	if n := p.Threads() - len(j.scratch); n > 0 {
		j.scratch = append(j.scratch, make([]scratch, n)...)
	}
}
