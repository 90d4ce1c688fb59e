package emulated_test

import (
	"testing"

	"xrun/kernels/cuda"
	"xrun/kernels/cuda/drivertest"
	"xrun/kernels/cuda/emulated"
	"xrun/kernels/ptx"
)

func TestConformance(t *testing.T) {
	for seed := range uint64(3) {
		drivertest.Run(t, drivertest.Options{Strict: true}, func() (cuda.Driver, error) {
			return emulated.Open(emulated.Options{Config: ptx.Config{Seed: seed, Memory: 1 << 30}}), nil
		})
	}
}
