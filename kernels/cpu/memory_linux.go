package cpu

import "syscall"

// advise asks for huge pages, which spare the products' large operands misses
// of the translation buffer. A system that refuses is only slower.
func advise(m []byte) {
	if len(m) >= 1<<22 {
		_ = syscall.Madvise(m, syscall.MADV_HUGEPAGE)
	}
}
