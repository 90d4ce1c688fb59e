package model_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"xrun/kernels"
	"xrun/model"
	"xrun/model/modeltest"
)

func TestScoringErrors(t *testing.T) {
	m := modeltest.Random(t, engine(t, 1), small(model.Qwen2), kernels.F32)
	for want, s := range map[string]model.ScoreSeq{
		"sequence 1: from token 0 of 2; want 1 to 2": {Tokens: []int32{1, 2}},
		"sequence 1: from token 3 of 2":              {Tokens: []int32{1, 2}, From: 3},
		"sequence 1: from token 1 of 0":              {From: 1},
		"sequence 1: token 1 has id 500, outside":    {Tokens: []int32{1, 500}, From: 1},
	} {
		if _, _, err := m.LogProbs([]model.ScoreSeq{{Tokens: []int32{1, 2}, From: 1}, s}, model.ScoreOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if got, stats, err := m.LogProbs(nil, model.ScoreOptions{}); err != nil || len(got) != 0 || stats != (model.ScoreStats{}) {
		t.Errorf("no sequences: %v, %+v, %v", got, stats, err)
	}
}

func TestGenerateErrors(t *testing.T) {
	m := modeltest.Random(t, engine(t, 1), small(model.Qwen2), kernels.F32)
	one := [][]int32{{1, 2}}
	for _, c := range []struct {
		want    string
		prompts [][]int32
		o       model.GenerateOptions
	}{
		{"prompt 1 is empty", [][]int32{{1}, {}}, model.GenerateOptions{MaxNew: 1}},
		{"prompt 0: token 0 has id -3", [][]int32{{-3}}, model.GenerateOptions{MaxNew: 1}},
		{"-1 new tokens", one, model.GenerateOptions{MaxNew: -1}},
		{"temperature is -1", one, model.GenerateOptions{MaxNew: 1, Temperature: -1}},
		{"top-k is -1", one, model.GenerateOptions{MaxNew: 1, TopK: -1}},
		{"top-p is 1.5", one, model.GenerateOptions{MaxNew: 1, TopP: 1.5}},
		{"end token 900 is outside", one, model.GenerateOptions{MaxNew: 1, EOS: []int32{900}}},
	} {
		if _, err := m.Generate(c.prompts, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want an error with %q", err, c.want)
		}
	}
	if got, err := m.Generate(one, model.GenerateOptions{}); err != nil || len(got) != 1 || len(got[0]) != 0 {
		t.Errorf("no new tokens: %v, %v", got, err)
	}
}

// Any text gives a configuration that Load can use, or an error.
func FuzzConfig(f *testing.F) {
	f.Add(qwenConfig)
	f.Add(strings.NewReplacer("Qwen2For", "LlamaFor", `"qwen2"`, `"llama"`).Replace(qwenConfig))
	f.Add(`{"architectures":["LlamaForCausalLM"],"rope_scaling":{"type":null},"eos_token_id":[1,2]}`)
	f.Add(`{"rope_parameters":{"rope_theta":"x"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := model.ReadConfig(configFS(text))
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("accepted, but %v", err)
		}
		if _, err := c.MarshalTransformers("float32"); err != nil {
			t.Error(err)
		}
	})
}

// FuzzState restores edited training states, which must give an error or a usable state.
func FuzzState(f *testing.F) {
	e := engine(f, 1)
	c := small(model.Qwen2)
	c.Vocab, c.Hidden, c.Intermediate, c.Layers, c.Heads, c.KVHeads, c.HeadDim = 5, 4, 4, 1, 2, 1, 2
	m := modeltest.Random(f, e, c, kernels.F32)
	tr, err := model.NewTrainer(m, smallRecipe(0, 64))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { tr.Close() })
	var b bytes.Buffer
	if err := tr.WriteState(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()/2])
	f.Fuzz(func(t *testing.T, state []byte) {
		if tr.ReadState(bytes.NewReader(state), int64(len(state))) != nil {
			return
		}
		if err := tr.WriteState(io.Discard); err != nil {
			t.Error(err)
		}
	})
}
