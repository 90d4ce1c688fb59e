package ptx

import (
	"encoding/binary"
	"math"
	"strconv"
)

func count(m *match) int {
	n, _ := strconv.Atoi(m.get("num")[1:])
	return n
}

// ldmatrix reads 8 by 8 matrices of 16-bit elements. Lane 8m+r has the address of row r of
// matrix m, 16 bytes. Lane l receives elements 2(l mod 4) and 2(l mod 4)+1 of row l/4 of
// each matrix, or of its transpose (PTX ISA 9.7.14.5.15).
func lowerLdmatrix(l *lowerer, m *match) {
	n := count(m)
	x := &access{typ: tB16, size: 16, n: 1, bytes: 16}
	in := instr{kind: opSync, uniform: true, run: ldmatrix, x: x, d: l.sink, d2: -1}
	if m.has("trans") {
		in.d2 = 1
	}
	args := m.in.args
	sp := spaceOf(m.get("space"))
	l.addressOf(&args[1], sp, &in, x)
	x.slots = l.vector(&args[0], tB32, true)
	x.n = n
	l.emit(in)
}

func ldmatrix(w *warp, in *instr) {
	x := in.x.(*access)
	for i, slot := range x.slots {
		var rows [8][16]byte
		for r := range rows {
			l := 8*i + r
			if addr := x.addr(w, in, l); x.space == spaceShared {
				rows[r] = [16]byte(w.readShared(x, l, addr))
			} else {
				rows[r] = [16]byte(w.view(x, l, addr, 16, accessRead))
			}
		}
		d := &w.regs[slot]
		for l := range d {
			if in.d2 == 1 {
				row, col := l%4*2, l/4*2
				lo, hi := rows[row][col:], rows[row+1][col:]
				d[l] = uint64(lo[0]) | uint64(lo[1])<<8 | uint64(hi[0])<<16 | uint64(hi[1])<<24
			} else {
				d[l] = uint64(binary.LittleEndian.Uint32(rows[l/4][l%4*4:]))
			}
		}
	}
}

func lowerStmatrix(l *lowerer, m *match) {
	x := &access{typ: tB16, size: 16, n: 1, bytes: 16}
	in := instr{kind: opSync, uniform: true, run: stmatrix, x: x, d: l.sink, d2: -1}
	if m.has("trans") {
		in.d2 = 1
	}
	args := m.in.args
	l.addressOf(&args[0], spaceOf(m.get("space")), &in, x)
	x.slots = l.vector(&args[1], tB32, false)
	l.emit(in)
}

func stmatrix(w *warp, in *instr) {
	x := in.x.(*access)
	for i, slot := range x.slots {
		var rows [8][8]uint16
		s := &w.regs[slot]
		for l := range s {
			for h := range 2 {
				r, c := l/4, l%4*2+h
				if in.d2 == 1 {
					r, c = c, r
				}
				rows[r][c] = uint16(s[l] >> (16 * h))
			}
		}
		for r := range rows {
			l := 8*i + r
			b := w.view(x, l, x.addr(w, in, l), 16, accessWrite)
			for c, v := range rows[r] {
				binary.LittleEndian.PutUint16(b[2*c:], v)
			}
		}
	}
}

// movmatrix transposes a matrix held in registers.
func lowerMovmatrix(l *lowerer, m *match) {
	s := l.args(m, 1)
	l.emit(instr{kind: opSync, uniform: true, d: l.dst(&m.in.args[0]), a: s[0], run: func(w *warp, in *instr) {
		var rows [8][8]uint64
		for l, v := range w.regs[in.a] {
			rows[l/4][l%4*2], rows[l/4][l%4*2+1] = v&0xffff, v>>16
		}
		d := &w.regs[in.d]
		for l := range d {
			d[l] = rows[l%4*2][l/4] | rows[l%4*2+1][l/4]<<16
		}
	}})
}

// mmaInfo is an mma instruction: D = A B + C, with A m by k in rows and B k by n in columns.
type mmaInfo struct {
	m, n, k    int
	at, bt, ct typ
	a, b, c, d []int32
	satfinite  bool
}

// The fragments of mma, as the PTX ISA's figures (9.7.14.5) give them. With
// g = lane/4, t = lane%4 and e elements in a register, element i of register r
// of A is in row g + 8(r mod 2) and column te + i + 4e(r/2) (for m = 8, row g and
// column te + i + 4er); of B in row te + i + 4er and column g; element r of C
// in row g + 8(r/2) and column 2t + r mod 2.
func lowerMma(l *lowerer, m *match) {
	x := &mmaInfo{at: typeByName[m.get("atype")], bt: typeByName[m.get("btype")], ct: typeByName[m.get("ctype")], satfinite: m.has("satfinite")}
	x.m, x.n, x.k = shapeOf(m.get("shape"))
	args := m.in.args
	x.d = l.vector(&args[0], x.ct, true)
	x.a = l.vector(&args[1], tB32, false)
	x.b = l.vector(&args[2], tB32, false)
	x.c = l.vector(&args[3], x.ct, false)
	run := mmaFloat
	switch {
	case x.at == tF64:
		run = mmaDouble
	case !x.at.isFloat():
		run = mmaInteger
	}
	l.emit(instr{kind: opSync, uniform: true, run: run, x: x, d: l.sink})
}

