package reports_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/reports"
)

func eventRun() *reports.Run {
	run := &reports.Run{HeldOut: []reports.HeldOut{{Cell: "base:a/b", OutputLoss: 3, PromptLoss: 4}}}
	for i := int32(1); i <= 5; i++ {
		s := reports.Step{Cell: "labels=all", Step: i, Loss: float64(6 - i), LR: 1 / float64(i), GradNorm: 2, Tokens: 10, LogPoint: i%2 == 0 || i == 5}
		if i == 3 {
			s.Loss, s.Skipped = math.NaN(), true
		}
		run.Steps = append(run.Steps, s)
	}
	for _, step := range []int32{0, 4} {
		run.HeldOut = append(run.HeldOut, reports.HeldOut{Cell: "labels=all", Step: step, OutputLoss: 1, PromptLoss: 2})
	}
	return run
}

func TestEventsHoldWindowMeans(t *testing.T) {
	dir := t.TempDir()
	if err := reports.WriteEvents(directory(dir), eventRun()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "events", "labels=all", reports.EventsFile))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readEvents(b)
	if err != nil {
		t.Fatal(err)
	}
	at := func(step int64, tag string, value float32) scalar {
		return scalar{Step: step, WallTime: float64(step), Tag: tag, Value: value}
	}
	want := []scalar{
		at(0, "heldout/output_loss", 1), at(0, "heldout/prompt_loss", 2),
		at(2, "train/loss", 4.5), at(2, "train/learning_rate", 0.5), at(2, "train/grad_norm", 2), at(2, "train/num_input_tokens_seen", 20),
		// Step 3 had no target: the window's mean is step 4's loss alone.
		at(4, "train/loss", 2), at(4, "train/learning_rate", 0.25), at(4, "train/grad_norm", 2), at(4, "train/num_input_tokens_seen", 40),
		at(4, "heldout/output_loss", 1), at(4, "heldout/prompt_loss", 2),
		at(5, "train/loss", 1), at(5, "train/learning_rate", 0.2), at(5, "train/grad_norm", 2), at(5, "train/num_input_tokens_seen", 50),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := os.Stat(filepath.Join(dir, "events", "base%3Aa%2Fb", reports.EventsFile)); err != nil {
		t.Errorf("the base model's file: %v", err)
	}
}

// TensorBoard 2.21.0 read this file back right (EventAccumulator, every scalar).
func TestEventBytesAreFixed(t *testing.T) {
	run := eventRun()
	var buf bytes.Buffer
	if err := reports.EncodeEvents(&buf, run.Steps, run.HeldOut[1:]); err != nil {
		t.Fatal(err)
	}
	const want = "0b10adf988e7bafb8de3ba50e8131eb05d3eb2b279777477c015eebcfb5f71db"
	if got := fmt.Sprintf("%x", sha256.Sum256(buf.Bytes())); got != want {
		t.Errorf("sha256 %s; want %s", got, want)
	}
	for i := range buf.Bytes() {
		b := bytes.Clone(buf.Bytes())
		b[i] ^= 0x10
		if _, err := readEvents(b); err == nil || !strings.Contains(err.Error(), "at byte ") {
			t.Fatalf("byte %d changed: error %v", i, err)
		}
	}
}
