//go:build cuda && cgo && linux

package nvidia_test

import (
	"errors"
	"testing"

	"xrun/kernels/cuda"
	"xrun/kernels/cuda/drivertest"
	"xrun/kernels/cuda/nvidia"
)

func open() (cuda.Driver, error) { return nvidia.Open(nvidia.Options{}) }

// TestConformance runs against whatever libcuda there is: the fake one in a
// build with the tag fakecuda, the machine's otherwise.
func TestConformance(t *testing.T) {
	d, err := open()
	var none *nvidia.UnavailableError
	if errors.As(err, &none) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	drivertest.Run(t, drivertest.Options{Strict: faked, Apart: true}, open)
}

// BenchmarkLaunch is the host's cost of one launch, its arguments included.
func BenchmarkLaunch(b *testing.B) {
	d, err := open()
	if err != nil {
		b.Skip(err)
	}
	defer d.Close()
	m, err := d.Load("empty.ptx", []byte(".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry empty(.param .u64 a, .param .u32 n)\n{\n\tret;\n}\n"))
	if err != nil {
		b.Fatal(err)
	}
	f, err := d.Function(m, "empty", 0)
	if err != nil {
		b.Fatal(err)
	}
	s, err := d.NewStream()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Launch(s, f, cuda.Dim{X: 1}, cuda.Dim{X: 32}, 0, cuda.Address(256), uint32(1)); err != nil {
			b.Fatal(err)
		}
	}
}
