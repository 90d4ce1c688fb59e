package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// String returns "output" for 0, "all" for 1 and the shortest number otherwise.
func (l Labels) String() string {
	switch l {
	case 0:
		return "output"
	case 1:
		return "all"
	}
	return number(float64(l))
}

// MarshalJSON writes a word or a number, as String does.
func (l Labels) MarshalJSON() ([]byte, error) {
	if l == 0 || l == 1 {
		return strconv.AppendQuote(nil, l.String()), nil
	}
	return json.Marshal(float64(l))
}

// UnmarshalJSON reads "output", "all" or a number from 0 to 1.
func (l *Labels) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"output"`:
		*l = 0
		return nil
	case `"all"`:
		*l = 1
		return nil
	}
	var f float64
	if err := json.Unmarshal(b, &f); err != nil || !(f >= 0 && f <= 1) {
		return fmt.Errorf("labels are %s; want \"output\", \"all\" or a number from 0 to 1", b)
	}
	*l = Labels(f)
	return nil
}

// String returns the name with its arguments, such as
// "cosine_with_min_lr(warmup=0.03 minLrRate=0.1)".
func (s Schedule) String() string {
	args := s.args()
	if len(args) == 0 {
		return s.Name
	}
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = a.name + "=" + a.value
	}
	return s.Name + "(" + strings.Join(parts, " ") + ")"
}

type argument struct{ name, value string }

// args lists the arguments that are given, in the struct's order.
func (s Schedule) args() (list []argument) {
	v := reflect.ValueOf(s)
	for i := 1; i < v.NumField(); i++ {
		f := v.Field(i)
		if f.IsZero() {
			continue
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		list = append(list, argument{jsonName(v.Type().Field(i)), text(f.Interface())})
	}
	return list
}

// UnmarshalJSON reads a name, or an object with a name and arguments.
func (s *Schedule) UnmarshalJSON(b []byte) error {
	*s = Schedule{}
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &s.Name)
	}
	type plain Schedule
	return strict(b, (*plain)(s))
}

// UnmarshalJSON reads a suite's name, or an object with its options.
func (s *Suite) UnmarshalJSON(b []byte) error {
	*s = Suite{}
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &s.Suite)
	}
	type plain Suite
	return strict(b, (*plain)(s))
}

// UnmarshalJSON keeps whole numbers and fractions apart as the axis' field
// does, which JSON does not.
func (a *Axis) UnmarshalJSON(b []byte) error {
	var raw struct {
		Path   string            `json:"path"`
		Values []json.RawMessage `json:"values"`
	}
	if err := strict(b, &raw); err != nil {
		return err
	}
	*a = Axis{Path: raw.Path}
	for _, r := range raw.Values {
		v, err := axisValue(raw.Path, r)
		if err != nil {
			return fmt.Errorf("axis %s: %w", raw.Path, err)
		}
		a.Values = append(a.Values, v)
	}
	return nil
}

func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// axisValue reads a value of the field at path as float64, int64, bool or string.
func axisValue(path string, raw json.RawMessage) (any, error) {
	section, rest, _ := strings.Cut(path, ".")
	root := reflect.New(map[string]reflect.Type{
		"train": reflect.TypeFor[Train](), "data": reflect.TypeFor[Data]()}[section]).Elem()
	f, ok := fieldAt(root, rest)
	if !ok {
		return nil, fmt.Errorf("no such field")
	}
	if err := json.Unmarshal(raw, f.Addr().Interface()); err != nil {
		return nil, fmt.Errorf("is %s, which is not a value of this field", raw)
	}
	switch f.Kind() {
	case reflect.Float64:
		return f.Float(), nil
	case reflect.Int:
		return f.Int(), nil
	case reflect.Bool:
		return f.Bool(), nil
	case reflect.String:
		return f.String(), nil
	}
	return nil, fmt.Errorf("is no number, word or switch")
}

// fieldAt finds the scalar field named by dotted JSON names.
func fieldAt(v reflect.Value, path string) (reflect.Value, bool) {
	name, rest, more := strings.Cut(path, ".")
	if v.Kind() != reflect.Struct {
		return v, false
	}
	for i := range v.NumField() {
		if jsonName(v.Type().Field(i)) == name {
			if more {
				return fieldAt(v.Field(i), rest)
			}
			return v.Field(i), true
		}
	}
	return v, false
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// text writes a scalar as in AxisValue.Value.
func text(v any) string {
	switch v := v.(type) {
	case float64:
		return number(v)
	default:
		return fmt.Sprint(v)
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
