package vec

import (
	"math"

	"xrun/kernels/gemm"
)

func exp32(x float32) float32 {
	switch {
	case x != x:
		return x
	case x < -87.3:
		return 0
	}
	const magic = 12582912.0
	n := gemm.FMA(x, 1.4426950408889634, magic) - magic
	r := gemm.FMA(n, -0.693359375, x)
	r = gemm.FMA(n, 2.12194440e-4, r)
	p := float32(1.9875691500e-4)
	for _, c := range [...]float32{1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1} {
		p = gemm.FMA(p, r, c)
	}
	y := gemm.FMA(p, float32(r*r), r) + 1
	return math.Float32frombits(math.Float32bits(y) + uint32(int32(n))<<23)
}
