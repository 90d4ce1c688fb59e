package model_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/model"
	"xrun/model/modeltest"
)

// reference is modeltest.Reference.
func reference(t testing.TB, path ...string) string {
	t.Helper()
	return modeltest.Reference(t, path...)
}

func engine(t testing.TB, threads int) kernels.Engine {
	t.Helper()
	e, err := cpu.New(cpu.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func load(t testing.TB, e kernels.Engine, dir string, p kernels.DType) *model.Model {
	t.Helper()
	m, err := model.Load(e, os.DirFS(dir), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func relative(got, want float64) float64 { return math.Abs(got-want) / math.Abs(want) }

func newTrainer(t testing.TB, m *model.Model, r model.Recipe) *model.Trainer {
	t.Helper()
	tr, err := model.NewTrainer(m, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func step(t testing.TB, tr *model.Trainer, rows []model.Row) model.StepResult {
	t.Helper()
	res, err := tr.Step(rows)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestReference compares with float64. float32 sums of a few hundred terms have errors of about
// 1e-7. bf16 operands have 8 bits, so each has an error of 2^-9 = 0.002, and the errors of
// several layers add up as a random walk.
func TestReference(t *testing.T) {
	modeltest.Run(t, func(t testing.TB) kernels.Engine { return engine(t, 2) }, modeltest.Bounds{
		F32:  modeltest.Tolerance{Logits: 1e-5, Loss: 1e-5, Grad: 1e-5},
		BF16: modeltest.Tolerance{Logits: 2e-2, Loss: 1e-3, Grad: 5e-2},
		Norm: 1e-4, Weights: 1e-4,
	})
}

// The nine schedules of transformers, to the last bit.
func TestReferenceSchedules(t *testing.T) {
	text, err := os.ReadFile(reference(t, "schedules.json"))
	if err != nil {
		t.Fatal(err)
	}
	var curves map[string]struct {
		Kwargs json.RawMessage
		Peak   float64
		Steps  int
		LR     []float64
	}
	if err := json.Unmarshal(text, &curves); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for key, c := range curves {
		var s model.Schedule
		if err := json.Unmarshal(c.Kwargs, &s); err != nil {
			t.Fatal(err)
		}
		var name string
		for i := range key {
			if key[i] == '/' {
				name = key[:i]
				if _, err := fmt.Sscanf(key[i:], "/warmup=%d", &s.Warmup); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.Name, s.Steps = name, c.Steps
		names[name] = true
		if err := s.Validate(c.Peak); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		for i, want := range c.LR {
			if got := s.LR(i, c.Peak); math.Float64bits(got) != math.Float64bits(want) {
				t.Errorf("%s: step %d: got %v, want %v", key, i, got, want)
			}
		}
	}
	if len(names) != len(model.ScheduleNames) {
		t.Errorf("the file covers %d schedules of %d", len(names), len(model.ScheduleNames))
	}
}
