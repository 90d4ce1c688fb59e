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
	pack func(dst []float32, s *side, lane, lanes, width, k0, k1 int)
	// tile computes the chains of m rows and nr columns of c over k packed
	// positions; mode is a set of the bits below.
	tile func(c []float32, ldc int, a, b []float32, k, m, mode int)
	// pairs says that bf16 operands are packed as words of two, for VDPBF16PS.
	pairs bool
	// finish is finishPortable.
	finish func(dst []float32, dst16 []uint16, c, bias, res []float32)
	// mulChain is MulChain.
	mulChain func(c []float32, cStride int, a []float32, aRow, aCol int, b []float32, bStride int, m, n, k int, carry bool)
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
// stays in L1 while it meets a block of rows of a, which stays in L2. A chunk
// is what is packed at a time.
const (
	kBlock     = 384
	rowBlock   = 144
	colBlock   = 256
	chunkWords = 3 << 19
	smallWork  = 1 << 16 // multiply-adds not worth waking anybody for
	// A result of so many values, overwritten in one block of k of at most
	// streamBlock, goes past the caches: nothing of it is read, and nothing
	// would be left in them anyway.
	streamWords = 1 << 21
	streamBlock = 512
)

// Scratch is the most float32 values that products keep for the packed form of
// one operand, or about as many for results before the epilogue.
const Scratch = chunkWords

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
	ending bool   // the last chunk of k: finish follows
	stream bool   // results go past the caches

	// The current chunk.
	m0, m1, n0, n1, k0, k1 int
	kb                     int // positions of a block of k
	packA, packB           bool
	c                      []float32 // where the chain is kept: element (m0, n0)
	ldc                    int
	aSplit, bSplit         packSplit
	aPieces                int
	rowGroup, colGroup     int // panels of one piece of the result
	colPieces              int

	bufA, bufB, bufC []float32
	edge             [][]float32 // of each worker: a tile column for cut panels
	order            []int32

	thinWidth int // columns of a piece of a thin product

	packPiece, tilePiece, thinPiece func(worker, i int)
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
	j.a, j.b, j.out, j.res, j.bias, j.c = side{}, side{}, Matrix{}, Matrix{}, nil, nil
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
	j.growEdges(p)
	mr, nr := j.path.mr, j.path.nr
	small := j.m*j.n*max(j.k, 1) < smallWork
	j.direct = j.out.F32 != nil && j.res.F32 == nil

	j.kb = even(j.k, kBlock, 8)
	j.stream = !j.carry && j.direct && j.bias == nil && j.m*j.n >= streamWords && j.k <= streamBlock && aligned(&j.out)
	if j.stream {
		j.kb = even(j.k, streamBlock, 8)
	}
	kChunk := max(even(j.k, 4096, j.kb), j.kb)
	mChunk := even(j.m, max(chunkWords/kChunk, mr), mr)
	nChunk := even(j.n, max(chunkWords/kChunk, nr), nr)
	kChunks, mChunks := max(ceilDiv(j.k, kChunk), 1), ceilDiv(j.m, mChunk)
	grow(&j.bufA, mChunk*min(kChunk, j.k))
	grow(&j.bufB, nChunk*min(kChunk, j.k))
	if !j.direct {
		grow(&j.bufC, mChunk*nChunk)
	}

	for n0 := 0; n0 < j.n; n0 += nChunk {
		j.n0, j.n1 = n0, min(n0+nChunk, j.n)
		for m0 := 0; m0 < j.m; m0 += mChunk {
			j.m0, j.m1 = m0, min(m0+mChunk, j.m)
			if j.direct {
				j.c, j.ldc = j.out.F32[m0*j.out.Stride+n0:], j.out.Stride
			} else {
				j.c, j.ldc = j.bufC, nChunk
			}
			for kc := range kChunks {
				j.k0, j.k1 = kc*kChunk, min((kc+1)*kChunk, j.k)
				j.ending = kc == kChunks-1
				j.packA = kChunks > 1 || mChunks > 1 || n0 == 0
				j.packB = kChunks > 1 || m0 == 0
				j.chunk(p, small)
			}
		}
	}
}

