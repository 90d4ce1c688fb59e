package model_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"xrun/kernels"
	"xrun/model"
	"xrun/model/modeltest"
	"xrun/model/safetensors"
)

const qwenConfig = `{
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 101, "hidden_size": 36,
  "intermediate_size": 50, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2,
  "max_position_embeddings": 256, "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "tie_word_embeddings": true,
  "sliding_window": 32768, "use_sliding_window": false, "max_window_layers": 21, "hidden_act": "silu",
  "eos_token_id": 2, "initializer_range": 0.2
}`

func configFS(text string) fstest.MapFS {
	return fstest.MapFS{"config.json": &fstest.MapFile{Data: []byte(text)}}
}

func TestReadConfig(t *testing.T) {
	got, err := model.ReadConfig(configFS(qwenConfig))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(small(model.Qwen2), got); d != "" {
		t.Errorf("transformers 4 (-want +got):\n%s", d)
	}
	five := strings.Replace(qwenConfig, `"rope_theta": 10000.0`, `"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}`, 1)
	if got, err = model.ReadConfig(configFS(five)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(small(model.Qwen2), got); d != "" {
		t.Errorf("transformers 5 (-want +got):\n%s", d)
	}
	fsys := configFS(qwenConfig)
	fsys["generation_config.json"] = &fstest.MapFile{Data: []byte(`{"eos_token_id": [7, 2]}`)}
	if got, err = model.ReadConfig(fsys); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int32{7, 2}, got.EOS); d != "" {
		t.Errorf("end tokens (-want +got):\n%s", d)
	}
	llama := strings.NewReplacer("Qwen2For", "LlamaFor", `"qwen2"`, `"llama"`, `"hidden_act"`, `"attention_bias": true, "mlp_bias": true, "head_dim": 8, "hidden_act"`).Replace(qwenConfig)
	if got, err = model.ReadConfig(configFS(llama)); err != nil {
		t.Fatal(err)
	}
	if !got.QKVBias || !got.OutputBias || !got.MLPBias || got.HeadDim != 8 {
		t.Errorf("llama with biases: %+v", got)
	}
}

