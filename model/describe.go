package model

import (
	"fmt"
	"strconv"
	"strings"

	"xrun/kernels"
)

// Module is one line of a model's structure.
type Module struct {
	// Path is the module's name in transformers, with * for the number of a
	// layer: "model.layers.*.self_attn.q_proj".
	Path string
	// Type is the class as torch prints it, with its arguments.
	Type string
	// Count is how many times it stands in the model.
	Count int
	// Shapes lists its own parameters, such as "weight [896, 896]".
	Shapes []string
	// Params is the number of its own parameters, all copies together; those
	// of a tied head are counted with the embedding.
	Params int64
	Note   string
}

// Parameters returns the number of parameters; a tied head is counted once.
func (c Config) Parameters() int64 {
	var n int64
	c.eachParam(&weights{}, func(_ string, shape []int, _ *kernels.Tensor) {
		n += int64(Param{Shape: shape}.Elements())
	})
	return n
}

// Modules lists the model's modules with parameters, in order.
func (c Config) Modules() []Module {
	var out []Module
	lin := func(path string, count, in, outDim int, bias bool) {
		m := Module{Path: path, Count: count, Type: linearType(in, outDim, bias), Shapes: []string{fmt.Sprintf("weight [%d, %d]", outDim, in)}}
		m.Params = int64(count) * int64(in) * int64(outDim)
		if bias {
			m.Shapes = append(m.Shapes, fmt.Sprintf("bias [%d]", outDim))
			m.Params += int64(count) * int64(outDim)
		}
		out = append(out, m)
	}
	norm := func(path string, count int) {
		out = append(out, Module{Path: path, Count: count, Type: c.normType(), Shapes: []string{fmt.Sprintf("weight [%d]", c.Hidden)}, Params: int64(count) * int64(c.Hidden)})
	}
	out = append(out, Module{
		Path: "model.embed_tokens", Count: 1, Type: fmt.Sprintf("Embedding(%d, %d)", c.Vocab, c.Hidden),
		Shapes: []string{fmt.Sprintf("weight [%d, %d]", c.Vocab, c.Hidden)}, Params: int64(c.Vocab) * int64(c.Hidden),
	})
	const l = "model.layers.*."
	lin(l+"self_attn.q_proj", c.Layers, c.Hidden, c.qDim(), c.QKVBias)
	lin(l+"self_attn.k_proj", c.Layers, c.Hidden, c.kvDim(), c.QKVBias)
	lin(l+"self_attn.v_proj", c.Layers, c.Hidden, c.kvDim(), c.QKVBias)
	lin(l+"self_attn.o_proj", c.Layers, c.qDim(), c.Hidden, c.OutputBias)
	lin(l+"mlp.gate_proj", c.Layers, c.Hidden, c.Intermediate, c.MLPBias)
	lin(l+"mlp.up_proj", c.Layers, c.Hidden, c.Intermediate, c.MLPBias)
	lin(l+"mlp.down_proj", c.Layers, c.Intermediate, c.Hidden, c.MLPBias)
	norm(l+"input_layernorm", c.Layers)
	norm(l+"post_attention_layernorm", c.Layers)
	norm("model.norm", 1)
	lin("lm_head", 1, c.Hidden, c.Vocab, false)
	if c.Tied {
		head := &out[len(out)-1]
		head.Params, head.Note = 0, "tied to model.embed_tokens"
	}
	return out
}

func linearType(in, out int, bias bool) string {
	b := "False"
	if bias {
		b = "True"
	}
	return fmt.Sprintf("Linear(in_features=%d, out_features=%d, bias=%s)", in, out, b)
}

func (c Config) normType() string {
	return fmt.Sprintf("%sRMSNorm((%d,), eps=%s)", c.className(), c.Hidden, pythonFloat(c.NormEps))
}

// pythonFloat prints a number as Python's repr does for small exponents.
func pythonFloat(v float64) string {
	if v != 0 && (v < 1e-4 || v >= 1e16) {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// Describe returns the module tree as print(model) shows it in transformers,
// without a final newline.
func (c Config) Describe() string {
	name := c.className()
	mlpBias, qkv, o := c.MLPBias, c.QKVBias, c.OutputBias
	layers := fmt.Sprintf("(0-%d): %d x", c.Layers-1, c.Layers)
	if c.Layers == 1 {
		layers = "(0):"
	}
	lines := []string{
		c.Architecture + "(",
		"  (model): " + name + "Model(",
		fmt.Sprintf("    (embed_tokens): Embedding(%d, %d%s)", c.Vocab, c.Hidden, c.padding()),
		"    (layers): ModuleList(",
		"      " + layers + " " + name + "DecoderLayer(",
		"        (self_attn): " + name + "Attention(",
		"          (q_proj): " + linearType(c.Hidden, c.qDim(), qkv),
		"          (k_proj): " + linearType(c.Hidden, c.kvDim(), qkv),
		"          (v_proj): " + linearType(c.Hidden, c.kvDim(), qkv),
		"          (o_proj): " + linearType(c.qDim(), c.Hidden, o),
		"        )",
		"        (mlp): " + name + "MLP(",
		"          (gate_proj): " + linearType(c.Hidden, c.Intermediate, mlpBias),
		"          (up_proj): " + linearType(c.Hidden, c.Intermediate, mlpBias),
		"          (down_proj): " + linearType(c.Intermediate, c.Hidden, mlpBias),
		"          (act_fn): SiLUActivation()",
		"        )",
		"        (input_layernorm): " + c.normType(),
		"        (post_attention_layernorm): " + c.normType(),
		"      )",
		"    )",
		"    (norm): " + c.normType(),
		"    (rotary_emb): " + name + "RotaryEmbedding()",
		"  )",
		"  (lm_head): " + linearType(c.Hidden, c.Vocab, false),
		")",
	}
	return strings.Join(lines, "\n")
}

// padding is how torch prints an embedding's padding_idx.
func (c Config) padding() string {
	if c.Pad < 0 {
		return ""
	}
	return fmt.Sprintf(", padding_idx=%d", c.Pad)
}
