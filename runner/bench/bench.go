// Package bench measures an engine: single kernels, training steps and
// generation, as shares of what the machine can do at most in the same minute.
//
// It is not a test: nothing fails because it is slow, and a share measured on a
// busy machine says nothing. Most readers need [MeasureSteps] and
// [Report.Print].
package bench

import (
	"fmt"
	"io"
	"text/tabwriter"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/model"
)

// Report is what `xrun bench` measured.
type Report struct {
	Engine  string `json:"engine"`
	Where   string `json:"where"` // the engine's device, or why it is the processor
	Threads int    `json:"threads,omitempty"`
	Model   string `json:"model"`
	// Limits are this machine's; nil where the engine cannot measure them, and
	// then there are no shares.
	Limits      *cpu.Limits   `json:"limits,omitempty"`
	Kernels     []Kernel      `json:"kernels,omitempty"`
	Steps       []*Step       `json:"steps,omitempty"`
	Generations []*Generation `json:"generations,omitempty"`
}

// Loader makes a model on an engine, frozen if it is not to be trained.
type Loader func(e kernels.Engine, p kernels.DType, frozen bool) (*model.Model, error)

// AddLimits measures the engine's machine, if the engine can. Call it before and
// after what is compared: a figure is the best of all calls.
func (r *Report) AddLimits(e kernels.Engine) {
	own, ok := e.(interface {
		Limits() cpu.Limits
		Threads() int
	})
	if !ok {
		return
	}
	l := own.Limits()
	if r.Limits == nil {
		r.Limits, r.Threads = &cpu.Limits{}, own.Threads()
	}
	*r.Limits = cpu.Limits{FMA: max(l.FMA, r.Limits.FMA), BF16: max(l.BF16, r.Limits.BF16), Dot: l.Dot, Copy: max(l.Copy, r.Limits.Copy), Read: max(l.Read, r.Limits.Read)}
}

// SetShares computes every share of the limits.
func (r *Report) SetShares() {
	l := r.Limits
	if l == nil {
		return
	}
	products := map[string]float64{kernels.F32.String(): l.FMA, kernels.BF16.String(): l.BF16}
	for i := range r.Kernels {
		k := &r.Kernels[i]
		if k.Share = k.GFLOPS / products[k.Precision]; k.GFLOPS == 0 {
			k.Share = k.GBps / l.Copy
		}
	}
	for _, s := range r.Steps {
		s.Share = s.GFLOPS / products[s.Precision]
		for _, o := range s.Ops {
			if o.Share = o.FLOPs / o.Seconds / 1e9 / products[s.Precision]; o.FLOPs == 0 {
				o.Share = o.Bytes / o.Seconds / 1e9 / l.Copy
			}
		}
	}
	for _, g := range r.Generations {
		if g.ReadGBps == 0 {
			continue
		}
		g.Share = g.GBps / g.ReadGBps
		for _, o := range g.Ops {
			o.Share = o.Bytes / o.Seconds / 1e9 / g.ReadGBps
		}
	}
}

// Print writes the report as tables for people.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%s on engine %s", r.Model, r.Where)
	if r.Threads > 0 {
		fmt.Fprintf(w, ", %d threads", r.Threads)
	}
	fmt.Fprint(w, "\n\n")
	if l := r.Limits; l != nil {
		t := table(w, "limits of this machine, measured now")
		fmt.Fprintf(t, "  FMA loop, f32\t%.1f GFLOP/s\n", l.FMA)
		if l.Dot {
			fmt.Fprintf(t, "  VDPBF16PS loop\t%.1f GFLOP/s\n", l.BF16)
		}
		fmt.Fprintf(t, "  streaming copy\t%.1f GB/s\n", l.Copy)
		fmt.Fprintf(t, "  reading and xoring\t%.1f GB/s\n", l.Read)
		flush(t)
	}
	if len(r.Kernels) > 0 {
		title := "kernels"
		if r.Limits != nil {
			title += " (share of the product loop, or of the copy; above 100 % is the caches)"
		}
		t := table(w, title)
		for _, k := range r.Kernels {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", k.Name, k.Precision, k.Shape, rate(k.GFLOPS, k.GBps), percent(k.Share))
		}
		flush(t)
	}
	for _, s := range r.Steps {
		t := table(w, fmt.Sprintf("training in %s: %d steps of %d rows, %d tokens", s.Precision, s.Steps, s.Rows, s.Tokens))
		fmt.Fprintf(t, "  real tokens\t%.1f a second\n", s.TokensPerSecond)
		fmt.Fprintf(t, "  with pads counted\t%.1f a second\n", s.PaddedPerSecond)
		fmt.Fprintf(t, "  a step\t%.3f s, the first %.3f s\n", s.Seconds/float64(s.Steps), s.FirstSeconds)
		fmt.Fprintf(t, "  arithmetic\t%s\t%s\n", rate(s.GFLOPS, 0), percent(s.Share))
		if s.PeakBytes > 0 {
			fmt.Fprintf(t, "  peak memory\t%.0f MiB, planned %.0f\n", mib(s.PeakBytes), mib(s.PlannedBytes))
		}
		for _, o := range r.timed(s.Ops) {
			fmt.Fprintf(t, "  %s\t%.1f %% of the time\t%s\t%s\n", o.Op, 100*o.Seconds/s.Seconds, rate(o.FLOPs/o.Seconds/1e9, o.Bytes/o.Seconds/1e9), percent(o.Share))
		}
		for _, k := range s.Kernels {
			fmt.Fprintf(t, "  %s\t%d launches\t%.3f ms of a step\n", k.Kernel, k.Launches, 1000*k.Seconds)
		}
		flush(t)
	}
	for _, g := range r.Generations {
		t := table(w, fmt.Sprintf("greedy generation in %s, one sequence, %d tokens behind %d", g.Precision, g.Tokens, g.Prompt))
		fmt.Fprintf(t, "  tokens\t%.2f a second\n", g.TokensPerSecond)
		fmt.Fprintf(t, "  weights read\t%.1f GB/s\t%s\n", g.GBps, percent(g.Share))
		if g.ReadGBps > 0 {
			fmt.Fprintf(t, "  reading and xoring, between tokens\t%.1f GB/s\n", g.ReadGBps)
		}
		for _, o := range r.timed(g.Ops) {
			fmt.Fprintf(t, "  %s\t%.3f s\t%.1f GB/s\t%s\n", o.Op, o.Seconds, o.Bytes/o.Seconds/1e9, percent(o.Share))
		}
		flush(t)
	}
}

// timed returns the operations if their times are those of their work: on a GPU
// they are what the host took to queue it.
func (r *Report) timed(ops []*OpTime) []*OpTime {
	if r.Engine == "cpu" {
		return ops
	}
	return nil
}

func table(w io.Writer, title string) *tabwriter.Writer {
	fmt.Fprintln(w, title)
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
}

func flush(t *tabwriter.Writer) {
	fmt.Fprintln(t)
	t.Flush()
}

func rate(gflops, gbps float64) string {
	if gflops >= 10_000 {
		return fmt.Sprintf("%.1f TFLOP/s", gflops/1000)
	}
	if gflops > 0 {
		return fmt.Sprintf("%.1f GFLOP/s", gflops)
	}
	return fmt.Sprintf("%.1f GB/s", gbps)
}

func percent(share float64) string {
	if share == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
