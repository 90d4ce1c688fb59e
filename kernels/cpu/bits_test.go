package cpu_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/gemm"
	"xrun/kernels/num"
)

// bench is an engine with reproducible inputs and a digest of outputs. Inputs
// are the Philox stream (seed 7, purpose 0, index 0) of each operation: a
// number in [0, 1) becomes 2u-1, times a scale, rounded to float32.
type bench struct {
	*cpu.Engine
	random *num.Philox
	hash   hash.Hash
}

func newBench(t testing.TB, threads int) *bench {
	e, err := cpu.New(cpu.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{Engine: e}
}

// digest runs op from the start of the stream and returns the digest of its outputs.
func (b *bench) digest(op func(*bench)) string {
	b.random, b.hash = num.NewPhilox(7, 0, 0), sha256.New()
	op(b)
	return hex.EncodeToString(b.hash.Sum(nil)[:16])
}

func (b *bench) values(n int, scale float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32((2*b.random.Float64() - 1) * scale)
	}
	return v
}

func (b *bench) in(t kernels.DType, rows, cols int, scale float64) kernels.Tensor {
	x := b.New(t, rows, cols)
	b.Write(x, b.values(rows*cols, scale))
	return x
}

func (b *bench) ids(n, table int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(b.random.Below(uint64(table)))
	}
	return ids
}

// out adds tensors to the digest: float32 values, little-endian.
func (b *bench) out(xs ...kernels.Tensor) {
	for _, x := range xs {
		f := make([]float32, x.Rows()*x.Cols())
		b.Read(f, x)
		for _, v := range f {
			var u [4]byte
			binary.LittleEndian.PutUint32(u[:], math.Float32bits(v))
			b.hash.Write(u[:])
		}
	}
}

func (b *bench) numbers(v ...float64) {
	if err := binary.Write(b.hash, binary.LittleEndian, v); err != nil {
		panic(err)
	}
}

const f32, bf16 = kernels.F32, kernels.BF16

// operations returns a run of every operation of the engine, at shapes with tails in every
// direction.
func operations() map[string]func(*bench) {
	ops := map[string]func(*bench){
		"embed": func(b *bench) {
			table, d, rows := b.in(f32, 50, 77, 1), b.New(f32, 90, 77), b.in(f32, 9, 77, 1)
			b.Embed(d, table, b.ids(90, 50), bf16)
			b.EmbedGrad(rows, d, b.ids(90, 9), true)
			b.AddRows(table, rows, []int32{3, 1, 4, 15, 9, 2, 6, 5, 35})
			b.out(d, rows, table)
		},
		"rows": func(b *bench) {
			src, d, all := b.in(f32, 50, 77, 1), b.New(bf16, 9, 77), b.New(f32, 20, 77)
			c := b.New(bf16, 50, 77)
			b.Convert(c, src)
			b.GatherRows(d, c, b.ids(9, 50))
			b.ScatterRows(all, b.in(f32, 3, 77, 1), []int32{7, 0, 19})
			b.Add(all, all)
			b.out(c, d, all)
		},
		"rotary": func(b *bench) {
			src, cos, sin, d := b.in(f32, 31, 5*44, 1), b.in(f32, 40, 22, 1), b.in(f32, 40, 22, 1), b.New(bf16, 31, 5*44)
			b.Rotary(d, src, cos, sin, b.ids(31, 40), 44, false)
			b.Rotary(src, src, cos, sin, b.ids(31, 40), 44, true)
			b.out(d, src)
		},
		"sum_squares": func(b *bench) {
			sum := make([]float64, 1)
			b.SumSquares(sum, b.in(f32, 3, 70003, 1))
			b.numbers(sum[0])
		},
		"adamw": func(b *bench) {
			p, m, v := b.in(f32, 3, 7001, 1), b.New(f32, 3, 7001), b.New(f32, 3, 7001)
			for range 3 {
				b.AdamW(kernels.AdamW{Scale: 0.3, LRDecay: 1e-3, OneMinusBeta1: 0.1, Beta2: 0.95,
					OneMinusBeta2: 0.05, StepSize: 1e-2, SqrtBC2: 0.7, Eps: 1e-8}, p, b.in(f32, 3, 7001, 1), m, v)
			}
			b.out(p, m, v)
		},
	}
	for _, t := range []kernels.DType{f32, bf16} {
		ops["rmsnorm/"+t.String()] = func(b *bench) {
			x, w, y := b.in(f32, 29, 197, 2), b.in(f32, 1, 197, 1), b.New(t, 29, 197)
			b.RMSNorm(y, x, w, 1e-5)
			dx, dw := b.in(f32, 29, 197, 1), b.in(f32, 1, 197, 1)
			b.RMSNormGrad(dx, dw, y, x, w, 1e-5, true)
			b.out(y, dx, dw)
		}
		ops["linear/"+t.String()] = func(b *bench) {
			x, w, y := b.in(t, 29, 77, 1), b.in(f32, 131, 77, 1), b.New(f32, 29, 131)
			b.Linear(y, x, w, b.in(f32, 1, 131, 1), b.in(f32, 29, 131, 1))
			dy, dx, dw, db := b.New(t, 29, 131), b.New(f32, 29, 77), b.New(f32, 131, 77), b.New(f32, 1, 131)
			b.Convert(dy, y)
			b.LinearGradInput(dx, dy, w, false)
			b.LinearGradWeight(dw, dy, x, []int32{0, 3, 3, 20, 29}, false)
			b.BiasGrad(db, dy, false)
			b.out(y, dx, dw, db)
		}
		ops["swiglu/"+t.String()] = func(b *bench) {
			g, u, y := b.in(t, 29, 197, 12), b.in(t, 29, 197, 1), b.New(t, 29, 197)
			b.SwiGLU(y, g, u)
			b.out(y)
			b.SwiGLUGrad(g, u, b.in(f32, 29, 197, 1), g, u)
			b.out(g, u)
		}
		ops["attention/"+t.String()] = func(b *bench) {
			s := kernels.HeadShape{Heads: 4, KVHeads: 2, HeadDim: 24}
			seqs := []kernels.Sequence{{First: 0, Len: 37}, {First: 37, Len: 1}, {First: 38, Len: 0}, {First: 38, Len: 150}}
			q, k, v := b.in(t, 188, 96, 2), b.in(t, 188, 48, 2), b.in(t, 188, 48, 1)
			o, st := b.New(t, 188, 96), b.New(f32, 188, 8)
			b.Attention(o, st, q, k, v, seqs, s)
			dq, dk, dv := b.New(f32, 188, 96), b.New(f32, 188, 48), b.New(f32, 188, 48)
			b.AttentionGrad(dq, dk, dv, b.in(f32, 188, 96, 1), o, st, q, k, v, seqs, s)
			b.out(o, st, dq, dk, dv)
		}
		ops["loss/"+t.String()] = func(b *bench) {
			x, w := b.in(t, 23, 41, 1), b.in(f32, 301, 41, 1)
			ce, lp, best := make([]float64, 23), make([]float64, 3), make([]int32, 3)
			dx, dw := b.New(f32, 23, 41), b.in(f32, 301, 41, 1)
			b.CrossEntropy(ce, dx, dw, x, w, b.ids(23, 301), b.values(23, 1), []int32{0, 5, 5, 16, 23}, true)
			b.LogProb(lp, best, x, w, []int32{2, 2, 22}, b.ids(3, 301))
			b.out(dx, dw)
			b.numbers(append(ce, lp...)...)
			b.numbers(float64(best[0]), float64(best[2]))
		}
	}
	return ops
}

