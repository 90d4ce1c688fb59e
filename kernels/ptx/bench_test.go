package ptx

import (
	"os"
	"testing"
)

// benchmark launches a kernel of testdata/bench.cu repeatedly and reports the work per second.
func benchmark(b *testing.B, kernel string, l Launch, args func(alloc func(n int64) uint64) []any) {
	src, err := os.ReadFile("testdata/bench.clang19.ptx")
	if err != nil {
		b.Fatal(err)
	}
	m, err := Parse("bench.ptx", src)
	if err != nil {
		b.Fatal(err)
	}
	d := NewDevice(Config{Threads: 1})
	img, err := d.Load(m)
	if err != nil {
		b.Fatal(err)
	}
	k, err := img.Kernel(kernel)
	if err != nil {
		b.Fatal(err)
	}
	list := args(func(n int64) uint64 {
		p, err := d.Alloc(n)
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Fill(p, 0x3c, n); err != nil {
			b.Fatal(err)
		}
		return p
	})
	for b.Loop() {
		if err := d.Launch(k, l, list...); err != nil {
			b.Fatal(err)
		}
	}
	s := d.Stats()
	b.ReportMetric(float64(s.Lanes)/b.Elapsed().Seconds()/1e9, "Glane-ops/s")
	if s.Multiplies > 0 {
		b.ReportMetric(float64(s.Multiplies)/b.Elapsed().Seconds()/1e9, "GMAC/s")
	}
}

func BenchmarkProduct(b *testing.B) {
	benchmark(b, "product", Launch{Grid: Dim{X: 2, Y: 2}, Block: Dim{X: 128}}, func(alloc func(int64) uint64) []any {
		const n, k = 128, 256
		return []any{alloc(n * n * 4), alloc(n * k * 2), alloc(n * k * 2), int32(n), int32(k)}
	})
}

func BenchmarkSoftmax(b *testing.B) {
	benchmark(b, "softmax", Launch{Grid: Dim{X: 8}, Block: Dim{X: 256}}, func(alloc func(int64) uint64) []any {
		const rows, n = 8, 4096
		return []any{alloc(rows * n * 4), alloc(rows * n * 4), int32(n)}
	})
}

func BenchmarkArithmetic(b *testing.B) {
	benchmark(b, "arithmetic", Launch{Block: Dim{X: 256}}, func(alloc func(int64) uint64) []any {
		return []any{alloc(1024), int32(500)}
	})
}
