package gemm

import (
	"sync"
	"unsafe"

	"xrun/kernels/pages"
	"xrun/kernels/pool"
)

// path is one implementation of the inner parts. All paths give equal bits.
type path struct {
	name string
	// mr×nr is the tile held in registers: a is packed in panels of mr lanes,
	// b in panels of nr.
	mr, nr int
	// pack is the function of that name for widths mr and nr.
	pack func(dst []float32, panel int, s *side, lane, lanes, width, k0, k1 int)
	// tile computes the chains of m rows and nr columns of c over k packed
	// positions; mode is a set of the bits below. If e is not nil they end here,
	// and go there instead of into c, whose values are then lost.
	tile func(c []float32, ldc int, a, b []float32, k, m, mode int, e *ending)
	// pairs says that bf16 operands are packed as words of two, for VDPBF16PS.
	pairs bool
	// finish is finishPortable.
	finish func(dst []float32, dst16 []uint16, c, bias, res []float32)
	// mulChain is MulChain, MulUpper or MulLower, as shape says.
	mulChain func(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k, shape int)
	// mulRows is MulRows, and mulRowsBF16 MulRowsBF16.
	mulRows     func(c []float32, cStride int, x, w []float32, wStride, m, n, k int)
	mulRowsBF16 func(c []float32, cStride int, x []float32, w []uint16, wStride, m, n, k int)
	// thin computes columns [n0, n1) of a Forward of at most thinRows rows.
	thinRows int
	thin     func(j *job, worker, n0, n1 int)
	// peak does so many rounds of independent multiply-adds of peakFlops
	// operations; peakRounds take some milliseconds.
	peak                  func(rounds int)
	peakPairs             func(rounds int) // of VDPBF16PS, twice the operations
	peakFlops, peakRounds int
}

// Bits of a tile's mode; kernels/_gen mirrors them.
const (
	modeLoad   = 1 << iota // go on from the values in c, not from +0
	modeFlush              // bf16: flush denormals, or take words of two
	modeStream             // store past the caches, if the path can
)

// Blocking, in float32 values. A block of the chain (kBlock) of one panel of b
// stays in L1 while it meets a block of rows of a (rowBlock), which stays in L2
// while it meets the panels of a piece (colBlock). A chunk is what is packed of
// a at a time, rowLimit the most rows of a piece, and apart the most values of a
// piece whose chains are kept elsewhere until they end.
const (
	kBlock     = 384
	rowBlock   = 144
	colBlock   = 128
	rowLimit   = 2048
	apart      = 1 << 17
	chunkWords = 3 << 19
	thinCols   = 8       // columns that a thin product computes at a time
	thinLimit  = 4096    // columns of a piece of it at most
	smallWork  = 1 << 16 // multiply-adds not worth waking anybody for
	// A result of so many values, overwritten in one block of k of at most
	// streamBlock, goes past the caches: nothing of it is read, and nothing
	// would be left in them anyway.
	streamWords = 1 << 21
	streamBlock = 512
)

// Scratch is the most float32 values that products keep for the packed form of
// one operand, and ThreadScratch those that each thread keeps beside it.
const (
	Scratch       = chunkWords
	ThreadScratch = colBlock*streamBlock + apart
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
	direct bool   // the chain is kept in out itself
	stream bool   // results go past the caches

	kb int // positions of a block of k

	// The current chunk: rows [m0, m1) and positions [k0, k1), whose a is packed.
	m0, m1, k0, k1    int
	split             packSplit
	aPanels, bPanels  int
	rowPart, colGroup int // panels of a piece of the result
	colPieces         int
	bufA              []float32
	scratch           []scratch // of each worker
	order             []int32

	thinWidth int // columns of a piece of a thin product

	packPiece, tilePiece, thinPiece func(worker, i int)
}

// scratch is a worker's own memory.
type scratch struct {
	b    []float32 // packed panels
	c    []float32 // chains, before the epilogue
	edge []float32 // a tile column for cut panels
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

// release forgets the caller's memory and keeps the job's own.
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
	mr, nr := j.path.mr, j.path.nr
	small := j.m*j.n*max(j.k, 1) < smallWork
	j.direct = j.out.F32 != nil && j.res.F32 == nil
	j.kb = even(j.k, kBlock, 8)
	j.stream = !j.carry && j.direct && j.bias == nil && j.m*j.n >= streamWords && j.k <= streamBlock && aligned(&j.out)
	if j.stream {
		j.kb = even(j.k, streamBlock, 8)
	}
	// Chains that are kept elsewhere until they end are not cut.
	kChunk := max(j.k, 1)
	if j.direct && j.bias == nil {
		kChunk = even(j.k, 4096, j.kb)
	}
	mChunk := even(j.m, max(chunkWords/kChunk, mr), mr)
	grow(&j.bufA, mChunk*min(kChunk, j.k))
	j.bPanels = ceilDiv(j.n, nr)
	for j.m0 = 0; j.m0 < j.m; j.m0 = j.m1 {
		j.m1 = min(j.m0+mChunk, j.m)
		j.aPanels = ceilDiv(j.m1-j.m0, mr)
		for j.k0 = 0; j.k0 < j.k || j.k0 == 0; j.k0 += kChunk {
			j.k1 = min(j.k0+kChunk, j.k)
			j.split = j.splitA()
			each(p, small, j.split.pieces(), j.packPiece)
			each(p, small, j.splitResult(p.Threads()), j.tilePiece)
		}
	}
}

