//go:build cuda && cgo && linux && fakecuda

package nvidia_test

import (
	"errors"
	"strings"
	"testing"

	"xrun/kernels/cuda"
	"xrun/kernels/cuda/emulated"
	"xrun/kernels/cuda/nvidia"
	"xrun/kernels/cuda/nvidia/fake"
	"xrun/kernels/ptx"
)

const faked = true

// TestUnavailable opens unsuitable machines, and checks the reason and the advice.
func TestUnavailable(t *testing.T) {
	defer fake.Configure(fake.Config{})
	for name, c := range map[string]struct {
		machine      fake.Config
		reason, hint string
	}{
		"no device":    {fake.Config{NoDevice: true}, "no CUDA device", "CUDA_VISIBLE_DEVICES"},
		"old driver":   {fake.Config{Version: 10020}, "supports CUDA 10.2, the kernels need 11.0", "450.36"},
		"small device": {fake.Config{Options: emulated.Options{Major: 7, Minor: 5}}, "no CUDA device of compute capability 8.0 or more: fake CUDA device (7.5)", "Ampere"},
	} {
		t.Run(name, func(t *testing.T) {
			fake.Configure(c.machine)
			_, err := open()
			var none *nvidia.UnavailableError
			if !errors.As(err, &none) {
				t.Fatalf("error is %v", err)
			}
			if !strings.Contains(none.Error(), c.reason) || !strings.Contains(none.Hint(), c.hint) {
				t.Errorf("error %q, hint %q", none, none.Hint())
			}
		})
	}
}

// TestBlocking checks that the error of a blocking launch names only its own kernel.
func TestBlocking(t *testing.T) {
	fake.Configure(fake.Config{Options: emulated.Options{Config: ptx.Config{Memory: 1 << 20}}})
	defer fake.Configure(fake.Config{})
	d, err := nvidia.Open(nvidia.Options{Blocking: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const text = `.version 7.0
.target sm_80
.address_size 64
.visible .entry fine()
{
	ret;
}
.visible .entry stops()
{
	trap;
}
`
	m, err := d.Load("two.ptx", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	launch := func(name string) error {
		f, err := d.Function(m, name, 0)
		if err != nil {
			t.Fatal(err)
		}
		return d.Launch(s, f, cuda.Dim{}, cuda.Dim{}, 0)
	}
	if err := launch("fine"); err != nil {
		t.Fatal(err)
	}
	var e *nvidia.Error
	if err := launch("stops"); !errors.As(err, &e) {
		t.Fatalf("a kernel that stops: %v", err)
	}
	if !strings.Contains(e.Error(), "kernel stops") || strings.Contains(e.Error(), "fine") || e.Code != 719 || e.Hint() == "" {
		t.Errorf("error %q, hint %q", e, e.Hint())
	}
}
