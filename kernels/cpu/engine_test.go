package cpu_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
)

func TestNewRefusesWhatItCannotDo(t *testing.T) {
	if _, err := cpu.New(cpu.Options{Threads: -1}); err == nil || !strings.Contains(err.Error(), "-1 threads") {
		t.Errorf("for -1 threads the error is %v", err)
	}
	if path := os.Getenv("XRUN_SIMD"); path == "mmx" {
		_, err := cpu.New(cpu.Options{})
		if err == nil || !strings.Contains(err.Error(), "XRUN_SIMD=mmx") {
			t.Errorf("the error is %v", err)
		}
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestNewRefusesWhatItCannotDo$")
	c.Env = append(os.Environ(), "XRUN_SIMD=mmx")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("with an unknown path: %v\n%s", err, out)
	}
}

// TestOperationsDoNotAllocate runs each operation after its scratch memory has
// grown.
func TestOperationsDoNotAllocate(t *testing.T) {
	for _, dt := range []kernels.DType{f32, bf16} {
		b := newBench(t, 2)
		b.digest(func(*bench) {})
		const T, H, V = 70, 48, 300
		s := kernels.HeadShape{Heads: 3, KVHeads: 1, HeadDim: 16}
		seqs := []kernels.Sequence{{First: 0, Len: 31}, {First: 31, Len: 39}}
		starts := []int32{0, 31, T}
		x, y, dy, w, row := b.in(f32, T, H, 1), b.in(dt, T, H, 1), b.in(dt, T, H, 1), b.in(f32, H, H, 1), b.in(f32, 1, H, 1)
		k, v, dk, dv := b.in(dt, T, 16, 1), b.in(dt, T, 16, 1), b.in(f32, T, 16, 1), b.in(f32, T, 16, 1)
		out, stats := b.in(dt, T, H, 1), b.in(f32, T, 6, 1)
		head, dhead, angles := b.in(f32, V, H, 1), b.in(f32, V, H, 1), b.in(f32, T, 8, 1)
		ce, best := make([]float64, T), make([]int32, T)
		sums, xs := make([]float64, 2), []kernels.Tensor{head, dhead}
		ids, rows, coef := b.ids(T, T), b.ids(1, T), b.values(T, 1)
		ops := map[string]func(){
			"Convert":          func() { b.Convert(y, x) },
			"Add":              func() { b.Add(x, x) },
			"Embed":            func() { b.Embed(x, head, ids, dt) },
			"EmbedGrad":        func() { b.EmbedGrad(head, x, ids, true) },
			"ScatterRows":      func() { b.ScatterRows(x, row, rows) },
			"RMSNorm":          func() { b.RMSNorm(y, x, row, 1e-5) },
			"RMSNormGrad":      func() { b.RMSNormGrad(x, row, dy, x, row, 1e-5, true) },
			"Linear":           func() { b.Linear(out, y, w, row, x) },
			"LinearGradInput":  func() { b.LinearGradInput(x, dy, w, true) },
			"LinearGradWeight": func() { b.LinearGradWeight(w, dy, y, starts, true) },
			"BiasGrad":         func() { b.BiasGrad(row, dy, true) },
			"Rotary":           func() { b.Rotary(out, x, angles, angles, ids, 16, false) },
			"Attention":        func() { b.Attention(out, stats, y, k, v, seqs, s) },
			"AttentionGrad":    func() { b.AttentionGrad(x, dk, dv, dy, out, stats, y, k, v, seqs, s) },
			"SwiGLU":           func() { b.SwiGLU(out, y, dy) },
			"SwiGLUGrad":       func() { b.SwiGLUGrad(out, out, x, y, dy) },
			"CrossEntropy":     func() { b.CrossEntropy(ce, x, dhead, y, head, ids, coef, starts, true) },
			"LogProb":          func() { b.LogProb(ce[:1], best[:1], y, head, rows, rows) },
			"SumSquares":       func() { b.SumSquares(sums, xs...) },
			"AdamW":            func() { b.AdamW(kernels.AdamW{Scale: 1}, head, dhead, dhead, dhead) },
		}
		for name, op := range ops {
			if n := testing.AllocsPerRun(20, op); n != 0 {
				t.Errorf("%s with %v: %v allocations", name, dt, n)
			}
		}
	}
}

// TestFreedMemoryIsGone uses a tensor and a view after Free.
func TestFreedMemoryIsGone(t *testing.T) {
	for _, n := range []int{3, 1 << 20} { // on the heap, and mapped
		b := newBench(t, 1)
		x, y := b.New(f32, n, 1), b.New(f32, n, 1)
		view := x.Slice(0, n)
		b.Free(x)
		for name, op := range map[string]func(){
			"tensor":           func() { b.Add(y, x) },
			"view":             func() { b.Add(y, view) },
			"slice":            func() { view.Slice(0, 1) },
			"view to be freed": func() { b.Free(y.Slice(0, 1)) },
		} {
			func() {
				defer func() {
					if s, ok := recover().(string); !ok || !strings.HasPrefix(s, "kernels: ") {
						t.Errorf("%s: panic %v", name, s)
					}
				}()
				op()
			}()
		}
		b.Free(x, y) // freeing twice does nothing
	}
}
