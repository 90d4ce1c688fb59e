package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// The supported architectures, by transformers' class names.
const (
	Qwen2 = "Qwen2ForCausalLM"
	Qwen3 = "Qwen3ForCausalLM"
	Llama = "LlamaForCausalLM"
)

var architectures = []string{Qwen2, Qwen3, Llama}

// oneOf joins names as in "a, b or c".
func oneOf(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Config describes a decoder-only model: the fields of a transformers directory's
// config.json that affect numbers. Its JSON form is part of content keys, so field names
// and order must not change.
type Config struct {
	Architecture string `json:"architecture"` // Qwen2, Qwen3 or Llama

	Vocab        int `json:"vocab"`
	Hidden       int `json:"hidden"`
	Intermediate int `json:"intermediate"` // width of the MLP
	Layers       int `json:"layers"`
	Heads        int `json:"heads"`
	KVHeads      int `json:"kv_heads"`
	HeadDim      int `json:"head_dim"`
	MaxPositions int `json:"max_positions"` // the intended context length; not enforced

	RopeTheta float64 `json:"rope_theta"`
	// RopeScaling is nil unless the frequencies are scaled.
	RopeScaling *RopeScaling `json:"rope_scaling,omitempty"`
	NormEps     float64      `json:"norm_eps"`
	Tied        bool         `json:"tied"` // the head is the embedding

	QKVBias    bool `json:"qkv_bias"`
	OutputBias bool `json:"output_bias"` // of o_proj
	MLPBias    bool `json:"mlp_bias"`

	// InitRange is the standard deviation of initial weights.
	InitRange float64 `json:"init_range"`

	BOS int32   `json:"bos"` // -1: none
	EOS []int32 `json:"eos"` // generation_config.json's, else config.json's
	Pad int32   `json:"pad"` // -1: none
}

// RopeScaling is the scaling of rotary frequencies that extends Llama 3 to longer
// contexts, transformers' rope_type "llama3". See [Config.RotaryFrequency].
type RopeScaling struct {
	Factor        float64 `json:"factor"`
	LowFreq       float64 `json:"low_freq_factor"`
	HighFreq      float64 `json:"high_freq_factor"`
	TrainedLength int     `json:"original_max_position_embeddings"`
}

func (s *RopeScaling) validate(field string) error {
	for _, d := range []struct {
		name string
		v    float64
	}{{"factor", s.Factor}, {"low_freq_factor", s.LowFreq}, {"high_freq_factor", s.HighFreq}} {
		if !(d.v > 0) || math.IsInf(d.v, 0) {
			return fmt.Errorf("%s.%s is %v; want a positive number", field, d.name, d.v)
		}
	}
	if s.HighFreq <= s.LowFreq {
		return fmt.Errorf("%s.high_freq_factor %v is not above low_freq_factor %v", field, s.HighFreq, s.LowFreq)
	}
	if s.TrainedLength < 1 {
		return fmt.Errorf("%s.original_max_position_embeddings is %d; want at least 1", field, s.TrainedLength)
	}
	return nil
}

// Validate checks that the sizes are consistent and within the limits of the file formats
// and of 32-bit ids.
func (c Config) Validate() error {
	for _, d := range []struct {
		name   string
		v, max int
	}{
		{"vocab_size", c.Vocab, 1 << 24}, {"hidden_size", c.Hidden, 1 << 18}, {"intermediate_size", c.Intermediate, 1 << 20},
		{"num_hidden_layers", c.Layers, 1 << 12}, {"num_attention_heads", c.Heads, 1 << 12},
		{"num_key_value_heads", c.KVHeads, 1 << 12}, {"head_dim", c.HeadDim, 1 << 12},
		{"max_position_embeddings", c.MaxPositions, 1 << 30},
	} {
		if d.v < 1 || d.v > d.max {
			return fmt.Errorf("%s is %d; want 1 to %d", d.name, d.v, d.max)
		}
	}
	if !slices.Contains(architectures, c.Architecture) {
		return fmt.Errorf("architecture is %q; want %s", c.Architecture, oneOf(architectures))
	}
	if c.Heads%c.KVHeads != 0 {
		return fmt.Errorf("num_attention_heads %d is not a multiple of num_key_value_heads %d", c.Heads, c.KVHeads)
	}
	if c.HeadDim%2 != 0 {
		return fmt.Errorf("head_dim is %d; rotary embedding needs an even number", c.HeadDim)
	}
	if !(c.RopeTheta > 0) || math.IsInf(c.RopeTheta, 0) {
		return fmt.Errorf("rope_theta is %v; want a positive number", c.RopeTheta)
	}
	if c.RopeScaling != nil {
		if err := c.RopeScaling.validate("rope_scaling"); err != nil {
			return err
		}
	}
	if !(c.NormEps >= 0) || math.IsInf(c.NormEps, 0) {
		return fmt.Errorf("rms_norm_eps is %v; want a non-negative number", c.NormEps)
	}
	if !(c.InitRange >= 0) || math.IsInf(c.InitRange, 0) {
		return fmt.Errorf("initializer_range is %v; want a non-negative number", c.InitRange)
	}
	if c.Architecture == Qwen2 && (!c.QKVBias || c.OutputBias || c.MLPBias) {
		return errors.New("a Qwen2 model has biases on q, k and v, and no others")
	}
	if c.Architecture == Llama && c.QKVBias != c.OutputBias {
		return errors.New("a Llama model has attention biases on q, k, v and o, or on none")
	}
	if c.Architecture == Qwen3 && (c.QKVBias != c.OutputBias || c.MLPBias) {
		return errors.New("a Qwen3 model has attention biases on q, k, v and o, or on none, and no others")
	}
	return nil
}

func (c Config) qDim() int  { return c.Heads * c.HeadDim }
func (c Config) kvDim() int { return c.KVHeads * c.HeadDim }

// headNorms reports whether each head's query and key are normalized before the rotary
// embedding.
func (c Config) headNorms() bool { return c.Architecture == Qwen3 }

// className is transformers' prefix of the architecture's classes.
func (c Config) className() string { return strings.TrimSuffix(c.Architecture, "ForCausalLM") }

// MarshalTransformers returns config.json as transformers 4 and 5 read it, for
// weights stored as dtype ("float32" or "bfloat16").
func (c Config) MarshalTransformers(dtype string) ([]byte, error) {
	m := map[string]any{
		"architectures": []string{c.Architecture}, "model_type": strings.ToLower(c.className()),
		"vocab_size": c.Vocab, "hidden_size": c.Hidden, "intermediate_size": c.Intermediate,
		"num_hidden_layers": c.Layers, "num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads,
		"head_dim": c.HeadDim, "max_position_embeddings": c.MaxPositions,
		"rms_norm_eps": c.NormEps, "initializer_range": c.InitRange, "tie_word_embeddings": c.Tied,
		"rope_theta": c.RopeTheta,
		"hidden_act": "silu", "attention_dropout": 0.0, "use_cache": true,
		"dtype": dtype, "torch_dtype": dtype,
	}
	switch c.Architecture {
	case Llama:
		m["attention_bias"], m["mlp_bias"] = c.QKVBias, c.MLPBias
	case Qwen3:
		m["attention_bias"], m["use_sliding_window"] = c.QKVBias, false
	case Qwen2:
		m["use_sliding_window"] = false
	}
	rope := map[string]any{"rope_type": "default", "rope_theta": c.RopeTheta}
	if s := c.RopeScaling; s != nil {
		scaling := map[string]any{
			"rope_type": "llama3", "factor": s.Factor, "low_freq_factor": s.LowFreq, "high_freq_factor": s.HighFreq,
			"original_max_position_embeddings": s.TrainedLength,
		}
		m["rope_scaling"] = maps.Clone(scaling)
		maps.Copy(rope, scaling)
	}
	m["rope_parameters"] = rope
	return c.withTokens(m)
}

func (c Config) marshalGeneration() ([]byte, error) {
	return c.withTokens(map[string]any{"_from_model_config": true})
}

// withTokens adds the special tokens, which both files contain, and returns the JSON.
func (c Config) withTokens(m map[string]any) ([]byte, error) {
	if c.BOS >= 0 {
		m["bos_token_id"] = c.BOS
	}
	if c.Pad >= 0 {
		m["pad_token_id"] = c.Pad
	}
	if len(c.EOS) == 1 {
		m["eos_token_id"] = c.EOS[0]
	} else if len(c.EOS) > 1 {
		m["eos_token_id"] = c.EOS
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}
