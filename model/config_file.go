package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// maxConfig bounds the size of a configuration file.
const maxConfig = 16 << 20

// configFile is config.json as transformers 4 and 5 write it.
type configFile struct {
	Architectures []string `json:"architectures"`
	ModelType     string   `json:"model_type"`

	Vocab        *int     `json:"vocab_size"`
	Hidden       *int     `json:"hidden_size"`
	Intermediate *int     `json:"intermediate_size"`
	Layers       *int     `json:"num_hidden_layers"`
	Heads        *int     `json:"num_attention_heads"`
	KVHeads      *int     `json:"num_key_value_heads"`
	HeadDim      *int     `json:"head_dim"`
	MaxPositions *int     `json:"max_position_embeddings"`
	NormEps      *float64 `json:"rms_norm_eps"`
	InitRange    *float64 `json:"initializer_range"`
	Tied         bool     `json:"tie_word_embeddings"`
	AttnBias     bool     `json:"attention_bias"`
	MLPBias      bool     `json:"mlp_bias"`

	RopeTheta      *float64       `json:"rope_theta"`
	RopeParameters map[string]any `json:"rope_parameters"`
	RopeScaling    map[string]any `json:"rope_scaling"`
	PartialRotary  *float64       `json:"partial_rotary_factor"`

	Activation       *string  `json:"hidden_act"`
	UseSliding       bool     `json:"use_sliding_window"`
	SlidingWindow    *int     `json:"sliding_window"`
	MaxWindowLayers  *int     `json:"max_window_layers"`
	LayerTypes       []string `json:"layer_types"`
	AttentionDropout float64  `json:"attention_dropout"`
	Quantization     any      `json:"quantization_config"`
	FinalSoftcap     *float64 `json:"final_logit_softcapping"`
	AttnSoftcap      *float64 `json:"attn_logit_softcapping"`
	EncoderDecoder   bool     `json:"is_encoder_decoder"`
	CrossAttention   bool     `json:"add_cross_attention"`

	BOS *int32 `json:"bos_token_id"`
	EOS ids    `json:"eos_token_id"`
	Pad *int32 `json:"pad_token_id"`
}

// ids is a token id, a list of them, or null.
type ids []int32

func (v *ids) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte("[")) {
		return json.Unmarshal(b, (*[]int32)(v))
	}
	var one *int32
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	if one != nil {
		*v = ids{*one}
	}
	return nil
}

// ReadConfig reads config.json, and the end tokens of generation_config.json if there is
// one. If the model needs something that affects logits and is not implemented, the
// error names the field.
func ReadConfig(fsys fs.FS) (Config, error) {
	var f configFile
	text, err := readJSON(fsys, "config.json", &f)
	if err != nil {
		return Config{}, err
	}
	c, err := f.config()
	if err != nil {
		return Config{}, fmt.Errorf("reading config.json%s: %w", lineOf(text, firstWord.FindString(err.Error())), err)
	}
	var g struct {
		EOS ids `json:"eos_token_id"`
	}
	switch _, err := readJSON(fsys, "generation_config.json", &g); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return Config{}, err
	case g.EOS != nil:
		c.EOS = slices.Clone([]int32(g.EOS))
	}
	for _, id := range c.EOS {
		if id < 0 || int(id) >= c.Vocab {
			return Config{}, fmt.Errorf("reading the configuration: eos_token_id %d is outside the vocabulary of %d", id, c.Vocab)
		}
	}
	return c, nil
}

// firstWord matches the first word of an error of configFile.config, the field at fault.
var firstWord = regexp.MustCompile(`^\w+`)

// readJSON decodes a file into v and returns its text.
func readJSON(fsys fs.FS, name string, v any) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(text) > maxConfig {
		return nil, fmt.Errorf("reading %s: it is larger than %d bytes", name, maxConfig)
	}
	err = json.Unmarshal(text, v)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, fmt.Errorf("reading %s:%d: %w", name, 1+bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n")), err)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, fmt.Errorf("reading %s%s: %s; correct it there", name, lineOf(text, wrong.Field), wrongKind(wrong))
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return text, nil
}

// lineOf returns ":LINE" for a member of the object in text, or "" if it has no member of
// that name. field may be a path into the member, as in "name.more".
func lineOf(text []byte, field string) string {
	name, _, _ := strings.Cut(field, ".")
	d := json.NewDecoder(bytes.NewReader(text))
	d.Token() // {
	for d.More() {
		key, err := d.Token()
		at := int(d.InputOffset())
		if err == nil && key == name {
			return fmt.Sprintf(":%d", 1+bytes.Count(text[:at], []byte("\n")))
		}
		if d.Decode(new(json.RawMessage)) != nil {
			break
		}
	}
	return ""
}

