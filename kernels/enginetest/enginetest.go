// Package enginetest holds the conformance tests that every kernels.Engine
// must pass: each operation against a float64 oracle, over awkward shapes and
// both element types.
//
// It does not test bits: how an engine rounds is that engine's own contract and is
// tested in its package (kernels/cpu compares digests). Most readers need two calls:
// [Run] from a test, or [Checks] from a program that tests the machine it runs on.
//
// # Bounds
//
// An oracle computes from the values that the tensors actually hold, with bfloat16
// operands rounded where the interface says so. For each element it returns a value
// and a scale, the sum of the magnitudes of the terms added. A result may differ
// from the value by a fraction of the scale, given by [Tolerance], plus one rounding
// if the destination is BF16. Gradients are compared with central differences of the
// oracle's forward operation in float64, so that no formula is written twice.
package enginetest

import (
	"fmt"
	"hash"
	"math"
	"testing"

	"xrun/kernels"
	"xrun/kernels/num"
)

// Tolerance bounds the distance of an engine's results from the exact ones, as
// fractions of the sum of the magnitudes of the terms.
type Tolerance struct {
	// Chain bounds sums of products in float32, over up to a few hundred terms.
	Chain float64
	// Element bounds short formulas in float32, including exponentials.
	Element float64
	// Round bounds one rounding to bfloat16: at least 2^-8.
	Round float64
	// Loss bounds log-probabilities, relative to 1 + the largest logit.
	Loss float64
}

// Check is one conformance test.
type Check struct {
	Name string
	run  func(h *harness)
}

// Checks returns all conformance tests in a fixed order.
func Checks() []Check {
	return []Check{
		{"tensors", checkTensors},
		{"bf16_rounding", checkRounding},
		{"convert_add", checkConvertAdd},
		{"embed", checkEmbed},
		{"rows", checkRows},
		{"rmsnorm", checkRMSNorm},
		{"rmsnorm_grad", checkRMSNormGrad},
		{"linear", checkLinear},
		{"bf16_weights", checkBF16Weights},
		{"linear_grad_input", checkLinearGradInput},
		{"linear_grad_weight", checkLinearGradWeight},
		{"linear_differences", checkLinearDifferences},
		{"bias_grad", checkBiasGrad},
		{"rotary", checkRotary},
		{"swiglu", checkSwiGLU},
		{"swiglu_grad", checkSwiGLUGrad},
		{"gate_up", checkGateUp},
		{"attention", checkAttention},
		{"attention_past", checkAttentionPast},
		{"attention_grad", checkAttentionGrad},
		{"cross_entropy", checkCrossEntropy},
		{"cross_entropy_large", checkCrossEntropyLarge},
		{"log_prob", checkLogProb},
		{"sum_squares", checkSumSquares},
		{"adamw", checkAdamW},
		{"adamw_of_many", checkAdamWOfMany},
		{"nan", checkNaN},
		{"out_of_range", checkOutOfRange},
		{"misuse", checkMisuse},
	}
}

// Run runs the check on e and returns the problems found. The engine stays usable.
func (c Check) Run(e kernels.Engine, tol Tolerance) (problems []string) {
	h := &harness{Engine: e, tol: tol, random: num.NewPhilox(1, 0x656e67, 0)}
	defer func() {
		if r := recover(); r != nil {
			h.errorf("panic: %v", r)
		}
		e.Free(h.made...)
		problems = h.problems
	}()
	c.run(h)
	if err := e.Sync(); err != nil {
		h.errorf("sync: %v", err)
	}
	return
}

// Run runs every check as a subtest on an engine of its own, which it closes.
func Run(t *testing.T, newEngine func(t testing.TB) kernels.Engine, tol Tolerance) {
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			e := newEngine(t)
			for _, p := range c.Run(e, tol) {
				t.Error(p)
			}
			if err := e.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
	}
}

// harness wraps an engine with helpers for the checks.
type harness struct {
	kernels.Engine
	tol      Tolerance
	random   *num.Philox
	made     []kernels.Tensor
	problems []string
	context  string
	digest   hash.Hash64 // of all values read; nil if not needed
}

// maxProblems bounds the list of problems of a check, because one wrong operation gives
// thousands.
const maxProblems = 8

func (h *harness) errorf(format string, args ...any) {
	if len(h.problems) < maxProblems {
		h.problems = append(h.problems, h.context+fmt.Sprintf(format, args...))
	}
}

