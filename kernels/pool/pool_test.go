package pool_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"xrun/kernels/pool"
)

func TestRunCallsEveryIndexOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 7} {
		p := pool.New(threads)
		defer p.Close()
		for _, n := range []int{0, 1, 2, 3, 7, 64, 1000} {
			for rep := range 50 {
				counts := make([]atomic.Int32, n)
				var busy [7]atomic.Int32
				p.Run(n, func(worker, i int) {
					if worker < 0 || worker >= threads {
						t.Errorf("worker %d of %d", worker, threads)
						return
					}
					if busy[worker].Add(1) != 1 {
						t.Errorf("worker %d runs two pieces at once", worker)
					}
					counts[i].Add(1)
					busy[worker].Add(-1)
				})
				for i := range counts {
					if c := counts[i].Load(); c != 1 {
						t.Fatalf("threads %d, n %d, rep %d: index %d ran %d times", threads, n, rep, i, c)
					}
				}
			}
		}
	}
}

// The writes of the pieces must be visible to the caller without atomics.
func TestRunPublishesWrites(t *testing.T) {
	p := pool.New(4)
	defer p.Close()
	x := make([]int, 257)
	for rep := 1; rep <= 2000; rep++ {
		p.Run(len(x), func(_, i int) { x[i]++ })
		for i, v := range x {
			if v != rep {
				t.Fatalf("after %d runs x[%d] = %d", rep, i, v)
			}
		}
	}
}

func TestRunWakesSleepingWorkers(t *testing.T) {
	p := pool.New(3)
	defer p.Close()
	for range 5 {
		time.Sleep(5 * time.Millisecond) // all workers sleep by now
		var wg sync.WaitGroup
		wg.Add(3)
		p.Run(3, func(_, i int) { // returns only if three workers are in it at once
			wg.Done()
			wg.Wait()
		})
	}
}

func TestRunPropagatesPanics(t *testing.T) {
	p := pool.New(3)
	defer p.Close()
	for bad := range 40 {
		got := func() (e any) {
			defer func() { e = recover() }()
			p.Run(40, func(_, i int) {
				if i == bad {
					panic(fmt.Sprint("piece ", i))
				}
			})
			return nil
		}()
		if want := fmt.Sprint("piece ", bad); got != want {
			t.Fatalf("recovered %v, want %v", got, want)
		}
		var sum atomic.Int64
		p.Run(10, func(_, i int) { sum.Add(int64(i)) })
		if sum.Load() != 45 {
			t.Fatalf("after a panic, a run of 0..9 summed to %d", sum.Load())
		}
	}
}

func TestRunFromSeveralGoroutines(t *testing.T) {
	p := pool.New(3)
	defer p.Close()
	var wg sync.WaitGroup
	var total atomic.Int64
	for range 4 {
		wg.Go(func() {
			for range 200 {
				p.Run(5, func(_, i int) { total.Add(int64(i)) })
			}
		})
	}
	wg.Wait()
	if want := int64(4 * 200 * 10); total.Load() != want {
		t.Fatalf("sum %d, want %d", total.Load(), want)
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	p := pool.New(2)
	defer p.Close()
	x := make([]float32, 64)
	f := func(_, i int) { x[i]++ }
	if a := testing.AllocsPerRun(200, func() { p.Run(len(x), f) }); a != 0 {
		t.Fatalf("%v allocations a run", a)
	}
}

func TestRunAfterClosePanics(t *testing.T) {
	p := pool.New(2)
	p.Close()
	p.Close()
	defer func() {
		if recover() == nil {
			t.Fatal("run after close did not panic")
		}
	}()
	p.Run(1, func(_, _ int) {})
}

func BenchmarkRun(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			p := pool.New(threads)
			defer p.Close()
			x := make([]int64, 16)
			f := func(_, i int) { x[i]++ }
			for b.Loop() {
				p.Run(len(x), f)
			}
		})
	}
}
