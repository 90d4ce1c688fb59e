package chat_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/model/chat"
)

// reference is a folder of third-party files that are not part of this repository.
const reference = "../../../shared/reference"

// withIntegers converts whole floats, as encoding/json makes them, to integers.
func withIntegers(v any) any {
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case []any:
		for i := range v {
			v[i] = withIntegers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = withIntegers(v[k])
		}
	}
	return v
}

// TestTransformers compares with the results of transformers (testdata/make.py), including its
// failures.
func TestTransformers(t *testing.T) {
	src, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Extra map[string]any
		Cases []struct {
			Template string
			Messages []chat.Message
			Prompt   bool
			Want     *string
			Fails    string
		}
	}
	if err := json.Unmarshal(src, &file); err != nil {
		t.Fatal(err)
	}
	withIntegers(file.Extra)
	for _, c := range file.Cases {
		tmpl, err := chat.Parse(c.Template)
		got := ""
		if err == nil {
			got, err = tmpl.Render(c.Messages, c.Prompt, file.Extra)
		}
		switch {
		case c.Want == nil && err == nil:
			t.Errorf("%q: rendered %q where transformers fails with %s", c.Template, got, c.Fails)
		case c.Want != nil && err != nil && !strings.Contains(err.Error(), "not supported"):
			t.Errorf("%q: %v; want %q", c.Template, err, *c.Want)
		case c.Want != nil && err == nil:
			if diff := cmp.Diff(*c.Want, got); diff != "" {
				t.Errorf("%q with %d messages (-want +got):\n%s", c.Template, len(c.Messages), diff)
			}
		}
	}
	if len(file.Cases) < 60 {
		t.Errorf("testdata/cases.json has %d cases", len(file.Cases))
	}
}