// mmaFloat multiplies f16, bf16 and tf32. Products are exact; each step of the
// sum over k rounds to float32.
func mmaFloat(w *warp, in *instr) {
	x := in.x.(*mmaInfo)
	var a [16][16]uint32
	var b, c [16][8]uint32
	switch x.at {
	case tBF16:
		for r, s := range x.a {
			r0, c0 := r&1*8, r>>1*8
			for l, v := range &w.regs[s] {
				p := (*[2]uint32)(a[l>>2+r0][l&3*2+c0:])
				p[0], p[1] = uint32(v)<<16, uint32(v)&0xffff0000
			}
		}
		for r, s := range x.b {
			k0 := r * 8
			for l, v := range &w.regs[s] {
				b[l&3*2+k0][l>>2], b[l&3*2+k0+1][l>>2] = uint32(v)<<16, uint32(v)&0xffff0000
			}
		}
	case tF16:
		for r, s := range x.a {
			for l, v := range &w.regs[s] {
				row, col := l>>2+r&1*8, l&3*2+r>>1*8
				a[row][col], a[row][col+1] = halfBits(v), halfBits(v>>16)
			}
		}
		for r, s := range x.b {
			for l, v := range &w.regs[s] {
				b[l&3*2+r*8][l>>2], b[l&3*2+r*8+1][l>>2] = halfBits(v), halfBits(v>>16)
			}
		}
	default: // tf32: the low 13 bits do not count
		for r, s := range x.a {
			for l, v := range &w.regs[s] {
				a[l>>2+r&1*8][l&3+r>>1*4] = uint32(v) &^ 0x1fff
			}
		}
		for r, s := range x.b {
			for l, v := range &w.regs[s] {
				b[l&3+r*4][l>>2] = uint32(v) &^ 0x1fff
			}
		}
	}
	packedC := x.ct == tF16
	for r, s := range x.c {
		r0 := r >> 1 * 8
		for l, v := range &w.regs[s] {
			if packedC {
				c[l>>2+r*8][l&3*2], c[l>>2+r*8][l&3*2+1] = halfBits(v), halfBits(v>>16)
			} else {
				c[l>>2+r0][l&3*2+r&1] = uint32(v)
			}
		}
	}
	k := x.k
	if cfg := w.block.run.cfg; cfg.Perturb {
		// The order of k depends on the seed.
		order := rng{mix(cfg.Seed, 0x33a)}
		for i := k - 1; i > 0; i-- {
			j := int(order.next() % uint64(i+1))
			b[i], b[j] = b[j], b[i]
			for r := range a {
				a[r][i], a[r][j] = a[r][j], a[r][i]
			}
		}
	}
	if vectors {
		mulAdd16(&c, &a, &b, k)
	} else {
		mulAddPlain(&c, &a, &b, k)
	}
	for r, s := range x.d {
		d := &w.regs[s]
		r0 := r >> 1 * 8
		for l := range d {
			if packedC {
				f := formats[tF16]
				d[l] = f.encode(f.widen(c[l>>2+r*8][l&3*2]), nearest) | f.encode(f.widen(c[l>>2+r*8][l&3*2+1]), nearest)<<16
				continue
			}
			v := c[l>>2+r0][l&3*2+r&1]
			if v&0x7fffffff > 0x7f800000 {
				v = 0x7fffffff
			}
			d[l] = uint64(v)
		}
	}
	w.block.wk.macs += int64(x.m * x.n * x.k)
}

func (format) widen(v uint32) float64 { return float64(math.Float32frombits(v)) }

func halfBits(v uint64) uint32 { return math.Float32bits(half16(v)) }

func half16(v uint64) float32 { return float32(formats[tF16].decode(v & 0xffff)) }

// mulAddPlain is c += a b with k ascending, one rounding to float32 a step.
func mulAddPlain(c *[16][8]uint32, a *[16][16]uint32, b *[16][8]uint32, k int) {
	for i := range c {
		for j := range c[i] {
			s := math.Float32frombits(c[i][j])
			for kk := range k {
				s = fma32(math.Float32frombits(a[i][kk]), math.Float32frombits(b[kk][j]), s)
			}
			c[i][j] = math.Float32bits(s)
		}
	}
}

func mmaDouble(w *warp, in *instr) {
	x := in.x.(*mmaInfo)
	a, b := w.regs[x.a[0]], w.regs[x.b[0]]
	for r := range 2 {
		c := w.regs[x.c[r]]
		d := &w.regs[x.d[r]]
		for l := range d {
			v := f64(c[l])
			for k := range 4 {
				v = math.FMA(f64(a[l>>2*4+k]), f64(b[(l&3*2+r)*4+k]), v)
			}
			d[l] = b64(v)
		}
	}
	w.block.wk.macs += 8 * 8 * 4
}

func mmaInteger(w *warp, in *instr) {
	x := in.x.(*mmaInfo)
	var a [16][32]int64
	var b [32][8]int64
	ext := func(v uint64, i int, t typ) int64 {
		if v = v >> (8 * i) & 0xff; t.isSigned() {
			return sx(v, 8)
		}
		return int64(v)
	}
	for r, s := range x.a {
		row, col := r&1*8, r>>1*16
		if x.m == 8 {
			row, col = 0, r*16
		}
		for l, v := range w.regs[s] {
			for i := range 4 {
				a[l>>2+row][l&3*4+i+col] = ext(v, i, x.at)
			}
		}
	}
	for r, s := range x.b {
		for l, v := range w.regs[s] {
			for i := range 4 {
				b[l&3*4+i+r*16][l>>2] = ext(v, i, x.bt)
			}
		}
	}
	for r := range x.d {
		c := w.regs[x.c[r]]
		d := &w.regs[x.d[r]]
		for l := range d {
			row, col := l>>2+r>>1*8, l&3*2+r&1
			sum := int64(int32(c[l]))
			for k := range x.k {
				sum += a[row][k] * b[k][col]
			}
			if x.satfinite {
				d[l] = saturate32(sum)
			} else {
				d[l] = uint64(uint32(sum))
			}
		}
	}
	w.block.wk.macs += int64(x.m * x.n * x.k)
}
