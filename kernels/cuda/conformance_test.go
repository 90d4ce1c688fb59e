package cuda_test

import (
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/enginetest"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB) kernels.Engine {
		t.(*testing.T).Parallel()
		return newEngine(t, 0, cuda.Options{})
	}, enginetest.CUDA)
}
