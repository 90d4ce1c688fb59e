package enginetest_test

import (
	"strings"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/enginetest"
)

// defective is a right engine with one operation replaced.
type defective struct {
	kernels.Engine
	convert   func(dst, src kernels.Tensor)
	embed     func(dst, table kernels.Tensor, ids []int32, operand kernels.DType)
	norm      func(dst, x, weight kernels.Tensor, eps float32)
	normGrad  func(dx, dweight, dy, x, weight kernels.Tensor, eps float32, carry bool)
	linear    func(dst, x, w, bias, residual kernels.Tensor)
	gradInput func(dx, dy, w kernels.Tensor, add bool)
	gradW     func(dw, dy, x kernels.Tensor, starts []int32, carry bool)
	bias      func(db, dy kernels.Tensor, carry bool)
	rotary    func(dst, src, cos, sin kernels.Tensor, positions []int32, headDim int, inverse bool)
	attend    func(dst, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape)
	attGrad   func(dq, dk, dv, dout, out, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape)
	swiglu    func(dst, gate, up kernels.Tensor)
	gateUp    func(dst, gate, up, x, wGate, wUp, biasGate, biasUp kernels.Tensor)
	loss      func(ce []float64, dx, dw, x, w kernels.Tensor, targets []int32, coef []float32, starts []int32, carry bool)
	logProb   func(dst []float64, best []int32, x, w kernels.Tensor, rows, targets []int32)
	sums      func(dst []float64)
	adamw     func(h kernels.AdamW, tensors ...kernels.Tensor)
	sync      func() error
}

func (d *defective) Convert(dst, src kernels.Tensor) {
	if d.convert != nil {
		d.convert(dst, src)
		return
	}
	d.Engine.Convert(dst, src)
}

func (d *defective) Embed(dst, table kernels.Tensor, ids []int32, operand kernels.DType) {
	if d.embed != nil {
		d.embed(dst, table, ids, operand)
		return
	}
	d.Engine.Embed(dst, table, ids, operand)
}

func (d *defective) RMSNorm(dst, x, weight kernels.Tensor, eps float32) {
	if d.norm != nil {
		d.norm(dst, x, weight, eps)
		return
	}
	d.Engine.RMSNorm(dst, x, weight, eps)
}

func (d *defective) RMSNormGrad(dx, dweight, dy, x, weight kernels.Tensor, eps float32, carry bool) {
	if d.normGrad != nil {
		d.normGrad(dx, dweight, dy, x, weight, eps, carry)
		return
	}
	d.Engine.RMSNormGrad(dx, dweight, dy, x, weight, eps, carry)
}

func (d *defective) Linear(dst, x, w, bias, residual kernels.Tensor) {
	if d.linear != nil {
		d.linear(dst, x, w, bias, residual)
		return
	}
	d.Engine.Linear(dst, x, w, bias, residual)
}

func (d *defective) LinearGradInput(dx, dy, w kernels.Tensor, add bool) {
	if d.gradInput != nil {
		d.gradInput(dx, dy, w, add)
		return
	}
	d.Engine.LinearGradInput(dx, dy, w, add)
}

func (d *defective) LinearGradWeight(dw, dy, x kernels.Tensor, starts []int32, carry bool) {
	if d.gradW != nil {
		d.gradW(dw, dy, x, starts, carry)
		return
	}
	d.Engine.LinearGradWeight(dw, dy, x, starts, carry)
}

func (d *defective) BiasGrad(db, dy kernels.Tensor, carry bool) {
	if d.bias != nil {
		d.bias(db, dy, carry)
		return
	}
	d.Engine.BiasGrad(db, dy, carry)
}

func (d *defective) Rotary(dst, src, cos, sin kernels.Tensor, positions []int32, headDim int, inverse bool) {
	if d.rotary != nil {
		d.rotary(dst, src, cos, sin, positions, headDim, inverse)
		return
	}
	d.Engine.Rotary(dst, src, cos, sin, positions, headDim, inverse)
}

func (d *defective) Attention(dst, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape) {
	if d.attend != nil {
		d.attend(dst, stats, q, k, v, seqs, s)
		return
	}
	d.Engine.Attention(dst, stats, q, k, v, seqs, s)
}

