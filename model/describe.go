package model

import (
	"fmt"
	"strconv"
	"strings"

	"xrun/kernels"
)

// Parameters returns the number of parameters. A tied head counts once.
func (c Config) Parameters() int64 {
	var n int64
	c.eachParam(&weights{}, func(_ string, shape []int, _ *kernels.Tensor) {
		n += int64(Param{Shape: shape}.Elements())
	})
	return n
}

func linearType(in, out int, bias bool) string {
	b := "False"
	if bias {
		b = "True"
	}
	return fmt.Sprintf("Linear(in_features=%d, out_features=%d, bias=%s)", in, out, b)
}

func (c Config) normType(n int) string {
	return fmt.Sprintf("%sRMSNorm((%d,), eps=%s)", c.className(), n, pythonFloat(c.NormEps))
}

// pythonFloat formats a number as Python's repr does for small exponents.
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
	headNorms := ""
	if c.headNorms() {
		headNorms = "\n          (q_norm): " + c.normType(c.HeadDim) + "\n          (k_norm): " + c.normType(c.HeadDim)
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
		"          (o_proj): " + linearType(c.qDim(), c.Hidden, o) + headNorms,
		"        )",
		"        (mlp): " + name + "MLP(",
		"          (gate_proj): " + linearType(c.Hidden, c.Intermediate, mlpBias),
		"          (up_proj): " + linearType(c.Hidden, c.Intermediate, mlpBias),
		"          (down_proj): " + linearType(c.Intermediate, c.Hidden, mlpBias),
		"          (act_fn): SiLUActivation()",
		"        )",
		"        (input_layernorm): " + c.normType(c.Hidden),
		"        (post_attention_layernorm): " + c.normType(c.Hidden),
		"      )",
		"    )",
		"    (norm): " + c.normType(c.Hidden),
		"    (rotary_emb): " + name + "RotaryEmbedding()",
		"  )",
		"  (lm_head): " + linearType(c.Hidden, c.Vocab, false),
		")",
	}
	return strings.Join(lines, "\n")
}

// padding returns an embedding's padding_idx as torch prints it.
func (c Config) padding() string {
	if c.Pad < 0 {
		return ""
	}
	return fmt.Sprintf(", padding_idx=%d", c.Pad)
}
