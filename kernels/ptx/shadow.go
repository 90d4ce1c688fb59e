package ptx

import "math/bits"

// Shared memory has a shadow that records, for each granule, its last writer and the
// readers since, as HiRace does (Jacobson et al., arXiv 2401.04701). Time is a clock of the
// block that advances at each barrier. Each warp has a vector clock: for each other warp,
// the time up to which that warp's accesses happened before its own. A granule is the size
// of the kernel's smallest access to shared memory, so that every access covers whole
// granules.

type granule struct {
	wclock  uint32 // of the last write; at most the shadow's floor if there is none
	wstep   uint32 // the writer's step, to recognize accesses of one instruction
	rclock  uint32 // latest of the reads since
	rwarps  uint32 // warps that read since
	wpc     int32  // instruction of the write
	rpc     int32  // of a read
	wwarp   uint8
	wlane   uint8
	rlane   uint8 // manyLanes if more than one
	strong  bool  // the write was atomic or volatile, so concurrent reads are no race
	pending bool  // destination of an asynchronous copy in flight
}

const manyLanes = 255

type shadow struct {
	g     []granule
	shift int
	clock uint32
	floor uint32
}

func newShadow(n int64, unit int) shadow {
	s := shadow{shift: bits.TrailingZeros(uint(unit)), clock: 1}
	s.g = make([]granule, n>>s.shift+16)
	return s
}

// start clears the accesses of the previous block.
func (s *shadow) start() {
	if s.clock > 1<<31 { // long before it would begin again
		clear(s.g)
		s.clock = 1
	}
	s.floor = s.clock
}

func (s *shadow) tick() uint32 {
	s.clock++
	return s.clock
}

// history holds, for each warp, the time up to which its accesses happened before. The
// readers of a granule share one clock, that of the last reader, which a warp that arrived
// early at a barrier has not reached. For reads, all warps that arrived therefore count as
// having arrived when the barrier opened.
type history struct{ writes, reads [lanes]uint32 }

func (h *history) join(o *history) {
	for u := range h.writes {
		h.writes[u] = max(h.writes[u], o.writes[u])
		h.reads[u] = max(h.reads[u], o.reads[u])
	}
}

// opened sets the time of the reads of warps, a set, that arrived.
func (h *history) opened(warps, now uint32) {
	for m := warps; m != 0; m &= m - 1 {
		h.reads[bits.TrailingZeros32(m)] = now - 1
	}
}

// warpShadow is a warp's view of time.
type warpShadow struct {
	clock uint32
	seen  history
}

func (h *warpShadow) reset(w *warp) {
	h.seen = history{}
	h.clock = w.block.shadow.tick()
}

// arrive adds the warp's accesses so far.
func (h *history) arrive(w *warp) {
	h.join(&w.sh.seen)
	h.writes[w.id] = w.sh.clock
}

// before reports whether an access at a given time happened before the current access of
// lane now.
func (w *warp) before(warp, lane uint8, clock uint32, now int) bool {
	if int(warp) == w.id {
		return clock < w.sh.clock || int(lane) == now || !w.checks(WarpRace)
	}
	return clock <= w.sh.seen.writes[warp]
}

func (s *shadow) access(w *warp, x *access, lane int, addr int64, n int, k accessKind) {
	first := int(addr >> s.shift)
	count := max(n>>s.shift, 1)
	strong := x.strong
	for i := first; i < first+count; i++ {
		g := &s.g[i]
		written := g.wclock > s.floor
		if g.pending && written {
			s.faultPending(w, lane, addr, i, k)
		}
		if k == accessWrite {
			s.write(w, lane, i, g, written, strong)
			continue
		}
		if !written {
			if w.checks(UninitializedMemory) {
				w.memFault(Uninitialized, lane, spaceShared, uint64(addr), "a %v of %d bytes", k, n)
			}
		} else if !g.strong && !(int(g.wwarp) == w.id && g.wclock < w.sh.clock) && !w.before(g.wwarp, g.wlane, g.wclock, lane) {
			s.race(w, lane, i, k, accessWrite, g.wwarp, g.wlane, g.wpc)
		}
		if k == accessAtomic {
			s.write(w, lane, i, g, written, true)
			continue
		}
		s.noteRead(w, lane, g)
	}
}

func (s *shadow) noteRead(w *warp, lane int, g *granule) {
	self := uint32(1) << w.id
	switch {
	case g.rwarps == self && g.rclock == w.sh.clock:
		if int(g.rlane) != lane {
			g.rlane = manyLanes
		}
	case g.rwarps == 0, g.rwarps == self, g.rclock <= s.floor, s.readsBefore(w, g):
		g.rwarps, g.rclock, g.rlane = self, w.sh.clock, uint8(lane)
	default:
		g.rwarps |= self
		g.rclock = max(g.rclock, w.sh.clock)
		g.rlane = manyLanes
	}
	g.rpc = w.in.id
}

// readsBefore reports whether the granule's reads all happened before.
func (s *shadow) readsBefore(w *warp, g *granule) bool {
	for m := g.rwarps; m != 0; m &= m - 1 {
		u := bits.TrailingZeros32(m)
		if u == w.id && g.rclock >= w.sh.clock || u != w.id && g.rclock > w.sh.seen.reads[u] {
			return false
		}
	}
	return true
}

