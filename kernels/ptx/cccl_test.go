package ptx

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/cmplx"
	"sort"
	"testing"
)

// TestCCCL runs kernels of testdata/foreign_cccl.cu, which use NVIDIA's CUB and libcu++: sorts,
// scans, barriers and pipelines by other authors.
func TestCCCL(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { testCCCL(t, seed) })
	}
}

func testCCCL(t *testing.T, seed uint64) {
	d := NewDevice(Config{Seed: seed, Budget: 1 << 22})
	img := image(t, d, "foreign.cccl13.ptx.gz")
	blocks := 1
	run := func(t *testing.T, name string, threads int, args ...any) {
		t.Helper()
		k, err := img.Kernel(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Launch(k, Launch{Grid: Dim{X: blocks}, Block: Dim{X: threads}}, args...); err != nil {
			t.Fatal(err)
		}
	}
	x := make([]int32, 1024)
	for i := range x {
		x[i] = int32(i*i*31%997 - 400)
	}
	px := uploadBytes(t, d, int32Bytes(x))
	var out [3]uint64
	for i := range out {
		out[i], _ = d.Alloc(4096)
	}
	ints := func(i, n int) []int32 { return int32s(downloadBytes(t, d, out[i], 4*n)) }

	t.Run("radix sort and scan", func(t *testing.T) {
		run(t, "sort", 128, out[0], out[1], out[2], px)
		keys, places, sums := ints(0, 512), ints(1, 512), ints(2, 512)
		want := make([]int, 512) // places, in a stable order
		for i := range want {
			want[i] = i
		}
		sort.SliceStable(want, func(i, j int) bool { return x[want[i]] < x[want[j]] })
		sum := int32(0)
		for i, p := range want {
			sum += x[p]
			if keys[i] != x[p] || int(places[i]) != p || sums[i] != sum {
				t.Fatalf("%d: %d from %d, sum %d; want %d from %d, sum %d", i, keys[i], places[i], sums[i], x[p], p, sum)
			}
		}
	})
	t.Run("reductions of a block and of warps", func(t *testing.T) {
		run(t, "reduce", 128, out[0], out[1], out[2], px)
		got, sorted, maxima := ints(0, 10), ints(1, 128), ints(2, 128)
		want := make([]int32, 10)
		want[1] = math.MinInt32
		for w := range 4 {
			row := x[32*w : 32*w+32]
			down := append([]int32(nil), row...)
			sort.Slice(down, func(i, j int) bool { return down[i] > down[j] })
			most := int32(math.MinInt32)
			for i, v := range row {
				want[0] += v
				want[1] = max(want[1], v)
				want[2+v&7]++
				most = max(most, v)
				if sorted[32*w+i] != down[i] || maxima[32*w+i] != most {
					t.Fatalf("warp %d, lane %d: %d, %d; want %d, %d", w, i, sorted[32*w+i], maxima[32*w+i], down[i], most)
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
	t.Run("pipeline", func(t *testing.T) {
		run(t, "pipeline", 128, out[0], px, int32(8))
		for i, g := range ints(0, 128) {
			sum := int32(0)
			for r := range 8 {
				sum += x[128*r+127-i]
			}
			if g != sum {
				t.Fatalf("thread %d: %d, want %d", i, g, sum)
			}
		}
	})
	t.Run("barriers", func(t *testing.T) {
		run(t, "barriers", 128, out[0], px, int32(9))
		for i, g := range ints(0, 64) {
			sum := int32(0)
			for r := range 9 {
				sum += x[64*r+63-i]
			}
			if g != sum {
				t.Fatalf("thread %d: %d, want %d", i, g, sum)
			}
		}
	})
	t.Run("cache policies, atomics on vectors, stack", func(t *testing.T) {
		sums := uploadBytes(t, d, make([]byte, 16))
		run(t, "accesses", 128, sums, out[0], px)
		total := 0
		for i, g := range ints(0, 128) {
			total += int(x[i])
			if want := (x[i] + x[i]&int32(i%7)) * 2; g != want {
				t.Fatalf("thread %d: %d, want %d", i, g, want)
			}
		}
		if got := download(t, d, sums, 4); got[0] != 128 || got[1] != 127*64 || got[2] != float32(total) || got[3] != -128 {
			t.Errorf("sums %v, want 128, %d, %d, -128", got, 127*64, total)
		}
	})
	t.Run("complex, 128-bit and eight-bit numbers", func(t *testing.T) {
		f := make([]float32, 65)
		for i := range f {
			f[i] = float32(i*i%53)/8 - 3
		}
		run(t, "numbers", 64, out[0], out[1], out[2], upload(t, d, f))
		z, wide, e := download(t, d, out[0], 128), downloadBytes(t, d, out[1], 1024), downloadBytes(t, d, out[2], 128)
		for i := range 64 {
			c := complex(float64(f[i]), float64(f[i+1]))
			c = c * c / (2 + 1i)
			if g := complex(float64(z[2*i]), float64(z[2*i+1])); cmplx.Abs(g-c) > 1e-6*max(1, cmplx.Abs(c)) {
				t.Fatalf("%d: %v, want %v", i, g, c)
			}
			u := func(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
			w := new(big.Int).Mul(u(0x9e3779b97f4a7c15*uint64(i+1)), u(0xbf58476d1ce4e5b9+uint64(i)))
			rem, high := new(big.Int).Mod(w, u(1000003)).Uint64(), new(big.Int).Rsh(w, 64).Uint64()
			if g := [2]uint64{binary.LittleEndian.Uint64(wide[16*i:]), binary.LittleEndian.Uint64(wide[16*i+8:])}; g != [2]uint64{rem, high} {
				t.Fatalf("%d: %d, want %d and %d", i, g, rem, high)
			}
			for k, eight := range []format{formats[tE4M3], formats[tE5M2]} {
				if g, v := eight.decode(uint64(e[2*i+k])), float64(f[i]*16); math.Abs(g-v) > math.Abs(v)/[]float64{16, 8}[k] {
					t.Fatalf("%d: %v as eight bits is %v", i, v, g)
				}
			}
		}
	})
	t.Run("a grid that waits for itself", func(t *testing.T) {
		blocks = 5
		run(t, "grid", 64, out[0], out[1])
		for i, g := range ints(0, 5*64) {
			if g != 2*15 {
				t.Fatalf("thread %d: %d, want 30", i, g)
			}
		}
	})
}