func (d *defective) AttentionGrad(dq, dk, dv, dout, out, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape) {
	if d.attGrad != nil {
		d.attGrad(dq, dk, dv, dout, out, stats, q, k, v, seqs, s)
		return
	}
	d.Engine.AttentionGrad(dq, dk, dv, dout, out, stats, q, k, v, seqs, s)
}

func (d *defective) SwiGLU(dst, gate, up kernels.Tensor) {
	if d.swiglu != nil {
		d.swiglu(dst, gate, up)
		return
	}
	d.Engine.SwiGLU(dst, gate, up)
}

func (d *defective) GateUp(dst, gate, up, x, wGate, wUp, biasGate, biasUp kernels.Tensor) {
	if d.gateUp != nil {
		d.gateUp(dst, gate, up, x, wGate, wUp, biasGate, biasUp)
		return
	}
	d.Engine.GateUp(dst, gate, up, x, wGate, wUp, biasGate, biasUp)
}

func (d *defective) CrossEntropy(ce []float64, dx, dw, x, w kernels.Tensor, targets []int32, coef []float32, starts []int32, carry bool) {
	if d.loss != nil {
		d.loss(ce, dx, dw, x, w, targets, coef, starts, carry)
		return
	}
	d.Engine.CrossEntropy(ce, dx, dw, x, w, targets, coef, starts, carry)
}

func (d *defective) LogProb(dst []float64, best []int32, x, w kernels.Tensor, rows, targets []int32) {
	if d.logProb != nil {
		d.logProb(dst, best, x, w, rows, targets)
		return
	}
	d.Engine.LogProb(dst, best, x, w, rows, targets)
}

func (d *defective) SumSquares(dst []float64, xs ...kernels.Tensor) {
	d.Engine.SumSquares(dst, xs...)
	if d.sums != nil {
		d.sums(dst)
	}
}

func (d *defective) AdamW(h kernels.AdamW, tensors ...kernels.Tensor) {
	if d.adamw != nil {
		d.adamw(h, tensors...)
		return
	}
	d.Engine.AdamW(h, tensors...)
}

func (d *defective) Sync() error {
	if d.sync != nil {
		return d.sync()
	}
	return d.Engine.Sync()
}

// properties of the checks that have other names.
var properties = map[string]string{"bf16_rounding": "convert", "linear_differences": "linear_grad_weight", "attention_past": "attention",
	"cross_entropy_large": "cross_entropy", "adamw_of_many": "adamw"}

// drawn checks that a property finds in a few draws what its check finds.
func drawn(t *testing.T, e kernels.Engine, check string) {
	if name, ok := properties[check]; ok {
		check = name
	}
	for _, p := range enginetest.Properties() {
		if p.Name != check {
			continue
		}
		for seed := range uint64(40) {
			if len(p.Draw(e, enginetest.CPU, seed).Problems) > 0 {
				return
			}
		}
		t.Errorf("property %s found nothing in 40 draws", p.Name)
	}
}

// straying is an engine that, where it converts, writes beside the destination
// too: to the first row of every larger tensor of as many columns.
type straying struct {
	kernels.Engine
	made []kernels.Tensor
}

func (s *straying) New(t kernels.DType, rows, cols int) kernels.Tensor {
	s.made = append(s.made, s.Engine.New(t, rows, cols))
	return s.made[len(s.made)-1]
}

func (s *straying) Convert(dst, src kernels.Tensor) {
	for _, x := range s.made {
		if x.Rows() > dst.Rows() && x.Cols() == dst.Cols() && x.DType() == dst.DType() {
			s.Write(x.Slice(0, 1), make([]float32, x.Cols()))
		}
	}
	s.Engine.Convert(dst, src)
}