func (s *shadow) write(w *warp, lane, i int, g *granule, written, strong bool) {
	step := uint32(w.steps)
	if written {
		switch {
		case strong && g.strong:
		case int(g.wwarp) == w.id && g.wstep == step && g.wpc == w.in.id:
			// Lanes of one instruction: allowed if they write the same value.
			w.overlap = w.overlap || int(g.wlane) != lane
		case !w.before(g.wwarp, g.wlane, g.wclock, lane):
			s.race(w, lane, i, accessWrite, accessWrite, g.wwarp, g.wlane, g.wpc)
		}
	}
	if g.rwarps != 0 && g.rclock > s.floor && !strong {
		for m := g.rwarps; m != 0; m &= m - 1 {
			u := bits.TrailingZeros32(m)
			if u == w.id {
				if g.rclock >= w.sh.clock && int(g.rlane) != lane && g.rwarps == 1<<w.id && w.checks(WarpRace) {
					s.race(w, lane, i, accessWrite, accessRead, uint8(u), g.rlane, g.rpc)
				}
				continue
			}
			if g.rclock > w.sh.seen.reads[u] {
				s.race(w, lane, i, accessWrite, accessRead, uint8(u), manyLanes, g.rpc)
			}
		}
	}
	g.wclock, g.wstep, g.wpc, g.wwarp, g.wlane, g.strong = w.sh.clock, step, w.in.id, uint8(w.id), uint8(lane), strong
	g.rwarps, g.pending = 0, false
}

func (s *shadow) race(w *warp, lane, i int, k, other accessKind, warp, otherLane uint8, id int32) {
	if !w.checks(SharedRace) {
		return
	}
	pc := w.block.run.k.img.module.instruction(id)
	who := "warp"
	if otherLane != manyLanes {
		t := w.block.warps[warp].tids[otherLane]
		w.memFault(Race, lane, spaceShared, uint64(i)<<s.shift, "this %v and the %v by thread (%d,%d,%d) in line %d are not ordered: %s",
			k, other, t.X, t.Y, t.Z, pc.src.pos.Line, w.sourceLine(pc))
	}
	w.memFault(Race, lane, spaceShared, uint64(i)<<s.shift, "this %v and the %v by %s %d in line %d are not ordered: %s",
		k, other, who, warp, pc.src.pos.Line, w.sourceLine(pc))
}

func (w *warp) sourceLine(in *instr) string {
	return w.block.run.k.img.module.src.line(in.src.pos.Line)
}

func (s *shadow) faultPending(w *warp, lane int, addr int64, i int, k accessKind) {
	g := &s.g[i]
	t := w.block.warps[g.wwarp].tids[g.wlane]
	pc := w.block.run.k.img.module.instruction(g.wpc)
	w.memFault(PendingCopy, lane, spaceShared, uint64(addr), "a %v of the destination of thread (%d,%d,%d)'s copy in line %d, which that thread has not waited for: %s",
		k, t.X, t.Y, t.Z, pc.src.pos.Line, w.sourceLine(pc))
}

// pending marks the destination of an asynchronous copy.
func (s *shadow) pending(w *warp, lane int, addr int64, n int) {
	first := int(addr >> s.shift)
	for i := first; i < first+max(n>>s.shift, 1); i++ {
		g := &s.g[i]
		written := g.wclock > s.floor
		if g.pending && written {
			s.faultPending(w, lane, addr, i, accessWrite)
		}
		s.write(w, lane, i, g, written, false)
		g.pending = true
	}
}

// landed clears the mark: the bytes count as written now by the thread that waited.
func (s *shadow) landed(w *warp, lane int, addr int64, n int) {
	first := int(addr >> s.shift)
	for i := first; i < first+max(n>>s.shift, 1); i++ {
		g := &s.g[i]
		g.pending = false
		g.wclock, g.wstep = w.sh.clock, 0
	}
}

// barrierClock records the warp's arrival at a barrier: its accesses so far happen before
// those of other warps after their release.
func (w *warp) barrierClock(id int) {
	bar := &w.block.barriers[id]
	bar.clocks.arrive(w)
	bar.warps |= 1 << w.id
	w.sh.clock = w.block.shadow.tick()
}

// releaseClocks updates the clocks of the warps that leave a barrier.
func (b *block) releaseClocks(id int, waiting []*warp) {
	bar := &b.barriers[id]
	now := b.shadow.tick()
	for _, w := range waiting {
		bar.clocks.writes[w.id] = now - 1
	}
	// Warps that have exited count as arrived.
	for _, w := range b.warps {
		if w.state == warpDone {
			bar.clocks.writes[w.id] = now - 1
			bar.warps |= 1 << w.id
		}
	}
	bar.clocks.opened(bar.warps, now)
	for _, w := range waiting {
		w.sh.seen.join(&bar.clocks)
		w.sh.clock = now
	}
}

// warpClock orders the lanes of a warp at bar.warp.sync.
func (w *warp) warpClock() { w.sh.clock = w.block.shadow.tick() }