// wrongKind describes, in JSON's terms, what a member is and what it must be.
func wrongKind(e *json.UnmarshalTypeError) string {
	field, is := e.Field, e.Value
	if field == "" {
		field = "the file"
	}
	switch kind, number, _ := strings.Cut(is, " "); {
	case number != "":
		is = number
	case kind == "bool":
		is = "true or false"
	case kind == "array":
		is = "a list"
	case kind == "object":
		is = "an object"
	default: // string, number
		is = "a " + kind
	}
	want := map[reflect.Kind]string{
		reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Int32: "a token's id, a whole number", reflect.Float64: "a number",
		reflect.String: "a string", reflect.Slice: "a list", reflect.Map: "an object", reflect.Struct: "an object",
	}[e.Type.Kind()]
	return fmt.Sprintf("%s is %s; want %s", field, is, want)
}

// config checks the file and converts it to a Config.
func (f *configFile) config() (Config, error) {
	arch, err := f.architecture()
	if err != nil {
		return Config{}, err
	}
	if err := f.unsupported(); err != nil {
		return Config{}, err
	}
	theta, scaling, err := f.rope()
	if err != nil {
		return Config{}, err
	}
	for _, d := range []struct {
		name string
		v    *int
	}{{"vocab_size", f.Vocab}, {"hidden_size", f.Hidden}, {"intermediate_size", f.Intermediate}, {"num_hidden_layers", f.Layers}, {"num_attention_heads", f.Heads}} {
		if d.v == nil {
			return Config{}, fmt.Errorf("%s is missing", d.name)
		}
	}
	c := Config{
		Architecture: arch,
		Vocab:        *f.Vocab, Hidden: *f.Hidden, Intermediate: *f.Intermediate, Layers: *f.Layers,
		Heads: *f.Heads, KVHeads: or(f.KVHeads, *f.Heads), MaxPositions: or(f.MaxPositions, 2048),
		RopeTheta: theta, RopeScaling: scaling, NormEps: or(f.NormEps, 1e-6), Tied: f.Tied,
		InitRange: or(f.InitRange, 0.02), BOS: or(f.BOS, -1), Pad: or(f.Pad, -1), EOS: slices.Clone([]int32(f.EOS)),
	}
	if f.HeadDim != nil {
		c.HeadDim = *f.HeadDim
	} else if arch == Qwen3 { // transformers' default
		c.HeadDim = 128
	} else if c.Heads > 0 {
		c.HeadDim = c.Hidden / c.Heads
		if c.HeadDim*c.Heads != c.Hidden {
			return Config{}, fmt.Errorf("hidden_size %d is not a multiple of num_attention_heads %d, and there is no head_dim", c.Hidden, c.Heads)
		}
	}
	switch arch {
	case Qwen2:
		c.QKVBias = true
	case Qwen3:
		c.QKVBias, c.OutputBias = f.AttnBias, f.AttnBias
	case Llama:
		c.QKVBias, c.OutputBias, c.MLPBias = f.AttnBias, f.AttnBias, f.MLPBias
	}
	return c, c.Validate()
}

func (f *configFile) architecture() (string, error) {
	types := map[string]string{"qwen2": Qwen2, "qwen3": Qwen3, "llama": Llama}
	switch len(f.Architectures) {
	case 0:
		if arch, ok := types[f.ModelType]; ok {
			return arch, nil
		}
		return "", fmt.Errorf("model_type is %q and architectures is missing; want %s", f.ModelType, oneOf(architectures))
	case 1:
	default:
		return "", fmt.Errorf("architectures lists %d classes; want one", len(f.Architectures))
	}
	arch := f.Architectures[0]
	if !slices.Contains(architectures, arch) {
		return "", fmt.Errorf("architectures is %q; only %s are implemented", arch, oneOf(architectures))
	}
	if f.ModelType != "" && types[f.ModelType] != arch {
		return "", fmt.Errorf("model_type %q does not match architectures %q", f.ModelType, arch)
	}
	return arch, nil
}