const goldenFile = "testdata/golden.txt"

// TestGoldenDigests fails if the bits of an operation change but cpu.Numerics does not. After
// incrementing it, XRUN_UPDATE=1 records the new digests.
func TestGoldenDigests(t *testing.T) {
	got := map[string]string{}
	b := newBench(t, 2)
	for name, op := range operations() {
		got[name] = b.digest(op)
	}
	version, want := readGolden(t)
	if os.Getenv("XRUN_UPDATE") != "" {
		for name, d := range got {
			if old, ok := want[name]; ok && version == cpu.Numerics && old != d {
				t.Errorf("%s: the bits changed, but cpu.Numerics is still %s: raise it first", name, version)
			}
		}
		if t.Failed() {
			return
		}
		writeGolden(t, got)
		return
	}
	if version != cpu.Numerics {
		t.Fatalf("%s records %s, the engine is %s: record its digests with XRUN_UPDATE=1", goldenFile, version, cpu.Numerics)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("bits changed on path %s and cpu.Numerics (%s) did not (-want +got):\n%s", gemm.Path(), version, d)
	}
}

func readGolden(t *testing.T) (version string, digests map[string]string) {
	f, err := os.Open(goldenFile)
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	digests = map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), " ")
		if key == "numerics" {
			version = value
		} else {
			digests[key] = value
		}
	}
	return version, digests
}

func writeGolden(t *testing.T, digests map[string]string) {
	var text strings.Builder
	fmt.Fprintf(&text, "numerics %s\n", cpu.Numerics)
	for _, name := range slices.Sorted(maps.Keys(digests)) {
		fmt.Fprintf(&text, "%s %s\n", name, digests[name])
	}
	if err := os.MkdirAll("testdata", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestGoldenDigestsOnEveryPath repeats TestGoldenDigests with each SIMD path
// of this processor forced.
func TestGoldenDigestsOnEveryPath(t *testing.T) {
	if os.Getenv("XRUN_SIMD") != "" {
		t.Skip("XRUN_SIMD is set")
	}
	for _, path := range []string{"noasm", "neon", "avx2", "avx512", "avx512bf16"} {
		t.Run(path, func(t *testing.T) {
			c := exec.Command(os.Args[0], "-test.run=^TestGoldenDigests$", "-test.v")
			c.Env = append(os.Environ(), "XRUN_SIMD="+path, "XRUN_UPDATE=")
			out, err := c.CombinedOutput()
			switch {
			case strings.Contains(string(out), "this processor or build has only"):
				t.Skipf("no %s here", path)
			case err != nil:
				t.Errorf("%v\n%s", err, out)
			case !strings.Contains(string(out), "PASS: TestGoldenDigests"):
				t.Errorf("did not run:\n%s", out)
			}
		})
	}
}

// TestBitsDoNotDependOnThreads compares digests over numbers of threads.
func TestBitsDoNotDependOnThreads(t *testing.T) {
	want := map[string]string{}
	for _, threads := range []int{1, 2, 3, 7} {
		b := newBench(t, threads)
		for name, op := range operations() {
			d := b.digest(op)
			if w, ok := want[name]; ok && w != d {
				t.Errorf("%s: %d threads give other bits than 1", name, threads)
			}
			if threads == 1 {
				want[name] = d
			}
		}
	}
}
