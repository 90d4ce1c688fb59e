package ptx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"sort"
	"strings"
	"testing"
)

func int32s(b []byte) []int32 {
	v := make([]int32, len(b)/4)
	for i := range v {
		v[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

func int32Bytes(v []int32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return b
}

// TestForeign runs kernels of testdata/foreign.cu, compiled by nvcc, which use features of CUDA
// C++ beyond arithmetic.
func TestForeign(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { testForeign(t, seed) })
	}
}

func testForeign(t *testing.T, seed uint64) {
	var printed bytes.Buffer
	d := NewDevice(Config{Seed: seed, Output: &printed})
	img := image(t, d, "foreign.nvcc13.ptx.gz")
	run := func(t *testing.T, name string, l Launch, args ...any) {
		t.Helper()
		k, err := img.Kernel(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Launch(k, l, args...); err != nil {
			t.Fatal(err)
		}
	}
	const n = 256
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(i*37%19 - 6)
	}
	px := uploadBytes(t, d, int32Bytes(x))
	out, _ := d.Alloc(1 << 16)
	ints := func(n int) []int32 { return int32s(downloadBytes(t, d, out, 4*n)) }
	one := Launch{Block: Dim{X: 32}}

	t.Run("syncthreads_count", func(t *testing.T) {
		run(t, "count", Launch{Grid: Dim{X: 2}, Block: Dim{X: 128}}, out, px, int32(n))
		got := ints(6)
		for b := range 2 {
			c := int32(0)
			for _, v := range x[b*128 : b*128+128] {
				if v > 0 {
					c++
				}
			}
			if got[3*b] != c || got[3*b+1] != 0 || got[3*b+2] != 1 {
				t.Errorf("block %d: %v, count %d", b, got[3*b:3*b+3], c)
			}
		}
	})
	t.Run("cooperative groups", func(t *testing.T) {
		z, _ := d.Alloc(1024)
		run(t, "cgreduce", Launch{Grid: Dim{X: 2}, Block: Dim{X: 128}}, out, z, px, int32(n))
		got, f := ints(1024+n/8), download(t, d, z, n/32)
		for w := range n / 32 {
			s := int32(0)
			for _, v := range x[w*32 : w*32+32] {
				s += v
			}
			if got[w] != s || f[w] != float32(s) {
				t.Errorf("warp %d: %d, %v, want %d", w, got[w], f[w], s)
			}
		}
		for q := range n / 8 {
			m := x[q*8]
			for _, v := range x[q*8 : q*8+8] {
				m = max(m, v)
			}
			if got[1024+q] != m {
				t.Errorf("tile %d: %d, want %d", q, got[1024+q], m)
			}
		}
	})
	t.Run("coalesced threads", func(t *testing.T) {
		run(t, "coalesced", one, out, px, int32(32))
		got := ints(34)
		size, sum := int32(0), int32(0)
		for _, v := range x[:32] {
			if v&1 != 0 {
				size, sum = size+1, sum+v
			}
		}
		if got[0] != size || got[1] != sum {
			t.Errorf("%v, want %d, %d", got[:2], size, sum)
		}
		for i := range 32 {
			c := int32(0)
			for _, v := range x[:32] {
				if v&3 == x[i]&3 {
					c++
				}
			}
			if got[2+i] != c {
				t.Errorf("match %d: %d, want %d", i, got[2+i], c)
			}
		}
	})
	t.Run("halves", func(t *testing.T) {
		f16, bf := formats[tF16], formats[tBF16]
		var hb, bb []byte
		for i := range n {
			hb = binary.LittleEndian.AppendUint16(hb, uint16(f16.encode(float64(i-100)/64, nearest)))
			hb = binary.LittleEndian.AppendUint16(hb, uint16(f16.encode(float64(50-i)/32, nearest)))
			bb = binary.LittleEndian.AppendUint16(bb, uint16(bf.encode(float64(i-100)/64, nearest)))
			bb = binary.LittleEndian.AppendUint16(bb, uint16(bf.encode(float64(50-i)/32, nearest)))
		}
		ph, pb := uploadBytes(t, d, hb), uploadBytes(t, d, bb)
		yb, _ := d.Alloc(4 * n)
		run(t, "halfs", Launch{Grid: Dim{X: 2}, Block: Dim{X: 128}}, out, ph, yb, pb, int32(n))
		h, b := downloadBytes(t, d, out, 4*n), downloadBytes(t, d, yb, 4*n)
		rh := func(x float64) float64 { return f16.decode(f16.encode(x, nearest)) }
		rb := func(x float64) float64 { return bf.decode(bf.encode(x, nearest)) }
		for i := range n {
			for k := range 2 {
				a := f16.decode(uint64(binary.LittleEndian.Uint16(hb[4*i+2*k:])))
				other := f16.decode(uint64(binary.LittleEndian.Uint16(hb[4*i+2-2*k:])))
				v := math.Max(rh(a*a+rh(a+0.5)), a)
				if k == 0 && a < other {
					v = rh(math.Exp(a))
				}
				v = rh(math.Sqrt(math.Abs(v)))
				got := f16.decode(uint64(binary.LittleEndian.Uint16(h[4*i+2*k:])))
				if math.Abs(got-v) > 0x1p-9*math.Abs(v) {
					t.Fatalf("half %d.%d of %v: %v, want %v", i, k, a, got, v)
				}
				c := bf.decode(uint64(binary.LittleEndian.Uint16(bb[4*i+2*k:])))
				w := rb(c*c + rb(c*0.25))
				w = rb([2]float64{w + 1, w * 2}[k])
				if got := bf.decode(uint64(binary.LittleEndian.Uint16(b[4*i+2*k:]))); got != w {
					t.Fatalf("bfloat %d.%d of %v: %v, want %v", i, k, c, got, w)
				}
			}
		}
	})
	t.Run("wmma", func(t *testing.T) {
		const k = 48
		for _, c := range []struct {
			kernel string
			f      format
			scale  float32
			a, b   func(i, k int) int // place of A[i][k], B[k][j]
			d      func(i, j int) int
		}{
			{"wmma_gemm", formats[tF16], 2, func(i, kk int) int { return i*k + kk }, func(kk, j int) int { return j*k + kk }, func(i, j int) int { return i*16 + j }},
			{"wmma_bf", formats[tBF16], 1, func(i, kk int) int { return kk*16 + i }, func(kk, j int) int { return kk*16 + j }, func(i, j int) int { return j*16 + i }},
		} {
			var ab, bb []byte
			val := func(i, m int) float64 { return float64(i*m%23-11) / 4 }
			for i := range 16 * k {
				ab = binary.LittleEndian.AppendUint16(ab, uint16(c.f.encode(val(i, 7), nearest)))
				bb = binary.LittleEndian.AppendUint16(bb, uint16(c.f.encode(val(i, 5), nearest)))
			}
			run(t, c.kernel, one, out, uploadBytes(t, d, ab), uploadBytes(t, d, bb), int32(k))
			got := download(t, d, out, 256)
			for i := range 16 {
				for j := range 16 {
					s := float32(0)
					for kk := range k {
						s += float32(val(c.a(i, kk), 7) * val(c.b(kk, j), 5))
					}
					if g := got[c.d(i, j)]; g != s*c.scale {
						t.Fatalf("%s [%d][%d]: %v, want %v", c.kernel, i, j, g, s*c.scale)
					}
				}
			}
		}
	})
	t.Run("printf", func(t *testing.T) {
		printed.Reset()
		run(t, "say", Launch{Block: Dim{X: 3}}, int32(3))
		got := strings.Split(strings.TrimSpace(printed.String()), "\n")
		sort.Strings(got)
		want := []string{"thread 0 of 3 says hi  0.00 ff -1%", "thread 1 of 3 says hi  0.50 ff -1%", "thread 2 of 3 says hi  1.00 ff -1%"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%q", got)
		}
	})
	t.Run("switch", func(t *testing.T) {
		run(t, "sw", Launch{Grid: Dim{X: 2}, Block: Dim{X: 128}}, out, px, int32(n))
		for i, g := range ints(n) {
			k := int32(i)
			want := int32(1)
			switch x[i] {
			case 0:
				want = 7
			case 1:
				want = 3
			case 2:
				want = k
			case 3:
				want = k * k
			case 4:
				want = int32(bits.Reverse32(uint32(k)))
			case 5:
				want = int32(bits.LeadingZeros32(uint32(k)))
			case 6:
				want = -k
			case 7:
				want = k ^ 5
			case 8:
				want = k % 7
			}
			if g != want {
				t.Fatalf("%d: %d, want %d", i, g, want)
			}
		}
	})
	t.Run("recursion", func(t *testing.T) {
		run(t, "rec", Launch{Block: Dim{X: 64}}, out)
		fib := []int32{0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89}
		for i, g := range ints(64) {
			if g != fib[i%12] {
				t.Fatalf("%d: %d", i, g)
			}
		}
	})
	t.Run("64-bit division", func(t *testing.T) {
		a := []int64{100, -7, math.MaxInt64, math.MinInt64, 12345678901234567, -98765432109876543, 0, 5}
		b := []int64{7, 2, -3, 10, 987654321, -12345, -1, 1 << 40}
		var ab, bb []byte
		for i := range a {
			ab = binary.LittleEndian.AppendUint64(ab, uint64(a[i]))
			bb = binary.LittleEndian.AppendUint64(bb, uint64(b[i]))
		}
		run(t, "div64", one, out, uploadBytes(t, d, ab), uploadBytes(t, d, bb), int32(len(a)))
		got := downloadBytes(t, d, out, 32*len(a))
		for i := range a {
			want := []uint64{uint64(a[i] / b[i]), uint64(a[i] % b[i]), uint64(a[i]) / uint64(b[i]), uint64(a[i]) % uint64(b[i])}
			for k, w := range want {
				if g := binary.LittleEndian.Uint64(got[32*i+8*k:]); g != w {
					t.Errorf("%d / %d, %d: %d, want %d", a[i], b[i], k, g, w)
				}
			}
		}
	})
	t.Run("atomics", func(t *testing.T) {
		f := make([]float32, n)
		for i := range f {
			f[i] = float32(i%13) - 4
		}
		mem := uploadBytes(t, d, make([]byte, 256))
		if err := d.Write(mem+64, int32Bytes([]int32{-100, 100, 0, 0, 0, 0, 0})); err != nil {
			t.Fatal(err)
		}
		run(t, "atomics", Launch{Grid: Dim{X: 4}, Block: Dim{X: 64}}, mem, mem+8, mem+64, mem+16, mem+32, upload(t, d, f), int32(n))
		got := downloadBytes(t, d, mem, 256)
		sum := 0.0
		for _, v := range f {
			sum += float64(v)
		}
		c := int32s(got[64:92])
		if float64(math.Float32frombits(binary.LittleEndian.Uint32(got))) != sum || math.Float64frombits(binary.LittleEndian.Uint64(got[8:])) != sum {
			t.Error("float sums")
		}
		if c[0] != 8 || c[1] != -4 || c[2] != n || c[3] != 0 || c[4] != 2*n || c[6] != n%10 {
			t.Errorf("%v", c)
		}
		if u := binary.LittleEndian.Uint64(got[16:]); u != n*(n-1)/2 {
			t.Errorf("%d", u)
		}
		if lo, hi := half16(uint64(binary.LittleEndian.Uint16(got[32:]))), half16(uint64(binary.LittleEndian.Uint16(got[34:]))); lo != n || hi != 2*n {
			t.Errorf("halves %v, %v", lo, hi)
		}
	})
	t.Run("indirect calls", func(t *testing.T) {
		run(t, "indirect", one, out, int32(32))
		for i, g := range ints(32) {
			if want := []int{i + 1, i * 2, -i}[i%3]; int(g) != want {
				t.Errorf("%d: %d, want %d", i, g, want)
			}
		}
	})
	t.Run("structures by value", func(t *testing.T) {
		var s []byte
		for i := range int32(6) {
			s = binary.LittleEndian.AppendUint32(s, uint32(10*i))
		}
		s = binary.LittleEndian.AppendUint64(s, math.Float64bits(1.5))
		s = binary.LittleEndian.AppendUint64(s, uint64(math.Float32bits(0.25)))
		run(t, "structs", one, out, s)
		got := downloadBytes(t, d, out, 32*40)
		for i := range 32 {
			g := got[40*i:]
			for k := range 5 {
				want := int32(10 * k)
				if k == i%5 {
					want += int32(i)
				}
				if v := int32(binary.LittleEndian.Uint32(g[4*k:])); v != want {
					t.Fatalf("thread %d, a[%d]: %d, want %d", i, k, v, want)
				}
			}
			if math.Float64frombits(binary.LittleEndian.Uint64(g[24:])) != 3 || math.Float32frombits(binary.LittleEndian.Uint32(g[32:])) != 0.25+float32(i) {
				t.Fatalf("thread %d", i)
			}
		}
	})
	t.Run("local arrays", func(t *testing.T) {
		pos := make([]int32, 64)
		for i := range pos {
			pos[i] = int32(i * 11 % 32)
		}
		run(t, "locals", one, out, uploadBytes(t, d, int32Bytes(pos)), int32(20))
		for i, g := range ints(32) {
			s := int32(0)
			for k := range int32(20) {
				s += pos[(pos[k]+k)&31] * int32(i)
			}
			if g != s {
				t.Fatalf("%d: %d, want %d", i, g, s)
			}
		}
	})
	t.Run("constants and pointers to globals", func(t *testing.T) {
		run(t, "consts", Launch{Block: Dim{X: 4}}, out)
		for i, g := range download(t, d, out, 4) {
			if g != float32(i+1)+5 {
				t.Errorf("%d: %v", i, g)
			}
		}
		addr, _, err := img.Global("gl")
		if err != nil {
			t.Fatal(err)
		}
		if v := int32s(downloadBytes(t, d, addr, 4)); v[0] != 6 {
			t.Errorf("gl is %d", v[0])
		}
		d.Write(addr, int32Bytes([]int32{5}))
	})
	t.Run("last block sums", func(t *testing.T) {
		f := make([]float32, 1000)
		for i := range f {
			f[i] = float32(i)
		}
		part, _ := d.Alloc(64)
		run(t, "lastblock", Launch{Grid: Dim{X: 7}, Block: Dim{X: 128}}, out, part, upload(t, d, f), int32(1000))
		if got := download(t, d, out, 1); got[0] != 499500 {
			t.Errorf("%v", got[0])
		}
	})
	t.Run("blocks wait for one another", func(t *testing.T) {
		bar := uploadBytes(t, d, make([]byte, 4))
		run(t, "gridsync", Launch{Grid: Dim{X: 5}, Block: Dim{X: 64}}, out, bar, int32(5))
		for b, g := range ints(10)[5:] {
			if g != 15 {
				t.Errorf("block %d: %d", b, g)
			}
		}
	})
	t.Run("shuffles and votes", func(t *testing.T) {
		v := make([]int32, 32)
		for i := range v {
			v[i] = int32(i*i%17 - 3)
		}
		run(t, "shfls", one, out, uploadBytes(t, d, int32Bytes(v)))
		got := ints(128)
		ballot, sum, anyThree, all := uint32(0), int32(0), int32(0), int32(1)
		for i, x := range v {
			ballot |= uint32(x&1) << i
			sum += x
			if x == 3 {
				anyThree = 2
			}
			if x < 0 {
				all = 0
			}
		}
		for i := range 32 {
			up, down := v[i], v[i]
			if i%16 >= 3 {
				up = v[i-3]
			}
			if i+5 < 32 {
				down = v[i+5]
			}
			idx := v[i&^7|i*3&7]
			if want := up + 2*down + 3*v[i^7] + 5*idx; got[i] != want {
				t.Errorf("lane %d: %d, want %d", i, got[i], want)
			}
			if uint32(got[32+i]) != ballot || got[64+i] != sum || got[96+i] != anyThree+all {
				t.Errorf("lane %d: %x %d %d", i, got[32+i], got[64+i], got[96+i])
			}
		}
	})
	t.Run("pipeline", func(t *testing.T) {
		run(t, "pipe", one, out, px, int32(8))
		for i, g := range ints(32) {
			s := int32(0)
			for k := range 8 {
				s += x[k*32+31-i]
			}
			if g != s {
				t.Fatalf("%d: %d, want %d", i, g, s)
			}
		}
	})
	t.Run("clock", func(t *testing.T) {
		run(t, "clk", one, out)
		if v := int64(binary.LittleEndian.Uint64(downloadBytes(t, d, out, 8))); v <= 0 {
			t.Errorf("%d ticks", v)
		}
	})
	t.Run("bits", func(t *testing.T) {
		u := make([]int32, 32)
		for i := range u {
			u[i] = int32(uint32(i+1) * 0x9e3779b9)
		}
		run(t, "bits", one, out, uploadBytes(t, d, int32Bytes(u)), int32(32))
		got := ints(256)
		for i := range 32 {
			a, b := uint32(u[i]), uint32(u[(i+1)%32])
			bytesOf := func(v uint32) [4]uint32 { return [4]uint32{v & 255, v >> 8 & 255, v >> 16 & 255, v >> 24} }
			x, y := bytesOf(a), bytesOf(b)
			dot, vadd, vabs := int32(5), uint32(0), uint32(0)
			for k := range 4 {
				dot += int32(int8(x[k])) * int32(int8(y[k]))
				vadd |= (x[k] + y[k]) & 255 << (8 * k)
				vabs |= (max(x[k], y[k]) - min(x[k], y[k])) << (8 * k)
			}
			diff := int64(int32(a)) - int64(int32(b))
			want := []uint32{
				y[1]<<0 | x[1]<<8 | y[3]<<16 | x[3]<<24, uint32((uint64(b)<<32 | uint64(a)) << (i & 31) >> 32), uint32(dot), vadd, vabs,
				uint32(uint64(a) * uint64(b) >> 32), uint32(bits.TrailingZeros32(a) + 1), uint32(max(diff, -diff)+1) + uint32((uint64(a)+uint64(b))>>1),
			}
			for k, w := range want {
				if g := uint32(got[8*i+k]); g != w {
					t.Errorf("%d.%d: %#x, want %#x", i, k, g, w)
				}
			}
		}
	})
}
