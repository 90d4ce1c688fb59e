package enginetest

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"os"
	"strings"
	"testing"

	"xrun/kernels"
	"xrun/kernels/num"
)

// Property is a conformance test of one operation with random shapes, types and options,
// which finds cases that the fixed shapes of [Checks] miss. Sizes are mostly those at which
// kernels and plans change, and those next to them. Tensors have memory of their own or lie
// between rows that must not change.
type Property struct {
	Name string
	draw func(d *drawing)
}

// Properties returns all properties in a fixed order.
func Properties() []Property {
	return []Property{
		{"convert", drawConvert},
		{"embed", drawEmbed},
		{"rows", drawRows},
		{"rmsnorm", drawRMSNorm},
		{"rmsnorm_grad", drawRMSNormGrad},
		{"linear", drawLinear},
		{"linear_grad_input", drawLinearGradInput},
		{"linear_grad_weight", drawLinearGradWeight},
		{"bias_grad", drawBiasGrad},
		{"rotary", drawRotary},
		{"swiglu", drawSwiGLU},
		{"swiglu_grad", drawSwiGLUGrad},
		{"gate_up", drawGateUp},
		{"attention", drawAttention},
		{"attention_grad", drawAttentionGrad},
		{"cross_entropy", drawCrossEntropy},
		{"log_prob", drawLogProb},
		{"sum_squares", drawSumSquares},
		{"adamw", drawAdamW},
	}
}

// Drawn is the outcome of one draw.
type Drawn struct {
	Shape    string   // the shape that was drawn
	Problems []string // each begins with the shape
	// Digest is a hash of all values read from the engine. It is equal if two engines
	// give the same bits.
	Digest uint64
}

// Draw runs the test drawn from seed on e. The engine stays usable.
func (p Property) Draw(e kernels.Engine, tol Tolerance, seed uint64) Drawn {
	r := num.NewPhilox(seed, 0x64726177, 0)
	return p.run(e, tol, func(n int) int { return int(r.Below(uint64(n))) })
}

// DrawFrom runs the test drawn from choices, two bytes for each choice, for use by a fuzzer.
func (p Property) DrawFrom(e kernels.Engine, tol Tolerance, choices []byte) Drawn {
	return p.run(e, tol, func(n int) int {
		if len(choices) < 2 {
			return 0
		}
		c := int(binary.LittleEndian.Uint16(choices))
		choices = choices[2:]
		return c * n >> 16
	})
}

func (p Property) run(e kernels.Engine, tol Tolerance, choose func(n int) int) (out Drawn) {
	d := &drawing{harness: &harness{Engine: e, tol: tol, random: num.NewPhilox(1, 0x647261, 0), digest: fnv.New64a()}, choose: choose}
	defer func() {
		if r := recover(); r != nil {
			d.errorf("panic: %v", r)
		}
		e.Free(d.made...)
		out = Drawn{strings.TrimSuffix(d.context, ": "), d.problems, d.digest.Sum64()}
	}()
	p.draw(d)
	if err := e.Sync(); err != nil { // if it fails, the results are meaningless
		d.problems = nil
		d.errorf("sync: %v", err)
		return
	}
	d.checkGuards()
	return
}

// DrawsVariable is the environment variable with the number of draws that [RunDrawn] makes of
// each property.
const DrawsVariable = "XRUN_DRAWS"

// Draws returns the value of [DrawsVariable], or n if it is not set.
func Draws(t testing.TB, n int) int {
	if v := os.Getenv(DrawsVariable); v != "" {
		if _, err := fmt.Sscan(v, &n); err != nil {
			t.Fatalf("%s=%s: %v", DrawsVariable, v, err)
		}
	}
	return n
}

// RunDrawn makes draws of every property, by default n of each, as subtests named after their
// seeds. newEngine makes the engine for a seed; RunDrawn closes it.
func RunDrawn(t *testing.T, newEngine func(t testing.TB, seed uint64) kernels.Engine, tol Tolerance, n int) {
	n = Draws(t, n)
	for _, p := range Properties() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(n) {
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					e := newEngine(t, seed)
					drawn := p.Draw(e, tol, seed)
					for _, problem := range drawn.Problems {
						t.Error(problem)
					}
					if err := e.Close(); err != nil {
						t.Errorf("%s: closing: %v", drawn.Shape, err)
					}
					if t.Failed() {
						t.Logf("again: %s=%d go test -run '%s$'", DrawsVariable, seed+1, t.Name())
					}
				})
			}
		})
	}
}

// Fuzz lets Go's fuzzer choose the draws of every property.
func Fuzz(f *testing.F, newEngine func(t testing.TB) kernels.Engine, tol Tolerance) {
	all := Properties()
	for i := range all {
		f.Add(uint8(i), []byte("\x00\x70\x00\x30\x00\xb0\x00\x10\x00\xf0\x00\x50\x00\x90"))
	}
	f.Fuzz(func(t *testing.T, which uint8, choices []byte) {
		p := all[int(which)%len(all)]
		e := newEngine(t)
		drawn := p.DrawFrom(e, tol, choices)
		for _, problem := range drawn.Problems {
			t.Errorf("%s: %s", p.Name, problem)
		}
		if err := e.Close(); err != nil {
			t.Errorf("%s: %s: closing: %v", p.Name, drawn.Shape, err)
		}
	})
}

