package pages

import "syscall"

// advise asks for huge pages. If the system refuses, access is only slower.
func advise(m []byte) { _ = syscall.Madvise(m, syscall.MADV_HUGEPAGE) }

// drops reports that drop returns pages to the system; they then read as zeros.
const drops = true

// drop returns the pages to the system but keeps their addresses reserved.
func drop(m []byte) { _ = syscall.Madvise(m, syscall.MADV_DONTNEED) }
