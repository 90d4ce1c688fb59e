package cuda_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/cuda/emulated"
	"xrun/kernels/enginetest"
	"xrun/kernels/num"
	"xrun/kernels/ptx"
)

// emulate returns the driver of a device on the interpreter, with all its checks. Warps, blocks
// and streams run in an order drawn from seed, and approximate instructions have the largest
// errors that NVIDIA documents.
func emulate(seed uint64) *emulated.Driver {
	return emulated.Open(emulated.Options{Config: ptx.Config{Seed: seed, Perturb: true, Memory: 4 << 30}})
}

// exact is emulate without errors in approximate instructions. (With errors, each seed acts like
// a different GPU.)
func exact(seed uint64) *emulated.Driver {
	return emulated.Open(emulated.Options{Config: ptx.Config{Seed: seed, Memory: 4 << 30}})
}

func newEngine(t testing.TB, seed uint64, o cuda.Options) *cuda.Engine {
	t.Helper()
	e, err := cuda.New(emulate(seed), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// arenas lists configurations of memory: one allocation for each tensor, so that accesses beyond
// it are detected; and segments and staging small enough to be reused within a check.
var arenas = []cuda.Options{{}, {SegmentBytes: 1 << 20, StagingBytes: 8 << 10}}

// TestConformanceInReusedMemory runs checks on one engine with memory cut from segments and a
// few kilobytes of staging, so that each check finds the data of earlier ones in memory.
func TestConformanceInReusedMemory(t *testing.T) {
	t.Parallel()
	e, err := cuda.New(exact(4), arenas[1])
	if err != nil {
		t.Fatal(err)
	}
	few := []string{"tensors", "bf16_rounding", "embed", "rows", "rmsnorm_grad", "linear_grad_weight", "rotary", "cross_entropy", "log_prob", "sum_squares", "adamw", "out_of_range"}
	for _, c := range enginetest.Checks() {
		if slices.Contains(few, c.Name) {
			for _, p := range c.Run(e, enginetest.CUDA) {
				t.Errorf("%s: %s", c.Name, p)
			}
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// stuck is a device that fails to free memory.
type stuck struct{ cuda.Driver }

func (stuck) Free(cuda.Address) error { return errors.New("the device does not answer") }

// TestCloseSaysAFailureOnce closes an engine whose tensors cannot be freed.
func TestCloseSaysAFailureOnce(t *testing.T) {
	e, err := cuda.New(stuck{exact(1)}, cuda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		e.New(f32, 3, 5)
	}
	err = e.Close()
	if err == nil || strings.Count(err.Error(), "answer") != 1 || !strings.Contains(err.Error(), "the first of 20 ") {
		t.Errorf("closing: %v; want one error and how many there were", err)
	}
}

// copies counts the copies to a device.
type copies struct {
	cuda.Driver
	n int
}

func (c *copies) CopyIn(s cuda.Stream, dst cuda.Address, src []byte) error {
	c.n++
	return c.Driver.CopyIn(s, dst, src)
}

// TestUploadsAreReused gathers rows by the same lists in changing order, with a ring that holds
// a few lists. Lists already on the device must not be copied again, and no list may be
// overwritten while a kernel can still read it.
func TestUploadsAreReused(t *testing.T) {
	t.Parallel()
	for seed, o := range map[uint64]cuda.Options{1: {}, 2: {SegmentBytes: 1 << 20, StagingBytes: 4 << 10}} {
		d := &copies{Driver: exact(seed)}
		e, err := cuda.New(d, o)
		if err != nil {
			t.Fatal(err)
		}
		const rows, lists, n = 50, 9, 100
		src := e.New(f32, rows, 1)
		values := make([]float32, rows)
		for i := range values {
			values[i] = float32(i)
		}
		e.Write(src, values)
		r := num.NewPhilox(3, uint32(seed), 0)
		ids := make([][]int32, lists)
		for i := range ids {
			ids[i] = make([]int32, n)
			for j := range ids[i] {
				ids[i][j] = int32(r.Below(rows))
			}
		}
		var want [][]int32
		var got []kernels.Tensor
		for i := range 60 {
			list := ids[r.Below(min(lists, uint64(i/2+1)))]
			want, got = append(want, list), append(got, e.New(f32, n, 1))
			e.GatherRows(got[i], src, list)
		}
		if d.n > 45 {
			t.Errorf("%d copies for 60 uses of %d lists", d.n, lists)
		}
		for i, x := range got {
			back := make([]float32, n)
			e.Read(back, x)
			for j, v := range back {
				if v != float32(want[i][j]) {
					t.Fatalf("%+v: use %d: row %d is %v, want %v", o, i, j, v, want[i][j])
				}
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("%+v: %d copies", o, d.n)
	}
}
