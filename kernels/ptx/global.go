package ptx

import (
	"fmt"
	"math/bits"
	"sort"
)

// Each block keeps a log of the bytes of global memory that it read and wrote, as bitmaps
// by page. When a block ends, its log is compared with those of the blocks before it: two
// blocks of a launch that are not ordered must not access the same byte if one of them
// writes it, except with atomics on both sides. The result does not depend on when the
// blocks ran.

const pageBytes = 4096

type pageKey struct {
	alloc int // id
	page  int64
}

// page records a block's accesses to a page.
type page struct {
	a      *allocation
	base   int64 // offset in the allocation
	read   [pageBytes / 64]uint64
	wrote  [pageBytes / 64]uint64
	atomic [pageBytes / 64]uint64
	pcs    [pageBytes / 64]int32 // last write, else a read, of each 64 bytes
}

type globalLog struct {
	pages map[pageKey]*page
	last  [16]*page // by the low bits of the page
	free  []*page
}

func (g *globalLog) at(a *allocation, off int64) *page {
	base := off &^ (pageBytes - 1)
	last := &g.last[(base/pageBytes+int64(a.id)*5)&15]
	if p := *last; p != nil && p.base == base && p.a == a {
		return p
	}
	key := pageKey{a.id, base}
	p := g.pages[key]
	if p == nil {
		if n := len(g.free); n > 0 {
			p, g.free = g.free[n-1], g.free[:n-1]
			*p = page{}
		} else {
			p = new(page)
		}
		p.a, p.base = a, base
		g.pages[key] = p
	}
	*last = p
	return p
}

// release reclaims pages that are no longer needed.
func (g *globalLog) release(pages []*page) {
	for _, p := range pages {
		p.a = nil // whose memory may be freed
	}
	g.free = append(g.free, pages...)
}

// logGlobal checks that the bytes of a read have been written, and records the access. n is
// a power of two up to 32, and the access is aligned.
func (b *block) logGlobal(w *warp, x *access, lane int, a *allocation, off uint64, n int, k accessKind) {
	p := b.log.at(a, int64(off))
	i := off & (pageBytes - 1) >> 6
	mask := ones(int64(n)) << (off & 63)
	if k != accessWrite {
		if !a.full {
			if have := a.init[off>>6] | p.wrote[i] | p.atomic[i]; have&mask != mask && w.checks(UninitializedMemory) {
				at := uint64(bits.TrailingZeros64(mask&^have)) - off&63
				w.memFault(Uninitialized, lane, x.space, a.base+off, "a %v of %d bytes, of which byte %d was never written, in %v", k, n, at, a)
			}
		}
	}
	switch {
	case k == accessRead && !x.strong:
		p.read[i] |= mask
		if p.pcs[i] == 0 {
			p.pcs[i] = w.in.id
		}
	case k == accessWrite && !x.strong:
		p.wrote[i] |= mask
		p.pcs[i] = w.in.id
	case k == accessRead:
	default:
		p.atomic[i] |= mask
		p.pcs[i] = w.in.id
	}
	if b.run.k.serial && k != accessRead && !a.full {
		a.init[off>>6] |= mask
	}
}

// launchPage records the accesses of all blocks so far to a page.
type launchPage struct {
	page
	readers, writers [pageBytes / 64]int64 // a block that did, +1
	rpcs             [pageBytes / 64]int32
}

// globalRaces merges the logs in the order of blocks.
type globalRaces struct {
	pages   map[pageKey]*launchPage
	waiting map[int64][]*page
	linear  map[int64]int64
	next    int64
	fault   error // of the earliest block
	faultAt int64
}

