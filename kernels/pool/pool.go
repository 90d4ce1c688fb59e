// Package pool runs pieces of work on a fixed set of persistent workers.
//
// The CPU engine parallelizes with it. Work is split over outputs, never over a
// reduction, so results cannot depend on which worker computes a piece, or in what
// order. It is not a scheduler: there are no futures, priorities or nested runs.
//
// Most readers need two calls: [New], and [Pool.Run], which calls a function
// for every index of a range and returns when all calls have returned.
//
// # How it works
//
// Run publishes the function and the number of pieces and opens a gate. The
// caller and every worker that passes the gate claim indices from one atomic
// counter until none is left. The caller then closes the gate and waits for the
// workers inside. A worker that wakes up too late finds the gate closed and costs
// nothing. Idle workers poll for a few hundred microseconds, longer than the gap
// between two operations of a step, before they sleep, because waking a worker
// takes longer than a matrix product of generation.
package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Bits of Pool.gate; the low bits count the workers inside.
const (
	gateOpen    = 1 << 31
	gateWaiting = 1 << 30
)

// Polls before sleeping. A round is pollsPerRound loads and a yield; all rounds
// together take a few hundred microseconds.
const (
	pollRounds    = 1000
	pollsPerRound = 100
)

// Pool is a set of workers. Its methods may be called from several goroutines;
// runs then take turns.
type Pool struct {
	mu      sync.Mutex // held for the length of a Run
	closed  bool
	workers []*worker // all but the caller, who is worker 0
	rounds  int

	// The current run; written only while the gate is closed and empty.
	f func(worker, i int)
	n int64

	next atomic.Int64  // first unclaimed index
	run  atomic.Uint32 // number of the current run; changes wake pollers
	gate atomic.Uint32
	done chan struct{} // the last worker out wakes a sleeping caller

	failure atomic.Pointer[failure]
}

type worker struct {
	asleep atomic.Bool
	wake   chan struct{}
}

type failure struct{ value any }

// New returns a pool of the given number of threads, the caller of Run being
// one of them. 0 means runtime.GOMAXPROCS(0).
func New(threads int) *Pool {
	if threads < 0 {
		panic("pool: negative number of threads")
	}
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	p := &Pool{done: make(chan struct{}, 1), rounds: pollRounds}
	if threads > runtime.GOMAXPROCS(0) {
		p.rounds = 0 // polling would take the processor from the working threads
	}
	for id := 1; id < threads; id++ {
		w := &worker{wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		go p.serve(id, w)
	}
	return p
}

// Threads returns the number of threads, which is the number of worker ids.
func (p *Pool) Threads() int { return len(p.workers) + 1 }

// Run calls f(worker, i) for every i in [0, n) and returns when all calls have
// returned. Indices are claimed in ascending order by whichever worker is free.
// Calls with the same worker id never overlap, and ids are below [Pool.Threads],
// so f can index scratch memory by worker. If f panics, indices not yet claimed are
// skipped, and the first panic is raised again in the caller once every worker has
// stopped.
//
// f must not call Run of the same pool. Run does not allocate. A caller that wants
// no allocation at all should reuse f, because a closure over local variables is
// allocated.
func (p *Pool) Run(n int, f func(worker, i int)) {
	if n <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		panic("pool: run after close")
	}
	if n == 1 || len(p.workers) == 0 {
		for i := range n {
			f(0, i)
		}
		return
	}
	p.f, p.n = f, int64(n)
	p.next.Store(0)
	p.gate.Store(gateOpen)
	p.run.Add(1)
	for i := range min(n-1, len(p.workers)) {
		if w := p.workers[i]; w.asleep.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
	p.work(0)
	p.drain()
	p.f = nil
	if e := p.failure.Swap(nil); e != nil {
		panic(e.value)
	}
}

// Close stops the workers. It must not be called during a Run, and Run must not be
// called afterwards.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	for _, w := range p.workers {
		close(w.wake)
	}
}

// work claims and runs pieces until none is left.
func (p *Pool) work(id int) {
	defer func() {
		if e := recover(); e != nil {
			p.next.Store(p.n)
			p.failure.CompareAndSwap(nil, &failure{e})
		}
	}()
	f, n := p.f, p.n
	for {
		i := p.next.Add(1) - 1
		if i >= n {
			return
		}
		f(id, int(i))
	}
}

// drain closes the gate and waits until no worker is inside.
func (p *Pool) drain() {
	p.gate.And(^uint32(gateOpen))
	for range p.rounds {
		for range pollsPerRound {
			if p.gate.Load() == 0 {
				return
			}
		}
		runtime.Gosched()
	}
	if p.gate.Or(gateWaiting) != 0 {
		<-p.done
	}
	p.gate.Store(0)
}

// serve is the loop of a worker.
func (p *Pool) serve(id int, w *worker) {
	var seen uint32
	for {
		if !p.await(w, seen) {
			return
		}
		// Read before entering: the next await then notices any run that begins
		// after this, at worst once too often.
		seen = p.run.Load()
		if !p.enter() {
			continue
		}
		p.work(id)
		if p.gate.Add(^uint32(0)) == gateWaiting {
			p.done <- struct{}{}
		}
	}
}

// await waits for a run other than seen and returns true, or false if the pool is
// closed.
func (p *Pool) await(w *worker, seen uint32) bool {
	for range p.rounds {
		for range pollsPerRound {
			if p.run.Load() != seen {
				return true
			}
		}
		runtime.Gosched()
	}
	w.asleep.Store(true)
	if p.run.Load() != seen && w.asleep.CompareAndSwap(true, false) {
		return true
	}
	_, open := <-w.wake
	return open
}

// enter passes the gate if it is open.
func (p *Pool) enter() bool {
	for {
		g := p.gate.Load()
		if g&gateOpen == 0 {
			return false
		}
		if p.gate.CompareAndSwap(g, g+1) {
			return true
		}
	}
}
