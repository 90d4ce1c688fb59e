//go:build amd64 && !noasm

package gemm

import (
	"sync"
	"time"

	"golang.org/x/sys/cpu"
)

// paths lists the paths that can run here, best first: those that the processor
// supports and that give the bits of the portable path.
var paths = sync.OnceValue(func() []*path {
	avx2OK := cpu.X86.HasAVX2 && cpu.X86.HasFMA
	avx512OK := avx2OK && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL
	var list []*path
	for _, c := range []struct {
		path *path
		has  bool
	}{{&avx512bf16, avx512OK && cpu.X86.HasAVX512BF16}, {&avx512, avx512OK}, {&avx2, avx2OK}} {
		if c.has && selfCheck(c.path) == nil {
			list = append(list, c.path)
		}
	}
	if len(list) > 1 && list[0] == &avx512bf16 && list[1] == &avx512 && !dotIsFast() {
		list[0], list[1] = list[1], list[0]
	}
	return append(list, &portable)
})

// dotIsFast reports whether VDPBF16PS, which does the work of two multiply-adds, takes
// less time than 1.6 of them. It measures this, in a third of a millisecond. AMD's Zen
// 4 issues as many a cycle as multiply-adds; Intel's Emerald Rapids issues a quarter
// as many, so that two multiply-adds are twice as fast there.
func dotIsFast() bool {
	const rounds = 2048
	best := func(loop func(n int)) (least time.Duration) {
		for i := range 7 {
			start := time.Now()
			loop(rounds)
			if took := time.Since(start); i == 0 || took < least {
				least = took
			}
		}
		return least
	}
	peakDot(rounds) // wide vectors change some processors' clock
	fma := best(peakAVX512)
	return float64(best(peakDot)) < 1.6*float64(fma)
}
