package model

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"xrun/kernels"
	"xrun/kernels/pages"
	"xrun/model/safetensors"
)

// A trainer's state is a safetensors file with the weights under their names, the moments
// under the same names prefixed with "adamw.m." and "adamw.v.", all float32, and the
// counters in its metadata. Training continues from it with the same bits.

const (
	metaStep   = "xrun.step"
	metaUpdate = "xrun.update"
	prefixM    = "adamw.m."
	prefixV    = "adamw.v."
)

// statePart holds the tensors under one prefix.
type statePart struct {
	prefix string
	params []Param
}

func (t *Trainer) parts() []statePart {
	return []statePart{{"", t.m.params}, {prefixM, t.m1Of}, {prefixV, t.m2Of}}
}

func (t *Trainer) tensors() (all []safetensors.Tensor) {
	for _, part := range t.parts() {
		all = append(all, stored(t.m.e, part.params, part.prefix, kernels.F32)...)
	}
	return all
}

func (t *Trainer) metadata() map[string]string {
	return map[string]string{metaStep: strconv.Itoa(t.step), metaUpdate: strconv.Itoa(t.update)}
}

// WriteState writes weights, moments and counters.
func (t *Trainer) WriteState(w io.Writer) error {
	if err := safetensors.Write(w, t.tensors(), t.metadata()); err != nil {
		return fmt.Errorf("writing training state: %w", err)
	}
	return nil
}

// ReadState restores a state that WriteState wrote for the same model, size bytes in r.
// After an error, the model and the trainer must not be used.
func (t *Trainer) ReadState(r io.ReaderAt, size int64) error {
	set, err := safetensors.New(r, size, "training state")
	if err != nil {
		return err
	}
	step, err1 := strconv.Atoi(set.Metadata()[metaStep])
	update, err2 := strconv.Atoi(set.Metadata()[metaUpdate])
	if err1 != nil || err2 != nil || step < 0 || update < 0 || update > step {
		return fmt.Errorf("reading training state: its metadata has no valid %s and %s", metaStep, metaUpdate)
	}
	n := 0
	for _, part := range t.parts() {
		for _, p := range part.params {
			info, ok := set.Info(part.prefix + p.Name)
			if !ok || info.DType != safetensors.F32 || !slices.Equal(info.Shape, p.Shape) {
				return fmt.Errorf("reading training state: tensor %q is missing or is not F32 %v; it belongs to another model", part.prefix+p.Name, p.Shape)
			}
			n++
		}
	}
	if n != len(set.Names()) {
		return fmt.Errorf("reading training state: it holds %d tensors; this model has %d", len(set.Names()), n)
	}
	for _, part := range t.parts() {
		for _, p := range part.params {
			if err := t.restore(set, part.prefix+p.Name, p.Tensor); err != nil {
				return err
			}
		}
	}
	t.step, t.update = step, update
	return t.m.e.Sync()
}

func (t *Trainer) restore(set *safetensors.Set, name string, x kernels.Tensor) error {
	buf := make([]float32, pieceRows(x)*x.Cols())
	for lo := 0; lo < x.Rows(); lo += pieceRows(x) {
		hi := min(lo+pieceRows(x), x.Rows())
		b := buf[:(hi-lo)*x.Cols()]
		if err := set.Float32(name, lo*x.Cols(), b); err != nil {
			return fmt.Errorf("reading training state: %w", err)
		}
		t.m.e.Write(x.Slice(lo, hi), b)
	}
	return nil
}

// Snapshot is a copy of a trainer's state that can be written while training continues.
// Every Take reuses its memory, because fresh memory, which the system clears page by
// page, would cost more than the copy.
type Snapshot struct {
	t        *Trainer
	tensors  []safetensors.Tensor // with their values
	metadata map[string]string
}

// NewSnapshot allocates memory for copies of the state, three times the size of the
// weights in float32. Take fills it and Free frees it.
func (t *Trainer) NewSnapshot() *Snapshot {
	s := &Snapshot{t: t, tensors: t.tensors()}
	for i, x := range s.tensors {
		s.tensors[i].Values = pages.Alloc(safetensors.Info{Shape: x.Shape}.Elements())
	}
	return s
}

// Take copies the current state. The previous copy must not be being written.
func (s *Snapshot) Take() error {
	s.metadata = s.t.metadata()
	at := 0
	for _, part := range s.t.parts() {
		for _, p := range part.params {
			s.t.m.e.Read(s.tensors[at].Values, p.Tensor)
			at++
		}
	}
	if err := s.t.m.e.Sync(); err != nil {
		return fmt.Errorf("copying training state: %w", err)
	}
	return nil
}

// Write writes the copy in the format that ReadState reads.
func (s *Snapshot) Write(w io.Writer) error {
	if err := safetensors.Write(w, s.tensors, s.metadata); err != nil {
		return fmt.Errorf("writing training state: %w", err)
	}
	return nil
}

// Free frees the memory. The snapshot must not be used afterwards.
func (s *Snapshot) Free() {
	for _, x := range s.tensors {
		pages.Free(x.Values)
	}
	s.tensors = nil
}
