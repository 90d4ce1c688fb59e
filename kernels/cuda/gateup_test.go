package cuda_test

import (
	"fmt"
	"slices"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/num"
)

// TestGateUp runs every kernel of gateup.cu, regardless of which the engine would choose, and
// compares bits with those of two products and SwiGLU: with edges inside tiles, with and without
// biases, and with and without keeping gate and up.
func TestGateUp(t *testing.T) {
	for _, dt := range []kernels.DType{kernels.F32, kernels.BF16} {
		for i, tile := range cuda.Tiles(dt) {
			shapes := [][3]int{{1, 8, 8}, {17, 72, 40}, {130, 136, 72}} // m, n, k
			if tile == "any" || tile == "f32" {
				shapes = [][3]int{{1, 1, 1}, {65, 67, 33}, {9, 36, 19}}
			}
			for j, s := range shapes {
				t.Run(fmt.Sprintf("%v_%s_%v", dt, tile, s), func(t *testing.T) {
					t.Parallel()
					checkGateUp(t, newEngine(t, uint64(3*i+j), cuda.Options{}), dt, tile, s[0], s[1], s[2])
				})
			}
		}
	}
}

// TestGateUpOfCutProducts checks that gate and up are split along k if the forward product is.
func TestGateUpOfCutProducts(t *testing.T) {
	t.Parallel()
	checkGateUp(t, newEngine(t, 1, cuda.Options{}), kernels.BF16, "", 18, 40, 4096+8)
}

func checkGateUp(t *testing.T, e *cuda.Engine, dt kernels.DType, tile string, m, n, k int) {
	defer e.Close()
	r := num.NewPhilox(11, uint32(m*n), 0)
	x, wg, wu := uniform(e, r, dt, m, k), uniform(e, r, f32, n, k), uniform(e, r, f32, n, k)
	bg, bu := uniform(e, r, f32, 1, n), uniform(e, r, f32, 1, n)
	got := func(x values) []float32 {
		v := make([]float32, m*n)
		e.Read(v, x.Tensor)
		return v
	}
	by := func(dst, gate, up, biasG, biasU kernels.Tensor) {
		if tile == "" { // as the engine chooses
			e.GateUp(dst, gate, up, x.Tensor, wg.Tensor, wu.Tensor, biasG, biasU)
			return
		}
		e.GateUpBy(tile, dst, gate, up, x.Tensor, wg.Tensor, wu.Tensor, biasG, biasU)
	}
	for c := range 2 {
		var biasG, biasU kernels.Tensor
		if c == 1 {
			biasG, biasU = bg.Tensor, bu.Tensor
		}
		gate, up, dst := uniform(e, r, dt, m, n), uniform(e, r, dt, m, n), uniform(e, r, dt, m, n)
		e.Linear(gate.Tensor, x.Tensor, wg.Tensor, biasG, nil)
		e.Linear(up.Tensor, x.Tensor, wu.Tensor, biasU, nil)
		e.SwiGLU(dst.Tensor, gate.Tensor, up.Tensor)

		gate1, up1, dst1, alone := uniform(e, r, dt, m, n), uniform(e, r, dt, m, n), uniform(e, r, dt, m, n), uniform(e, r, dt, m, n)
		by(dst1.Tensor, gate1.Tensor, up1.Tensor, biasG, biasU)
		by(alone.Tensor, nil, up1.Tensor, biasG, biasU)
		for _, p := range []struct {
			name      string
			got, want values
		}{{"gate", gate1, gate}, {"up", up1, up}, {"dst", dst1, dst}, {"dst alone", alone, dst}} {
			if !slices.Equal(got(p.got), got(p.want)) {
				t.Errorf("case %d: %s has other bits", c, p.name)
			}
		}
	}
	if err := e.Sync(); err != nil {
		t.Fatal(err)
	}
}
