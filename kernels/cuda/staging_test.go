package cuda_test

import (
	"testing"

	"xrun/kernels/cuda"
)

// idle is a driver that computes nothing and counts events.
type idle struct {
	cuda.Driver
	events int
}

func (d *idle) NewEvent() (cuda.Event, error) {
	d.events++
	return d.Driver.NewEvent()
}
func (*idle) Launch(cuda.Stream, cuda.Function, cuda.Dim, cuda.Dim, int, ...any) error { return nil }
func (*idle) CopyIn(cuda.Stream, cuda.Address, []byte) error                           { return nil }
func (*idle) Record(cuda.Event, cuda.Stream) error                                     { return nil }
func (*idle) Wait(cuda.Stream, cuda.Event) error                                       { return nil }
func (*idle) SynchronizeEvent(cuda.Event) error                                        { return nil }

// onGPU are the memory options as on a GPU.
var onGPU = cuda.Options{SegmentBytes: 64 << 20, StagingBytes: 16 << 20}

// upload returns a function that uploads different ids each time it is called.
func upload(t testing.TB, d cuda.Driver) func() {
	e, err := cuda.New(d, onGPU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	src, dst, ids, n := e.New(f32, 1<<16, 1), e.New(f32, 2, 1), make([]int32, 2), int32(0)
	return func() {
		n++
		ids[0], ids[1] = n%(1<<16), n>>16
		e.GatherRows(dst, src, ids)
	}
}

// TestUploadsOfALongRun checks that the number of remembered uploads is bounded, independently of
// the ring, which can hold tens of thousands of small ones.
func TestUploadsOfALongRun(t *testing.T) {
	t.Parallel()
	d := &idle{Driver: exact(1)}
	next := upload(t, d)
	for range 5000 {
		next()
	}
	before := d.events
	for range 100_000 { // once around the ring
		next()
	}
	if d.events > before || before > 4000 {
		t.Errorf("%d events for 5,000 uploads, %d for 105,000", before, d.events)
	}
}

// BenchmarkUpload measures the host's cost of an upload and a launch, without the driver's, early
// and late in a run.
func BenchmarkUpload(b *testing.B) {
	for name, uploads := range map[string]int{"after=1000": 1000, "after=200000": 200_000} {
		b.Run(name, func(b *testing.B) {
			next := upload(b, &idle{Driver: exact(1)})
			for range uploads {
				next()
			}
			for b.Loop() {
				next()
			}
		})
	}
}
