package gemm

import (
	"math"
	"sync/atomic"
	"time"

	"xrun/kernels/num"
	"xrun/kernels/pool"
)

// PeakFMA measures this machine's limit: a loop of independent fused
// multiply-adds in registers, of the path in use, on all threads of p. It
// returns GFLOP/s, the best of a few runs of some milliseconds each; products
// are compared with it in the same minute.
func PeakFMA(p *pool.Pool) float64 {
	path, threads := active(), p.Threads()
	f := func(_, _ int) { path.peak(path.peakRounds) }
	best := 0.0
	for range 7 {
		start := time.Now()
		p.Run(threads, f)
		rate := float64(threads*path.peakRounds*path.peakFlops) / time.Since(start).Seconds() / 1e9
		best = max(best, rate)
	}
	return best
}

// peakPortable is the loop of the portable path: 8 chains of software FMA.
func peakPortable(n int) {
	var c [8]float32
	for range n {
		for i := range c {
			c[i] = num.FMA32(0.5, float32(i), c[i])
		}
	}
	peakSink.Store(math.Float32bits(c[0]))
}

var peakSink atomic.Uint32
