package main

import (
	"fmt"
	"math"

	"xrun/model/safetensors"
)

// The shape of the embedded model: Qwen2's architecture, 0.9 M parameters.
const (
	hidden       = 128
	layers       = 4
	heads        = 4
	kvHeads      = 2
	intermediate = 352
	positions    = 512
	vocabSize    = 1024 // bytes, merges and specials
	initStd      = 0.08
)

// configJSON writes config.json.
func configJSON() ([]byte, error) {
	return indented(map[string]any{
		"architectures":           []string{"Qwen2ForCausalLM"},
		"attention_dropout":       0.0,
		"bos_token_id":            vocabSize - len(specials),
		"eos_token_id":            vocabSize - len(specials),
		"pad_token_id":            vocabSize - len(specials),
		"torch_dtype":             "bfloat16",
		"hidden_act":              "silu",
		"hidden_size":             hidden,
		"initializer_range":       initStd,
		"intermediate_size":       intermediate,
		"max_position_embeddings": positions,
		"max_window_layers":       layers,
		"model_type":              "qwen2",
		"num_attention_heads":     heads,
		"num_hidden_layers":       layers,
		"num_key_value_heads":     kvHeads,
		"rms_norm_eps":            1e-6,
		"rope_theta":              10000.0,
		"sliding_window":          nil,
		"tie_word_embeddings":     true,
		"use_cache":               true,
		"use_sliding_window":      false,
		"vocab_size":              vocabSize,
	})
}

// tokenizerConfigJSON writes tokenizer_config.json.
func tokenizerConfigJSON() ([]byte, error) {
	return indented(map[string]any{
		"add_bos_token":                false,
		"add_prefix_space":             false,
		"bos_token":                    nil,
		"chat_template":                chatTemplate,
		"clean_up_tokenization_spaces": false,
		"eos_token":                    specials[0],
		"errors":                       "replace",
		"model_max_length":             positions,
		"pad_token":                    specials[0],
		"split_special_tokens":         false,
		"tokenizer_class":              "Qwen2Tokenizer",
		"unk_token":                    nil,
	})
}

// chatTemplate is ChatML without a default system message.
const chatTemplate = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// initial draws the weights pretraining starts from: normal with deviation
// initStd, biases zero, norms one.
func initial(seed uint64) []safetensors.Tensor {
	var out []safetensors.Tensor
	add := func(name string, shape []int, value func() float32) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = value()
		}
		out = append(out, safetensors.Tensor{Name: name, DType: safetensors.BF16, Shape: shape,
			Read: func(first int, dst []float32) error { copy(dst, x[first:]); return nil }})
	}
	normal := func(name string, std float64, shape ...int) {
		s := newSource(seed, name)
		add(name, shape, func() float32 { return float32(s.normal() * std) })
	}
	matrix := func(name string, shape ...int) { normal(name, initStd, shape...) }
	// The two matrices that write to the residual stream start smaller, so that
	// it does not grow with depth (Radford et al. 2019).
	residual := func(name string, shape ...int) { normal(name, initStd/math.Sqrt(2*layers), shape...) }
	constant := func(name string, n int, v float32) { add(name, []int{n}, func() float32 { return v }) }

	const headDim = hidden / heads
	matrix("model.embed_tokens.weight", vocabSize, hidden)
	for l := range layers {
		p := fmt.Sprintf("model.layers.%d.", l)
		constant(p+"input_layernorm.weight", hidden, 1)
		for _, m := range []struct {
			name string
			rows int
		}{{"q", heads * headDim}, {"k", kvHeads * headDim}, {"v", kvHeads * headDim}} {
			matrix(p+"self_attn."+m.name+"_proj.weight", m.rows, hidden)
			constant(p+"self_attn."+m.name+"_proj.bias", m.rows, 0)
		}
		residual(p+"self_attn.o_proj.weight", hidden, heads*headDim)
		constant(p+"post_attention_layernorm.weight", hidden, 1)
		matrix(p+"mlp.gate_proj.weight", intermediate, hidden)
		matrix(p+"mlp.up_proj.weight", intermediate, hidden)
		residual(p+"mlp.down_proj.weight", hidden, intermediate)
	}
	constant("model.norm.weight", hidden, 1)
	return out
}
