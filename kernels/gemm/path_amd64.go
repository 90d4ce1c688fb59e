//go:build amd64 && !noasm

package gemm

import (
	"sync"

	"golang.org/x/sys/cpu"
)

// paths lists what can run here, best first: what the processor has, if it
// gives the bits of the portable path.
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
	return append(list, &portable)
})
