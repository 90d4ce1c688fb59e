package gemm

import (
	"math"
	"sync/atomic"
	"time"

	"xrun/kernels/num"
	"xrun/kernels/pool"
)

// PeakFMA measures this machine's limit in GFLOP/s: a loop of independent fused
// multiply-adds in registers, of the path in use, on all threads of p. It returns the
// best of seven runs of a few milliseconds. Compare products only with a limit measured
// at about the same time.
func PeakFMA(p *pool.Pool) float64 {
	path := active()
	return peak(p, path.peak, path.peakRounds, path.peakFlops)
}

// HasDot reports whether bf16 products use VDPBF16PS.
func HasDot() bool { return active().pairs }

// PeakBF16 is [PeakFMA] for bf16 products: with VDPBF16PS if the path in use has it,
// otherwise with ordinary multiply-adds.
func PeakBF16(p *pool.Pool) float64 {
	path := active()
	if !path.pairs {
		return PeakFMA(p)
	}
	return peak(p, path.peakPairs, path.peakRounds, 2*path.peakFlops)
}

func peak(p *pool.Pool, loop func(rounds int), rounds, flops int) float64 {
	threads := p.Threads()
	f := func(_, _ int) { loop(rounds) }
	best := 0.0
	for range 7 {
		start := time.Now()
		p.Run(threads, f)
		rate := float64(threads*rounds*flops) / time.Since(start).Seconds() / 1e9
		best = max(best, rate)
	}
	return best
}

// peakPortable is peak of the portable path: 8 chains of software FMA.
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
