package cpu_test

import (
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/enginetest"
)

func newEngine(t testing.TB) kernels.Engine {
	e, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) { enginetest.Run(t, newEngine, enginetest.CPU) }
