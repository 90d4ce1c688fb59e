package emulated

import (
	"fmt"
	"math/rand/v2"
	"time"

	"xrun/kernels/cuda"
)

// queues holds the work of the streams. Nothing runs until something waits.
type queues struct {
	random  *rand.Rand
	streams []*stream
}

func (q *queues) init(seed uint64) { q.random = rand.New(rand.NewPCG(seed, 0x73747265616d)) }

type stream struct{ work []work }

// work is one entry of a stream. It runs once the mark it waits for is done.
type work struct {
	after *mark
	run   func() error
}

// event is a cuda.Event: the last mark recorded with it.
type event struct{ last *mark }

// mark is one recording of an event.
type mark struct {
	done bool
	at   time.Time
}

// enqueue adds work to a stream.
func (d *Driver) enqueue(s cuda.Stream, run func() error) error {
	if err := d.usable(); err != nil {
		return err
	}
	st := s.(*stream)
	st.work = append(st.work, work{run: run})
	return nil
}

// advance runs work of randomly drawn streams until enough returns true or no work is
// left that can run.
func (d *Driver) advance(enough func() bool) error {
	if err := d.usable(); err != nil {
		return err
	}
	var ready []*stream
	for !enough() {
		ready = ready[:0]
		for _, s := range d.streams {
			if len(s.work) > 0 && (s.work[0].after == nil || s.work[0].after.done) {
				ready = append(ready, s)
			}
		}
		if len(ready) == 0 {
			return nil
		}
		s := ready[d.random.IntN(len(ready))]
		w := s.work[0]
		s.work = s.work[1:]
		if w.run == nil {
			continue
		}
		if err := w.run(); err != nil {
			d.failed = err
			return err
		}
	}
	return nil
}

// finish runs all queued work.
func (d *Driver) finish() error { return d.advance(func() bool { return false }) }

// NewStream makes a stream.
func (d *Driver) NewStream() (cuda.Stream, error) {
	if err := d.usable(); err != nil {
		return nil, err
	}
	s := &stream{}
	d.streams = append(d.streams, s)
	return s, nil
}

// NewEvent makes an event.
func (d *Driver) NewEvent() (cuda.Event, error) {
	if err := d.usable(); err != nil {
		return nil, err
	}
	return &event{}, nil
}

// Record queues the event's next mark.
func (d *Driver) Record(e cuda.Event, s cuda.Stream) error {
	m := &mark{}
	if err := d.enqueue(s, func() error { m.done, m.at = true, time.Now(); return nil }); err != nil {
		return err
	}
	e.(*event).last = m
	return nil
}

// Wait makes a stream wait for the event's last mark, if there is one.
func (d *Driver) Wait(s cuda.Stream, e cuda.Event) error {
	if err := d.usable(); err != nil {
		return err
	}
	if m := e.(*event).last; m != nil {
		st := s.(*stream)
		st.work = append(st.work, work{after: m})
	}
	return nil
}

// SynchronizeEvent runs work until the event's last mark is done.
func (d *Driver) SynchronizeEvent(e cuda.Event) error {
	m := e.(*event).last
	return d.advance(func() bool { return m == nil || m.done })
}

// Synchronize runs work until the stream has none.
func (d *Driver) Synchronize(s cuda.Stream) error {
	st := s.(*stream)
	return d.advance(func() bool { return len(st.work) == 0 })
}

// Elapsed returns the milliseconds between two marks on the host's clock. It measures the
// interpreter and says nothing about a GPU.
func (d *Driver) Elapsed(start, end cuda.Event) (float64, error) {
	if err := d.usable(); err != nil {
		return 0, err
	}
	a, b := start.(*event).last, end.(*event).last
	if a == nil || b == nil || !a.done || !b.done {
		return 0, fmt.Errorf("cuda: reading an event's time: not recorded, or not finished")
	}
	return b.at.Sub(a.at).Seconds() * 1000, nil
}
