package ptx

import (
	"encoding/binary"
	"math"
	"os"
	"testing"
)

func TestBasics(t *testing.T) {
	src, err := os.ReadFile("testdata/basics.clang19.ptx")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse("a.ptx", src)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(4) {
		d := NewDevice(Config{Seed: seed})
		img, err := d.Load(m)
		if err != nil {
			t.Fatal(err)
		}
		n := 1000
		a := make([]float32, n)
		for i := range a {
			a[i] = float32(i)
		}
		pa := upload(t, d, a)
		pc, _ := d.Alloc(4000)
		k, _ := img.Kernel("add")
		if err := d.Launch(k, Launch{Grid: Dim{X: 4}, Block: Dim{X: 256}}, pc, pa, pa, int32(n)); err != nil {
			t.Fatal(err)
		}
		c := download(t, d, pc, n)
		for i := range c {
			if c[i] != 2*a[i] {
				t.Fatal(i, c[i])
			}
		}
		k, _ = img.Kernel("reduce")
		if err := d.Launch(k, Launch{Grid: Dim{X: 1}, Block: Dim{X: 256}}, pc, pa, int32(n)); err != nil {
			t.Fatal(err)
		}
		if c := download(t, d, pc, n); c[0] != 999*500 {
			t.Fatal(c[0])
		}
		K := 64
		ab := make([]byte, 16*K*2)
		bb := make([]byte, 8*K*2)
		av, bv := make([]float64, 16*K), make([]float64, 8*K)
		for i := range av {
			av[i] = float64(i*7%13 - 6)
			binary.LittleEndian.PutUint16(ab[2*i:], uint16(math.Float32bits(float32(av[i]))>>16))
		}
		for i := range bv {
			bv[i] = float64(i*5%11 - 5)
			binary.LittleEndian.PutUint16(bb[2*i:], uint16(math.Float32bits(float32(bv[i]))>>16))
		}
		qa, _ := d.Alloc(int64(len(ab)))
		qb, _ := d.Alloc(int64(len(bb)))
		qd, _ := d.Alloc(16 * 8 * 4)
		d.Write(qa, ab)
		d.Write(qb, bb)
		k, _ = img.Kernel("gemm")
		if err := d.Launch(k, Launch{Grid: Dim{X: 1}, Block: Dim{X: 32}, Shared: 24 * 16 * 2}, qd, qa, qb, int32(K)); err != nil {
			t.Fatal(err)
		}
		r := download(t, d, qd, 128)
		for i := range 16 {
			for j := range 8 {
				var s float64
				for k := range K {
					s += av[i*K+k] * bv[j*K+k]
				}
				if float64(r[i*8+j]) != s {
					t.Fatal(i, j, r[i*8+j], s)
				}
			}
		}
	}
}
