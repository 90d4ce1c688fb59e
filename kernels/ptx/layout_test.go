package ptx

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
)

// The layouts of fragments are checked against definitions independent of exec_matrix.go, which
// follows the figures of the PTX ISA (element of a lane -> row and column). Here they are
// inverted, as in tinygrad's emulation of tensor cores (tinygrad/runtime/ops_python.py, snapshot
// 00517ee5: row and column -> element and lane), for the shapes supported there:
//
//	m16n8k16, 16 bits: A[row][k] is element k%2 + 2(row/8) + 4(k/8) of lane (k/2)%4 + 4(row%8)
//	                   B[k][col] is element k%2 + 2(k/8) of lane (k/2)%4 + 4col
//	m16n8k32, 8 bits:  A[row][k] is element k%4 + 4(row/8) + 8(k/16) of lane (k/4)%4 + 4(row%8)
//	                   B[k][col] is element k%4 + 4(k/16) of lane (k/4)%4 + 4col
//	m16n8k8, f16:      A[row][k] is element k%2 + 2(row/8) of lane k/2 + 4(row%8), B element k%2 of lane k/2 + 4col
//	m16n8k8, tf32:     A[row][k] is element 2(k/4) + row/8 of lane k%4 + 4(row%8), B element k/4 of lane k%4 + 4col
//	all:               element e of lane l of C is in row l/4 + 8(e/2), column e%2 + 2(l%4)
func TestFragmentLayouts(t *testing.T) {
	for _, c := range []struct {
		op         string
		k, bits    int
		a, b       func(i, k int) (elem, lane int)
		integer    bool
		aRegs      int
		bRegs      int
		enc        func(v int) uint64
		accumulate string
	}{
		{op: "m16n8k16.row.col.f32.bf16.bf16.f32", k: 16, bits: 16, aRegs: 4, bRegs: 2, enc: func(v int) uint64 { return formats[tBF16].encode(float64(v), nearest) },
			a: func(r, k int) (int, int) { return k%2 + r/8*2 + k/8*4, k/2%4 + r%8*4 }, b: func(c, k int) (int, int) { return k%2 + k/8*2, k/2%4 + c*4 }},
		{op: "m16n8k16.row.col.f32.f16.f16.f32", k: 16, bits: 16, aRegs: 4, bRegs: 2, enc: func(v int) uint64 { return formats[tF16].encode(float64(v), nearest) },
			a: func(r, k int) (int, int) { return k%2 + r/8*2 + k/8*4, k/2%4 + r%8*4 }, b: func(c, k int) (int, int) { return k%2 + k/8*2, k/2%4 + c*4 }},
		{op: "m16n8k8.row.col.f32.f16.f16.f32", k: 8, bits: 16, aRegs: 2, bRegs: 1, enc: func(v int) uint64 { return formats[tF16].encode(float64(v), nearest) },
			a: func(r, k int) (int, int) { return k%2 + r/8*2, k/2 + r%8*4 }, b: func(c, k int) (int, int) { return k % 2, k/2 + c*4 }},
		{op: "m16n8k8.row.col.f32.tf32.tf32.f32", k: 8, bits: 32, aRegs: 4, bRegs: 2, enc: func(v int) uint64 { return uint64(math.Float32bits(float32(v))) },
			a: func(r, k int) (int, int) { return k/4*2 + r/8, k%4 + r%8*4 }, b: func(c, k int) (int, int) { return k / 4, k%4 + c*4 }},
		{op: "m16n8k32.row.col.s32.s8.s8.s32", k: 32, bits: 8, aRegs: 4, bRegs: 2, integer: true, enc: func(v int) uint64 { return uint64(uint8(v)) },
			a: func(r, k int) (int, int) { return k%4 + r/8*4 + k/16*8, k/4%4 + r%8*4 }, b: func(c, k int) (int, int) { return k%4 + k/16*4, k/4%4 + c*4 }},
	} {
		t.Run(c.op, func(t *testing.T) {
			av := func(r, k int) int { return (r*31+k*7)%13 - 6 }
			bv := func(col, k int) int { return (col*17+k*5)%11 - 5 }
			// Registers of each lane: A, B, C.
			const words = 12
			mem := make([]byte, lanes*words*4)
			put := func(lane, elem, first, v int) {
				at := lane*words*4 + first*4 + elem*c.bits/8
				for i := range c.bits / 8 {
					mem[at+i] = byte(c.enc(v) >> (8 * i))
				}
			}
			for k := range c.k {
				for r := range 16 {
					e, l := c.a(r, k)
					put(l, e, 0, av(r, k))
				}
				for col := range 8 {
					e, l := c.b(col, k)
					put(l, e, 4, bv(col, k))
				}
			}
			for l := range lanes {
				for e := range 4 {
					v := uint32(l*4 + e)
					if !c.integer {
						v = math.Float32bits(float32(v))
					}
					binary.LittleEndian.PutUint32(mem[l*words*4+32+e*4:], v)
				}
			}
			list := func(prefix string, first, n int) string {
				var s []string
				for i := range n {
					s = append(s, fmt.Sprint(prefix, first+i))
				}
				return "{" + strings.Join(s, ",") + "}"
			}
			acc, typ := "%f", "f32"
			if c.integer {
				acc, typ = "%r", "s32"
			}
			body := "mad.wide.u32 %rd9, %r1, 48, %rd2; mad.wide.u32 %rd10, %r1, 16, %rd1;\n"
			body += "ld.global.v4.b32 {%r10,%r11,%r12,%r13}, [%rd9]; ld.global.v4.b32 {%r14,%r15,%r16,%r17}, [%rd9+16]; ld.global.v4." + typ + " " + list(acc, 20, 4) + ", [%rd9+32];\n"
			body += "mma.sync.aligned." + c.op + " " + list(acc, 30, 4) + ", " + list("%r", 10, c.aRegs) + ", " + list("%r", 14, c.bRegs) + ", " + list(acc, 20, 4) + ";\n"
			body += "st.global.v4." + typ + " [%rd10], " + list(acc, 30, 4) + ";"
			d := NewDevice(Config{})
			m, err := Parse("mma.ptx", []byte(kernel(body)))
			if err != nil {
				t.Fatal(err)
			}
			img, _ := d.Load(m)
			k, _ := img.Kernel("k")
			out, _ := d.Alloc(512)
			if err := d.Launch(k, Launch{Block: Dim{X: 32}}, out, uploadBytes(t, d, mem), int32(0)); err != nil {
				t.Fatal(err)
			}
			got := downloadBytes(t, d, out, 512)
			for l := range lanes {
				for e := range 4 {
					row, col := l/4+e/2*8, e%2+l%4*2
					want := l*4 + e
					for k := range c.k {
						want += av(row, k) * bv(col, k)
					}
					bits := binary.LittleEndian.Uint32(got[l*16+e*4:])
					g := int(int32(bits))
					if !c.integer {
						g = int(math.Float32frombits(bits))
					}
					if g != want {
						t.Fatalf("D[%d][%d]: %d, want %d", row, col, g, want)
					}
				}
			}
		})
	}
}
