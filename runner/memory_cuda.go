package runner

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"xrun/kernels/cuda"
	"xrun/kernels/cuda/nvidia"
	"xrun/kernels/pages"
	"xrun/model"
)

// cudaTraining says what the CUDA engine must know of a training.
func cudaTraining(c model.Config, precision string, e model.Extent, labels int) cuda.Training {
	return cuda.Training{DType: precisionOf(precision), Matrices: c.Matrices(), Vocab: c.Vocab, Heads: c.Heads, HeadDim: c.HeadDim,
		Tokens: e.Tokens, Labels: labels}
}

// printDeviceMemory prints what the training that takes the most has in the
// device's memory, by purpose, and whether it fits.
func (s *study) printDeviceMemory(w io.Writer, d cuda.Device) {
	var name string
	var most int64
	var p trainPlan
	var o cuda.Overhead
	for _, c := range s.cells {
		m, prep := s.models[c.Model], s.prepares[c.Name]
		if m == nil || prep == nil {
			continue
		}
		q := planTraining(s.spec.Run, m.config, c, prep.Rows)
		over := cudaTraining(m.config, c.Train.Precision, q.Extent, q.Labels).Overhead()
		if n := q.bytes.Total() + over.Total(); n > most {
			name, most, p, o = c.Name, n, q, over
		}
	}
	if most == 0 {
		return
	}
	fmt.Fprintf(w, "\ndevice memory of training %s: %s tokens at once, %d blocks computed again\n", name, thousands(int64(p.Tokens)), p.recompute)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, part := range []struct {
		name  string
		bytes int64
	}{
		{"weights, f32", p.bytes.Weights}, {"weights rounded to bf16", o.Rounded}, {"gradients, f32", p.bytes.Gradients},
		{"moments, f32", p.bytes.Moments}, {"activations", p.bytes.Activations}, {"logits", o.Logits}, {"scratch", o.Scratch},
		{"staging", o.Staging}, {"CUDA's own, about", o.Context}, {"together", most},
	} {
		if part.bytes > 0 {
			fmt.Fprintf(t, "  %s\t%s\n", part.name, byteText(part.bytes))
		}
	}
	t.Flush()
	if d.Memory == 0 { // of a device that is not here
		return
	}
	if left := d.Memory - most; left >= 0 {
		fmt.Fprintf(w, "  fits %s of %s: %s are left\n", byteText(d.Memory), d.Name, byteText(left))
	} else {
		fmt.Fprintf(w, "  does not fit %s of %s: %s are missing; %s\n", byteText(d.Memory), d.Name, byteText(-left), lowerMemory)
	}
}

// adviseMemory adds what to lower to the failure of a stage that memory did not
// hold.
func adviseMemory(st *stage, err error) error {
	device := errors.As(err, new(*cuda.OutOfMemoryError)) || nvidia.Exhausted(err)
	switch {
	case !device && !errors.As(err, new(*pages.ExhaustedError)):
		return err
	case st.kind == "train":
		return fmt.Errorf("%w; %s", err, lowerMemory)
	case device:
		return fmt.Errorf("%w; -engine cpu takes the memory of this machine instead", err)
	}
	return fmt.Errorf("%w; lower eval.memory", err)
}

// lowerMemory is what to do where memory does not hold a training.
const lowerMemory = "lower run.memory (smaller micro-batches, more computed again) or data.maxLength, or set run.recompute to \"all\""
