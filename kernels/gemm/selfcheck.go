package gemm

import (
	"fmt"
	"math"
	"slices"

	"xrun/kernels/num"
)

// selfCheck compares the tiles and strips of p with the portable chains: every number
// of rows, carried and not, finished and not, plain and bf16, on ordinary values,
// denormals, infinities, zeros of both signs, and sums around 2^-126, where
// implementations of flushing differ. It takes about a millisecond. If a processor
// gives other bits, the next path is used.
func selfCheck(p *path) error {
	for _, bf16 := range []bool{false, true} {
		for rows := 1; rows <= p.mr; rows++ {
			for shift := range 2 + rows/p.mr*16 {
				if err := checkTile(p, bf16, rows, []int{1, 6}[shift%2], shift, shift%4 > 0); err != nil {
					return err
				}
			}
		}
	}
	return checkStrip(p)
}

// checkValue returns the i-th of a repeating list of awkward values: bf16 numbers whose
// products lie on both sides of the denormal border, and others.
func checkValue(i int) float32 {
	list := [...]uint32{0x3f800000, 0x1f800000, 0xbf810000, 0x20010000, 0x9f7f0000, 0x3e990000, 0x80000000, 0x00000000,
		0x00010000, 0x807f0000, 0x00800000, 0x80810000, 0x40490000, 0xc2c80000, 0x7f000000, 0x1c000000, 0x9c810000,
		0x1b7f0000, 0x3f7f0000, 0xbf800000, 0x21000000, 0x1e7f0000, 0x7f800000}
	return math.Float32frombits(list[i%len(list)])
}

// checkStart returns the i-th of a repeating list of awkward accumulators.
func checkStart(i int) float32 {
	list := [...]uint32{0x00800000, 0x80800000, 0x00800001, 0x007fffff, 0x80000000, 0x3f800000, 0x00000000, 0x01000000,
		0x80ffffff, 0x00000001, 0xc1200000, 0xff800000, 0x80000001}
	return math.Float32frombits(list[i%len(list)])
}

func checkTile(p *path, bf16 bool, rows, k, shift int, load bool) error {
	a, b := make([]float32, rows*k), make([]float32, p.nr*k)
	for i := range a {
		a[i] = checkValue(i*7 + rows + k + shift)
	}
	for i := range b {
		b[i] = checkValue(i*5 + i/23 + 3*rows + 9*shift)
	}
	sa, sb := side{m: NewF32(a, rows, k), along: true}, side{m: NewF32(b, p.nr, k), along: true}
	depth := k
	if bf16 {
		sa.format, sb.format, depth = rounded, rounded, (k+1)&^1
		if p.pairs {
			sa.format, sb.format, depth = pairRounded, pairRounded, depth/2
		}
	}
	pa, pb := make([]float32, p.mr*depth), make([]float32, p.nr*depth)
	p.pack(pa, len(pa), &sa, 0, rows, p.mr, 0, depth)
	p.pack(pb, len(pb), &sb, 0, p.nr, p.nr, 0, depth)
	c, want := make([]float32, rows*p.nr), make([]float32, rows*p.nr)
	for i := range c {
		c[i] = checkStart(i + k + shift)
		s := c[i]
		if !load {
			s = 0
		}
		x, y := a[i/p.nr*k:][:k], b[i%p.nr*k:][:k]
		for q := range (k + 1) &^ 1 {
			switch {
			case !bf16 && q < k:
				s = num.FMA32(x[q], y[q], s)
			case bf16 && q^1 < k:
				s = num.FMA32Flush(x[q^1], y[q^1], s)
			case bf16:
				s = num.FMA32Flush(0, 0, s)
			}
		}
		want[i] = s
	}
	mode := 0
	if load {
		mode |= modeLoad
	}
	if bf16 {
		mode |= modeFlush
	}
	for i := range 4 {
		end, wantEnd := checkEnding(p, rows, i), checkEnding(p, rows, i)
		for r := range rows {
			wantEnd.row(r, want[r*p.nr:][:p.nr])
		}
		p.tile(slices.Clone(c), p.nr, pa, pb, depth, rows, mode, end)
		if err := sameBits(p, wantEnd.values(), end.values()); err != nil {
			return err
		}
	}
	p.tile(c, p.nr, pa, pb, depth, rows, mode, nil)
	return sameBits(p, want, c)
}

// checkEnding returns the i-th of four endings: with bias or residual or both, in
// float32 or bf16.
func checkEnding(p *path, rows, i int) *ending {
	n := rows * p.nr
	e := &ending{ldd: p.nr, ldr: p.nr}
	if i < 2 {
		e.dst = make([]float32, n)
	} else {
		e.dst16 = make([]uint16, n)
	}
	if i != 1 {
		e.bias = make([]float32, p.nr)
		for j := range e.bias {
			e.bias[j] = checkStart(3*j + i)
		}
	}
	if i < 3 {
		e.res = make([]float32, n)
		for j := range e.res {
			e.res[j] = checkStart(5*j + i)
		}
	}
	return e
}

// values returns the contents of the destination.
func (e *ending) values() []float32 {
	if e.dst16 == nil {
		return e.dst
	}
	v := make([]float32, len(e.dst16))
	for i, b := range e.dst16 {
		v[i] = num.WidenBF16(b)
	}
	return v
}

func checkStrip(p *path) error {
	m, n := 8, p.nr+3
	for _, shape := range []int{0, chainLoad, chainLower, chainLoad | chainUpper} {
		k := 9
		a, b := make([]float32, m*(k+m)), make([]float32, (k+m)*n)
		for i := range a {
			a[i] = checkValue(i * 3)
		}
		for i := range b {
			b[i] = checkValue(i*11 + 2)
		}
		c, want := make([]float32, m*n), make([]float32, m*n)
		for i := range c {
			c[i] = checkStart(i)
			want[i] = c[i]
		}
		p.mulChain(c, n, a, k+m, 1, b, n, m, n, k, shape)
		mulChainPortable(want, n, a, k+m, 1, b, n, m, n, k, shape)
		if err := sameBits(p, want, c); err != nil {
			return err
		}
	}
	return nil
}

// sameBits compares results; all NaNs count as equal.
func sameBits(p *path, want, got []float32) error {
	for i, w := range want {
		if g := got[i]; math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
			return fmt.Errorf("path %s gives %x where the portable one gives %x", p.name, math.Float32bits(g), math.Float32bits(w))
		}
	}
	return nil
}
