package ptx

import (
	"fmt"
	"sync"
)

// worker runs blocks on one goroutine and keeps the memory that they can reuse.
type worker struct {
	r      *run
	frames map[*function][]*frame
	blocks []*block
	steps  int64
	lanes  int64
	macs   int64
}

// workers keeps the workers of earlier launches for reuse, because allocating registers
// and shadows takes longer than a small launch.
type workers struct {
	mu   sync.Mutex
	idle map[workerKey][]*worker
	kept int
}

type workerKey struct {
	k      *Kernel
	block  Dim
	shared int
}

// Bounds on what is kept: the number of workers and, for each, of blocks and log pages.
const (
	keptWorkers = 64
	keptBlocks  = 4
	keptPages   = 256
)

func (r *run) key() workerKey { return workerKey{r.k, r.l.Block, r.shared} }

// worker returns a worker for the launch.
func (r *run) worker() *worker {
	p := &r.dev.workers
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[r.key()]
	if len(list) == 0 {
		return &worker{r: r, frames: map[*function][]*frame{}}
	}
	wk := list[len(list)-1]
	p.idle[r.key()] = list[:len(list)-1]
	p.kept--
	wk.r, wk.steps, wk.lanes, wk.macs = r, 0, 0, 0
	for _, b := range wk.blocks {
		b.run = r
	}
	return wk
}

// rest adds the worker's counts to the device's and keeps the worker for reuse, unless the
// launch faulted and its frames are still in use.
func (wk *worker) rest(fault error) {
	r := wk.r
	p := &r.dev.workers
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &r.dev.stats
	s.Instructions += wk.steps
	s.Lanes += wk.lanes
	s.Multiplies += wk.macs
	if fault != nil {
		return
	}
	if p.kept >= keptWorkers || p.idle == nil {
		p.idle, p.kept = map[workerKey][]*worker{}, 0
	}
	wk.blocks = wk.blocks[:min(len(wk.blocks), keptBlocks)]
	for _, b := range wk.blocks {
		b.run = nil
		b.log.free = b.log.free[:min(len(b.log.free), keptPages)]
	}
	wk.r = nil
	p.idle[r.key()] = append(p.idle[r.key()], wk)
	p.kept++
}

// block is a running thread block.
type block struct {
	run       *run
	wk        *worker
	id        Dim
	serial    int64 // index in the order of execution
	linear    int64 // index in the grid
	warps     []*warp
	shared    []byte
	shadow    shadow
	log       globalLog
	barriers  [16]barrier
	mbarriers map[uint64]*mbarrier // by address
	rng       rng
	smid      uint64
	clock0    uint64
	clockRate uint64
	ready     []*warp
}

func (b *block) draw() uint64 { return b.rng.next() }

// block prepares the block at an index of the grid.
func (wk *worker) block(linear, serial int64) *block {
	r := wk.r
	var b *block
	if n := len(wk.blocks); n > 0 {
		b, wk.blocks = wk.blocks[n-1], wk.blocks[:n-1]
	} else {
		b = &block{run: r, wk: wk, shared: make([]byte, r.shared)}
		b.shadow = newShadow(int64(r.shared), r.unit)
		b.log.pages = map[pageKey]*page{}
		for i := range r.warps {
			b.warps = append(b.warps, newWarp(b, i))
		}
	}
	g := r.l.Grid
	b.linear, b.serial = linear, serial
	b.id = Dim{int(linear % int64(g.X)), int(linear / int64(g.X) % int64(g.Y)), int(linear / int64(g.X) / int64(g.Y))}
	b.rng = rng{mix(r.cfg.Seed, uint64(linear)^uint64(r.number)<<40)}
	b.clock0, b.clockRate = b.draw()>>20, 1+b.draw()%64
	b.smid = b.draw() % uint64(r.cfg.Multiprocessors)
	b.shadow.start()
	b.barriers = [16]barrier{}
	b.mbarriers = nil
	for _, w := range b.warps {
		w.start()
	}
	return b
}

func (wk *worker) release(b *block) { wk.blocks = append(wk.blocks, b) }

// step runs the block for about the given number of warp instructions, or to completion if
// the number is negative.
func (b *block) step(budget int64) (done bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(*Fault)
			if !ok {
				panic(r)
			}
			err = f
		}
	}()
	for {
		b.ready = b.ready[:0]
		running := false
		for _, w := range b.warps {
			running = running || w.state != warpDone
			if w.state == warpReady {
				b.ready = append(b.ready, w)
			}
		}
		if !running {
			return true, nil
		}
		if len(b.ready) == 0 {
			b.deadlock()
		}
		w := b.ready[b.draw()%uint64(len(b.ready))]
		// Half of the turns last until the warp waits, which is fast; the others end
		// after a few instructions, which interleaves the warps.
		quantum := int64(1 << 20)
		if d := b.draw(); d&1 != 0 {
			quantum = 1 << (d >> 1 % 12)
		}
		if budget >= 0 {
			quantum = min(quantum, budget+1)
		}
		before := w.steps
		w.run(quantum)
		if budget >= 0 {
			if budget -= w.steps - before; budget < 0 {
				return false, nil
			}
		}
	}
}

// barrier is one of a block's sixteen barriers.
type barrier struct {
	count   int // threads expected; 0 means all
	arrived int // threads
	waiting []*warp
	warps   uint32  // warps that arrived
	clocks  history // accesses that happened before they arrived
	pop     int
	and, or bool
}

// arrive records the arrival of a warp at a barrier. The last one releases those waiting.
func (b *block) arrive(w *warp, id, count int, wait bool) {
	bar := &b.barriers[id]
	if bar.arrived > 0 && bar.count != count {
		w.fault(BadBarrier, -1, "barrier %d is used with %s threads while others wait for %s", id, countText(count), countText(bar.count))
	}
	bar.arrived += lanes
	if wait {
		w.state = warpWaiting
		bar.waiting = append(bar.waiting, w)
	}
	w.barrierClock(id)
	b.complete(id)
}

func countText(n int) string {
	if n == 0 {
		return "all"
	}
	return fmt.Sprint(n)
}

// complete releases a barrier if all expected threads have arrived.
func (b *block) complete(id int) {
	bar := &b.barriers[id]
	want := bar.count
	if want == 0 {
		for _, w := range b.warps {
			if w.state != warpDone {
				want += lanes
			}
		}
	}
	if bar.arrived == 0 || bar.arrived < want {
		return
	}
	waiting := bar.waiting
	b.releaseClocks(id, waiting)
	for _, w := range waiting {
		w.state = warpReady
		w.released(bar)
	}
	*bar = barrier{waiting: waiting[:0]}
}

// exited is called when a warp has exited, which may complete barriers.
func (b *block) exited() {
	for i := range b.barriers {
		if b.barriers[i].count == 0 {
			b.complete(i)
		}
	}
}

// deadlock reports that no warp can run.
func (b *block) deadlock() {
	for i := range b.barriers {
		if bar := &b.barriers[i]; len(bar.waiting) > 0 {
			w := bar.waiting[0]
			w.in = &w.splits[0].f.fn.code.ins[w.splits[0].pc]
			w.fault(BadBarrier, -1, "deadlock: %d threads arrived at barrier %d, which waits for %s; no other warp can run",
				bar.arrived, i, countText(bar.count))
		}
	}
	panic("ptx: block is stuck without a barrier")
}
