package ptx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// tritonKernels returns the modules of testdata/foreign_triton.py by the name of
// their kernel, and the shared memory that each is launched with.
func tritonKernels(t *testing.T) (text map[string]string, shared map[string]int) {
	text, shared = map[string]string{}, map[string]int{}
	for _, part := range strings.Split(string(readPTX(t, "foreign.triton39.ptx.gz")), "// kernel ")[1:] {
		head, module, _ := strings.Cut(part, "\n")
		var name string
		var bytes int
		if _, err := fmt.Sscanf(head, "%s shared %d", &name, &bytes); err != nil {
			t.Fatal(err)
		}
		text[name], shared[name] = module, bytes
	}
	return text, shared
}

// TestTriton runs kernels compiled by Triton, with layouts, swizzles, predicated copies and orders
// of modifiers that neither clang nor nvcc generates. The two last parameters are scratch memory
// that these kernels do not use.
func TestTriton(t *testing.T) {
	text, shared := tritonKernels(t)
	for seed := range uint64(2) {
		d := NewDevice(Config{Seed: seed, Perturb: true})
		run := func(t *testing.T, name string, grid Dim, args ...any) {
			t.Helper()
			m, err := Parse(name+".ptx", []byte(text[name]))
			if err != nil {
				t.Fatal(err)
			}
			img, err := d.Load(m)
			if err != nil {
				t.Fatal(err)
			}
			k, err := img.Kernel(strings.Split(name, "_")[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Launch(k, Launch{Grid: grid, Block: Dim{X: 128}, Shared: shared[name]}, append(args, uint64(0), uint64(0))...); err != nil {
				t.Fatal(err)
			}
		}
		check := func(t *testing.T, got []float32, want []float64, bound float64) {
			t.Helper()
			for i, w := range want {
				if d := math.Abs(float64(got[i]) - w); !(d <= bound) {
					t.Fatalf("element %d is %g, want %g ± %g", i, got[i], w, bound)
				}
			}
		}
		r := rng{seed + 7}
		random := func(n int) []float32 {
			v := make([]float32, n)
			for i := range v {
				v[i] = float32(int(r.next()%2001)-1000) / 1000
			}
			return v
		}
		t.Run(fmt.Sprint("rows ", seed), func(t *testing.T) {
			const rows, n = 3, 333
			x := random(rows * n)
			px, out := upload(t, d, x), upload(t, d, make([]float32, rows*n))
			soft, norm := make([]float64, rows*n), make([]float64, rows*n)
			for r := range rows {
				row := x[r*n : (r+1)*n]
				sum, mean, squares := 0.0, 0.0, 0.0
				for _, v := range row {
					sum += math.Exp(float64(v))
					mean += float64(v) / n
				}
				for _, v := range row {
					squares += (float64(v) - mean) * (float64(v) - mean)
				}
				for i, v := range row {
					soft[r*n+i] = math.Exp(float64(v)) / sum
					norm[r*n+i] = (float64(v) - mean) / math.Sqrt(squares/n+1e-5)
				}
			}
			run(t, "softmax", Dim{X: rows}, out, px, int32(n))
			check(t, download(t, d, out, rows*n), soft, 1e-6)
			run(t, "layernorm", Dim{X: rows}, out, px, int32(n), float32(1e-5))
			check(t, download(t, d, out, rows*n), norm, 1e-5)
		})
		for _, typ := range []string{"bf16", "fp16", "fp32"} {
			t.Run(fmt.Sprintf("matmul_%s %d", typ, seed), func(t *testing.T) {
				const m, n, k = 70, 67, 45
				a, b := random(m*k), random(k*n)
				pa, pb := uploadAs(t, d, typ, a), uploadAs(t, d, typ, b)
				want := make([]float64, m*n)
				for i := range m {
					for j := range n {
						for q := range k {
							want[i*n+j] += float64(a[i*k+q]) * float64(b[q*n+j])
						}
					}
				}
				out := upload(t, d, make([]float32, m*n))
				run(t, "matmul_"+typ, Dim{X: 2, Y: 2}, pa, pb, out, int32(m), int32(n), int32(k))
				check(t, download(t, d, out, m*n), want, map[string]float64{"bf16": 1e-5, "fp16": 1e-5, "fp32": 3e-2}[typ])
			})
		}
		t.Run(fmt.Sprint("sort, sums, counts ", seed), func(t *testing.T) {
			const n = 256
			x := random(n)
			px, out := upload(t, d, x), upload(t, d, make([]float32, n))
			run(t, "running", Dim{}, out, px)
			want, sum := make([]float64, n), 0.0
			for i, v := range x {
				sum += float64(v)
				want[i] = sum
			}
			check(t, download(t, d, out, n), want, 1e-5)
			run(t, "sort", Dim{}, out, px)
			slices.Sort(x)
			if got := download(t, d, out, n); !slices.Equal(got, x) {
				t.Errorf("sorted: %v", got)
			}

			ids, count := make([]int32, 300), make([]int32, 10)
			for i := range ids {
				ids[i] = int32(r.next() % 10)
				count[ids[i]]++
			}
			pids, pc := uploadBytes(t, d, int32Bytes(ids)), uploadBytes(t, d, make([]byte, 40))
			run(t, "histogram", Dim{X: 3}, pc, pids, int32(len(ids)))
			if got := int32s(downloadBytes(t, d, pc, 40)); !slices.Equal(got, count) {
				t.Errorf("counted %v, want %v", got, count)
			}
		})
	}
}

// uploadAs rounds v to a type, in place, and uploads it.
func uploadAs(t *testing.T, d *Device, typ string, v []float32) uint64 {
	var b []byte
	for i, x := range v {
		u := math.Float32bits(x)
		switch typ {
		case "bf16":
			h := uint16(bf16(uint64(u)))
			v[i] = math.Float32frombits(uint32(h) << 16)
			b = binary.LittleEndian.AppendUint16(b, h)
		case "fp16":
			h := uint16(formats[tF16].encode(float64(x), nearest))
			v[i] = half16(uint64(h))
			b = binary.LittleEndian.AppendUint16(b, h)
		default:
			b = binary.LittleEndian.AppendUint32(b, u)
		}
	}
	return uploadBytes(t, d, b)
}
