package gemm

// soon lists the lines of memory that a worker packs next. Tiles fetch them into the
// second-level cache while they multiply, a few each, so that packing does not wait for
// memory: of weights that no cache held it took 5 to 16 % of the time of a product's
// multiply-adds, and takes 2 to 7 % of it so.
type soon struct {
	lines []uintptr
	at    int // of the next one to fetch
}

// cacheLine is what one fetch brings, in bytes.
const cacheLine = 64

// foresee lists what the worker of piece i packs after the block of k that ends before
// position k: the next block, or the first one of the piece that is likely to be its next.
func (j *job) foresee(s *soon, i, k int) {
	s.lines, s.at = s.lines[:0], 0
	if j.path.fetches == 0 {
		return
	}
	if k >= j.k1 {
		i, k = i+j.threads, j.k0
		if i >= j.pieces {
			return
		}
	}
	first := i % j.groups * j.group
	lane, lanes := j.own.lanesOf(first, min(first+j.group, j.own.panels()))
	s.lines = j.own.appendLines(s.lines, lane, lanes, k, min(k+j.kb, j.k1))
	if len(s.lines) == 0 {
		return
	}
	// Tiles take whole numbers of panels: the last line fills the list up.
	last := s.lines[len(s.lines)-1]
	for range rowBlock / j.path.mr * j.path.fetches {
		s.lines = append(s.lines, last)
	}
}

// take returns the list from the next line on, n of which are then taken, or nil if
// there is none left.
func (s *soon) take(n int) *uintptr {
	if s.at+n > len(s.lines) || n == 0 {
		return nil
	}
	next := &s.lines[s.at]
	s.at += n
	return next
}

// appendLines appends the addresses of the lines that hold lanes [lane, lane+lanes) at
// chain positions [k0, k1), which are not empty.
func (s *side) appendLines(list []uintptr, lane, lanes, k0, k1 int) []uintptr {
	base, size := address(s.m.F32), 4
	if s.m.BF16 != nil {
		base, size = address(s.m.BF16), 2
	}
	if s.pairs() {
		k0, k1 = 2*k0, 2*k1
	}
	stretch := func(row, from, to int) {
		at := base + uintptr((row*s.m.Stride+from)*size)
		for end := at + uintptr((to-from)*size); at < end; at += cacheLine {
			list = append(list, at)
		}
	}
	if s.along {
		for l := lane; l < lane+lanes; l++ {
			stretch(l, k0, min(k1, s.m.Cols))
		}
		return list
	}
	for _, row := range s.rows[k0:k1] {
		if row >= 0 {
			stretch(int(row), lane, lane+lanes)
		}
	}
	return list
}
