package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
)

// JSON returns the resolved spec, every default filled in: the run directory's
// spec.json. The same spec gives the same bytes.
func (s *Spec) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("writing spec.json: %w", err)
	}
	return b.Bytes(), nil
}

// FromJSON reads what JSON wrote and checks it as Load does.
func FromJSON(data []byte) (*Spec, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	given := &Spec{}
	if err := d.Decode(given); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			err = fmt.Errorf("byte %d: %s cannot be a %s", wrong.Offset, cmp.Or(wrong.Field, "the spec"), wrong.Value)
		}
		return nil, fmt.Errorf("reading spec.json: %w; it must be as xrun wrote it", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("reading spec.json: more follows the spec at byte %d; it must be as xrun wrote it", d.InputOffset())
	}
	form, err := given.fileForm()
	if err != nil {
		return nil, fmt.Errorf("reading spec.json: %w", err)
	}
	c := newChecker("spec.json")
	ctx := cuecontext.New()
	schema := ctx.CompileString(source, cue.Filename("schema.cue"))
	spec := c.resolve(schema, ctx.CompileBytes(form, cue.Filename("spec.json (resolved)")))
	if len(c.errs) > 0 {
		return nil, c.errs.sorted()
	}
	if !isName(given.Name) || strings.ContainsAny(given.Name, `/\`) {
		return nil, fmt.Errorf("reading spec.json: the name %q is no file's; it must be as xrun wrote it", given.Name)
	}
	spec.Name = given.Name
	return spec, nil
}

// fileForm writes the spec as a user would have, in JSON, which is CUE: the name
// is the file's, and further axes stand in the matrix by their paths.
func (s *Spec) fileForm() ([]byte, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var tree map[string]json.RawMessage
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	delete(tree, "name")
	axes := *s
	axes.Matrix.Extra = nil
	var matrix bytes.Buffer
	raw, err = json.Marshal(axes.Matrix)
	if err != nil {
		return nil, err
	}
	matrix.Write(bytes.TrimSuffix(raw, []byte("}")))
	unset := map[string]bool{}
	for _, a := range s.Matrix.Extra {
		values, err := json.Marshal(a.Values)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&matrix, ",%q:%s", a.Path, values)
		unset[a.Path] = true
	}
	matrix.WriteByte('}')
	tree["matrix"] = matrix.Bytes()
	for _, section := range []string{"train", "data"} {
		if tree[section], err = without(tree[section], section, unset); err != nil {
			return nil, err
		}
	}
	return json.Marshal(tree)
}

// without drops the fields that are axes, which a file may not set as well.
func without(raw json.RawMessage, path string, unset map[string]bool) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	for name, value := range fields {
		at := path + "." + name
		switch {
		case unset[at]:
			delete(fields, name)
		case len(value) > 0 && value[0] == '{' && name != "columns":
			inner, err := without(value, at, unset)
			if err != nil {
				return nil, err
			}
			fields[name] = inner
		}
	}
	return json.Marshal(fields)
}