// TestRealTemplates renders the templates of Qwen2.5 and SmolLM2 and compares with transformers.
func TestRealTemplates(t *testing.T) {
	qwen, err := os.ReadFile(filepath.Join(reference, "qwen2.5/tokenizer_config.json"))
	if err != nil {
		t.Skipf("SKIPPED, no real template was rendered: %v", err)
	}
	var config struct {
		Template string `json:"chat_template"`
	}
	if err := json.Unmarshal(qwen, &config); err != nil {
		t.Fatal(err)
	}
	smol, err := os.ReadFile(filepath.Join(reference, "smollm2/chat_template.jinja"))
	if err != nil {
		t.Fatal(err)
	}
	user := chat.Message{Role: "user", Content: "Hi\n"}
	talk := []chat.Message{{Role: "system", Content: "S"}, user, {Role: "assistant", Content: "yo"}, user}
	tests := []struct {
		name, template string
		messages       []chat.Message
		prompt         bool
		want           string
	}{
		{"qwen2.5", config.Template, []chat.Message{user}, true,
			"<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n<|im_start|>user\nHi\n<|im_end|>\n<|im_start|>assistant\n"},
		{"qwen2.5 talk", config.Template, talk, false,
			"<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi\n<|im_end|>\n<|im_start|>assistant\nyo<|im_end|>\n<|im_start|>user\nHi\n<|im_end|>\n"},
		{"smollm2", string(smol), []chat.Message{user}, true,
			"<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHi\n<|im_end|>\n<|im_start|>assistant\n"},
		{"smollm2 talk", string(smol), talk, false,
			"<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi\n<|im_end|>\n<|im_start|>assistant\nyo<|im_end|>\n<|im_start|>user\nHi\n<|im_end|>\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tmpl, err := chat.Parse(test.template)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tmpl.Render(test.messages, test.prompt, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefused has a template for each kind of construct that is rejected by name.
func TestRefused(t *testing.T) {
	tests := []struct{ template, want string }{
		{"a\n{{ strftime_now('%d') }}", "parsing the chat template: line 2: strftime_now is refused: the prompt would depend on the day it is made; write the date into the template"},
		{"{% include 'x' %}", "line 1: the statement {% include %} is not supported"},
		{"{% raw %}{% endraw %}", "line 1: the statement {% raw %} is not supported"},
		{"{{ x | wordwrap(3) }}", `line 1: the filter "wordwrap" is not supported`},
		{"{% if false %}{{ x is filter }}{% endif %}", `line 1: the test "filter" is not supported`},
		{"{{ 'a'.zfill(3) }}", "rendering the chat template: line 1: the method str.zfill is not supported"},
		{"{{ {'a': 1}.pop('a') }}", "the method dict.pop is not supported"},
		{"{{ ''.__class__ }}", `the attribute "__class__" is not supported`},
		{"{{ '%s' % 'x' }}", "str % str is not supported"},
		{"{{ 2 ** 3 }}", "the operator ** is not supported"},
		{"{% for x in [] recursive %}{% endfor %}", "a recursive loop is not supported"},
		{"{{ f(*x) }}", "unpacking arguments with * is not supported"},
		{"{{ messages | tojson | upper | nope }}", `the filter "nope" is not supported`},
		{"{{ ('<' | safe) + 'x' }}", "markup + str is not supported"},
		{"{{ ['a'].index('a') }}", "the method list.index is not supported"},
		{"{{ 'é' | upper }}", "upper of non-ASCII text is not supported"},
		{"{% for i in [1] %}{{ messages }}{% endfor %}{% set messages = [] %}", `the name "messages" is set after a loop, macro or block has used it`},
		{"{% set g = [1] | map('string') %}{{ g | list }}{{ g | list }}", "iterated a second time"},
		{"{{ 99999999999999999999 }}", "is too large"},
		{"{{ 9223372036854775807 + 1 }}", "is beyond 64 bits"},
		{"{{ -9223372036854775807 - 2 }}", "is beyond 64 bits"},
		{"{{ 4611686018427387904 * -3 }}", "is beyond 64 bits"},
	}
	for _, test := range tests {
		tmpl, err := chat.Parse(test.template)
		if err == nil {
			_, err = tmpl.Render(nil, false, nil)
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got error %v, want one with %q", test.template, err, test.want)
		}
	}
}

// TestLimits has templates that would run or grow without bound.
func TestLimits(t *testing.T) {
	deep := strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500)
	for _, c := range []struct{ template, want string }{
		{"{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}", "more than 3000000 steps"},
		{"{% set x = namespace(s='ab') %}{% for a in range(99) %}{% set x.s = x.s + x.s %}{% endfor %}", "a string exceeds"},
		{"{% set x = namespace(s=[1]) %}{% for a in range(99) %}{% set x.s = [x.s, x.s] %}{% endfor %}{{ x.s }}", "more than 3000000 steps"},
		{"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "macros call each other more than"},
		{"{{ range(100001) }}", "range is longer than 100000"},
		{"{{ 'x' * 99999999999 }}", "a repeated string exceeds"},
		{"{{ " + deep + " }}", "nested more than"},
		{strings.Repeat("{% if 1 %}", 300) + strings.Repeat("{% endif %}", 300), "nested more than"},
		{strings.Repeat("x", 2<<20), "has 2097152 bytes, more than 1048576"},
	} {
		tmpl, err := chat.Parse(c.template)
		if err == nil {
			_, err = tmpl.Render(nil, false, nil)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: got error %.200v, want one with %q", c.template, err, c.want)
		}
	}
}

// TestRaised distinguishes a rejected conversation from a broken template.
func TestRaised(t *testing.T) {
	tmpl, err := chat.Parse("a\n{{ raise_exception('roles must alternate') }}")
	if err != nil {
		t.Fatal(err)
	}
	_, err = tmpl.Render(nil, false, nil)
	if raised := (*chat.RaisedError)(nil); !errors.As(err, &raised) || !strings.HasSuffix(err.Error(), "line 2: the template refuses the conversation: roles must alternate") {
		t.Errorf("got %v", err)
	}
}

// FuzzTemplate looks for templates that make the package panic or run forever.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		"{% for m in messages %}{{ m.role ~ m['content'] | trim }}{% endfor %}",
		"{%- set ns = namespace(a=1) -%}{% if ns.a is odd %}{{ ns.a[::-1] }}{% else %}{# c #}{% endif %}",
		"{% macro f(a, b=2) %}{{ a + b }}{% endmacro %}{{ f(1) | tojson(indent=1) }}",
		"{{ 'a'.split('b', -1)[-5:5:-1] | map('upper') | join(x) }}",
		"{{ (1, 2.5, none) * 3 // -1 % 0 }}{% break %}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tmpl, err := chat.Parse(s)
		if err != nil {
			return
		}
		messages := []chat.Message{{Role: "user", Content: "q"}, {Role: "assistant", Content: "é\n"}}
		first, err := tmpl.Render(messages, true, map[string]any{"x": 1})
		second, again := tmpl.Render(messages, true, map[string]any{"x": 1})
		if first != second || (err == nil) != (again == nil) {
			t.Errorf("two renderings differ: %q, %v and %q, %v", first, err, second, again)
		}
	})
}
