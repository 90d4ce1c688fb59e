package cuda_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/cuda/emulated"
	"xrun/kernels/enginetest"
	"xrun/kernels/num"
	"xrun/kernels/ptx"
)

// devices lists GPUs with the properties that plans use. The first does not exist and is so
// small that a small product fills it.
var devices = []struct {
	name            string
	major, minor    int
	multiprocessors int
	shared          int // bytes a block
}{
	{"tiny", 8, 0, 1, 99 << 10},
	{"A2", 8, 6, 10, 99 << 10},
	{"A100", 8, 0, 108, 163 << 10},
	{"RTX 4070", 8, 9, 46, 99 << 10},
	{"H100", 9, 0, 132, 227 << 10},
	{"RTX 5090", 12, 0, 170, 99 << 10},
}

func emulateDevice(i int) *emulated.Driver {
	d := devices[i]
	return emulated.Open(emulated.Options{Major: d.major, Minor: d.minor,
		Config: ptx.Config{Seed: uint64(i), Memory: 4 << 30, Multiprocessors: d.multiprocessors, Shared: d.shared}})
}

// TestBitsOnEveryDevice makes the same draws on devices of different sizes. The number of
// multiprocessors, which affects the choice of tiles, must not affect the bits. (The interpreter
// does not know the orders of addition of different tensor cores; therefore Numerics contains
// the compute capability.)
func TestBitsOnEveryDevice(t *testing.T) {
	draws := (enginetest.Draws(t, 1) + 4) / 5
	for _, p := range enginetest.Properties() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(draws) {
				seed += 1000
				var first enginetest.Drawn
				for i, device := range devices {
					if i > 0 && (uint64(i)+seed)%2 == 0 {
						continue // each is met by other draws
					}
					e, err := cuda.New(emulateDevice(i), cuda.Options{})
					if err != nil {
						t.Fatal(err)
					}
					d := p.Draw(e, enginetest.CUDA, seed)
					for _, problem := range d.Problems {
						t.Errorf("%s: %s", device.name, problem)
					}
					if i == 0 {
						first = d
					} else if d.Digest != first.Digest {
						t.Errorf("%s: other bits on %s than on %s", d.Shape, device.name, devices[0].name)
					}
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// TestCutProductsOnEveryDevice checks the same for products with a split k, which draws may not
// include, and for gradients with so many rows that other tiles are chosen.
func TestCutProductsOnEveryDevice(t *testing.T) {
	t.Parallel()
	var first [][]float32
	chosen := map[string]int{}
	for i, device := range devices {
		d := counted{emulateDevice(i), map[string]int{}}
		e, err := cuda.New(d, cuda.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := num.NewPhilox(6, 0, 0)
		of := func(dt kernels.DType, rows, cols int) kernels.Tensor { return uniform(e, r, dt, rows, cols).Tensor }
		long, short, vocab, weight := e.New(f32, 3, 16), e.New(f32, 2, 8), e.New(f32, 2, 8), e.New(f32, 128, 128)
		e.Linear(long, of(bf16, 3, 4104), of(f32, 16, 4104), nil, nil)
		e.LinearGradInput(short, of(bf16, 2, 4104), of(f32, 4104, 8), false)
		e.LinearGradInput(vocab, of(bf16, 2, 32776), of(f32, 32776, 8), false)
		e.LinearGradWeight(weight, of(bf16, 300, 128), of(bf16, 300, 128), []int32{0, 300}, false)
		var got [][]float32
		for _, x := range []kernels.Tensor{long, short, vocab, weight} {
			got = append(got, bitsOf(e, x))
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = got
		}
		for j, name := range []string{"a long sum", "a long sum of gradients", "a sum over a vocabulary", "gradients of weights"} {
			if !slices.Equal(got[j], first[j]) {
				t.Errorf("%s: other bits on %s than on %s", name, device.name, devices[0].name)
			}
		}
		if d.launches["product_sum"] != 4 {
			t.Errorf("%d of 4 products were cut", d.launches["product_sum"])
		}
		maps.Copy(chosen, d.launches)
	}
	for _, tile := range []string{"large", "small", "narrow"} {
		if chosen["product_tn_"+tile] == 0 {
			t.Errorf("no device chose tile %s", tile)
		}
	}
}

func TestNumericsNameTheDevice(t *testing.T) {
	for i, device := range devices {
		e, err := cuda.New(emulateDevice(i), cuda.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("sm_%d%d emulated", device.major, device.minor); !strings.HasSuffix(e.Numerics(), want) {
			t.Errorf("%s: numerics %q, want %q", device.name, e.Numerics(), want)
		}
		e.Close()
	}
}

// TestDevicesThatCannot checks that unsuitable devices are rejected at the start, with an
// explanation, rather than by the first kernel that does not fit.
func TestDevicesThatCannot(t *testing.T) {
	for want, o := range map[string]emulated.Options{
		"compute capability is 7.5; the kernels need at least 8.0": {Major: 7, Minor: 5},
		"it allows 49152 bytes of shared memory per block":         {Config: ptx.Config{Shared: 48 << 10}},
	} {
		if _, err := cuda.New(emulated.Open(o), cuda.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// planned is a driver that computes nothing, has unlimited memory, and checks launches against a
// device's limits and its allocations.
type planned struct {
	*emulated.Driver
	t      *testing.T
	next   cuda.Address
	ends   map[cuda.Address]cuda.Address
	during string
	seen   map[string]bool
}

func (d *planned) Alloc(bytes int64) (cuda.Address, error) {
	a := d.next
	d.next += cuda.Address(bytes+1<<20) &^ 255
	d.ends[a] = a + cuda.Address(bytes)
	return a, nil
}

func (d *planned) Free(a cuda.Address) error { delete(d.ends, a); return nil }

func (d *planned) within(a cuda.Address, bytes int64) bool {
	for base, end := range d.ends {
		if a >= base && a+cuda.Address(bytes) <= end {
			return true
		}
	}
	return false
}

func (d *planned) CopyIn(_ cuda.Stream, dst cuda.Address, src []byte) error {
	if !d.within(dst, int64(len(src))) {
		d.t.Errorf("%s: copies %d bytes to %#x", d.during, len(src), uint64(dst))
	}
	return nil
}

func (d *planned) CopyOut(_ cuda.Stream, dst []byte, src cuda.Address) error {
	if !d.within(src, int64(len(dst))) {
		d.t.Errorf("%s: copies %d bytes from %#x", d.during, len(dst), uint64(src))
	}
	clear(dst)
	return nil
}

func (d *planned) CopyDevice(_ cuda.Stream, dst, src cuda.Address, n int64) error {
	if !d.within(dst, n) || !d.within(src, n) {
		d.t.Errorf("%s: copies %d bytes from %#x to %#x", d.during, n, uint64(src), uint64(dst))
	}
	return nil
}

func (d *planned) Zero(_ cuda.Stream, dst cuda.Address, n int64) error {
	if !d.within(dst, n) {
		d.t.Errorf("%s: zeroes %d bytes at %#x", d.during, n, uint64(dst))
	}
	return nil
}

func (d *planned) Launch(_ cuda.Stream, f cuda.Function, grid, block cuda.Dim, shared int, args ...any) error {
	fn := f.(*emulated.Function)
	g, b := grid.Norm(), block.Norm()
	d.seen[fn.Name] = true
	if g.X > math.MaxInt32 || g.Y > 65535 || g.Z > 65535 || grid.X < 0 || b.X*b.Y*b.Z > 1024 || fn.MaxThreads > 0 && b.X*b.Y*b.Z > fn.MaxThreads {
		d.t.Errorf("%s: %s in %v blocks of %v", d.during, fn.Name, g, b)
	}
	if fn.StaticBytes > 48<<10 || fn.StaticBytes+shared > d.Device().SharedPerBlock {
		d.t.Errorf("%s: %s with %d and %d bytes of shared memory", d.during, fn.Name, fn.StaticBytes, shared)
	}
	if len(args) != len(fn.Params) {
		d.t.Errorf("%s: %s with %d arguments for %d parameters", d.during, fn.Name, len(args), len(fn.Params))
	}
	for i, a := range args {
		switch a := a.(type) {
		case cuda.Address:
			if a != 0 && !d.within(a, 2) {
				d.t.Errorf("%s: argument %d of %s is %#x, where no memory is", d.during, i, fn.Name, uint64(a))
			}
		case int32:
			if a < 0 {
				d.t.Errorf("%s: argument %d of %s is %d", d.during, i, fn.Name, a)
			}
		case int64:
			if a < 0 {
				d.t.Errorf("%s: argument %d of %s is %d", d.during, i, fn.Name, a)
			}
		}
	}
	return nil
}

// TestPlansOfRealModels queues a block's training and scoring of models up to
// Qwen2.5-72B on every device, without running it: each launch is within the
// device's limits, and sizes fit the types of parameters.
func TestPlansOfRealModels(t *testing.T) {
	for i, device := range devices {
		d := &planned{Driver: emulateDevice(i), t: t, next: 1 << 40, ends: map[cuda.Address]cuda.Address{}, seen: map[string]bool{}}
		e, err := cuda.New(d, onGPU)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []struct {
			name                        string
			hidden, intermediate, vocab int
			heads, kvHeads, size        int
		}{
			{"SmolLM2-135M", 576, 1536, 49152, 9, 3, 64},
			{"Qwen2.5-0.5B", 896, 4864, 151936, 14, 2, 64},
			{"Qwen2.5-1.5B", 1536, 8960, 151936, 12, 2, 128},
			{"Llama-3.1-8B", 4096, 14336, 128256, 32, 8, 128},
			{"Qwen2.5-72B", 8192, 29568, 152064, 64, 8, 128},
			{"odd", 4097, 131, 1021, 17, 17, 33},
		} {
			for _, tokens := range []int{1, 17, 8192, 65536} {
				for _, dt := range []kernels.DType{f32, bf16} {
					d.during = fmt.Sprintf("%s: %s, %d tokens, %v", device.name, m.name, tokens, dt)
					queueBlock(e, dt, tokens, m.hidden, m.intermediate, m.vocab, kernels.HeadShape{Heads: m.heads, KVHeads: m.kvHeads, HeadDim: m.size})
				}
			}
		}
		if err := e.Sync(); err != nil {
			t.Fatalf("%s: %v", device.name, err)
		}
		if len(d.seen) < 50 {
			t.Errorf("%s: %d kernels were launched: this tests little", device.name, len(d.seen))
		}
	}
}

// queueBlock queues the forward and backward pass of a block of a model and of its head.
func queueBlock(e *cuda.Engine, dt kernels.DType, tokens, hidden, intermediate, vocab int, s kernels.HeadShape) {
	var made []kernels.Tensor
	in := func(t kernels.DType, rows, cols int) kernels.Tensor {
		made = append(made, e.New(t, rows, cols))
		return made[len(made)-1]
	}
	defer func() { e.Free(made...) }()
	ldq, ldk, labels := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim, min(tokens, 3000)
	seqs, starts := []kernels.Sequence{{Len: tokens / 2}, {First: tokens / 2, Len: tokens - tokens/2}}, []int32{0, int32(tokens / 2), int32(tokens)}
	ids := make([]int32, tokens)

	head, headGrad, headM, headV := in(f32, vocab, hidden), in(f32, vocab, hidden), in(f32, vocab, hidden), in(f32, vocab, hidden)
	x, dx, norm, dnorm := in(f32, tokens, hidden), in(f32, tokens, hidden), in(f32, 1, hidden), in(f32, 1, hidden)
	y, dy := in(dt, tokens, hidden), in(f32, tokens, hidden)
	e.Embed(x, head, ids, dt)
	e.RMSNorm(y, x, norm, 1e-6)
	wq, wk, bq := in(f32, ldq, hidden), in(f32, ldk, hidden), in(f32, 1, ldq)
	q, k, v, out := in(dt, tokens, ldq), in(dt, tokens, ldk), in(dt, tokens, ldk), in(dt, tokens, ldq)
	stats := in(f32, tokens, 2*s.Heads)
	e.Linear(q, y, wq, bq, nil)
	e.Linear(k, y, wk, nil, nil)
	if s.HeadDim%2 == 0 {
		cos, sin := in(f32, 4, s.HeadDim/2), in(f32, 4, s.HeadDim/2)
		e.Rotary(q, q, cos, sin, ids, s.HeadDim, false)
	}
	e.Attention(out, stats, q, k, v, seqs, s)
	e.AttentionGrad(in(f32, tokens, ldq), in(f32, tokens, ldk), in(f32, tokens, ldk), out, out, stats, q, k, v, seqs, s)
	e.LinearGradInput(dx, q, wq, true)
	e.LinearGradWeight(in(f32, ldq, hidden), q, y, starts, true)
	e.BiasGrad(in(f32, 1, ldq), q, false)

	wg, wu, wd := in(f32, intermediate, hidden), in(f32, intermediate, hidden), in(f32, hidden, intermediate)
	gate, up, gated, dgated := in(dt, tokens, intermediate), in(dt, tokens, intermediate), in(dt, tokens, intermediate), in(f32, tokens, intermediate)
	e.GateUp(gated, gate, up, y, wg, wu, nil, nil)
	e.Linear(x, gated, wd, nil, x)
	e.LinearGradInput(dgated, y, wd, false)
	e.SwiGLUGrad(gate, up, dgated, gate, up)
	e.LinearGradWeight(in(f32, intermediate, hidden), gate, y, starts, false)
	e.RMSNormGrad(dx, dnorm, dy, x, norm, 1e-6, false)
	e.EmbedGrad(in(f32, 3, hidden), dx, ids, false)

	rows, coef, losses := y.Slice(0, labels), make([]float32, labels), make([]float64, labels)
	e.CrossEntropy(losses, dx.Slice(0, labels), headGrad, rows, head, ids[:labels], coef, []int32{0, int32(labels)}, true)
	e.LogProb(losses, nil, rows, head, ids[:labels], ids[:labels])
	e.SumSquares(make([]float64, 2), headGrad, dnorm)
	e.AdamW(kernels.AdamW{Scale: 1}, head, headGrad, headM, headV)
}