// merge adds the log of a block that has ended. It returns a fault of this block or of an
// earlier one.
func (r *run) merge(b *block) error {
	g := &r.races
	if g.waiting == nil {
		g.waiting, g.pages, g.linear = map[int64][]*page{}, map[pageKey]*launchPage{}, map[int64]int64{}
	}
	pages := make([]*page, 0, len(b.log.pages))
	for _, p := range b.log.pages {
		pages = append(pages, p)
	}
	sort.Slice(pages, func(i, j int) bool {
		if pages[i].a.id != pages[j].a.id {
			return pages[i].a.id < pages[j].a.id
		}
		return pages[i].base < pages[j].base
	})
	g.waiting[b.serial], g.linear[b.serial] = pages, b.linear
	clear(b.log.pages)
	b.log.last = [16]*page{}
	if r.k.serial {
		// Blocks with fences may have ordered their accesses through an atomic, which
		// is not tracked here.
		delete(g.waiting, b.serial)
		for _, p := range pages {
			if r.k.fences {
				break
			}
			if err := r.mergePage(p, b.linear); err != nil {
				return err
			}
		}
		b.log.release(pages)
		return nil
	}
	for {
		list, ok := g.waiting[g.next]
		if !ok {
			return g.fault
		}
		for _, p := range list {
			if err := r.mergePage(p, g.linear[g.next]); err != nil && g.fault == nil {
				g.fault = err
				g.faultAt = g.next
			}
		}
		delete(g.waiting, g.next)
		delete(g.linear, g.next)
		g.next++
		b.log.release(list)
	}
}

func (r *run) mergePage(p *page, linear int64) error {
	key := pageKey{p.a.id, p.base}
	q := r.races.pages[key]
	if q == nil {
		q = &launchPage{}
		q.a, q.base = p.a, p.base
		r.races.pages[key] = q
	}
	check := r.cfg.Off&GlobalRace == 0
	for i := range p.read {
		rd, wr, at := p.read[i], p.wrote[i], p.atomic[i]
		if rd|wr|at == 0 {
			continue
		}
		if check {
			// A plain read beside an atomic is allowed: loops of atom.cas begin with one.
			if c := wr&(q.read[i]|q.wrote[i]) | at&q.wrote[i]; c != 0 {
				return r.globalRace(p, q, i, c, linear, accessWrite)
			}
			if c := wr & q.atomic[i]; c != 0 {
				return r.globalRace(p, q, i, c, linear, accessWrite)
			}
			if c := rd & q.wrote[i]; c != 0 {
				return r.globalRace(p, q, i, c, linear, accessRead)
			}
		}
		if rd != 0 {
			q.read[i] |= rd
			q.readers[i], q.rpcs[i] = linear+1, p.pcs[i]
		}
		if wr|at != 0 {
			q.wrote[i] |= wr
			q.atomic[i] |= at
			q.writers[i], q.pcs[i] = linear+1, p.pcs[i]
		}
	}
	return nil
}

func (r *run) globalRace(p *page, q *launchPage, i int, conflict uint64, linear int64, k accessKind) error {
	at := int64(i)*64 + int64(bits.TrailingZeros64(conflict))
	other, what, pc := q.writers[i], "wrote", q.pcs[i]
	if (q.wrote[i]|q.atomic[i])&conflict == 0 {
		other, what, pc = q.readers[i], "read", q.rpcs[i]
	}
	id := r.blockID(linear)
	o := r.blockID(other - 1)
	src := r.k.img.module.src
	f := &Fault{Kind: Race, Module: src.name, Kernel: r.k.Name, Block: id, Lane: -1, Warp: -1,
		Space: "global", Addr: p.a.base + uint64(p.base+at)}
	m := r.k.img.module
	if in := m.instruction(p.pcs[i]); in != nil {
		f.Pos = in.src.pos
		f.Source = src.line(f.Line)
	}
	f.Msg = fmt.Sprintf("this block %ss memory that block (%d,%d,%d) of the same launch %s, in %v", [...]string{"read", "write"}[k], o.X, o.Y, o.Z, what, p.a)
	if pc := m.instruction(pc); pc != nil {
		f.Msg += fmt.Sprintf("; see line %d: %s", pc.src.pos.Line, src.line(pc.src.pos.Line))
	}
	return f
}

func (r *run) blockID(linear int64) Dim {
	g := r.l.Grid
	return Dim{int(linear % int64(g.X)), int(linear / int64(g.X) % int64(g.Y)), int(linear / int64(g.X) / int64(g.Y))}
}

// written marks the bytes that the launch wrote as initialized.
func (r *run) written() {
	for _, q := range r.races.pages {
		if q.a.full {
			continue
		}
		for i, m := range q.wrote {
			if m != 0 {
				q.a.init[q.base>>6+int64(i)] |= m
			}
		}
	}
}