// chunk packs and multiplies the current chunk.
func (j *job) chunk(p *pool.Pool, small bool) {
	mr, nr := j.path.mr, j.path.nr
	aPanels, bPanels := ceilDiv(j.m1-j.m0, mr), ceilDiv(j.n1-j.n0, nr)
	j.aSplit, j.bSplit = j.split(&j.a, aPanels, mr), j.split(&j.b, bPanels, nr)
	j.aPieces = 0
	pieces := 0
	if j.packA {
		j.aPieces = j.aSplit.pieces()
		pieces = j.aPieces
	}
	if j.packB {
		pieces += j.bSplit.pieces()
	}
	each(p, small, pieces, j.packPiece)

	j.rowGroup = even(aPanels, rowBlock/mr, 1)
	j.colGroup = even(bPanels, colBlock/nr, 1)
	for j.colGroup > 1 && ceilDiv(aPanels, j.rowGroup)*ceilDiv(bPanels, j.colGroup) < 4*p.Threads() {
		j.colGroup = ceilDiv(j.colGroup, 2)
	}
	j.colPieces = ceilDiv(bPanels, j.colGroup)
	each(p, small, ceilDiv(aPanels, j.rowGroup)*j.colPieces, j.tilePiece)
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

// packSplit says how the packing of one side of a chunk is cut into pieces of
// about 16K values: panels at a time, and positions at a time of those.
type packSplit struct {
	panels, group  int // of the side, and of one piece
	depth, segment int // positions of the chunk, and of one piece
}

// downColumns and downRows are the piece of a side whose chains run down the
// matrix: memory is read in stretches of some lines of each row.
const downColumns, downRows = 256, 64

func (j *job) split(s *side, panels, width int) packSplit {
	depth := j.k1 - j.k0
	if s.along {
		return packSplit{panels, max(16384/(max(depth, 1)*width), 1), depth, max(depth, 1)}
	}
	return packSplit{panels, downColumns / width, depth, min(downRows, j.kb)}
}

func (p *packSplit) pieces() int {
	return ceilDiv(p.panels, p.group) * ceilDiv(p.depth, p.segment)
}

// runPack packs a group of panels of a or b: [block of k][panel][k][lane].
func (j *job) runPack(_, i int) {
	if i < j.aPieces {
		j.packGroup(j.bufA, &j.a, &j.aSplit, i, j.m0, j.m1, j.path.mr)
		return
	}
	j.packGroup(j.bufB, &j.b, &j.bSplit, i-j.aPieces, j.n0, j.n1, j.path.nr)
}

func (j *job) packGroup(buf []float32, s *side, split *packSplit, i, lo, hi, width int) {
	groups := ceilDiv(split.panels, split.group)
	first := i % groups * split.group
	from := j.k0 + i/groups*split.segment
	to := min(from+split.segment, j.k1)
	lane := lo + first*width
	lanes := min(split.group*width, hi-lane)
	for from < to {
		// The part of the segment that lies in one block.
		k := j.k0 + (from-j.k0)/j.kb*j.kb
		end := min(k+j.kb, j.k1)
		part := min(to, end)
		panel := buf[(k-j.k0)*split.panels*width+first*width*(end-k)+(from-k)*width:]
		if part-from == end-k {
			j.path.pack(panel, s, lane, lanes, width, from, part)
		} else {
			for l := 0; l < lanes; l += width {
				j.path.pack(panel[l*(end-k):], s, lane+l, min(width, lanes-l), width, from, part)
			}
		}
		from = part
	}
}

// runTile computes one piece of the result: all blocks of k of the chunk, then
// the epilogue.
func (j *job) runTile(worker, i int) {
	mr, nr := j.path.mr, j.path.nr
	aPanels, bPanels := ceilDiv(j.m1-j.m0, mr), ceilDiv(j.n1-j.n0, nr)
	p0, q0 := i/j.colPieces*j.rowGroup, i%j.colPieces*j.colGroup
	rows := min(j.rowGroup*mr, j.m1-j.m0-p0*mr)
	for k := j.k0; k < j.k1 || k == j.k0; k += j.kb {
		depth := min(k+j.kb, j.k1) - k
		a := j.bufA[(k-j.k0)*aPanels*mr+p0*mr*depth:]
		b := j.bufB[(k-j.k0)*bPanels*nr:]
		mode := j.mode(k)
		for q := q0; q < min(q0+j.colGroup, bPanels); q++ {
			bq := b[q*nr*depth:]
			c := j.c[p0*mr*j.ldc+q*nr:]
			if cols := j.n1 - j.n0 - q*nr; cols < nr && j.direct {
				j.cut(worker, c, cols, a, bq, depth, rows, mode)
			} else {
				j.path.tile(c, j.ldc, a, bq, depth, rows, mode)
			}
		}
	}
	if j.ending {
		j.finish(p0*mr, rows, q0*nr, min((q0+j.colGroup)*nr, j.n1-j.n0))
	}
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
func (j *job) cut(worker int, c []float32, cols int, a, b []float32, depth, rows, mode int) {
	nr := j.path.nr
	e := grow(&j.edge[worker], rows*nr)
	if mode&modeLoad != 0 {
		for r := range rows {
			copy(e[r*nr:][:cols], c[r*j.ldc:])
			clear(e[r*nr+cols : (r+1)*nr])
		}
	}
	j.path.tile(e, nr, a, b, depth, rows, mode&^modeStream)
	for r := range rows {
		copy(c[r*j.ldc:][:cols], e[r*nr:])
	}
}

// finish writes rows [r0, r0+rows) and columns [c0, c1) of the chunk to out.
func (j *job) finish(r0, rows, c0, c1 int) {
	if j.direct && j.bias == nil {
		return
	}
	for r := r0; r < r0+rows; r++ {
		j.finishRow(j.m0+r, j.n0+c0, j.n0+c1, j.c[r*j.ldc+c0:r*j.ldc+c1])
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

// runThinProduct computes a Forward of few rows on p.
func (j *job) runThinProduct(p *pool.Pool) {
	if j.m == 0 || j.n == 0 {
		return
	}
	j.growEdges(p)
	pack(grow(&j.bufA, j.m*j.k), &j.a, 0, j.m, j.m, 0, j.k)
	// Few pieces, because the beginning of each is waited for.
	j.thinWidth = even(j.n, ceilDiv(j.n, 2*p.Threads()), 16)
	each(p, j.m*j.n*j.k < smallWork, ceilDiv(j.n, j.thinWidth), j.thinPiece)
}

func (j *job) runThin(worker, i int) {
	j.path.thin(j, worker, i*j.thinWidth, min((i+1)*j.thinWidth, j.n))
}

func (j *job) growEdges(p *pool.Pool) {
	if len(j.edge) < p.Threads() {
		j.edge = append(j.edge, make([][]float32, p.Threads()-len(j.edge))...)
	}
}
