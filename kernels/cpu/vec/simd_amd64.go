//go:build amd64 && !noasm

package vec

import (
	"os"

	"golang.org/x/sys/cpu"
)

//go:generate sh -c "cd ../../_gen && go run ./cpu -out ../cpu/vec/asm_amd64.s -stubs ../cpu/vec/asm_amd64.go -pkg vec"

// assembly reports whether the assembly may be used: the processor has AVX2 and FMA,
// and XRUN_SIMD is not noasm. The other values of XRUN_SIMD only concern package gemm.
var assembly = cpu.X86.HasAVX2 && cpu.X86.HasFMA && os.Getenv("XRUN_SIMD") != "noasm"

// blocks returns how many of n elements the assembly computes, a multiple of size.
// Go computes the rest.
func blocks(n, size int) int {
	if !assembly {
		return 0
	}
	return n &^ (size - 1)
}
