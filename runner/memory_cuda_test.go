package runner

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cuda"
	"xrun/kernels/cuda/nvidia"
	"xrun/model"
)

// TestMemoryOfThePaperScale plans the memory of a 24 GiB device for
// Qwen2.5-0.5B in bf16, 4 rows of 1,024 tokens at once.
func TestMemoryOfThePaperScale(t *testing.T) {
	c := model.Config{Architecture: model.Qwen2, Vocab: 151936, Hidden: 896, Intermediate: 4864, Layers: 24, Heads: 14, KVHeads: 2, HeadDim: 64,
		MaxPositions: 32768, RopeTheta: 1e6, NormEps: 1e-6, Tied: true, QKVBias: true}
	e := model.Extent{Tokens: 4096, Labels: 4096, Longest: 1024, Step: 4096}
	b := model.TrainMemory(c, kernels.BF16, 0, e)
	o := cudaTraining(c, "bf16", e, e.Labels).Overhead()
	total := b.Total() + o.Total()
	t.Logf("tensors %+v, engine %+v: %s", b, o, byteText(total))
	if c.Parameters() != 494032768 {
		t.Errorf("%d parameters", c.Parameters())
	}
	if o.Rounded < 900<<20 || o.Rounded > 1<<30 {
		t.Errorf("rounded weights take %s, two bytes for each of some 494 million", byteText(o.Rounded))
	}
	if want := int64(1024 * 151936 * 4); o.Logits != want {
		t.Errorf("logits take %d bytes, want %d: 1,024 rows", o.Logits, want)
	}
	if total > 24<<30 {
		t.Errorf("takes %s of 24 GiB", byteText(total))
	}
}

func TestOutOfMemorySaysWhatToLower(t *testing.T) {
	err := fmt.Errorf("preparing training: %w", &cuda.OutOfMemoryError{Asked: 1 << 30, Total: 8 << 30})
	// The driver loads a kernel when it is first asked for, which may be late.
	late := fmt.Errorf("looking up kernel swiglu: %w", &nvidia.Error{Doing: "looking up kernel swiglu", Code: 2})
	for _, err := range []error{err, late} {
		for kind, want := range map[string]string{"train": "run.memory", "evaluate": "-engine cpu"} {
			got := adviseMemory(&stage{kind: kind}, err)
			if !strings.Contains(got.Error(), want) || !errors.Is(got, err) {
				t.Errorf("%s: %v", kind, got)
			}
		}
	}
	if other := errors.New("no"); adviseMemory(&stage{kind: "train"}, other) != other {
		t.Error("another failure is changed")
	}
}
