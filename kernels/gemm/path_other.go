//go:build (!amd64 && !arm64) || noasm

package gemm

// paths lists what can run here, best first.
func paths() []*path { return []*path{&portable} }