func TestReadConfigOfQwen3(t *testing.T) {
	text := strings.NewReplacer("Qwen2For", "Qwen3For", `"qwen2"`, `"qwen3"`, `"tie_word_embeddings": true`, `"head_dim": 10`).Replace(qwenConfig)
	got, err := model.ReadConfig(configFS(text))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(small(model.Qwen3), got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if tree := got.Describe(); !strings.Contains(tree, `
          (o_proj): Linear(in_features=60, out_features=36, bias=False)
          (q_norm): Qwen3RMSNorm((10,), eps=1e-06)
          (k_norm): Qwen3RMSNorm((10,), eps=1e-06)
        )
`) {
		t.Errorf("the norms of heads are not in\n%s", tree)
	}
	// transformers' default does not follow from hidden_size.
	if got, err = model.ReadConfig(configFS(strings.Replace(text, `"head_dim": 10`, `"attention_bias": true`, 1))); err != nil || got.HeadDim != 128 || !got.OutputBias {
		t.Errorf("without head_dim: %+v, %v", got, err)
	}
}

// A setting that would change logits is an error that names its field.
func TestReadConfigRefuses(t *testing.T) {
	set := func(field string) string { return strings.Replace(qwenConfig, "{", "{"+field+",", 1) }
	change := func(old, new string) string { return strings.Replace(qwenConfig, old, new, 1) }
	for _, c := range []struct{ want, text string }{
		{"use_sliding_window is true", change(`"use_sliding_window": false, "max_window_layers": 21`, `"use_sliding_window": true, "max_window_layers": 1`)},
		{`layer_types[1] is "sliding_attention"`, set(`"layer_types": ["full_attention", "sliding_attention", "full_attention"]`)},
		{"layer_types has 1 entries", set(`"layer_types": ["full_attention"]`)},
		{`hidden_act is "gelu"`, change(`"silu"`, `"gelu"`)},
		{`rope_scaling.rope_type is "yarn"`, set(`"rope_scaling": {"rope_type": "yarn", "factor": 4.0}`)},
		{`rope_scaling.type is "linear"`, set(`"rope_scaling": {"type": "linear", "factor": 4.0}`)},
		{"rope_scaling is set without a rope_type", set(`"rope_scaling": {"factor": 4.0}`)},
		{`rope_parameters.rope_type is "dynamic"; only default and llama3`, set(`"rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0}`)},
		{"rope_parameters.factor is missing", set(`"rope_parameters": {"rope_type": "llama3", "rope_theta": 10000.0}`)},
		{"rope_scaling.high_freq_factor is 4x; want a number", set(`"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": "4x"}`)},
		{"config.json:2: rope_scaling.high_freq_factor 1 is not above low_freq_factor 4", set("\n" + `"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 1.0, "original_max_position_embeddings": 8192}`)},
		{"rope_scaling.original_max_position_embeddings is 0.5; want a whole number", set(`"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 0.5}`)},
		{"rope_scaling and rope_parameters scale the rotary embedding differently", set(`"rope_scaling": {"rope_type": "default"}, "rope_parameters": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}`)},
		{"rope_parameters.rope_theta is 5, but rope_theta is 10000", set(`"rope_parameters": {"rope_type": "default", "rope_theta": 5}`)},
		{"rope_parameters.partial_rotary_factor is 0.5", set(`"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}`)},
		{"rope_parameters.full_attention sets", set(`"rope_parameters": {"full_attention": {"rope_type": "default"}}`)},
		{"partial_rotary_factor is 0.25", set(`"partial_rotary_factor": 0.25`)},
		{"quantization_config is set", set(`"quantization_config": {"bits": 4}`)},
		{"attention_dropout is 0.1", set(`"attention_dropout": 0.1`)},
		{"final_logit_softcapping is set", set(`"final_logit_softcapping": 30.0`)},
		{"attn_logit_softcapping is set", set(`"attn_logit_softcapping": 30.0`)},
		{"is_encoder_decoder is true", set(`"is_encoder_decoder": true`)},
		{"add_cross_attention is true", set(`"add_cross_attention": true`)},
		{`architectures is "GemmaForCausalLM"`, change("Qwen2ForCausalLM", "GemmaForCausalLM")},
		{`model_type "llama" does not match`, change(`"qwen2"`, `"llama"`)},
		{"vocab_size is missing", change(`"vocab_size": 101,`, "")},
		{"num_hidden_layers is 1000000000", change(`"num_hidden_layers": 3`, `"num_hidden_layers": 1000000000`)},
		{"not a multiple of num_key_value_heads", change(`"num_key_value_heads": 2`, `"num_key_value_heads": 4`)},
		{"hidden_size 37 is not a multiple", change(`"hidden_size": 36`, `"hidden_size": 37`)},
		{"head_dim is 7", set(`"head_dim": 7`)},
		{"eos_token_id 101 is outside", change(`"eos_token_id": 2`, `"eos_token_id": [2, 101]`)},
		{"config.json:3: hidden_size is a string; want a whole number; correct it there", change(`101, "hidden_size": 36`, "101,\n\"hidden_size\": \"36\"")},
		{"config.json:3: hidden_size is 36.5; want a whole number", change(`101, "hidden_size": 36`, "101,\n\"hidden_size\": 36.5")},
		{"config.json:2: rope_theta is true or false; want a number", set("\n\"rope_theta\": true")},
		{"config.json:2: hidden_act is a list; want a string", set("\n\"hidden_act\": []")},
		{"config.json:2: tie_word_embeddings is a number; want true or false", set("\n\"tie_word_embeddings\": 1")},
		{"config.json:2: rope_parameters is a string; want an object", set("\n\"rope_parameters\": \"default\"")},
		{"config.json:2: eos_token_id is a string; want a token's id, a whole number", set("\n\"eos_token_id\": \"</s>\"")},
		{"config.json:2: eos_token_id is a string; want a token's id, a whole number", set("\n\"eos_token_id\": [1, \"</s>\"]")},
		{"config.json:2: partial_rotary_factor is 0.25; only 1", set("\n\"partial_rotary_factor\": 0.25")},
		{"reading config.json: the file is a list; want an object", "[1]"},
		{"config.json:2: invalid character", "{\n]"},
		{"reading config.json:1: unexpected end", ""},
	} {
		_, err := model.ReadConfig(configFS(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want an error with %q", err, c.want)
		}
	}
	if _, err := model.ReadConfig(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("without config.json: %v", err)
	}
}

// Load reads what Save writes: the same configuration and, in float32, the same bits; in
// bfloat16, rounded values.
func TestSaveLoad(t *testing.T) {
	e := engine(t, 1)
	for _, arch := range []string{model.Qwen2, model.Qwen3, model.Llama} {
		c := small(arch)
		if arch == model.Llama {
			c.RopeScaling = &model.RopeScaling{Factor: 8, LowFreq: 1, HighFreq: 4, TrainedLength: 64}
		}
		m, dir := modeltest.Random(t, e, c, kernels.F32), t.TempDir()
		if err := m.Save(directory(dir), kernels.F32); err != nil {
			t.Fatal(err)
		}
		got := load(t, e, dir, kernels.F32)
		if d := cmp.Diff(m.Config, got.Config); d != "" {
			t.Errorf("%s (-want +got):\n%s", arch, d)
		}
		if got.Digest() != m.Digest() {
			t.Errorf("%s: weights differ", arch)
		}
		if err := m.Save(directory(dir), kernels.BF16); err != nil {
			t.Fatal(err)
		}
		half := load(t, e, dir, kernels.F32)
		for i, p := range m.Params() {
			want := make([]float64, p.Elements())
			for j, v := range modeltest.Values(m, p) {
				want[j] = float64(v)
			}
			if d := modeltest.Distance(modeltest.Values(half, half.Params()[i]), want); d > 1.0/256 {
				t.Errorf("%s: %s in bfloat16 is %v away", arch, p.Name, d)
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != 3 {
			t.Errorf("%d files are left; want 3", len(entries))
		}
		if err := m.Save(directory(dir+"/absent"), kernels.F32); err == nil {
			t.Error("saving into a directory that is not there succeeded")
		}
	}
}

func TestLoadErrors(t *testing.T) {
	e := engine(t, 1)
	m, dir := modeltest.Random(t, e, small(model.Qwen2), kernels.F32), t.TempDir()
	save := func(change func(name string) (string, func([]float32), []int)) fstest.MapFS {
		return alteredWeights(t, m, dir, change)
	}
	same := func(name string) (string, func([]float32), []int) { return name, nil, nil }
	if _, err := model.Load(e, save(same), kernels.F32); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want   string
		change func(name string) (string, func([]float32), []int)
	}{
		{`tensor "model.layers.1.mlp.up_proj.weight" is missing`, func(n string) (string, func([]float32), []int) {
			if n == "model.layers.1.mlp.up_proj.weight" {
				return "", nil, nil
			}
			return n, nil, nil
		}},
		{`tensor "model.layers.1.mlp.up_proj.bias" is not part of Qwen2ForCausalLM`, func(n string) (string, func([]float32), []int) {
			if n == "model.norm.weight" {
				return "model.layers.1.mlp.up_proj.bias", nil, nil
			}
			return n, nil, nil
		}},
		{`tensor "model.norm.weight" has shape [6 6]; config.json requires [36]`, func(n string) (string, func([]float32), []int) {
			if n == "model.norm.weight" {
				return n, nil, []int{6, 6}
			}
			return n, nil, nil
		}},
		{`tensor "model.layers.2.mlp.down_proj.weight" holds NaN at index [1 14]`, func(n string) (string, func([]float32), []int) {
			if n == "model.layers.2.mlp.down_proj.weight" {
				return n, func(v []float32) { v[64] = float32(nan()) }, nil
			}
			return n, nil, nil
		}},
	} {
		_, err := model.Load(e, save(c.change), kernels.F32)
		// The renamed tensor is found missing first; both are named in turn.
		if err == nil || !strings.Contains(err.Error(), c.want) && !strings.Contains(err.Error(), `"model.norm.weight" is missing`) {
			t.Errorf("got %v, want an error with %q", err, c.want)
		}
	}
	if _, err := model.Load(e, configFS(qwenConfig), kernels.F32); err == nil || !strings.Contains(err.Error(), "neither model.safetensors nor") {
		t.Errorf("without weights: %v", err)
	}
}

// If a head is stored beside a tied embedding and differs from it, transformers uses it, so the
// meaning of such a file is ambiguous. A copy of the embedding is not.
func TestTiedHead(t *testing.T) {
	e := engine(t, 1)
	m := modeltest.Random(t, e, small(model.Qwen2), kernels.F32)
	if !m.Config.Tied {
		t.Fatal("the model is not tied")
	}
	for _, c := range []struct {
		want  string
		shape []int
		alter float32
	}{
		{"", []int{m.Config.Vocab, m.Config.Hidden}, 0},
		{`tensor "lm_head.weight" differs from "model.embed_tokens.weight", to which config.json ties it; set tie_word_embeddings to false`, []int{m.Config.Vocab, m.Config.Hidden}, 1},
		{`tensor "lm_head.weight" differs from`, []int{m.Config.Hidden, m.Config.Vocab}, 0},
	} {
		var tensors []safetensors.Tensor
		add := func(name string, shape []int, v []float32) {
			tensors = append(tensors, safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Read: func(first int, dst []float32) error {
				copy(dst, v[first:])
				return nil
			}})
		}
		for _, p := range m.Params() {
			v := modeltest.Values(m, p)
			add(p.Name, p.Shape, v)
			if p.Name == "model.embed_tokens.weight" {
				head := slices.Clone(v)
				head[len(head)-1] += c.alter
				add("lm_head.weight", c.shape, head)
			}
		}
		var b bytes.Buffer
		if err := safetensors.Write(&b, tensors, nil); err != nil {
			t.Fatal(err)
		}
		fsys := configFS(qwenConfig)
		fsys[safetensors.SingleFile] = &fstest.MapFile{Data: b.Bytes()}
		got, err := model.LoadFrozen(e, fsys, kernels.F32)
		switch {
		case c.want == "" && err != nil:
			t.Error(err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("got %v, want an error with %q", err, c.want)
		case err == nil:
			got.Close()
		}
	}
}

func ExampleConfig_Describe() {
	c, err := model.ReadConfig(configFS(qwenConfig))
	if err != nil {
		panic(err)
	}
	fmt.Println(c.Describe())
	fmt.Println(c.Parameters(), "parameters")
	// Output:
	// Qwen2ForCausalLM(
	//   (model): Qwen2Model(
	//     (embed_tokens): Embedding(101, 36)
	//     (layers): ModuleList(
	//       (0-2): 3 x Qwen2DecoderLayer(
	//         (self_attn): Qwen2Attention(
	//           (q_proj): Linear(in_features=36, out_features=36, bias=True)
	//           (k_proj): Linear(in_features=36, out_features=12, bias=True)
	//           (v_proj): Linear(in_features=36, out_features=12, bias=True)
	//           (o_proj): Linear(in_features=36, out_features=36, bias=False)
	//         )
	//         (mlp): Qwen2MLP(
	//           (gate_proj): Linear(in_features=36, out_features=50, bias=False)
	//           (up_proj): Linear(in_features=36, out_features=50, bias=False)
	//           (down_proj): Linear(in_features=50, out_features=36, bias=False)
	//           (act_fn): SiLUActivation()
	//         )
	//         (input_layernorm): Qwen2RMSNorm((36,), eps=1e-06)
	//         (post_attention_layernorm): Qwen2RMSNorm((36,), eps=1e-06)
	//       )
	//     )
	//     (norm): Qwen2RMSNorm((36,), eps=1e-06)
	//     (rotary_emb): Qwen2RotaryEmbedding()
	//   )
	//   (lm_head): Linear(in_features=36, out_features=101, bias=False)
	// )
	// 30636 parameters
}

// directory is a plain directory to save a model into.
type directory string

func (d directory) WriteFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(filepath.Join(string(d), name))
	if err != nil {
		return err
	}
	defer f.Close()
	return write(f)
}
