package cuda_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"xrun/kernels/cuda"
	"xrun/kernels/num"
	"xrun/model"
	"xrun/model/modeltest"
)

// flaky is a driver of which one call fails, the n-th of a method, counted from 1.
type flaky struct {
	cuda.Driver
	calls  map[string]int
	method string
	n      int
	err    error
	dead   bool // the failure is the device's: all calls fail from then on
	gone   bool
}

func (d *flaky) check(method string) error {
	if d.calls[method]++; d.gone || d.method == method && d.calls[method] == d.n {
		d.gone = d.dead
		return d.err
	}
	return nil
}

func (d *flaky) Load(name string, ptx []byte) (cuda.Module, error) {
	if err := d.check("Load"); err != nil {
		return nil, err
	}
	return d.Driver.Load(name, ptx)
}

func (d *flaky) Function(m cuda.Module, name string, shared int) (cuda.Function, error) {
	if err := d.check("Function"); err != nil {
		return nil, err
	}
	return d.Driver.Function(m, name, shared)
}

func (d *flaky) Alloc(n int64) (cuda.Address, error) {
	if err := d.check("Alloc"); err != nil {
		return 0, err
	}
	return d.Driver.Alloc(n)
}

func (d *flaky) Free(a cuda.Address) error {
	return errors.Join(d.check("Free"), d.Driver.Free(a))
}

func (d *flaky) AllocHost(n int) ([]byte, error) {
	if err := d.check("AllocHost"); err != nil {
		return nil, err
	}
	return d.Driver.AllocHost(n)
}

func (d *flaky) NewStream() (cuda.Stream, error) {
	if err := d.check("NewStream"); err != nil {
		return nil, err
	}
	return d.Driver.NewStream()
}

func (d *flaky) NewEvent() (cuda.Event, error) {
	if err := d.check("NewEvent"); err != nil {
		return nil, err
	}
	return d.Driver.NewEvent()
}

func (d *flaky) first(method string, call func() error) error {
	if err := d.check(method); err != nil {
		return err
	}
	return call()
}

func (d *flaky) Record(v cuda.Event, s cuda.Stream) error {
	return d.first("Record", func() error { return d.Driver.Record(v, s) })
}
func (d *flaky) Wait(s cuda.Stream, v cuda.Event) error {
	return d.first("Wait", func() error { return d.Driver.Wait(s, v) })
}
func (d *flaky) SynchronizeEvent(v cuda.Event) error {
	return d.first("SynchronizeEvent", func() error { return d.Driver.SynchronizeEvent(v) })
}
func (d *flaky) Synchronize(s cuda.Stream) error {
	return d.first("Synchronize", func() error { return d.Driver.Synchronize(s) })
}
func (d *flaky) CopyIn(s cuda.Stream, dst cuda.Address, src []byte) error {
	return d.first("CopyIn", func() error { return d.Driver.CopyIn(s, dst, src) })
}
func (d *flaky) CopyOut(s cuda.Stream, dst []byte, src cuda.Address) error {
	return d.first("CopyOut", func() error { return d.Driver.CopyOut(s, dst, src) })
}
func (d *flaky) CopyDevice(s cuda.Stream, dst, src cuda.Address, n int64) error {
	return d.first("CopyDevice", func() error { return d.Driver.CopyDevice(s, dst, src, n) })
}
func (d *flaky) Zero(s cuda.Stream, dst cuda.Address, n int64) error {
	return d.first("Zero", func() error { return d.Driver.Zero(s, dst, n) })
}
func (d *flaky) Launch(s cuda.Stream, f cuda.Function, grid, block cuda.Dim, shared int, args ...any) error {
	return d.first("Launch", func() error { return d.Driver.Launch(s, f, grid, block, shared, args...) })
}

// stepsOn trains a small model on e and returns the results of its steps.
func stepsOn(e *cuda.Engine, t *testing.T) (log []float64, err error) {
	m, err := model.New(e, modeltest.Small(model.Qwen2, 1), bf16)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := m.InitRandom(3); err != nil {
		return nil, err
	}
	r := modeltest.Recipe(model.PadLeft, "output")
	r.MicroTokens = 40
	tr, err := model.NewTrainer(m, r)
	if err != nil {
		return nil, err
	}
	defer tr.Close()
	for s := range 2 {
		res, err := tr.Step(modeltest.Rows(3, uint64(s)))
		if err != nil {
			return nil, err
		}
		log = append(log, res.Loss, res.GradNorm)
	}
	return log, e.Sync()
}

// TestFailuresInTheMiddle makes one call of the driver fail during training. Training must return
// the failure, and closing must not panic, hang or free twice, whether the device failed or its
// memory was exhausted. In the latter case the engine must then train as if nothing had happened.
func TestFailuresInTheMiddle(t *testing.T) {
	t.Parallel()
	small := cuda.Options{SegmentBytes: 64 << 10, StagingBytes: 4 << 10}
	whole := &flaky{Driver: exact(1), calls: map[string]int{}}
	e, err := cuda.New(whole, small)
	if err != nil {
		t.Fatal(err)
	}
	want, err := stepsOn(e, t)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()

	r := num.NewPhilox(17, 0, 0)
	for _, method := range slices.Sorted(maps.Keys(whole.calls)) {
		n := whole.calls[method]
		moments := map[int]bool{1: true, n: true}
		moments[1+int(r.Below(uint64(n)))] = true
		for at := range moments {
			exhausted := method == "Alloc" || method == "AllocHost"
			d := &flaky{Driver: exact(1), calls: map[string]int{}, method: method, n: at, dead: !exhausted, err: errors.New("the lights went out")}
			if exhausted {
				d.err = fmt.Errorf("cuda: %w", &cuda.OutOfMemoryError{Asked: 12345, Free: 77, Total: 99999})
			}
			name := fmt.Sprintf("%s %d of %d", method, at, n)
			e, err := cuda.New(d, small)
			if err != nil {
				if !strings.Contains(err.Error(), d.err.Error()) || !strings.Contains(err.Error(), "starting the cuda engine on PTX interpreter") {
					t.Errorf("%s: starting: %v", name, err)
				}
				continue
			}
			_, err = stepsOn(e, t)
			if exhausted && err != nil && !strings.Contains(err.Error(), "12345 bytes requested, 77 of 99999 free; tensors take ") {
				t.Errorf("%s: the error does not say what was needed and what was free: %v", name, err)
			}
			if exhausted {
				if err := e.Sync(); err != nil {
					t.Errorf("%s: the failure is repeated: %v", name, err)
				}
				if got, err := stepsOn(e, t); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: training again gives %v, %v; want %v", name, got, err, want)
				}
			}
			if exhausted && err == nil && d.calls[method] == at {
				t.Errorf("%s: exhausted memory was not noticed", name)
			}
			closing := e.Close()
			switch {
			case exhausted && closing != nil:
				t.Errorf("%s: closing: %v", name, closing)
			case d.gone && !strings.Contains(fmt.Sprint(err, closing), d.err.Error()):
				t.Errorf("%s: training returned %v, closing %v", name, err, closing)
			}
		}
	}
}
