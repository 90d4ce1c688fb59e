package cpu

import (
	"time"

	"xrun/kernels/cpu/vec"
	"xrun/kernels/gemm"
	"xrun/kernels/pages"
	"xrun/kernels/pool"
)

// Limits holds the highest speeds that this machine reaches on an engine's threads.
// Kernels are compared with them.
type Limits struct {
	// FMA and BF16 are GFLOP/s of a loop of independent multiply-adds in
	// registers: gemm.PeakFMA and gemm.PeakBF16. Dot reports that BF16 was measured
	// with VDPBF16PS; otherwise it equals FMA.
	FMA  float64 `json:"fma_gflops"`
	BF16 float64 `json:"bf16_gflops"`
	Dot  bool    `json:"vdpbf16ps"`
	// Copy is GB/s of copying memory, counting bytes read and bytes written; Read
	// is GB/s of reading memory and xoring it.
	Copy float64 `json:"copy_gbps"`
	Read float64 `json:"read_gbps"`
}

// limitBytes is the size of the memory read or copied, far larger than the caches.
const limitBytes = 192 << 20

// Limits measures this machine, in about a quarter of a second. Compare only with
// figures measured at about the same time: the speed of a shared machine varies.
func (e *Engine) Limits() Limits {
	l := Limits{FMA: gemm.PeakFMA(e.pool), Dot: gemm.HasDot()}
	if l.BF16 = l.FMA; l.Dot {
		l.BF16 = gemm.PeakBF16(e.pool)
	}
	src, dst := pages.Alloc(limitBytes/4), pages.Alloc(limitBytes/4)
	defer pages.Free(src)
	defer pages.Free(dst)
	for i := range src { // pages that were never written may share one physical page
		src[i] = 1
	}
	const piece = 1 << 18 // elements
	l.Copy = memorySpeed(e.pool, 2*limitBytes, func(_, i int) { copy(dst[i*piece:(i+1)*piece], src[i*piece:]) })
	l.Read = memorySpeed(e.pool, limitBytes, func(_, i int) { vec.Xor(src[i*piece : (i+1)*piece]) })
	return l
}

// Reader reads and xors memory far larger than the caches on an engine's threads.
// Its speed is the limit for work that reads as many bytes once.
type Reader struct {
	pool *pool.Pool
	mem  []float32
}

// NewReader allocates 192 MiB, which Close frees.
func (e *Engine) NewReader() *Reader {
	r := &Reader{e.pool, pages.Alloc(limitBytes / 4)}
	for i := range r.mem {
		r.mem[i] = 1
	}
	return r
}

// Speed reads about the given number of bytes and returns GB/s.
func (r *Reader) Speed(bytes int64) float64 {
	const piece = 1 << 18 // elements
	read := 0
	start := time.Now()
	for left := int(bytes); left > 0; left -= limitBytes {
		n := (min(left, limitBytes) + 4*piece - 1) / (4 * piece)
		r.pool.Run(n, func(_, i int) { vec.Xor(r.mem[i*piece : (i+1)*piece]) })
		read += n * 4 * piece
	}
	return float64(read) / time.Since(start).Seconds() / 1e9
}

// Close frees the memory.
func (r *Reader) Close() { pages.Free(r.mem) }

// memorySpeed returns the best GB/s of running f over all pieces, which together
// move the given number of bytes.
func memorySpeed(p *pool.Pool, bytes float64, f func(worker, i int)) float64 {
	best := 0.0
	for range 5 { // the first run faults the pages in
		start := time.Now()
		p.Run(limitBytes/4>>18, f)
		best = max(best, bytes/time.Since(start).Seconds()/1e9)
	}
	return best
}
