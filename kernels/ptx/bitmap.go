package ptx

// bitmap is a set of byte offsets. It has a spare word, so that 64 bits can be read from
// any offset.
type bitmap []uint64

func newBitmap(n int64) bitmap { return make(bitmap, n/64+2) }

func (b bitmap) get(i int64) bool { return b[i>>6]>>(i&63)&1 != 0 }

// ones returns n set bits, n from 0 to 64.
func ones(n int64) uint64 { return ^uint64(0) >> (64 - n) }

// each calls f with every word that holds a part of [off, off+n) and the mask
// of that part.
func (b bitmap) each(off, n int64, f func(w *uint64, mask uint64)) {
	for n > 0 {
		k := min(64-off&63, n)
		f(&b[off>>6], ones(k)<<(off&63))
		off, n = off+k, n-k
	}
}

func (b bitmap) set(off, n int64) { b.each(off, n, func(w *uint64, m uint64) { *w |= m }) }

func (b bitmap) clear(off, n int64) { b.each(off, n, func(w *uint64, m uint64) { *w &^= m }) }

// all reports whether the whole of [off, off+n) is in the set.
func (b bitmap) all(off, n int64) bool {
	ok := true
	b.each(off, n, func(w *uint64, m uint64) { ok = ok && *w&m == m })
	return ok
}