// in sets the name of the following case in messages.
func (h *harness) in(format string, args ...any) {
	h.context = fmt.Sprintf(format, args...) + ": "
}

// types are the element types of tensors that may be either.
var types = []kernels.DType{kernels.F32, kernels.BF16}

// matrix is a tensor together with its values.
type matrix struct {
	t kernels.Tensor
	v []float64
}

func (m *matrix) at(r, c int) float64 { return m.v[r*m.t.Cols()+c] }

// tensor returns a tensor of the given values, rounded if t is BF16.
func (h *harness) tensor(t kernels.DType, rows, cols int, values []float32) matrix {
	x := h.New(t, rows, cols)
	h.made = append(h.made, x)
	h.Write(x, values)
	return matrix{x, h.read(x)}
}

// uniform returns a tensor of numbers in [-scale, scale).
func (h *harness) uniform(t kernels.DType, rows, cols int, scale float64) matrix {
	v := make([]float32, rows*cols)
	for i := range v {
		v[i] = float32((2*h.random.Float64() - 1) * scale)
	}
	return h.tensor(t, rows, cols, v)
}

// dirty returns a tensor of NaN, for use as a destination.
func (h *harness) dirty(t kernels.DType, rows, cols int) kernels.Tensor {
	v := make([]float32, rows*cols)
	for i := range v {
		v[i] = float32(math.NaN())
	}
	return h.tensor(t, rows, cols, v).t
}

// read returns the values of x.
func (h *harness) read(x kernels.Tensor) []float64 {
	f := make([]float32, x.Rows()*x.Cols())
	h.Read(f, x)
	v := make([]float64, len(f))
	for i := range f {
		v[i] = float64(f[i])
	}
	h.note(v...)
	return v
}

// result is the result of an oracle: values and the scale of their errors.
type result struct {
	v, scale []float64
}

func newResult(n int) result { return result{make([]float64, n), make([]float64, n)} }

// add adds a term to element i.
func (r *result) add(i int, term float64) {
	r.v[i] += term
	r.scale[i] += math.Abs(term)
}

// near compares a tensor with the result of an oracle. Each element must be within tol times
// its scale, plus one rounding if the tensor is BF16.
func (h *harness) near(name string, got kernels.Tensor, want result, tol float64) {
	round := 0.0
	if got.DType() == kernels.BF16 {
		round = h.tol.Round
	}
	h.nearValues(name, got.Cols(), h.read(got), want, tol, round)
}

func (h *harness) nearValues(name string, cols int, got []float64, want result, tol, round float64) {
	for i, w := range want.v {
		bound := tol*want.scale[i] + round*math.Abs(w) + 1e-37
		if d := math.Abs(got[i] - w); !(d <= bound) && !(math.IsNaN(w) && math.IsNaN(got[i])) {
			h.errorf("%s[%d, %d] = %g, want %g ± %.2g", name, i/cols, i%cols, got[i], w, bound)
		}
	}
}

// same compares a tensor with exact values.
func (h *harness) same(name string, got kernels.Tensor, want []float64) {
	for i, g := range h.read(got) {
		if g != want[i] && !(math.IsNaN(g) && math.IsNaN(want[i])) {
			h.errorf("%s[%d, %d] = %g, want %g exactly", name, i/got.Cols(), i%got.Cols(), g, want[i])
		}
	}
}

// toBF16 returns x rounded to bfloat16, to nearest even.
func toBF16(x float64) float64 {
	u := math.Float32bits(float32(x))
	return float64(math.Float32frombits((u + 0x7fff + u>>16&1) &^ 0xffff))
}

// operand returns the values rounded as operands of type t.
func operand(v []float64, t kernels.DType) []float64 {
	if t != kernels.BF16 {
		return v
	}
	r := make([]float64, len(v))
	for i := range v {
		r[i] = toBF16(v[i])
	}
	return r
}

// differences returns the central differences of f with respect to x. The scale of every
// element is the largest of their magnitudes.
func differences(x []float64, f func() float64) result {
	const step = 1e-5
	r := newResult(len(x))
	top := 0.0
	for i, v := range x {
		x[i] = v + step
		a := f()
		x[i] = v - step
		b := f()
		x[i] = v
		r.v[i] = (a - b) / (2 * step)
		top = math.Max(top, math.Abs(r.v[i]))
	}
	for i := range r.scale {
		r.scale[i] = top
	}
	return r
}

// dot returns Σ a·b.
func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}
