//go:build cuda && cgo && linux

package nvidia_test

import (
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/enginetest"
)

// TestEngine runs the engine's conformance tests over gorgonia.org/cu: the real
// staging, streams and launches, on a GPU or on the fake one.
func TestEngine(t *testing.T) {
	d, err := open()
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	d.Close()
	enginetest.Run(t, func(t testing.TB) kernels.Engine {
		d, err := open()
		if err != nil {
			t.Fatal(err)
		}
		e, err := cuda.New(d, cuda.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}, enginetest.CUDA)
}