// TestDrawsFindWritesBesideTensors: operations may not touch the rows around
// their views.
func TestDrawsFindWritesBesideTensors(t *testing.T) {
	engine, err := cpu.New(cpu.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	for seed := range uint64(40) {
		for _, p := range enginetest.Properties()[0].Draw(&straying{Engine: engine}, enginetest.CPU, seed).Problems {
			if strings.Contains(p, "is written to") {
				return
			}
		}
	}
	t.Error("found in none of 40 draws")
}

// TestChecksFindDefects breaks one thing at a time, in ways that engines break
// in, and checks that the check of that operation detects it.
func TestChecksFindDefects(t *testing.T) {
	type e = kernels.Engine
	for name, c := range map[string]struct {
		check string
		fault func(d *defective, e e)
	}{
		"rounding that truncates": {"bf16_rounding", func(d *defective, e e) {
			d.convert = func(dst, src kernels.Tensor) {
				f := make([]float32, src.Rows()*src.Cols())
				e.Read(f, src)
				for i := range f {
					f[i] *= 0.998
				}
				e.Write(dst, f)
			}
		}},
		"lookup without rounding": {"embed", func(d *defective, e e) {
			d.embed = func(dst, table kernels.Tensor, ids []int32, _ kernels.DType) { e.Embed(dst, table, ids, kernels.F32) }
		}},
		"epsilon left out": {"rmsnorm", func(d *defective, e e) {
			d.norm = func(dst, x, w kernels.Tensor, _ float32) { e.RMSNorm(dst, x, w, 0) }
		}},
		"norm gradient that does not carry": {"rmsnorm_grad", func(d *defective, e e) {
			d.normGrad = func(dx, dw, dy, x, w kernels.Tensor, eps float32, _ bool) {
				e.RMSNormGrad(dx, dw, dy, x, w, eps, false)
			}
		}},
		"residual left out": {"linear", func(d *defective, e e) {
			d.linear = func(dst, x, w, bias, _ kernels.Tensor) { e.Linear(dst, x, w, bias, nil) }
		}},
		"weights in bf16 that are rounded again": {"bf16_weights", func(d *defective, e e) {
			d.linear = func(dst, x, w, bias, residual kernels.Tensor) {
				if w.DType() == kernels.BF16 {
					f := make([]float32, w.Rows()*w.Cols())
					e.Read(f, w)
					for i := range f {
						f[i] *= 1.004
					}
					w = e.New(kernels.BF16, w.Rows(), w.Cols())
					e.Write(w, f)
				}
				e.Linear(dst, x, w, bias, residual)
			}
		}},
		"input gradient that overwrites": {"linear_grad_input", func(d *defective, e e) {
			d.gradInput = func(dx, dy, w kernels.Tensor, _ bool) { e.LinearGradInput(dx, dy, w, false) }
		}},
		"weight gradient that forgets the last sequence": {"linear_grad_weight", func(d *defective, e e) {
			d.gradW = func(dw, dy, x kernels.Tensor, starts []int32, carry bool) {
				n := int(starts[max(len(starts)-2, 0)])
				if n == 0 {
					n = dy.Rows()
				}
				e.LinearGradWeight(dw, dy.Slice(0, n), x.Slice(0, n), []int32{0, int32(n)}, carry)
			}
		}},
		"weight gradient that always carries": {"linear_differences", func(d *defective, e e) {
			d.gradW = func(dw, dy, x kernels.Tensor, starts []int32, _ bool) { e.LinearGradWeight(dw, dy, x, starts, true) }
		}},
		"bias gradient that does not carry": {"bias_grad", func(d *defective, e e) {
			d.bias = func(db, dy kernels.Tensor, _ bool) { e.BiasGrad(db, dy, false) }
		}},
		"rotation in one direction only": {"rotary", func(d *defective, e e) {
			d.rotary = func(dst, src, cos, sin kernels.Tensor, p []int32, n int, _ bool) {
				e.Rotary(dst, src, cos, sin, p, n, false)
			}
		}},
		"silu of the other operand": {"swiglu", func(d *defective, e e) {
			d.swiglu = func(dst, gate, up kernels.Tensor) { e.SwiGLU(dst, up, gate) }
		}},
		"gate and up that are not kept": {"gate_up", func(d *defective, e e) {
			d.gateUp = func(dst, gate, up, x, wg, wu, bg, bu kernels.Tensor) { e.GateUp(dst, nil, up, x, wg, wu, bg, bu) }
		}},
		"biases exchanged": {"gate_up", func(d *defective, e e) {
			d.gateUp = func(dst, gate, up, x, wg, wu, bg, bu kernels.Tensor) { e.GateUp(dst, gate, up, x, wg, wu, bu, bg) }
		}},
		"attention over the whole batch": {"attention", func(d *defective, e e) {
			d.attend = func(dst, stats, q, k, v kernels.Tensor, _ []kernels.Sequence, s kernels.HeadShape) {
				e.Attention(dst, stats, q, k, v, []kernels.Sequence{{Len: q.Rows()}}, s)
			}
		}},
		"attention that forgets the past": {"attention_past", func(d *defective, e e) {
			d.attend = func(dst, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape) {
				var bare []kernels.Sequence
				for _, q := range seqs {
					bare = append(bare, kernels.Sequence{First: q.First, Len: q.Len})
				}
				e.Attention(dst, stats, q, k, v, bare, s)
			}
		}},
		"gradients of keys and values exchanged": {"attention_grad", func(d *defective, e e) {
			d.attGrad = func(dq, dk, dv, dout, out, stats, q, k, v kernels.Tensor, seqs []kernels.Sequence, s kernels.HeadShape) {
				e.AttentionGrad(dq, dv, dk, dout, out, stats, q, k, v, seqs, s)
			}
		}},
		"unweighted loss gradient": {"cross_entropy", func(d *defective, e e) {
			d.loss = func(ce []float64, dx, dw, x, w kernels.Tensor, targets []int32, coef []float32, starts []int32, carry bool) {
				ones := make([]float32, len(coef))
				for i := range ones {
					ones[i] = 1
				}
				e.CrossEntropy(ce, dx, dw, x, w, targets, ones, starts, carry)
			}
		}},
		"head gradient of the last chunk only": {"cross_entropy_large", func(d *defective, e e) {
			d.loss = func(ce []float64, dx, dw, x, w kernels.Tensor, targets []int32, coef []float32, starts []int32, carry bool) {
				e.CrossEntropy(ce, dx, dw, x, w, targets, coef, starts, carry)
				if n := x.Rows(); n > 512 {
					e.CrossEntropy(ce[512:], dx.Slice(512, n), dw, x.Slice(512, n), w, targets[512:], coef[512:], []int32{0, int32(n - 512)}, false)
				}
			}
		}},
		"perplexity of another row": {"log_prob", func(d *defective, e e) {
			d.logProb = func(dst []float64, best []int32, x, w kernels.Tensor, rows, targets []int32) {
				wrong := make([]int32, len(rows))
				e.LogProb(dst, best, x, w, wrong, targets)
			}
		}},
		"sum in float32": {"sum_squares", func(d *defective, e e) {
			d.sums = func(dst []float64) { dst[0] = float64(float32(dst[0])) }
		}},
		"unscaled gradient": {"adamw", func(d *defective, e e) {
			d.adamw = func(h kernels.AdamW, tensors ...kernels.Tensor) {
				h.Scale = 1
				e.AdamW(h, tensors...)
			}
		}},
		"the first parameter alone": {"adamw_of_many", func(d *defective, e e) {
			d.adamw = func(h kernels.AdamW, tensors ...kernels.Tensor) { e.AdamW(h, tensors[:min(4, len(tensors))]...) }
		}},
		"swallowed NaN": {"nan", func(d *defective, e e) {
			d.norm = func(dst, x, w kernels.Tensor, eps float32) { e.Write(dst, make([]float32, dst.Rows()*dst.Cols())) }
		}},
		"swallowed failure": {"out_of_range", func(d *defective, e e) {
			d.sync = func() error { _ = e.Sync(); return nil }
		}},
		"unchecked shapes": {"misuse", func(d *defective, e e) {
			d.convert = func(dst, src kernels.Tensor) {}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			engine, err := cpu.New(cpu.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer engine.Close()
			for _, check := range enginetest.Checks() {
				if check.Name != c.check {
					continue
				}
				d := &defective{Engine: engine}
				c.fault(d, engine)
				if problems := check.Run(d, enginetest.CPU); len(problems) == 0 {
					t.Errorf("check %s found nothing", check.Name)
				}
				drawn(t, d, c.check)
				return
			}
			t.Fatalf("no check %s", c.check)
		})
	}
}
