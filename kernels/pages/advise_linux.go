package pages

import "syscall"

// advise asks for huge pages. A system that refuses is only slower.
func advise(m []byte) { _ = syscall.Madvise(m, syscall.MADV_HUGEPAGE) }

// drops says that drop gives pages back, which read as zeros afterwards.
const drops = true

// drop gives the pages back while the addresses stay taken.
func drop(m []byte) { _ = syscall.Madvise(m, syscall.MADV_DONTNEED) }
