package runner

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"xrun/kernels"
	"xrun/kernels/cuda"
)

// work is what stages take, added up.
type work struct {
	stages, tokens, updates int64
	flops                   float64
}

func (w *work) add(st *stage) {
	w.stages++
	w.tokens += st.tokens
	w.updates += st.updates
	w.flops += st.flops
}

// pace is the speed of an engine; see measureSpeed. The zero pace is unknown.
type pace struct{ flops, update float64 }

// seconds predicts how long work takes; endless at an unknown pace.
func (p pace) seconds(w work) float64 {
	if p.flops == 0 {
		return math.Inf(1)
	}
	const share = 0.6 // of the matrix products' speed that a whole training step reaches
	return w.flops/(p.flops*share) + float64(float64(w.updates)*p.update)
}

func (p pace) text(w work) string {
	return "about " + shortTime(time.Duration(p.seconds(w)*float64(time.Second)))
}

func (s *study) printCost(w io.Writer, engine *engine) {
	var left, again work
	for _, st := range s.stages {
		if s.left(st) {
			left.add(st)
		}
		if s.again(st) {
			again.add(st)
		}
	}
	if left.flops == 0 && left.tokens == 0 {
		if len(s.missing) == 0 {
			fmt.Fprintln(w, "nothing is left")
			if use := s.plannedDisk(pace{}); use.final < 0 {
				fmt.Fprintf(w, "the next run drops stored weights: %s\n", byteText(-use.final))
			}
		}
		return
	}
	var speed pace
	if engine.here() {
		speed.flops, speed.update = measureSpeed(engine.Engine, precisionOf(s.spec.Train.Precision))
	}
	memory, checkpoint := s.memory(engine.Engine)
	fmt.Fprintln(w, "cost of what is left")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  tokens\t%s\n", thousands(left.tokens))
	fmt.Fprintf(t, "  arithmetic\t%s\n", flopText(left.flops))
	if memory > 0 {
		fmt.Fprintf(t, "  memory\t%s at most, and %s more from the first checkpoint on where there is room\n", byteText(memory), byteText(checkpoint))
		if most, _ := parseBytes(s.spec.Run.Memory); most > 0 && memory > most {
			fmt.Fprintf(t, "  \tmore than run.memory, %s, which bounds the activations alone\n", byteText(most))
		}
	}
	s.printDisk(t, speed)
	if engine.here() {
		fmt.Fprintf(t, "  time here\t%s, at %s/s in %s products measured now\n", speed.text(left), flopText(speed.flops), s.spec.Train.Precision)
	}
	if again.stages > 0 {
		took := ""
		if engine.here() {
			took = ", " + speed.text(again) + " of it"
		}
		fmt.Fprintf(t, "  trained again\t%s%s, to the same bits: the weights were dropped and are needed\n", plural(int(again.stages), "cell"), took)
	}
	t.Flush()
}

// printDisk says what the disk must hold beside tables, which are small.
func (s *study) printDisk(w io.Writer, speed pace) {
	use := s.plannedDisk(speed)
	if use == (diskUse{}) {
		fmt.Fprintf(w, "  disk\ttables\n")
		return
	}
	final := byteText(use.final)
	switch {
	case use.final < 0:
		final = byteText(-use.final) + " less"
	case use.final == 0:
		final = "tables"
	}
	fmt.Fprintf(w, "  disk\t%s when it is done, %s at most until then\n", final, byteText(use.most))
	if n := s.keptCells(); n > 0 {
		fmt.Fprintf(w, "  \tthe weights of %s stay, because another run beside the store wants them\n", plural(n, "cell"))
	}
	if free := s.freeDisk(); free >= 0 && use.most > free {
		fmt.Fprintf(w, "  \t%s\n", s.tooFull(free, speed))
	}
}

// measureSpeed returns the floating-point operations a second of a middling
// matrix product, the best of a few in some 50 ms, and, of a GPU, the seconds
// that the optimizer takes for a parameter: few tokens a step leave it a large
// part of the time there, where a processor's is within what share leaves.
func measureSpeed(e kernels.Engine, t kernels.DType) (speed, update float64) {
	rows, n, k, queue := 256, 512, 512, 1
	gpu, ok := e.(*cuda.Engine)
	queued := ok && !gpu.Device().Emulated
	if queued {
		rows, n, k, queue = 512, 4096, 1024, 16 // waiting for each would be most of it
	}
	var made []kernels.Tensor
	tensor := func(t kernels.DType, rows, cols int) kernels.Tensor {
		made = append(made, e.New(t, rows, cols))
		return made[len(made)-1]
	}
	defer func() { e.Free(made...) }()
	best := func(f func()) float64 {
		least := math.Inf(1)
		for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
			start := time.Now()
			for range queue {
				f()
			}
			if e.Sync() != nil {
				return 1
			}
			least = min(least, time.Since(start).Seconds()/float64(queue))
		}
		return least
	}
	x, w, y := tensor(t, rows, k), tensor(kernels.F32, n, k), tensor(t, rows, n)
	speed = 2 * float64(rows) * float64(n) * float64(k) / best(func() { e.Linear(y, x, w, nil, nil) })
	if queued {
		g, m, v := tensor(kernels.F32, n, k), tensor(kernels.F32, n, k), tensor(kernels.F32, n, k)
		update = best(func() { e.AdamW(kernels.AdamW{Scale: 1, SqrtBC2: 1, Eps: 1}, w, g, m, v) }) / float64(n*k)
	}
	return speed, update
}