// unsupported returns an error for the first setting that affects logits or training and
// is not implemented.
func (f *configFile) unsupported() error {
	if a := or(f.Activation, "silu"); a != "silu" && a != "swish" {
		return fmt.Errorf("hidden_act is %q; only silu is implemented", a)
	}
	if f.UseSliding && f.SlidingWindow != nil && f.LayerTypes == nil && or(f.MaxWindowLayers, 28) < or(f.Layers, 32) {
		return errors.New("use_sliding_window is true; sliding windows are not implemented")
	}
	for i, t := range f.LayerTypes {
		if t != "full_attention" {
			return fmt.Errorf("layer_types[%d] is %q; only full_attention is implemented", i, t)
		}
	}
	if f.LayerTypes != nil && f.Layers != nil && len(f.LayerTypes) != *f.Layers {
		return fmt.Errorf("layer_types has %d entries for num_hidden_layers %d", len(f.LayerTypes), *f.Layers)
	}
	switch {
	case f.AttentionDropout != 0:
		return fmt.Errorf("attention_dropout is %v; dropout is not implemented", f.AttentionDropout)
	case f.Quantization != nil:
		return errors.New("quantization_config is set; only F32, BF16 and F16 weights are read")
	case f.PartialRotary != nil && *f.PartialRotary != 1:
		return fmt.Errorf("partial_rotary_factor is %v; only 1 is implemented", *f.PartialRotary)
	case f.FinalSoftcap != nil:
		return errors.New("final_logit_softcapping is set; it is not implemented")
	case f.AttnSoftcap != nil:
		return errors.New("attn_logit_softcapping is set; it is not implemented")
	case f.EncoderDecoder:
		return errors.New("is_encoder_decoder is true; only decoders are implemented")
	case f.CrossAttention:
		return errors.New("add_cross_attention is true; it is not implemented")
	}
	return nil
}

// rope returns the base of the rotary frequencies and their scaling, if any, from
// rope_parameters of transformers 5 or from rope_theta and rope_scaling of transformers
// 4. If a file has both, they must agree.
func (f *configFile) rope() (float64, *RopeScaling, error) {
	theta, scaling := f.RopeTheta, (*RopeScaling)(nil)
	for _, r := range []struct {
		field string
		m     map[string]any
	}{{"rope_parameters", f.RopeParameters}, {"rope_scaling", f.RopeScaling}} {
		if r.m == nil {
			continue
		}
		if err := unsupportedRope(r.field, r.m); err != nil {
			return 0, nil, err
		}
		if ropeType(r.m) == "llama3" {
			s, err := llama3Scaling(r.field, r.m)
			if err != nil {
				return 0, nil, err
			}
			if scaling != nil && *scaling != *s {
				return 0, nil, fmt.Errorf("%s and rope_parameters scale the rotary embedding differently", r.field)
			}
			scaling = s
		} else if r.field == "rope_scaling" && scaling != nil && len(r.m) > 0 {
			return 0, nil, errors.New("rope_scaling and rope_parameters scale the rotary embedding differently")
		}
		if _, ok := r.m["rope_theta"]; ok {
			v, err := ropeNumber(r.field, r.m, "rope_theta")
			if err != nil {
				return 0, nil, err
			}
			if theta != nil && *theta != v {
				return 0, nil, fmt.Errorf("%s.rope_theta is %v, but rope_theta is %v", r.field, v, *theta)
			}
			theta = &v
		}
	}
	return or(theta, 10_000), scaling, nil
}

// ropeType returns the kind of scaling named by m, or nil.
func ropeType(m map[string]any) any {
	if t := m["rope_type"]; t != nil {
		return t
	}
	return m["type"]
}

// unsupportedRope returns an error for the first setting in m that is not implemented.
func unsupportedRope(field string, m map[string]any) error {
	for _, key := range []string{"rope_type", "type"} {
		if t := m[key]; t != nil && t != "default" && t != "llama3" {
			return fmt.Errorf("%s.%s is %q; only default and llama3 are implemented", field, key, fmt.Sprint(t))
		}
	}
	if p, ok := m["partial_rotary_factor"]; ok && p != 1.0 {
		return fmt.Errorf("%s.partial_rotary_factor is %v; only 1 is implemented", field, p)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if _, nested := m[key].(map[string]any); nested {
			return fmt.Errorf("%s.%s sets a rotary embedding for one kind of layer; that is not implemented", field, key)
		}
	}
	if field == "rope_scaling" && len(m) > 0 && ropeType(m) == nil {
		return errors.New("rope_scaling is set without a rope_type; it should be default or llama3")
	}
	return nil
}

func llama3Scaling(field string, m map[string]any) (*RopeScaling, error) {
	s, length := &RopeScaling{}, 0.0
	for _, d := range []struct {
		name string
		v    *float64
	}{{"factor", &s.Factor}, {"low_freq_factor", &s.LowFreq}, {"high_freq_factor", &s.HighFreq}, {"original_max_position_embeddings", &length}} {
		v, err := ropeNumber(field, m, d.name)
		if err != nil {
			return nil, err
		}
		*d.v = v
	}
	if length != math.Floor(length) || length > 1<<30 {
		return nil, fmt.Errorf("%s.original_max_position_embeddings is %v; want a whole number", field, length)
	}
	s.TrainedLength = int(length)
	return s, s.validate(field)
}

func ropeNumber(field string, m map[string]any, key string) (float64, error) {
	if m[key] == nil {
		return 0, fmt.Errorf("%s.%s is missing", field, key)
	}
	v, ok := m[key].(float64)
	if !ok {
		return 0, fmt.Errorf("%s.%s is %v; want a number", field, key, m[key])
	}
	return v, nil
}