// splitResult cuts the chunk of the result into pieces, and returns how many
// there are: each packs its own panels of b, so that columns are split before
// rows, and enough of them that threads end together.
func (j *job) splitResult(threads int) int {
	j.rowPart = even(j.aPanels, rowLimit/j.path.mr, 1)
	limit := colBlock
	if !j.direct {
		limit = apart / (j.rowPart * j.path.mr)
	}
	j.colGroup = even(j.bPanels, limit/j.path.nr, 1)
	pieces := func() int { return ceilDiv(j.aPanels, j.rowPart) * ceilDiv(j.bPanels, j.colGroup) }
	for j.colGroup > 1 && pieces() < 8*threads {
		j.colGroup = ceilDiv(j.colGroup, 2)
	}
	for j.rowPart > 4 && pieces() < 4*threads {
		j.rowPart = ceilDiv(j.rowPart, 2)
	}
	j.colPieces = ceilDiv(j.bPanels, j.colGroup)
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

// packSplit says how the packing of a is cut into pieces of about 16K values:
// panels at a time, and positions at a time of those.
type packSplit struct{ group, segment, groups, segments int }

// downColumns and downRows are the piece of a side whose chains run down the
// matrix: memory is read in stretches of some lines of each row.
const downColumns, downRows = 256, 64

func (j *job) splitA() packSplit {
	mr, depth := j.path.mr, max(j.k1-j.k0, 1)
	s := packSplit{group: max(16384/(depth*mr), 1), segment: depth}
	if !j.a.along {
		s = packSplit{group: downColumns / mr, segment: min(downRows, j.kb)}
	}
	s.groups, s.segments = ceilDiv(j.aPanels, s.group), ceilDiv(j.k1-j.k0, s.segment)
	return s
}

func (s *packSplit) pieces() int { return s.groups * s.segments }

// runPack packs a group of panels of a: [block of k][panel][k][lane].
func (j *job) runPack(_, i int) {
	s, width := &j.split, j.path.mr
	first := i % s.groups * s.group
	from := j.k0 + i/s.groups*s.segment
	to := min(from+s.segment, j.k1)
	lane := j.m0 + first*width
	lanes := min(s.group*width, j.m1-lane)
	for from < to {
		// The part of the segment that lies in one block.
		k := j.k0 + (from-j.k0)/j.kb*j.kb
		end := min(k+j.kb, j.k1)
		part := min(to, end)
		dst := j.bufA[(k-j.k0)*j.aPanels*width+first*width*(end-k)+(from-k)*width:]
		j.path.pack(dst, width*(end-k), &j.a, lane, lanes, width, from, part)
		from = part
	}
}

// runTile computes one piece of the result: for all blocks of k, it packs its
// panels of b and multiplies; the epilogue follows while the rows are near.
func (j *job) runTile(worker, i int) {
	mr, nr := j.path.mr, j.path.nr
	w := &j.scratch[worker]
	p0, q0 := i/j.colPieces*j.rowPart, i%j.colPieces*j.colGroup
	p1, q1 := min(p0+j.rowPart, j.aPanels), min(q0+j.colGroup, j.bPanels)
	m0, n0 := j.m0+p0*mr, q0*nr
	rows, cols := min(j.m0+p1*mr, j.m1)-m0, min(q1*nr, j.n)-n0
	var c []float32
	ldc := j.out.Stride
	if j.direct {
		c = j.out.F32[m0*ldc+n0:]
	} else {
		ldc = (q1 - q0) * nr
		c = grow(&w.c, rows*ldc)
	}
	b := grow(&w.b, (q1-q0)*nr*min(j.kb, j.k))
	finishing := !j.direct || j.bias != nil
	whole := cols / nr * nr // columns of whole tiles, which end their chains by themselves
	for k := j.k0; k < j.k1 || k == j.k0; k += j.kb {
		depth := min(k+j.kb, j.k1) - k
		last := k+j.kb >= j.k1
		j.path.pack(b, nr*depth, &j.b, n0, cols, nr, k, k+depth)
		mode := j.mode(k)
		for r := 0; r < rows; r += rowBlock {
			m := min(rowBlock, rows-r)
			a := j.bufA[(k-j.k0)*j.aPanels*mr+(p0*mr+r)*depth:]
			for q := 0; q < cols; q += nr {
				var end *ending
				if finishing && last && q < whole {
					end = j.end(w, m0+r, n0+q)
				}
				if cut := cols - q; cut < nr && j.direct {
					j.cut(w, c[r*ldc+q:], cut, a, b[q*depth:], depth, m, mode)
				} else {
					j.path.tile(c[r*ldc+q:], ldc, a, b[q*depth:], depth, m, mode, end)
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

// end says that the chains from row m and column n on end in the result.
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

// mode returns the tiles' mode for the block of the chain from k on.
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

// cut computes a tile column of fewer than nr columns beside a whole one.
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

// finishRow writes columns [n0, n1) of row m of the result, whose finished
// chains are c.
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