// drawing is a harness that draws what it checks.
type drawing struct {
	*harness
	choose func(n int) int // in [0, n)
	guards []guard
}

// guard is a tensor of which only rows [lo, hi) are in use.
type guard struct {
	whole  kernels.Tensor
	lo, hi int
	value  float32
}

// guardValue is exact in bfloat16, and large enough to be visible in a sum that includes it by
// mistake.
const guardValue = 16512

// note adds results that are not in tensors to the digest.
func (h *harness) note(values ...float64) {
	if h.digest == nil {
		return
	}
	var b [8]byte
	for _, v := range values {
		binary.LittleEndian.PutUint64(b[:], math.Float64bits(v))
		h.digest.Write(b[:])
	}
}

func (d *drawing) coin() bool { return d.choose(2) == 1 }

func (d *drawing) dtype() kernels.DType { return types[d.choose(2)] }

// edges are the sizes at which kernels change: vectors, tiles, steps, blocks, splits.
var edges = []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 1 << 17}

// size draws a size in [lo, hi]: an edge, one of more, a size next to one of these, or any
// size, with small sizes as likely as large ones.
func (d *drawing) size(lo, hi int, more ...int) int {
	if hi <= lo {
		return lo
	}
	if d.choose(4) == 0 {
		top := 1 << (1 + d.choose(bits.Len(uint(hi-lo))))
		return lo + d.choose(min(top, hi-lo+1))
	}
	var list []int
	for _, v := range edges {
		if v >= lo && v <= hi {
			list = append(list, v)
		}
	}
	for _, v := range more {
		if v >= lo && v <= hi {
			list = append(list, v)
		}
	}
	if len(list) == 0 {
		return lo + d.choose(hi-lo+1)
	}
	return max(lo, min(hi, list[d.choose(len(list))]+d.choose(3)-1))
}

// limits bound a size. more lists additional edges.
type limits struct {
	lo, hi int
	more   []int
}

// sizes draws sizes whose product is at most budget. It draws them in random order, so that
// each is sometimes the largest.
func (d *drawing) sizes(budget int, of ...limits) []int {
	out := make([]int, len(of))
	first := d.choose(len(of))
	for i := range of {
		j := (first + i) % len(of)
		l := of[j]
		out[j] = d.size(l.lo, max(l.lo, min(l.hi, budget)), l.more...)
		budget /= max(out[j], 1)
	}
	return out
}

// none returns n or, occasionally, 0.
func (d *drawing) none(n int) int {
	if d.choose(16) == 0 {
		return 0
	}
	return n
}

// place returns a tensor of the given values, in memory of its own or between rows that must
// not change.
func (d *drawing) place(t kernels.DType, rows, cols int, values []float32) kernels.Tensor {
	before, after := 0, 0
	if d.coin() {
		before, after = d.choose(4), d.choose(4)
	}
	g := guard{lo: before, hi: before + rows, value: guardValue}
	if d.coin() {
		g.value = float32(math.NaN())
	}
	g.whole = d.New(t, before+rows+after, cols)
	d.made = append(d.made, g.whole)
	if before+after == 0 {
		d.Write(g.whole, values)
		return g.whole
	}
	all := make([]float32, (before+rows+after)*cols)
	for i := range all {
		all[i] = g.value
	}
	copy(all[before*cols:], values)
	d.Write(g.whole, all)
	d.guards = append(d.guards, g)
	return g.whole.Slice(g.lo, g.hi)
}

// given returns a placed tensor of random numbers in [-scale, scale).
func (d *drawing) given(t kernels.DType, rows, cols int, scale float64) matrix {
	v := make([]float32, rows*cols)
	for i := range v {
		v[i] = float32((2*d.random.Float64() - 1) * scale)
	}
	x := d.place(t, rows, cols, v)
	return matrix{x, d.read(x)}
}

// wanted returns a placed tensor of NaN, for use as a destination.
func (d *drawing) wanted(t kernels.DType, rows, cols int) kernels.Tensor {
	v := make([]float32, rows*cols)
	for i := range v {
		v[i] = float32(math.NaN())
	}
	return d.place(t, rows, cols, v)
}

// checkGuards checks that nothing was written outside the tensors.
func (d *drawing) checkGuards() {
	for _, g := range d.guards {
		for _, part := range [][2]int{{0, g.lo}, {g.hi, g.whole.Rows()}} {
			for i, v := range d.read(g.whole.Slice(part[0], part[1])) {
				if v != float64(g.value) && !(v != v && g.value != g.value) {
					d.errorf("row %d of the tensor that holds rows [%d, %d) is written to: column %d is %g", part[0]+i/g.whole.Cols(), g.lo, g.hi, i%g.whole.Cols(), v)
					break
				}
			}
		}
	}
}

// sameBits compares two tensors bit for bit, NaN with NaN.
func (d *drawing) sameBits(name string, got, want kernels.Tensor) { d.same(name, got, d.read(want)) }

// part draws a range of n rows.
func (d *drawing) part(n int) (lo, hi int) {
	lo = d.choose(n)
	return lo, lo + 1 + d.choose(n-lo)
}
