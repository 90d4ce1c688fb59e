package cuda_test

import (
	"errors"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
)

// TestProfile counts launches by kernel, and only those made while it runs.
func TestProfile(t *testing.T) {
	t.Parallel()
	e := newEngine(t, 1, cuda.Options{})
	defer e.Close()
	x, y, w := e.New(kernels.F32, 4, 16), e.New(kernels.F32, 4, 16), e.New(kernels.F32, 1, 16)
	e.Add(y, x)
	for range 2 { // events of one profile serve the next
		times, err := e.Profile(func() error {
			e.RMSNorm(y, x, w, 1e-6)
			e.Add(y, x)
			e.Add(y, x)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		launches := map[string]int{}
		for _, k := range times {
			launches[k.Kernel] = k.Launches
			if !(k.Seconds >= 0) {
				t.Errorf("%s took %v seconds", k.Kernel, k.Seconds)
			}
		}
		if len(times) != 2 || launches["rmsnorm_f32"] != 1 || launches["add"] != 2 {
			t.Errorf("profiled %+v", times)
		}
	}
	want := errors.New("the work failed")
	if _, err := e.Profile(func() error { return want }); err != want {
		t.Errorf("error %v, want that of the work", err)
	}
}
