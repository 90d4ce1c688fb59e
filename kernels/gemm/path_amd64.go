//go:build amd64 && !noasm

package gemm

import "golang.org/x/sys/cpu"

//go:generate go run -C ../_gen . -width 8 -out ../gemm/avx2_amd64.s -stubs ../gemm/avx2_amd64.go -pkg gemm

// paths lists what can run here, best first.
func paths() []*path {
	var list []*path
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		list = append(list, &avx2)
	}
	return append(list, &portable)
}

// The tiles' mode bits; kernels/_gen mirrors them.
const (
	modeLoad   = 1
	modeFlush  = 2
	modeStream = 4
)
