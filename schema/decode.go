package schema

import (
	"encoding/json"

	"cuelang.org/go/cue"
)

// decode turns the sound parts of a spec into a Spec with every default filled
// in.
func decode(schema cue.Value, tree map[string]any, extra []Axis) *Spec {
	defaults := schema.LookupPath(cue.ParsePath("#defaults"))
	spec := &Spec{}
	into(defaults, spec)
	raw, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(raw, spec)
	}
	if err != nil {
		// The walk passed each value; that the struct refuses one is a bug here.
		panic("schema: decoding a checked spec: " + err.Error())
	}
	spec.Matrix.Extra = extra
	if spec.Eval.Precision == "" {
		spec.Eval.Precision = spec.Train.Precision
	}
	for name, d := range spec.Eval.Define {
		d.Name = name
		spec.Eval.Define[name] = d
	}
	for i := range spec.Eval.Suites {
		s := &spec.Eval.Suites[i]
		if forms := spec.forms(s.Suite); s.Protocol == "" && len(forms) > 0 {
			s.Protocol = forms[0].Protocol
		}
		if s.Name == "" {
			s.Name = s.Suite
			if s.Variant != "" {
				s.Name += "-" + s.Variant
			}
		}
	}
	for i := range spec.Samples {
		if p := &spec.Samples[i]; p.MaxNew == 0 {
			into(defaults.LookupPath(cue.ParsePath("sample.maxNew")), &p.MaxNew)
		}
	}
	return spec
}

func into(v cue.Value, x any) {
	raw, err := v.MarshalJSON()
	if err == nil {
		err = json.Unmarshal(raw, x)
	}
	if err != nil {
		panic("schema: #defaults: " + err.Error())
	}
}
