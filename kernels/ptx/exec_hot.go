package ptx

import "math/bits"

// Loops of the commonest instructions.

type unsigned interface{ uint16 | uint32 | uint64 }

func add[T unsigned](w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = uint64(T(a[l]) + T(b[l]))
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = uint64(T(a[l]) + T(b[l]))
	}
}

func sub[T unsigned](w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = uint64(T(a[l]) - T(b[l]))
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = uint64(T(a[l]) - T(b[l]))
	}
}

func mul[T unsigned](w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = uint64(T(a[l]) * T(b[l]))
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = uint64(T(a[l]) * T(b[l]))
	}
}

func mad[T unsigned](w *warp, in *instr) {
	d, a, b, c := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
	if w.mask == fullMask {
		for l := range d {
			d[l] = uint64(T(a[l])*T(b[l]) + T(c[l]))
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = uint64(T(a[l])*T(b[l]) + T(c[l]))
	}
}

func mulWide32(w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = a[l] * b[l]
	}
}

func mulWideS32(w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = uint64(int64(int32(a[l])) * int64(int32(b[l])))
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = uint64(int64(int32(a[l])) * int64(int32(b[l])))
	}
}

func madWide32(w *warp, in *instr) {
	d, a, b, c := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = a[l]*b[l] + c[l]
	}
}

func madWideS32(w *warp, in *instr) {
	d, a, b, c := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = uint64(int64(int32(a[l]))*int64(int32(b[l]))) + c[l]
	}
}

func and(w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = a[l] & b[l]
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = a[l] & b[l]
	}
}

func or(w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = a[l] | b[l]
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = a[l] | b[l]
	}
}

func xor(w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = a[l] ^ b[l]
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = a[l] ^ b[l]
	}
}

func shl[T unsigned](w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = uint64(T(a[l]) << b[l])
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = uint64(T(a[l]) << b[l])
	}
}

func shr(w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = a[l] >> b[l]
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = a[l] >> b[l]
	}
}

func mov(w *warp, in *instr) {
	d, a := &w.regs[in.d], &w.regs[in.a]
	if w.mask == fullMask {
		*d = *a
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = a[l]
	}
}

func cvtBF16x2(w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = bf16(a[l])<<16 | bf16(b[l])
	}
}

// bf16 rounds the bits of a float32 to nearest even.
func bf16(v uint64) uint64 {
	if v&0x7fffffff > 0x7f800000 {
		return 0x7fff
	}
	return (v + 0x7fff + v>>16&1) >> 16
}

func selp(w *warp, in *instr) {
	d, a, b, p := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], w.preds[in.c]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		if p>>l&1 != 0 {
			d[l] = a[l]
		} else {
			d[l] = b[l]
		}
	}
}

func addF32(w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = b32(f32(a[l]) + f32(b[l]))
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = b32(f32(a[l]) + f32(b[l]))
	}
}

func subF32(w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = b32(f32(a[l]) - f32(b[l]))
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = b32(f32(a[l]) - f32(b[l]))
	}
}

func mulF32(w *warp, in *instr) {
	d, a, b := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b]
	if w.mask == fullMask {
		for l := range d {
			d[l] = b32(f32(a[l]) * f32(b[l]))
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = b32(f32(a[l]) * f32(b[l]))
	}
}

func fmaF32(w *warp, in *instr) {
	d, a, b, c := &w.regs[in.d], &w.regs[in.a], &w.regs[in.b], &w.regs[in.c]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = b32(fma32(f32(a[l]), f32(b[l]), f32(c[l])))
	}
}
