package gemm

import (
	"math"

	"xrun/kernels/num"
)

// Paths returns the names of the paths that can run here, best first.
func Paths() []string {
	var names []string
	for _, p := range paths() {
		names = append(names, p.name)
	}
	return names
}

// Models are paths whose tiles are written in Go with the shape and operands
// of AVX-512's. They test, on any processor, everything of those paths but the
// instructions: packing, words of two bf16 values, blocking.
var Models = []string{"model of avx512", "model of avx512bf16"}

// Force makes the package use the named path or model until the returned
// function is called.
func Force(name string) (restore func()) {
	p, err := choose(name)
	for i, m := range Models {
		if name == m {
			best := *paths()[0]
			best.name, best.mr, best.nr, best.pairs = m, 12, 32, i == 1
			best.tile = func(c []float32, ldc int, a, b []float32, k, rows, mode int, e *ending) {
				modelTile(c, ldc, a, b, k, rows, mode, e, i == 1)
			}
			p, err = &best, nil
		}
	}
	if err != nil {
		panic(err)
	}
	forced = p
	return func() { forced = nil }
}

// SelfCheckFails reports whether the self-check rejects a path whose tile does
// fault to the elements it computes.
func SelfCheckFails(fault func(c []float32)) bool {
	p := *paths()[0]
	tile := p.tile
	p.tile = func(c []float32, ldc int, a, b []float32, k, rows, mode int, e *ending) {
		tile(c, ldc, a, b, k, rows, mode, e)
		fault(c)
	}
	return selfCheck(&p) != nil
}

// SelfCheck runs the self-check of the named path.
func SelfCheck(name string) error {
	p, err := choose(name)
	if err != nil {
		return err
	}
	return selfCheck(p)
}

func modelTile(c []float32, ldc int, a, b []float32, k, m, mode int, e *ending, pairs bool) {
	flushing := mode&modeFlush != 0
	const mr, nr = 12, 32
	var row [nr]float32
	for i := range m {
		for j := range nr {
			s := float32(0)
			if mode&modeLoad != 0 {
				s = c[i*ldc+j]
			}
			for q := range k {
				x, y := a[i/mr*mr*k+q*mr+i%mr], b[q*nr+j]
				switch {
				case flushing && pairs: // VDPBF16PS
					u, v := math.Float32bits(x), math.Float32bits(y)
					s = num.FMA32Flush(math.Float32frombits(u&0xffff0000), math.Float32frombits(v&0xffff0000), s)
					s = num.FMA32Flush(math.Float32frombits(u<<16), math.Float32frombits(v<<16), s)
				case flushing:
					s = num.FMA32Flush(x, y, s)
				default:
					s = num.FMA32(x, y, s)
				}
			}
			row[j] = s
		}
		if e != nil {
			e.row(i, row[:])
		} else {
			copy(c[i*ldc:], row[:])
		}
	}
}
